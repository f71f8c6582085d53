"""Numbers that are typed as text: read by the column's format, or refused and named."""

from __future__ import annotations

from decimal import Decimal

import pytest
from gsheets_zoo import BOOK, money
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import assume, example, given
from hypothesis import strategies as st

from signalroom_singer import TapError
from tap_gsheets.column_types import ColumnType

pytestmark = pytest.mark.timeout(TIMEOUT)

#: Each format with its marks: what may stand between groups, and before the fraction.
MARKS = {
    "1234.5": ("", "."),
    "1234,5": ("", ","),
    "1,234.5": (",", "."),
    "1.234,5": (".", ","),
    "1 234.5": (" \u00a0\u2009\u202f", "."),
    "1 234,5": (" \u00a0\u2009\u202f", ","),
    "1'234.5": ("'\u2019", "."),
    "1'234,5": ("'\u2019", ","),
    "12,34,567.8": (",", "."),
}
#: Of a size that people type.
NUMBERS = st.decimals(-(10**13), 10**13, allow_nan=False, allow_infinity=False, places=3)


def in_groups(digits, example, mark):
    """Mark the groups of a whole number, from the right."""
    above = 2 if example == "12,34,567.8" else 3
    groups, rest = [digits[-3:]], digits[:-3]
    while rest:
        groups.insert(0, rest[-above:])
        rest = rest[:-above]
    return mark.join(groups)


def written(number, example, mark):
    """Write a number as its format does; without marks if there are none."""
    whole, _, fraction = f"{abs(number):f}".partition(".")
    sign = "-" if number.is_signed() else ""
    point = MARKS[example][1] if fraction else ""
    return sign + in_groups(whole, example, mark) + point + fraction


def read(text, example, kind="number"):
    return ColumnType(kind, example).convert(text)


@profile(300)
@given(st.data(), st.sampled_from([*MARKS]), NUMBERS)
def test_a_number_written_by_its_format_is_read_back(data, example, number):
    marks = MARKS[example][0]
    mark = data.draw(st.sampled_from(["", *marks]))
    text = data.draw(st.sampled_from(["{}", " {} ", "{}\n"])).format(written(number, example, mark))
    assert read(text, example) == number
    if not number % 1:
        assert read(written(number.to_integral(), example, mark), example, "integer") == number


@profile(500)
@given(
    st.sampled_from([*MARKS]),
    st.text("0123456789.,' \u00a0\u202f\u2019_-+%$()e\u0661\u2212", min_size=1, max_size=12),
)
@example("1,234.5", "12,50")
@example("1,234.5", "0,99")
@example("1,234.5", "0,999")
@example("1.234,5", "12.50")
@example("12,34,567.8", "123,456")
def test_a_text_is_a_number_only_if_it_is_written_by_the_format(example, text):
    try:
        actual = read(text, example)
    except ValueError as error:
        assert str(error) == f"not a number written as {example}"
        return
    marks, point = MARKS[example]
    plain = text.strip().lstrip("+-\u2212")
    whole, _, fraction = plain.lower().partition("e")[0].partition(point)
    digits = "".join(one for one in whole if one not in marks)
    # ASCII digits, the marks of this format in their places, and nothing else.
    assert set(digits) <= {*"0123456789"}
    assert set(fraction) <= {*"0123456789"}
    found_marks = [one for one in whole if not one.isdecimal()]
    assert [len(group) for group in _split(whole, marks)] == [
        len(group)
        for group in (in_groups(digits, example, "|").split("|") if found_marks else [digits])
    ]
    if found_marks:
        assert not digits.startswith("0")
    assume("e" not in plain.lower())
    assert abs(actual) == Decimal(f"{digits or 0}.{fraction or 0}")


def _split(text, marks):
    for mark in marks:
        text = text.replace(mark, "|")
    return text.split("|")


REFUSED = (
    ("12,50", "1,234.5"),
    ("0,99", "1,234.5"),
    ("0,999", "1,234.5"),
    ("1,2345", "1,234.5"),
    ("1234,567", "1,234.5"),
    ("1.2,3", "1,234.5"),
    ("1,234.5,6", "1,234.5"),
    ("1.234,5", "1,234.5"),
    ("1,,234", "1,234.5"),
    (",234", "1,234.5"),
    ("12.50", "1.234,5"),
    ("1.5", "1.234,5"),
    ("12,50", "1 234.5"),
    ("1 2345", "1 234,5"),
    ("1  234", "1 234,5"),
    ("123,456.7", "12,34,567.8"),
    ("1,23,45", "12,34,567.8"),
    ("1,234.5", "1234.5"),
    ("12_34", "1,234.5"),
    ("12_34", ""),
    ("\u0661\u0662", ""),
    ("\uff11\uff12", ""),
    ("1,5", ""),
    ("\u22121", ""),
    ("NaN", ""),
    ("Infinity", "1,234.5"),
    ("0x1F", ""),
    # Accounting, currency and percent: what they mean is the owner's to say.
    ("(1,234.5)", "1,234.5"),
    ("1,234.5-", "1,234.5"),
    ("- 1", "1,234.5"),
    ("$1,234.5", "1,234.5"),
    ("12%", "1,234.5"),
    ("12%", ""),
)


