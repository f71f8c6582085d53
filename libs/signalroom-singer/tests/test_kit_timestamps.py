from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signalroom_singer import (
    parse_bookmark,
    parse_timestamp_setting,
    to_utc,
    utc_isoformat,
)
from signalroom_singer.timestamps import to_date

NOON = "2026-03-08T12:00:00.000000Z"


@pytest.mark.parametrize(
    "value",
    (
        "2026-03-08T12:00:00Z",
        "2026-03-08T17:00:00+05:00",
        "2026-03-08 12:00:00",
        "2026-03-08T12:00:00.000000000Z",
        1772971200,
        "1772971200",
        1772971200.0,
        1772971200_000,
        1772971200_000_000,
        1772971200_000_000_000,
        datetime(2026, 3, 8, 12, tzinfo=UTC),
    ),
)
def test_all_notations_of_a_moment_are_one(value):
    assert to_utc(value) == NOON


@pytest.mark.parametrize(
    ("value", "expected"),
    (
        ("20260308", "2026-03-08T00:00:00.000000Z"),
        ("20260308120000", NOON),
        # Nobody writes a day like this.
        ("99999999", "1973-03-03T09:46:39.000000Z"),
        (20260308, "1970-08-23T11:51:48.000000Z"),
    ),
)
def test_digits_of_a_day(value, expected):
    assert to_utc(value) == expected


@pytest.mark.parametrize("value", (None, "", 0, "0", "0001-01-01T00:00:00Z"))
def test_no_date_is_null(value):
    assert to_utc(value) is None


@pytest.mark.parametrize(
    "value",
    (
        *("soon", "2026-13-01", "20261301", "20260108250000", "12:00"),
        *(True, 10**25, -99_999_999_999),
    ),
)
def test_what_is_no_timestamp_is_refused(value):
    with pytest.raises(ValueError, match="not a"):
        to_utc(value)


@given(
    st.datetimes(min_value=datetime(1901, 1, 1), max_value=datetime(2200, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_offsets_do_not_move_the_moment(naive, offset):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert datetime.fromisoformat(to_utc(moment.isoformat())) == moment
    assert to_utc(moment.isoformat()) == utc_isoformat(moment)


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2))
def test_text_sorts_as_time(moments):
    assert sorted(map(utc_isoformat, moments)) == [utc_isoformat(m) for m in sorted(moments)]


def test_a_naive_moment_is_refused():
    with pytest.raises(ValueError, match="without a time zone"):
        utc_isoformat(datetime(2026, 1, 1))


DAY = timedelta(hours=23)
ODD = st.one_of(
    st.text(),
    st.text("0123456789-+:TZ. e"),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.tuples(st.datetimes(), st.integers(-23, 23)).map(
        lambda pair: f"{pair[0].isoformat()}{pair[1]:+03}:59"
    ),
)


@given(ODD)
@example("9999-12-31T23:59:59-05:00")
@example("0001-01-01T00:00:00+05:00")
@example(float("nan"))
@example(Decimal("sNaN"))
@example(10**400)
@example("9" * 5000)
def test_any_value_is_read_or_refused(value):
    for read in (to_utc, to_date):
        try:
            text = read(value)
        except ValueError:
            continue
        assert text is None or datetime.fromisoformat(text).year


@given(
    # Not zones: what a clock shows twice equals nothing, to Python.
    st.datetimes(timezones=st.builds(timezone, st.timedeltas(-timedelta(hours=23), DAY)))
)
@example(datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))))
@example(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))))
def test_any_moment_is_written_or_refused(moment):
    try:
        assert datetime.fromisoformat(utc_isoformat(moment)) == moment
    except ValueError as error:
        assert "out of range" in str(error)
        assert moment.year in {1, 9999}


@pytest.mark.parametrize(
    "text", ("9999-12-31T23:59:59-05:00", "9999-12-31", "0001-01-01T00:00:00+05:00", "0001-01-01")
)
def test_the_ends_of_time_can_be_moved_by_lookbacks(text):
    year, day = timedelta(days=366), timedelta(days=1)
    for moment in (parse_bookmark(text, stream="s"), parse_timestamp_setting({"a": text}, "a")):
        assert utc_isoformat(moment - year) < utc_isoformat(moment) < utc_isoformat(moment + day)


@pytest.mark.parametrize("value", ("2026-03-08", "2026-03-08T23:00:00Z", "2026-03-08 1:00"))
def test_dates(value):
    assert to_date(value) == "2026-03-08"


def test_no_and_bad_dates():
    assert to_date("") is None
    with pytest.raises(ValueError, match="not a date: '08/03/2026'"):
        to_date("08/03/2026")
