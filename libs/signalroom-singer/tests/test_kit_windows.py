from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from kit_vendor import DayStream, answer, ok
from singer_sdk.exceptions import ConfigValidationError, RetriableAPIError

from signalroom_singer import DateWindow, TapError
from signalroom_singer.windows import split_days

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)
MARCH_1 = date(2026, 3, 1)
TODAY = date(2026, 3, 20)


@pytest.fixture(autouse=True)
def _noon():
    with time_machine.travel(datetime(2026, 3, 20, 12, tzinfo=UTC), tick=True):
        yield


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    (
        (NEW_YORK, date(2026, 3, 8), 23),
        (NEW_YORK, date(2026, 11, 1), 25),
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (NEW_YORK, date(2026, 1, 1), 24),
    ),
)
def test_days_have_as_many_hours_as_the_clock(zone, day, hours):
    window = DateWindow(day, day, zone)
    assert window.end_utc - window.start_utc == timedelta(hours=hours)
    assert window.start_utc.astimezone(zone).date() == day


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 800), st.integers(1, 400))
def test_windows_cover_each_day_once(start, length, days):
    end = start + timedelta(days=length)
    windows = split_days(start, end, days=days, zone=NEW_YORK)
    assert windows[0].start == start
    assert windows[-1].end == end
    assert all(window.days <= days for window in windows)
    for before, after in pairwise(windows):
        assert before.end + DAY == after.start
        assert before.end_utc == after.start_utc


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 800))
def test_halves_are_the_whole(start, length):
    window = DateWindow(start, start + timedelta(days=length), NEW_YORK)
    first, second = window.split()
    assert (first.start, second.end) == (window.start, window.end)
    assert first.end + DAY == second.start
    assert abs(first.days - second.days) <= 1


def bookmarked(day):
    return {"bookmarks": {"days": {"replication_key": "date", "replication_key_value": day}}}


@pytest.mark.parametrize(
    ("state", "config", "first", "last"),
    (
        (None, {"start_date": "2026-03-01"}, date(2026, 3, 1), date(2026, 3, 19)),
        (None, {}, date(2026, 3, 17), date(2026, 3, 19)),
        (None, {"start_date": "2026-03-01T00:00:00Z"}, date(2026, 3, 1), date(2026, 3, 19)),
        ("2026-03-10", {}, date(2026, 3, 8), date(2026, 3, 19)),
        ("2026-03-19", {}, date(2026, 3, 17), date(2026, 3, 19)),
        # Of a clock that was ahead, which is right again.
        ("2026-03-25", {}, date(2026, 3, 17), date(2026, 3, 19)),
        ("2031-01-01", {"include_today": True}, date(2026, 3, 17), TODAY),
        ("2026-03-10", {"start_date": "2026-03-01"}, date(2026, 3, 8), date(2026, 3, 19)),
        ("2026-03-10", {"start_date": "2026-03-15"}, date(2026, 3, 15), date(2026, 3, 19)),
        (
            None,
            {"start_date": "2026-03-01", "end_date": "2026-03-05"},
            date(2026, 3, 1),
            date(2026, 3, 5),
        ),
        (None, {"start_date": "2026-03-01", "end_date": "2030-01-01"}, date(2026, 3, 1), TODAY),
        ("2026-03-19", {"include_today": True}, date(2026, 3, 17), TODAY),
    ),
)
def test_what_a_run_reads(make_tap, state, config, first, last):
    plan = make_tap(state and bookmarked(state), **config).streams["days"].plan(None)
    assert (plan[0].start, plan[-1].end) == (first, last)


def test_nothing_to_read(make_tap, caplog):
    caplog.set_level("INFO")
    tap = make_tap(bookmarked("2026-03-10"), end_date="2026-03-01")
    assert tap.streams["days"].plan(None) == []
    assert "days: nothing to read, end_date, 2026-03-01, is before what is left" in caplog.text


def test_the_vendors_horizon_clamps_with_a_warning(make_tap, caplog, monkeypatch):
    stream = make_tap(start_date="2020-01-01").streams["days"]
    monkeypatch.setattr(type(stream), "retention_days", 10)
    assert stream.plan(None)[0].start == date(2026, 3, 10)
    assert "The vendor keeps 10 days: reading from 2026-03-10, not from 2020-01-01" in caplog.text


def test_a_broken_bookmark_says_what_to_do(make_tap):
    with pytest.raises(TapError, match=r"'soon' in the state is not a date .*meltano state edit"):
        make_tap(bookmarked("soon")).streams["days"].plan(None)


@pytest.fixture
def run(make_tap, sync):
    """Run the stream of days; gives the messages it wrote."""

    def run(state=None, *, fails=(), **config):
        return sync(make_tap(state, **config), "days", fails=fails)

    return run


def days(output):
    return [record["date"] for record in output.records["days"]]


def test_each_window_is_followed_by_its_bookmark(run):
    output = run(start_date="2026-03-15")
    kinds = [message["type"] for message in output.messages]
    # A run without a state first says so of all its streams.
    assert kinds == ["STATE", "SCHEMA", *["RECORD", "STATE"] * 5]
    assert days(output) == output.bookmarks("days")
    assert days(output)[-1] == "2026-03-19"


