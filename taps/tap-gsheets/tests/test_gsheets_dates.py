"""Dates: Google's serial days, digits that people typed, and text; each as its owner meant it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from gsheets_zoo import BOOK, day, money
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import example, given
from hypothesis import strategies as st

from signalroom_sandbox.gsheets import MAPPINGS
from signalroom_singer import TapError
from tap_gsheets.cells import DateCell
from tap_gsheets.column_types import ColumnType

pytestmark = pytest.mark.timeout(TIMEOUT)

EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
#: Those that are digits from beginning to end, with the days that they can tell.
DIGITS = {
    "%Y%m%d": (date(1000, 1, 1), date(9999, 12, 31)),
    "%d%m%Y": (date(1000, 1, 1), date(9999, 12, 31)),
    "%m%d%Y": (date(1000, 1, 1), date(9999, 12, 31)),
    "%y%m%d": (date(1969, 1, 1), date(2068, 12, 31)),
    "%d%m%y": (date(1969, 1, 1), date(2068, 12, 31)),
    "%Y%j": (date(1000, 1, 1), date(9999, 12, 31)),
    "%G%V%u": (date(1000, 1, 8), date(9999, 12, 24)),
    "%Y%m": (date(1000, 1, 1), date(9999, 12, 31)),
    "%m%Y": (date(1000, 1, 1), date(9999, 12, 31)),
    "%Y": (date(1000, 1, 1), date(9999, 12, 31)),
}


def typed(text):
    """What a sheet keeps of digits that are typed: a number, without zeros before it."""
    return int(text)


def first(actual, pattern):
    """The day that a format means which lacks the day, or the month too."""
    if pattern == "%Y":
        return actual.replace(month=1, day=1)
    return (
        actual.replace(day=1)
        if "d" not in pattern and "j" not in pattern and "u" not in pattern
        else actual
    )


@pytest.fixture
def read(make_tap, google):
    """Read a column `v` of a type, and whatever stands beside it."""

    def read(kind, pattern, *values, zone="Etc/GMT", beside=(), **config):
        rows = [["v"], *([value, *beside] for value in values)]
        google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": rows}], zone=zone)
        tab = {"name": "T", "columns": [{"name": "v", "type": kind, "format": pattern}]}
        tap = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}], **config)
        return [row[0] for _, row in tap.streams["t"].table.rows]

    return read


@profile(300)
@given(st.data(), st.sampled_from([*DIGITS]))
def test_a_date_typed_as_digits_is_read_back(data, pattern):
    earliest, latest = DIGITS[pattern]
    meant = data.draw(st.dates(earliest, latest))
    number = typed(meant.strftime(pattern))
    assert ColumnType("date", pattern).convert(number) == first(meant, pattern).isoformat()


@profile(300)
@given(st.sampled_from([*DIGITS]), st.integers(-(10**9), 10**9))
@example("%Y%m", 202513)
@example("%Y%m%d", 20250230)
@example("%Y", 45000)
@example("%Y%j", 2025366)
@example("%G%V%u", 2025531)
def test_digits_are_a_date_only_if_they_are_written_by_the_format(pattern, number):
    try:
        actual = ColumnType("date", pattern).convert(number)
    except ValueError as error:
        assert str(error) == f"not a date written as {pattern}"
        return
    # Not `%Y`: strftime writes the year 1 without zeros.
    padded = pattern.replace("%Y", actual[:4])
    assert typed(date.fromisoformat(actual).strftime(padded)) == number


@pytest.mark.parametrize(
    ("value", "pattern", "expected"),
    (
        (202501, "%Y%m", "2025-01-01"),
        (2025, "%Y", "2025-01-01"),
        (20250115, "%Y%m%d", "2025-01-15"),
        (1052026, "%d%m%Y", "2026-05-01"),
        (50126, "%d%m%y", "2026-01-05"),
        (102, "%y%m%d", "2000-01-02"),
        # Google keeps a number as it is, however it is shown.
        (money(202501, "202,501"), "%Y%m", "2025-01-01"),
        ("01052026", "%d%m%Y", "2026-05-01"),
        # Without a format a number is a serial day, and more than a day can be is digits.
        (46085, None, "2026-03-04"),
        (20260304, None, "2026-03-04"),
    ),
)
def test_a_number_is_a_date_by_the_columns_format(read, value, pattern, expected):
    assert read("date", pattern, value) == [expected]


@pytest.mark.parametrize(
    ("value", "pattern"),
    (
        (2025, "%d/%m/%Y"),
        (46085, "%d/%m/%Y"),
        (46085.5, "%d/%m/%Y"),
        (46085.5, "%Y%m%d"),
        # 2026.10 becomes 2026.1 in a sheet: which it was, nobody knows.
        (2026.1, "%Y.%m"),
        (202513, "%Y%m"),
        # No zeros are missing before a year: this is not December of the year 20.
        (2012, "%Y%m"),
        (201201, "%Y%m%d"),
        (25, "%Y"),
        (-202501, "%Y%m"),
        (True, "%Y"),
        ("1052026", "%d%m%Y"),
        ("04/03", "%d/%m/%Y"),
        ("\u0660\u0664/03/2026", "%d/%m/%Y"),
        (True, None),
        (10**400, None),
        ("46085", None),
    ),
)
def test_a_value_that_is_not_written_by_the_format_is_refused_and_named(read, value, pattern):
    with pytest.raises(TapError) as caught:
        read("date", pattern, value)
    expected_format = pattern or r"YYYY-MM-DD (set format)"
    assert "cell A2 (v) holds " in str(caught.value)
    assert f"which is not a date written as {expected_format}. " in str(caught.value)


#: The fourth of March 2026, as different people's cells show it.
DISPLAYED = ("04/03/2026", "3/4/2026", "4 Mar", "March", "2026", "46085", "2026-04-03", "mercredi")


@pytest.mark.parametrize("pattern", (None, "%d/%m/%Y", "%m/%d/%Y", "%Y%m"))
@pytest.mark.parametrize("render", ("computed", "formatted"))
def test_a_date_is_the_same_however_it_is_displayed(read, pattern, render):
    actual = read("date", pattern, *(day(46085, shown) for shown in DISPLAYED), render=render)
    assert actual == ["2026-03-04"] * len(DISPLAYED)
    moments = read(
        "datetime", pattern, *(day(46085.5, shown) for shown in DISPLAYED), render=render
    )
    assert moments == ["2026-03-04T12:00:00.000000Z"] * len(DISPLAYED)


def test_only_text_is_read_by_the_format(read):
    actual = read("date", "%d/%m/%Y", day(46085, "3/4/2026"), "3/4/2026", " 04/03/2026 ", None)
    assert actual == ["2026-03-04", "2026-04-03", "2026-03-04"]


def test_ambiguous_dates_are_counted(read, caplog):
    # Typed with the day first, where Google reads the month first: only some can be read so.
    typed = [day(46115, "04/03/2026"), "13/03/2026", day(46085, "4/3/2026"), day(46085, "4 Mar")]
    actual = read("date", "%d/%m/%Y", *typed)
    assert actual == ["2026-04-03", "2026-03-13", "2026-03-04", "2026-03-04"]
    (message,) = [line for line in caplog.messages if "another day" in line]
    assert message.startswith(
        "Tab 'T': dates of column v that the format %d/%m/%Y reads as another"
    )
    assert "than Google has: 1. Google's days are loaded." in message
    assert "locale (en_US)" in message
    caplog.clear()
    assert read("date", "%d/%m/%Y", *typed[1:])[0] == "2026-03-13"
    assert not [line for line in caplog.messages if "another day" in line]


def test_a_merged_date_is_filled_as_a_date(make_tap, google):
    rows = [["Day", "n"], [day(46085, "3/4/2026"), 1], [None, 2]]
    merges = [{"startRowIndex": 1, "endRowIndex": 3, "startColumnIndex": 0, "endColumnIndex": 1}]
    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": rows, "merges": merges}])
    tab = {"name": "T", "fill_merged": True, "columns": [{"name": "Day", "type": "date"}]}
    tap = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}])
    assert [row[0] for _, row in tap.streams["t"].table.rows] == ["2026-03-04"] * 2


def test_other_columns_are_as_they_were(make_tap, google):
    rows = [
        ["Day", "Shown", "Share", "Ticked", "Note"],
        [day(46085, "3/4/2026"), day(46085, "4 Mar"), money(0.125, "12.5%"), True, "x"],
        [None, None, None, None, day(1.25, "30:00:00")],
        [day(46086, "3/5/2026"), "4 Mar", 7, False, "#N/A"],
    ]
    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": rows}])
    tab = {"name": "T", "columns": [{"name": "Day", "type": "date"}]}
    spreadsheets = [{"spreadsheet": BOOK, "tabs": [tab]}]
    computed = make_tap(spreadsheets=spreadsheets).streams["t"].table
    assert computed.error_count == 1
    assert computed.rows == [
        (2, ["2026-03-04", "4 Mar", "0.125", "true", "x"]),
        (3, [None, None, None, None, "30:00:00"]),
        (4, ["2026-03-05", "4 Mar", "7", "false", None]),
    ]
    formatted = make_tap(spreadsheets=spreadsheets, render="formatted").streams["t"].table
    assert formatted.rows[0] == (2, ["2026-03-04", "4 Mar", "12.5%", "TRUE", "x"])


def test_a_row_that_shows_nothing_is_left_out_and_a_hidden_date_is_kept(make_tap, google):
    rows = [["Day", "Name"], [day(46085, ""), "x"], [None, day(46085, "")], [day(46085, "")]]
    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": rows}])
    tab = {"name": "T", "columns": [{"name": "Day", "type": "date"}]}
    table = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}]).streams["t"].table
    assert table.rows == [(2, ["2026-03-04", "x"])]


@pytest.mark.parametrize(
    ("render", "dated", "expected"),
    (("computed", 0, 2), ("computed", 1, 3), ("computed", 9, 3), ("formatted", 9, 4)),
)
def test_dates_take_one_more_read_for_all_tabs_together(
    make_tap, google, reads, sandbox, render, dated, expected
):
    rows = [["Day", "n"], [day(46085, "3/4/2026"), 1]]
    titles = [f"T{number}" for number in range(10)]
    google.spreadsheet(id=BOOK, tabs=[{"title": title, "cells": rows} for title in titles])
    tabs = [
        {"name": title, "columns": [{"name": "Day", "type": "date"}] if place < dated else []}
        for place, title in enumerate(titles)
    ]
    tap = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": tabs}], render=render)
    assert reads() == expected
    days = [tap.streams[title.lower()].table.rows[0][1][0] for title in titles]
    assert days == ["2026-03-04"] * dated + ["3/4/2026"] * (10 - dated)
    requests = sandbox.control.requests()["requests"]
    queries = [item["query"] for item in requests if "SERIAL" in item["query"]]
    assert ["T0" in query for query in queries] == [True] * bool(dated)
    assert not any("T9" in query for query in queries)


@pytest.mark.parametrize("render", ("computed", "formatted"))
def test_a_row_that_is_inserted_between_the_reads_moves_no_date(make_tap, google, reads, render):
    rows = [["Day", "Name"], *([day(46085 + n, f"day {n}"), f"name {n}"] for n in range(3))]
    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": rows}])
    inserted = [rows[0], [day(46000, "day"), "new"], *rows[1:]]
    google.then(after="values", action="edit", id=BOOK, gid=0, cells=inserted)
    tab = {"name": "T", "columns": [{"name": "Day", "type": "date"}]}
    tap = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}], render=render)
    expected = [(46000, "new"), (46085, "name 0"), (46086, "name 1"), (46087, "name 2")]
    assert [row for _, row in tap.streams["t"].table.rows] == [
        [(EPOCH + timedelta(days=serial)).date().isoformat(), name] for serial, name in expected
    ]


def test_a_tab_that_is_edited_without_end_is_a_bad_tab(make_tap, google):
    def rows(name):
        return [["Day", "Name"], [day(46085, "3/4/2026"), name]]

    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": rows("a")}])
    for name in "bcdefg":
        google.then(after="values", action="edit", id=BOOK, gid=0, cells=rows(name))
    tab = {"name": "T", "columns": [{"name": "Day", "type": "date"}]}
    with pytest.raises(TapError, match=r"it was edited each time it was read, 3 times in all"):
        make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}])


def test_numbers_that_are_recomputed_for_each_read_are_not_an_edit(make_tap, google):
    def rows(number):
        return [["Day", "Chance"], [day(46085, "3/4/2026"), number]]

    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": rows(0.5)}])
    for number in range(1, 7):
        google.then(after="values", action="edit", id=BOOK, gid=0, cells=rows(0.5 + number))
    tab = {"name": "T", "columns": [{"name": "Day", "type": "date"}]}
    tap = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}])
    assert tap.streams["t"].table.rows[0][1][0] == "2026-03-04"


SERIALS = (
    (0, "1899-12-30T00:00:00.000000Z"),
    (0.5, "1899-12-30T12:00:00.000000Z"),
    (2.5, "1900-01-01T12:00:00.000000Z"),
    (60, "1900-02-28T00:00:00.000000Z"),
    (61, "1900-03-01T00:00:00.000000Z"),
    (-1, "1899-12-29T00:00:00.000000Z"),
    (-0.25, "1899-12-29T18:00:00.000000Z"),
    (44562, "2022-01-01T00:00:00.000000Z"),
    # A double of 15 digits, as Google writes them.
    (45000.4309027778, "2023-03-15T10:20:30.000000Z"),
    (45000.9999999999, "2023-03-16T00:00:00.000000Z"),
    (2958465, "9999-12-31T00:00:00.000000Z"),
)


@pytest.mark.parametrize(("serial", "moment"), SERIALS)
def test_serial_days(serial, moment):
    for cell in (serial, DateCell("shown", serial)):
        assert ColumnType("datetime").convert(cell) == moment
        assert ColumnType("date").convert(cell) == moment[:10]
    assert ColumnType("date", "%d/%m/%Y").convert(DateCell("shown", serial)) == moment[:10]


@profile(300)
@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
def test_a_time_is_exact_to_the_millisecond(moment):
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    serial = (moment - EPOCH) / timedelta(days=1)
    assert ColumnType("datetime").convert(DateCell("shown", serial)) == moment.strftime(
        f"{moment.year:04}-%m-%dT%H:%M:%S.%fZ"
    )


@pytest.mark.parametrize("serial", (-693_594, 2_958_466, 10**12, 1e300))
def test_a_date_out_of_range_is_refused(serial):
    with pytest.raises(ValueError, match="not a date written as"):
        ColumnType("date").convert(DateCell("shown", serial))


@pytest.mark.parametrize(
    ("moment", "utc"),
    (
        ("2026-01-15 12:00", "2026-01-15T17:00:00.000000Z"),
        ("2026-07-15 12:00", "2026-07-15T16:00:00.000000Z"),
        # 02:30 does not exist on the day that summer time begins: as much after it is 03:30.
        ("2026-03-08 02:30", "2026-03-08T07:30:00.000000Z"),
        # 01:30 comes twice on the day that it ends: the first.
        ("2026-11-01 01:30", "2026-11-01T05:30:00.000000Z"),
    ),
)
def test_times_are_in_the_sheets_time_zone(read, moment, utc):
    clock = datetime.strptime(moment, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    cells = [day((clock - EPOCH) / timedelta(days=1), "shown"), moment]
    pattern = "%Y-%m-%d %H:%M"
    assert read("datetime", pattern, *cells, zone="America/New_York") == [utc, utc]
    # A date is the sheet's own, in any zone.
    assert read("date", pattern, *cells, zone="America/New_York") == [moment[:10]] * 2


@pytest.mark.parametrize(
    ("serial", "shown"),
    (
        (0.5, "12:00"),
        (0.5, "12:00:00"),
        (0.520833333333333, "12:30 PM"),
        (0.5, "12:00:00 p.\u00a0m."),
        (0.5, "\uc624\ud6c4 12:00"),
        (0.5, "12:00 \u03bc.\u03bc."),
        (0.5, "12.00"),
        (0, "0:00:00"),
        (1.25, "30:00:00"),
        (0.0625, "90:00.000"),
        (-0.0416666666666667, "-1:00:00"),
    ),
)
@pytest.mark.parametrize("kind", ("date", "datetime"))
def test_a_time_of_day_or_a_duration_is_not_a_date(read, kind, serial, shown):
    with pytest.raises(TapError) as caught:
        read(kind, None, day(serial, shown))
    cell = f"a date or time shown in {len(shown)} characters"
    assert f"holds {cell}, which is a time of day or a duration, not a {kind}" in str(caught.value)


@pytest.mark.parametrize(
    ("serial", "shown", "expected"),
    (
        # A day that shows only its time, and one that looks like hours.
        (46085.5, "12:00", "2026-03-04"),
        (46112, "31.03", "2026-03-31"),
        (0, "12/30/1899", "1899-12-30"),
    ),
)
def test_a_date_may_be_displayed_as_anything(read, serial, shown, expected):
    assert read("date", None, day(serial, shown)) == [expected]


@pytest.mark.parametrize("kind", ("date", "datetime"))
@pytest.mark.parametrize(
    ("text", "says"),
    (
        ("%d/%m", "it must have the year"),
        ("%H:%M", "it must have the year"),
        ("%d/%m/%Y %Z", "%Z reads a time zone's name and drops it"),
        ("%-d/%m/%Y", "Python does not read %-"),
        ("%d/%m/%Y %I:%M", "AM and PM (%p) go with"),
        ("%c", "%c depends on the machine's language"),
        ("dd/mm/yyyy", "it must have the year"),
        ("1.234,5", "it must have the year"),
        ("%d/%m/%Y %", "it ends in %"),
    ),
)
def test_a_format_that_no_date_can_have_is_refused_at_the_start(
    make_tap, sandbox, kind, text, says
):
    columns = [{"name": "Day", "type": kind, "format": text}]
    with pytest.raises(TapError) as caught:
        make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [{"gid": 0, "columns": columns}]}])
    message = str(caught.value)
    setting = "spreadsheets[0].tabs[0].columns[0].format (column 'Day')"
    assert message.startswith(f"Invalid {setting}: the date format {text!r} cannot be used: {says}")
    assert ".." not in message
    assert sandbox.control.requests()["requests"] == []


def test_days_that_people_show_in_several_ways_follow_one_another(make_tap):
    tab = {"name": "Manual costs", "columns": [{"name": "Date", "type": "date"}]}
    table = make_tap(spreadsheets=[{"spreadsheet": MAPPINGS, "tabs": [tab]}]).streams[
        "manual_costs"
    ]
    days = [date.fromisoformat(row[0]) for _, row in table.table.rows]
    assert days == [date(2025, 12, 9) + timedelta(days=number) for number in range(30)]