@pytest.mark.parametrize(("text", "example"), REFUSED)
def test_a_number_that_is_written_otherwise_is_refused_and_named(make_tap, google, text, example):
    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": [["v"], ["1"], [text]]}])
    column = {"name": "v", "type": "number", "format": example}
    tab = {"name": "T", "columns": [column]}
    with pytest.raises(TapError) as caught:
        make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}])
    kind = f"a text of {len(text)} characters"
    assert f"cell A3 (v) holds {kind}, which is not a number written as " in str(caught.value)
    assert (example or "1234.5 (set format)") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "example", "number"),
    (
        ("1,234.5", "1,234.5", "1234.5"),
        ("1234.5", "1,234.5", "1234.5"),
        ("-1,234,567.089", "1,234.5", "-1234567.089"),
        ("0.999", "1,234.5", "0.999"),
        ("1.234", "1.234,5", "1234"),
        ("12,50", "1.234,5", "12.50"),
        ("1\u202f234\u202f567,5", "1 234,5", "1234567.5"),
        ("1\u00a0234,5", "1 234,5", "1234.5"),
        ("\u22121\u00a0234,5", "1 234,5", "-1234.5"),
        ("1\u2019234.5", "1'234.5", "1234.5"),
        ("1,23,456.7", "12,34,567.8", "123456.7"),
        ("12,34,567", "12,34,567.8", "1234567"),
        ("1,234", "12,34,567.8", "1234"),
        ("1234,5", "1234,5", "1234.5"),
        ("1,5e3", "1.234,5", "1500"),
        ("007", "", "7"),
        (".5", "", "0.5"),
        ("+5", "1,234.5", "5"),
        # The setting may have been copied from a sheet.
        ("1 234,5", "1\u202f234,5", "1234.5"),
        ("1'234.5", "1\u2019234.5", "1234.5"),
        # What Google knows as a number needs no format.
        (1234.5, "1.234,5", "1234.5"),
        (money(0.125, "12.5%"), "1.234,5", "0.125"),
        (money(-1234.5, "(1.234,50 \u20ac)"), "1.234,5", "-1234.5"),
        (12345678901234567, "", "12345678901234567"),
        ("12345678901234567890.123456789", "", "12345678901234567890.123456789"),
    ),
)
def test_a_number_is_read_as_its_owner_wrote_it(make_tap, google, text, example, number):
    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": [["v"], [text]]}])
    tab = {"name": "T", "columns": [{"name": "v", "type": "number", "format": example}]}
    table = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}]).streams["t"].table
    assert table.rows == [(2, [Decimal(number)])]


@pytest.mark.parametrize("kind", ("number", "integer"))
@pytest.mark.parametrize("text", ("1.234.5", "1,5", "#,##0.00", "de_DE", "%d", "1_234.5", "0", "."))
def test_an_unknown_format_is_refused_before_anything_is_read(make_tap, sandbox, kind, text):
    columns = [{"name": "a", "type": "string"}, {"name": "Cost", "type": kind, "format": text}]
    wanted = [
        {"spreadsheet": BOOK},
        {"spreadsheet": BOOK, "tabs": [{"gid": 0, "columns": columns}]},
    ]
    with pytest.raises(TapError) as caught:
        make_tap(spreadsheets=wanted)
    assert str(caught.value) == (
        f"Invalid spreadsheets[1].tabs[0].columns[1].format (column 'Cost'): {text!r} is not a "
        "number format. Use one of '1234.5', '1234,5', '1,234.5', '1.234,5', '1 234.5', "
        "'1 234,5', \"1'234.5\", \"1'234,5\", '12,34,567.8'."
    )
    assert sandbox.control.requests()["requests"] == []


@pytest.mark.parametrize("kind", ("string", "boolean"))
def test_a_type_without_a_format_says_so(make_tap, sandbox, kind):
    columns = [{"name": "a", "type": kind, "format": "%d/%m/%Y"}]
    with pytest.raises(TapError, match=f"a {kind} has no format; leave it out"):
        make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [{"gid": 0, "columns": columns}]}])
    assert sandbox.control.requests()["requests"] == []