def test_the_bookmark_does_not_go_back_over_the_lookback(run):
    output = run(bookmarked("2026-03-18"))
    assert days(output) == ["2026-03-16", "2026-03-17", "2026-03-18", "2026-03-19"]
    assert set(output.bookmarks("days")) == {"2026-03-18", "2026-03-19"}
    assert output.bookmarks("days")[-1] == "2026-03-19"


def test_the_bookmark_stays_on_complete_days(run):
    output = run(start_date="2026-03-18", include_today=True)
    assert days(output)[-1] == "2026-03-20"
    assert output.bookmarks("days")[-1] == "2026-03-19"


def test_a_run_of_today_alone_bookmarks_nothing(run):
    output = run(start_date="2026-03-20", include_today=True)
    assert days(output) == ["2026-03-20"]
    assert output.bookmarks("days") == []


def test_a_failing_window_leaves_the_bookmark_before_it(run, vendor, monkeypatch):
    monkeypatch.setattr(DayStream, "concurrency", 1)
    # Two at once: which window meets the first failure is not sure.
    vendor.answers.extend([ok([]), ok([]), *[answer(500)] * 10])
    output = run(start_date="2026-03-10", max_tries=1, fails=RetriableAPIError)
    assert output.error
    assert output.bookmarks("days") == days(output) == ["2026-03-10", "2026-03-11"]


def test_windows_read_ahead_of_a_failing_one_are_not_bookmarked(run, vendor):
    # Two at once: which window meets the first failure is not sure.
    vendor.answers.extend([ok([]), ok([]), *[answer(500)] * 10])
    output = run(start_date="2026-03-10", max_tries=1, fails=RetriableAPIError)
    assert output.error
    assert output.bookmarks("days") == days(output)
    assert len(days(output)) < 3


def test_state_holds_nothing_but_the_bookmark(run):
    output = run(bookmarked("2026-03-18"))
    names = {"fields": ["replication_key", "replication_key_value"]}
    assert output.state["bookmarks"] == {
        "days": bookmarked("2026-03-19")["bookmarks"]["days"] | names
    }


def test_client_id_leads_the_key(run):
    output = run(start_date="2026-03-19", client_id="713")
    schema = output.schemas["days"]
    assert schema["key_properties"] == ["_client_id", "date"]
    assert list(schema["schema"]["properties"]) == [
        "date",
        "_client_id",
        "_loaded_at",
        "_extra",
    ]
    (record,) = output.records["days"]
    assert record["_client_id"] == "713"
    assert record["_loaded_at"].startswith("2026-03-20T12:00:0")


def test_without_client_id_there_is_no_such_column(run):
    output = run(start_date="2026-03-19")
    schema = output.schemas["days"]
    assert schema["key_properties"] == ["date"]
    assert "_client_id" not in schema["schema"]["properties"]


def test_deselected_properties_are_left_out(make_tap, vendor, sync):
    vendor.answers.append(ok([{"id": 1, "name": "a"}]))
    whole = make_tap()
    catalog = whole.catalog_dict
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            breadcrumb = tuple(metadata["breadcrumb"])
            metadata["metadata"]["selected"] = entry["stream"] == "rows" and breadcrumb != (
                "properties",
                "name",
            )
    output = sync(type(whole)(config=dict(whole.config), catalog=catalog))
    (record,) = output.records["rows"]
    assert record["id"] == 1
    assert "name" not in record
    assert "name" not in output.schemas["rows"]["schema"]["properties"]


@pytest.mark.parametrize("setting", ("start_date", "end_date"))
@pytest.mark.parametrize("value", ("yesterday", "2026-02-30", "26-1-1"))
def test_a_day_that_is_none_is_named(make_tap, setting, value):
    with pytest.raises(ConfigValidationError) as caught:
        make_tap(**{setting: value})
    assert caught.value.errors == [f"Invalid {setting} {value!r}: expected YYYY-MM-DD."]


@pytest.mark.parametrize("state", (None, "2026-03-10"))
@pytest.mark.parametrize(
    ("config", "said"),
    (
        (
            {"start_date": "2026-03-21"},
            "Invalid start_date '2026-03-21': it is in the future (today is 2026-03-20 in UTC).",
        ),
        (
            {"start_date": "2026-03-05", "end_date": "2026-03-04"},
            "Invalid start_date '2026-03-05': it is after end_date, 2026-03-04.",
        ),
    ),
)
def test_days_that_leave_nothing_to_read_are_refused(make_tap, state, config, said):
    with pytest.raises(ConfigValidationError) as caught:
        make_tap(state and bookmarked(state), **config)
    assert caught.value.errors == [said]


def test_a_first_day_that_is_not_over_yet_is_said_so(make_tap, caplog):
    caplog.set_level("INFO")
    assert make_tap(start_date=str(TODAY)).streams["days"].plan(None) == []
    assert f"nothing to read yet, start_date is {TODAY}" in caplog.text
