from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from kit_vendor import DayStream, answer, ok
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError, RetriableAPIError

from signalroom_singer import DateWindow, SignalRoomTap, TapError, WindowedStream
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.testing.tap_runner import select_streams
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


def test_days_begin_in_utc_wherever_the_machine_is():
    with time_machine.travel(datetime(2026, 3, 20, 12, tzinfo=ZoneInfo("Asia/Tokyo"))):
        window = DateWindow(date(2026, 3, 8), date(2026, 3, 8), NEW_YORK)
        assert window.start_utc.isoformat() == "2026-03-08T05:00:00+00:00"
        assert window.end_utc.isoformat() == "2026-03-09T04:00:00+00:00"


def test_messages_name_a_day_once():
    assert str(DateWindow(MARCH_1, MARCH_1, NEW_YORK)) == "2026-03-01"
    assert str(DateWindow(MARCH_1, MARCH_1 + DAY, NEW_YORK)) == "2026-03-01..2026-03-02"


def test_a_single_day_has_no_halves():
    with pytest.raises(ValueError, match="2026-03-01"):
        DateWindow(MARCH_1, MARCH_1, NEW_YORK).split()


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 800), st.integers(1, 400))
def test_windows_cover_each_day_once(start, length, days):
    end = start + timedelta(days=length)
    windows = split_days(start, end, days=days, zone=NEW_YORK)
    assert windows[0].start == start
    assert windows[-1].end == end
    assert all(window.days <= days for window in windows)
    assert {window.zone for window in windows} == {NEW_YORK}
    for before, after in pairwise(windows):
        assert before.end + DAY == after.start
        assert before.end_utc == after.start_utc


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 800))
def test_halves_are_the_whole(start, length):
    window = DateWindow(start, start + timedelta(days=length), NEW_YORK)
    first, second = window.split()
    assert (first.start, second.end) == (window.start, window.end)
    assert first.end + DAY == second.start
    assert first.zone == second.zone == NEW_YORK
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
        # As other taps write days.
        ("2026-03-10T23:59:59Z", {}, date(2026, 3, 8), date(2026, 3, 19)),
    ),
)
def test_what_a_run_reads(make_tap, state, config, first, last):
    plan = make_tap(state and bookmarked(state), **config).streams["days"].plan(None)
    assert (plan[0].start, plan[-1].end) == (first, last)


def test_a_bookmark_without_a_value_is_none(make_tap):
    plan = make_tap(bookmarked("")).streams["days"].plan(None)
    assert plan[0].start == date(2026, 3, 17)


def test_without_a_lookback_the_first_run_reads_yesterday(make_tap, monkeypatch):
    monkeypatch.setattr(DayStream, "lookback_days", 0)
    (window,) = make_tap().streams["days"].plan(None)
    assert (window.start, window.end) == (TODAY - DAY, TODAY - DAY)


def test_days_are_those_of_the_report(make_tap, monkeypatch):
    monkeypatch.setattr(DayStream, "report_zone", NEW_YORK)
    with time_machine.travel(datetime(2026, 3, 20, 3, tzinfo=UTC)):
        plan = make_tap(start_date="2026-03-01").streams["days"].plan(None)
    # In New York it is the evening before.
    assert plan[-1].end == date(2026, 3, 18)
    assert {window.zone for window in plan} == {NEW_YORK}


BEFORE_THE_REST = "is before what is left; everything up to 2026-03-10 is loaded"


@pytest.mark.parametrize(
    ("bookmark", "config", "reason"),
    (
        (
            "2026-03-10",
            {"end_date": "2026-03-01"},
            f"nothing to read, end_date, 2026-03-01, {BEFORE_THE_REST}",
        ),
        (
            "2026-03-10",
            {"end_date": "2026-03-10"},
            f"nothing to read, end_date, 2026-03-10, {BEFORE_THE_REST}",
        ),
        ("2026-03-19", {}, "nothing to read, everything up to 2026-03-19 is loaded"),
        (
            "2026-03-10",
            {"start_date": "2026-03-20"},
            "nothing to read yet, start_date is 2026-03-20, and 2026-03-19 is the last day to read",
        ),
    ),
)
def test_nothing_to_read(make_tap, caplog, monkeypatch, bookmark, config, reason):
    caplog.set_level("INFO")
    monkeypatch.setattr(DayStream, "lookback_days", 0)
    assert make_tap(bookmarked(bookmark), **config).streams["days"].plan(None) == []
    assert f"days: {reason}" in caplog.messages


