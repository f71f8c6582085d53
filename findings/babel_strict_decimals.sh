#!/usr/bin/env bash
# Babel 2.19.0: parse_decimal(strict=True) refuses Swiss millions, and reads what is no number in the locale.
#
# Guessed: strict, it reads what the locale writes by CLDR, and nothing else (python-babel/babel#749).
# Found: groups are checked, India's too. But format_decimal, by which it checks, takes pairs of apostrophes for
# the quotes of a pattern and drops them: for de_CH 1000000.5 is written without marks, and 1'000'000.5 is
# refused. `12_34` is 1234 (PEP 515), digits of other scripts and `NaN` are read, as by Python's Decimal, and of
# marks that look alike one alone: U+202F for fr_FR, not U+00A0 or a space, and ' for de_CH, not U+2019.
# Hence tap-gsheets has a grammar of its own (tap_gsheets/numbers.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "babel==2.19.0"

cat > try.py <<'PYTHON'
from babel.numbers import NumberFormatError, format_decimal, parse_decimal


def read(text, locale):
    try:
        return str(parse_decimal(text, locale=locale, strict=True))
    except NumberFormatError:
        return "refused"


print(
    format_decimal(1000000.5, locale="de_CH"),
    read("1'000'000.5", "de_CH"),
    read("1\u2019000.5", "de_CH"),
    read("1\u00a0234,5", "fr_FR"),
    read("1\u202f234,5", "fr_FR"),
    read("1,23,456.7", "en_IN"),
    read("12,50", "en_US"),
    read("12_34", "en_US"),
    read("\u0661\u0662", "en_US"),
    read("NaN", "en_US"),
)
PYTHON

expected="1000000.5 refused refused refused 1234.5 123456.7 refused 1234 12 NaN"
seen=$(environment/bin/python try.py)
echo "Babel 2.19.0: $seen"
[ "$seen" = "$expected" ] || { echo "This has changed; it was: $expected" >&2; exit 1; }
