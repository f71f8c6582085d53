from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalroom_singer import to_date, to_utc, utc_isoformat

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
    "value", ("soon", "2026-13-01", "20261301", "20260108250000", True, 10**25, "12:00")
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


@pytest.mark.parametrize("value", ("2026-03-08", "2026-03-08T23:00:00Z", "2026-03-08 1:00"))
def test_dates(value):
    assert to_date(value) == "2026-03-08"


def test_no_and_bad_dates():
    assert to_date("") is None
    with pytest.raises(ValueError, match="not a date: '08/03/2026'"):
        to_date("08/03/2026")