def test_the_vendors_horizon_clamps_with_a_warning(make_tap, caplog, monkeypatch):
    stream = make_tap(start_date="2020-01-01").streams["days"]
    monkeypatch.setattr(type(stream), "retention_days", 10)
    assert stream.plan(None)[0].start == date(2026, 3, 10)
    assert "The vendor keeps 10 days: reading from 2026-03-10, not from 2020-01-01" in caplog.text


def test_days_that_the_vendor_still_has_are_not_warned_of(make_tap, caplog, monkeypatch):
    stream = make_tap(start_date="2026-03-10").streams["days"]
    monkeypatch.setattr(type(stream), "retention_days", 10)
    assert stream.plan(None)[0].start == date(2026, 3, 10)
    assert "The vendor keeps" not in caplog.text


def test_a_broken_bookmark_says_what_to_do(make_tap):
    with pytest.raises(
        TapError, match=r"'soon' in the state is not a date .*meltano state edit"
    ) as caught:
        make_tap(bookmarked("soon")).streams["days"].plan(None)
    assert caught.value.exit_code == ExitCode.DATA


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
    # No state repeats a bookmark that has not moved.
    assert output.bookmarks("days") == ["2026-03-18", "2026-03-19"]


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


class AccountStream(WindowedStream):
    """Read once for each account."""

    name = "account_days"
    replication_key = "date"
    report_zone = ZoneInfo("UTC")
    primary_keys = ("account", "date")
    lookback_days = 3
    schema = th.PropertiesList(
        th.Property("account", th.StringType), th.Property("date", th.DateType)
    ).to_dict()
    partitions = ({"account": "a"}, {"account": "b"})

    def read_window(self, window, context):
        yield [{"date": f"{window.start}", "account": context["account"]}]


class AccountTap(SignalRoomTap):
    name = "tap-accounts"
    config_jsonschema: dict = {"properties": {}}

    def discover_streams(self):
        return [AccountStream(self)]


def test_each_partition_has_a_bookmark_of_its_own(sync):
    marks = [
        {
            "context": {"account": account},
            "replication_key": "date",
            "replication_key_value": f"2026-03-{day}",
        }
        for account, day in (("a", 18), ("b", 10))
    ]
    tap = AccountTap(state={"bookmarks": {"account_days": {"partitions": marks}}})
    output = sync(tap)
    read = [record["date"] for record in output.records["account_days"]]
    assert read[:4] == ["2026-03-16", "2026-03-17", "2026-03-18", "2026-03-19"]
    assert read[4:] == [f"2026-03-{day:02}" for day in range(8, 20)]
    mark = output.state["bookmarks"]["account_days"]
    assert [part["replication_key_value"] for part in mark["partitions"]] == ["2026-03-19"] * 2
    assert "replication_key_value" not in mark
    # The first one's does not move back while its lookback is read again.
    states = [message["value"] for message in output.messages if message["type"] == "STATE"]
    firsts = [state["bookmarks"]["account_days"]["partitions"][0] for state in states]
    assert {part["replication_key_value"] for part in firsts} == {"2026-03-18", "2026-03-19"}


def test_windows_are_read_at_once(run, monkeypatch):
    both = threading.Barrier(2, timeout=120)  # ends a hang

    def read_window(self, window, context):
        both.wait()
        yield [{"date": window.start.isoformat()}]

    monkeypatch.setattr(DayStream, "read_window", read_window)
    assert days(run(start_date="2026-03-18")) == ["2026-03-18", "2026-03-19"]


def test_a_dry_run_reads_one_window_at_a_time(make_tap, monkeypatch):
    threads = set()

    def read_window(self, window, context):
        threads.add(threading.get_ident())
        yield []

    monkeypatch.setattr(DayStream, "read_window", read_window)
    tap = make_tap(start_date="2026-03-01")
    select_streams(tap, ["days"])
    tap.run_sync_dry_run(1)
    tap.close()
    assert len(threads) == 1


def test_progress_counts_days(make_tap, sync):
    tap = make_tap(start_date="2026-03-10")
    sync(tap, "days")
    progress = tap.streams["days"].progress
    assert "days: 10 of 10 days, 10 rows read" in progress.describe(1)


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
