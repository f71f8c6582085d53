"""Formats of numbers that are text, as different languages write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from signalroom_singer import parse_number

if TYPE_CHECKING:
    from decimal import Decimal

# CLDR groups in French with U+202F, in Swedish with U+00A0, and writes U+2019 in Switzerland; a
# keyboard has none of them: https://cldr.unicode.org/translation/number-currency-formats
_SPACES = "[ \u00a0\u2009\u202f]"
_APOSTROPHES = "['\u2019]"
#: The minus sign of CLDR in the Nordic and other languages, besides the hyphen.
_MINUS = "\u2212"
_EXPONENT = r"(?:[eE][+-]?[0-9]{1,9})?"


@dataclass(frozen=True)
class NumberFormat:
    """A format of numbers.

    Babel's ``parse_decimal(strict=True)`` (2.19) knows each locale's groups too, but also reads
    ``12_34``, digits of other scripts and ``NaN``, reads only one of the marks that look alike, and
    refuses ``1'234'567.5`` for ``de_CH``.

    Attributes:
        group: Regular expression of the separator between groups; empty if there is none.
        point: The decimal separator.
        lakh: Whether groups have two digits above the thousands, as in India.
    """

    group: str
    point: str
    lakh: bool = False

    def read(self, text: str) -> Decimal:
        """Parse a number.

        Args:
            text: A sign, digits with or without group separators, a fraction and an exponent.
                Either all groups are separated or none is, and the first does not begin with a
                zero: ``0,999`` is not 999.

        Returns:
            The number, with all its digits.

        Raises:
            ValueError: If the text is not in this format.
        """
        stripped = text.strip()
        if not self._pattern().fullmatch(stripped):
            raise ValueError(text)
        plain = re.sub(self.group, "", stripped) if self.group else stripped
        return parse_number(plain.replace(self.point, ".").replace(_MINUS, "-"))

    @cache  # noqa: B019 - the only instances are those of FORMATS
    def _pattern(self) -> re.Pattern[str]:
        digits = "[0-9]+"
        if self.group:
            first, more = ("[1-9][0-9]?", "{2}") if self.lakh else ("[1-9][0-9]{0,2}", "{3}")
            upper = f"(?:{self.group}[0-9]{more})*"
            digits = f"(?:{first}{upper}{self.group}[0-9]{{3}}|{digits})"
        point = re.escape(self.point)
        return re.compile(f"[+{_MINUS}-]?(?:{digits}(?:{point}[0-9]*)?|{point}[0-9]+){_EXPONENT}")


#: The formats, by the example that the settings use.
FORMATS = {
    "1234.5": NumberFormat("", "."),
    "1234,5": NumberFormat("", ","),
    "1,234.5": NumberFormat(",", "."),
    "1.234,5": NumberFormat(r"\.", ","),
    "1 234.5": NumberFormat(_SPACES, "."),
    "1 234,5": NumberFormat(_SPACES, ","),
    "1'234.5": NumberFormat(_APOSTROPHES, "."),
    "1'234,5": NumberFormat(_APOSTROPHES, ","),
    "12,34,567.8": NumberFormat(",", ".", lakh=True),
}


def number_format(example: str) -> NumberFormat:
    """Look up a format by its example.

    Args:
        example: A key of ``FORMATS``, with any of the spaces and apostrophes that look alike.

    Raises:
        ValueError: If there is no such format; the message is a sentence that lists all formats.
    """
    plain = re.sub(_APOSTROPHES, "'", re.sub(_SPACES, " ", example.strip()))
    if plain not in FORMATS:
        msg = f"{example!r} is not a number format. Use one of {', '.join(map(repr, FORMATS))}."
        raise ValueError(msg)
    return FORMATS[plain]
