"""Numbers and dates in cells: what a rule writes is read back, anything else is refused."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from singer_sdk.exceptions import ConfigValidationError

from signalroom_singer import parse_date_setting, parse_number, parse_timestamp_setting
from signalroom_singer.cell_values import DateFormat

DIGITS = st.text(string.digits, min_size=1, max_size=30)
EXPONENTS = st.integers(-200, 200)
#: Digits that Python takes for 0 to 9.
FOREIGN = st.characters(categories=["Nd"], exclude_characters=string.digits)


class TestNumbers:
    @given(
        st.sampled_from(("", "-", "+")),
        DIGITS,
        st.one_of(st.none(), DIGITS),
        st.one_of(st.none(), EXPONENTS),
        st.sampled_from("eE"),
    )
    def test_what_the_rule_writes_is_read_back(self, sign, whole, fraction, exponent, letter):
        text = sign + whole + (f".{fraction}" if fraction else "")
        text += f"{letter}{exponent:+}" if exponent is not None else ""
        read = parse_number(text)
        digits = int(whole + (fraction or "")) * (-1 if sign == "-" else 1)
        assert Fraction(read) == digits * Fraction(10) ** ((exponent or 0) - len(fraction or ""))

    @given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
    def test_every_decimal_is_read_back(self, number):
        assert parse_number(str(number)) == number

    @given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
    def test_every_float_is_read_back(self, number):
        assert float(parse_number(repr(number))) == number

    @pytest.mark.parametrize(
        ("text", "number"),
        ((" 12 ", "12"), ("007", "7"), (".5", "0.5"), ("5.", "5"), ("1E3", "1000"), ("-0", "0")),
    )
    def test_as_sql_writes_them(self, text, number):
        assert parse_number(text) == Decimal(number)

    @given(st.one_of(st.text(), st.text("0123456789.eE+- _")))
    @example("12e4567")
    @example("1e" + "9" * 5000)
    @example("9" * 5000)
    def test_any_text_is_a_finite_number_or_refused(self, text):
        try:
            number = parse_number(text)
        except ValueError as error:
            assert str(error) == "not a number"
        else:
            assert abs(int(number)) < 10**309

    @given(DIGITS, st.characters(exclude_characters=string.digits + "eE."), DIGITS)
    @example("12", "_", "34")
    @example("1", ",", "234")
    @example("1", " ", "234")
    def test_nothing_else_is_between_digits(self, before, between, after):
        with pytest.raises(ValueError, match="not a number"):
            parse_number(before + between + after)

    @given(DIGITS, FOREIGN)
    def test_other_scripts_digits_are_refused(self, digits, digit):
        for text in (digits + digit, digit + digits, f"{digits}.{digit}", f"{digits}e{digit}"):
            with pytest.raises(ValueError, match="not a number"):
                parse_number(text)

    @pytest.mark.parametrize(
        "text",
        (
            *("", " ", "-", ".", "e5", "1e", "1_0.5", "1._5", "1e1_0", "nan", "NaN", "sNaN", "inf"),
            *("-Infinity", "0x10", "1.2.3", "--1", "1-", "1,5", "½", "10%", "1e309"),
            *("1e999999999", "1e-999999999", "9" * 310, "1e99999999999999999999"),
        ),
    )
    def test_what_is_refused(self, text):
        with pytest.raises(ValueError, match="not a number"):
            parse_number(text)


#: Formats that people use; all of them say the day.
FORMATS = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%y",
    "%Y%m%d",
    "%d%m%Y",
    "%Y%j",
    "%G-W%V-%u",
    "%Y %U %w",
    "%d %b %Y",
    "%B %d, %Y",
    "%a, %d %b %Y",
    "%Y年%m月%d日",
    "%Y-%m-%d UTC",
    "100%% %Y-%m-%d",
)


class TestDates:
    @given(
        st.sampled_from(("%Y-%m-%d", "%d.%m.%y", "%G-%V-%u", "%Y-%j", "%Y %U %w", "%Y-%m-%d %z")),
        st.one_of(st.text(), st.text("0123456789-+:. ")),
    )
    @example("%Y-%m-%d %z", "9999-12-31 -2359")
    @example("%G-%V-%u", "9999-53-7")
    def test_any_text_is_a_date_or_refused(self, pattern, text):
        try:
            DateFormat(pattern).read(text)
        except ValueError as error:
            assert str(error).startswith("not a date written as")

    @pytest.mark.parametrize("text", FORMATS)
    @given(
        day=st.dates(min_value=datetime(1970, 1, 1).date(), max_value=datetime(2068, 1, 1).date())
    )
    def test_what_a_format_writes_is_read_back(self, text, day):
        assert DateFormat(text).read(day.strftime(text)).date() == day

    @given(
        st.datetimes(datetime(1970, 1, 1), datetime(2068, 1, 1)),
        st.integers(-14 * 60, 14 * 60),
        st.sampled_from(
            ("%Y-%m-%dT%H:%M:%S.%f%z", "%Y%m%d%H%M%S%f %z", "%d/%m/%y %I:%M:%S.%f %p %z")
        ),
    )
    def test_times_and_offsets_too(self, naive, offset, text):
        moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))
        assert DateFormat(text).read(moment.strftime(text)) == moment

    @given(st.text(max_size=12))
    @example("2026-1-5x")
    @example("20260105")
    def test_any_other_text_is_refused(self, text):
        try:
            found = DateFormat("%Y-%m-%d").read(text)
        except ValueError as error:
            assert str(error) == "not a date written as %Y-%m-%d"
        else:
            year, month, day = map(int, text.strip().split("-"))
            assert (found.year, found.month, found.day) == (year, month, day)
            assert text.isascii()

    @pytest.mark.parametrize(
        ("text", "cell", "expected"),
        (
            ("%d/%m/%Y", "5/1/2026", datetime(2026, 1, 5)),
            ("%d/%m/%Y", " 05/01/2026\t", datetime(2026, 1, 5)),
            ("%Y%m", "202501", datetime(2025, 1, 1)),
            ("%Y", "2025", datetime(2025, 1, 1)),
            ("%Y%m%d %H:%M", "20260105 9:05", datetime(2026, 1, 5, 9, 5)),
            ("%Y%m%d%H%M%S%f", "20260105090501123", datetime(2026, 1, 5, 9, 5, 1, 123000)),
            ("%Y-%m-%d %z", "2026-01-05 Z", datetime(2026, 1, 5, tzinfo=UTC)),
            ("%Y-%j", "2024-366", datetime(2024, 12, 31)),
            ("%Y-%j", "2024-5", datetime(2024, 1, 5)),
            ("%G-W%V-%u", "2026-W53-1", datetime(2026, 12, 28)),
            ("%a %d/%m/%Y", "wed 4/3/2026", datetime(2026, 3, 4)),
            ("%A, %d %B %Y", "Wednesday, 4 March 2026", datetime(2026, 3, 4)),
            ("%d %B%a %Y", "4 MarchWed 2026", datetime(2026, 3, 4)),
        ),
    )
    def test_how_a_format_reads(self, text, cell, expected):
        assert DateFormat(text).read(cell) == expected

    @pytest.mark.parametrize(
        ("text", "cell"),
        (
            ("%Y%m%d", "2026105"),  # October 5 for strptime
            ("%d%m%Y", "1112026"),
            ("%Y%m", "20261"),
            ("%Y-%m-%d", "2026-02-30"),
            # Days of the next year for strptime.
            ("%Y%j", "2025366"),
            ("%Y-%j", "2025-366"),
            ("%G-W%V-%u", "2025-W53-1"),
            ("%G%V%u", "2025531"),
            ("%Y-%W-%w", "2025-53-1"),
            ("%Y-%W-%w", "2025-00-1"),
            # A Wednesday.
            ("%a %d/%m/%Y", "Tue 04/03/2026"),
            ("%Y-%m-%d %u", "2026-03-04 7"),
            ("%Y-%m-%d", "٢٠٢٦-01-05"),
            ("%Y-%m-%d", "2026-01-05 12:00"),
            ("%Y-%m-%d", ""),
            ("%Y-%m-%d", "2026-01-05" + "x" * 1_000_000),
        ),
    )
    def test_what_is_not_written_so(self, text, cell):
        with pytest.raises(ValueError, match=f"not a date written as {text}"):
            DateFormat(text).read(cell)

    @pytest.mark.parametrize(
        ("text", "reason"),
        (
            ("%Y-%m-%d %Z", "Use %z for offsets"),
            ("%-m/%-d/%Y", "does not read %-. Without it"),
            ("%#m/%d/%Y", "does not read %#. Without it"),
            ("%F", "does not read %F"),
            ("%Y-%m-%d %s", "does not read %s"),
            ("%Y-%m-%d%", "write %% for a percent sign"),
            ("%x", "depends on the machine's language"),
            ("%c", "depends on the machine's language"),
            ("%d/%m", "must have the year"),
            ("%H:%M", "must have the year"),
            ("100%%", "must have the year"),
            ("no directive", "must have the year"),
            ("%y %Y", "must have the year, once"),
            ("%Y %d", "not the month"),
            ("%d/%m/%d/%Y", "%d is there twice"),
            ("%b %m %Y", "the month twice"),
            ("%Y %V %u", "ISO week needs"),
            ("%G-%V", "ISO week needs"),
            ("%Y-%U", "needs a weekday"),
            ("%Y-%m-%d %I:%M", "go with the hours 1 to 12"),
            ("%Y-%m-%d %H:%M %p", "go with the hours 1 to 12"),
            ("%G-W%V-%u %j", "Python says"),
            ("%G-W%V-%u %U", "its parts contradict each other"),
        ),
    )
    def test_a_format_that_cannot_be(self, text, reason):
        with pytest.raises(ValueError, match="cannot be used") as caught:
            DateFormat(text)
        assert repr(text) in str(caught.value)
        assert reason in str(caught.value)

    @given(
        st.lists(st.sampled_from([f"%{one}" for one in string.ascii_letters + "%-"] + [" ", "/"]))
    )
    def test_every_format_is_used_or_refused(self, parts):
        try:
            found = DateFormat("".join(parts))
        except ValueError as error:
            assert str(error).startswith("the date format")
            return
        day = datetime(2031, 3, 17, 21, 4, 5, tzinfo=UTC)
        assume(found.text)
        assert found.read(day.strftime(found.text)).year == 2031


class TestSettings:
    @pytest.mark.parametrize("value", ("2026-01-31", "2026-01-31T00:00:00Z", "2026-01-31 10:00"))
    def test_a_day(self, value):
        assert parse_date_setting({"start_date": value}, "start_date").isoformat() == "2026-01-31"

    def test_a_moment(self):
        read = parse_timestamp_setting({"start_date": "2026-01-31T10:00:00+02:00"}, "start_date")
        assert read == datetime(2026, 1, 31, 8, tzinfo=UTC)
        assert parse_timestamp_setting({"start_date": "2026-01-31"}, "start_date") == datetime(
            2026, 1, 31, tzinfo=UTC
        )
        assert parse_timestamp_setting({}, "start_date") is None

    @pytest.mark.parametrize(
        "value",
        (
            *("01/05/2026", "2026-1-5", "2026-01-05x", "20260105", "2026-W01-1", "2026-02-30"),
            *("soon", "1767225600", 1767225600, "2026-01-05 to 2026-01-09"),
        ),
    )
    @pytest.mark.parametrize("read", (parse_date_setting, parse_timestamp_setting))
    def test_what_is_neither(self, read, value):
        with pytest.raises(ConfigValidationError) as caught:
            read({"file_date_from": value}, "file_date_from")
        expected = f"Invalid file_date_from '{value}': expected YYYY-MM-DD."
        assert caught.value.errors == [expected]
