"""What a tap says of the rows that it has read completely."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from singer_sdk import typing as th

from signalroom_singer import (
    COMMON_SETTINGS,
    WINDOW_SETTINGS,
    SignalRoomTap,
    WindowedStream,
    before,
    between,
    none_of,
    one_of,
    or_null,
    since,
    without_prefix,
)

NEW_YORK = ZoneInfo("America/New_York")
KEYWORD = "x-complete-scopes"


class Orders(WindowedStream):
    """Orders of one advertiser, by day."""

    name = "orders"
    replication_key = "date"
    primary_keys = ("id",)
    report_zone = NEW_YORK
    window_column = "date"
    filters_in_force = {"advertiser": one_of([7])}
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType),
        th.Property("date", th.DateType),
        th.Property("at", th.DateTimeType),
        th.Property("advertiser", th.IntegerType),
    ).to_dict()

    def read_window(self, window, context):
        if self.config.get("doubtful") == window.start.isoformat():
            self.keep_vanished(window)
        yield [{"id": 1, "date": f"{window.start}", "advertiser": 7}]


class OrdersTap(SignalRoomTap):
    name = "tap-orders"
    config_jsonschema = th.PropertiesList(
        *COMMON_SETTINGS, *WINDOW_SETTINGS, th.Property("doubtful", th.StringType)
    ).to_dict()

    def discover_streams(self):
        return [Orders(self)]


@pytest.fixture(autouse=True)
def _noon():
    with time_machine.travel(datetime(2026, 3, 20, 12, tzinfo=UTC)):
        yield


@pytest.fixture
def run(sync):
    def run(state=None, **config):
        return sync(OrdersTap(config={"start_date": "2026-03-18"} | config, state=state))

    return run


def test_each_window_is_a_scope_with_the_filters_in_force(run):
    output = run()
    assert output.schemas["orders"]["schema"][KEYWORD] is True
    assert output.scopes("orders") == [
        {"date": {"from": day, "before": before}, "advertiser": {"in": [7]}}
        for day, before in (("2026-03-18", "2026-03-19"), ("2026-03-19", "2026-03-20"))
    ]


def test_the_state_of_a_scope_has_its_bookmark(run):
    messages = [message for message in run().messages if KEYWORD in message]
    marks = [one["value"]["bookmarks"]["orders"]["replication_key_value"] for one in messages]
    assert marks == ["2026-03-18", "2026-03-19"]


def test_the_days_that_are_read_again_are_scopes_too(run, monkeypatch):
    monkeypatch.setattr(Orders, "lookback_days", 2)
    mark = {"replication_key": "date", "replication_key_value": "2026-03-19"}
    output = run({"bookmarks": {"orders": mark}})
    assert [scope["date"]["from"] for scope in output.scopes("orders")] == [
        "2026-03-18",
        "2026-03-19",
    ]
    assert output.bookmarks("orders")[-1] == "2026-03-19"


def test_a_scope_of_moments_has_the_hours_of_its_day(run, monkeypatch):
    monkeypatch.setattr(Orders, "window_column", "at")
    (scope,) = run(start_date="2026-03-08", end_date="2026-03-08").scopes("orders")
    # The clock goes forward in New York.
    assert scope["at"] == {
        "from": "2026-03-08T05:00:00.000000Z",
        "before": "2026-03-09T04:00:00.000000Z",
    }


def test_a_window_that_may_lack_rows_is_no_scope(run):
    output = run(doubtful="2026-03-18")
    assert [scope["date"]["from"] for scope in output.scopes("orders")] == ["2026-03-19"]
    assert sorted({*output.bookmarks("orders")}) == ["2026-03-18", "2026-03-19"]


def test_days_that_the_vendor_may_not_keep_are_no_scope(run, monkeypatch):
    monkeypatch.setattr(Orders, "kept_days", 1)
    assert [scope["date"]["from"] for scope in run().scopes("orders")] == ["2026-03-19"]


@pytest.mark.parametrize(
    "attributes",
    (
        {"window_column": None},
        # A setting filters by what no column shows: others may have loaded other rows.
        {"filters_in_force": None},
        {"filters_in_force": {"campaign": one_of([1])}},
        {"primary_keys": ()},
    ),
)
def test_streams_that_cannot_tell_say_nothing(run, monkeypatch, attributes):
    for name, value in attributes.items():
        monkeypatch.setattr(Orders, name, value)
    output = run()
    assert KEYWORD not in output.schemas["orders"]["schema"]
    assert output.scopes("orders") == []
    assert output.bookmarks("orders")[-1] == "2026-03-19"


@pytest.mark.parametrize(
    "settings",
    (
        {"stream_maps": {"orders": {"__filter__": "id > 1"}}},
        {"stream_maps": {"orders": {"date": None}}},
        {"stream_maps": {"orders": {"advertiser": "'7'"}}},
        {"stream_maps": {"orders": {"id": "id", "__else__": None}}},
        {"hash_columns": ["orders.advertiser"], "hash_salt": "0123456789abcdef"},
    ),
)
def test_settings_that_leave_out_rows_or_change_these_columns(run, settings):
    output = run(**settings)
    assert output.records["orders"] or "__filter__" in str(settings)
    assert KEYWORD not in output.schemas["orders"]["schema"]
    assert output.scopes("orders") == []


def test_a_stream_map_that_leaves_them_keeps_the_scopes(run):
    maps = {"orders": {"__alias__": "sales", "id": "id", "twice": "id * 2"}}
    output = run(stream_maps=maps)
    assert output.schemas["sales"]["schema"][KEYWORD] is True
    assert len(output.scopes("sales")) == 2


def test_a_deselected_column(sync):
    tap = OrdersTap(config={"start_date": "2026-03-18"})
    tap.streams["orders"].metadata["properties", "advertiser"].selected = False
    assert sync(tap).scopes("orders") == []


def test_the_vendor_says_that_rows_were_deleted(sync):
    class Deletions(Orders):
        def read_window(self, window, context):
            yield from super().read_window(window, context)
            assert self.write_scope({"date": {"in": [str(window.start)]}}, deleted=True)

    class DeletionsTap(OrdersTap):
        def discover_streams(self):
            return [Deletions(self)]

    messages = sync(DeletionsTap(config={"start_date": "2026-03-19"})).messages
    (first, second) = [message[KEYWORD] for message in messages if KEYWORD in message]
    where = {"date": {"in": ["2026-03-19"]}, "advertiser": {"in": [7]}}
    assert first == [{"stream": "orders", "where": where, "deleted": True}]
    assert "deleted" not in second[0]


def test_each_partition_is_a_scope_of_its_own(run, monkeypatch):
    monkeypatch.setattr(Orders, "filters_in_force", {})
    monkeypatch.setattr(Orders, "partitions", ({"advertiser": 7}, {"advertiser": 8}))
    scopes = run(start_date="2026-03-19").scopes("orders")
    assert [scope["advertiser"] for scope in scopes] == [{"in": [7]}, {"in": [8]}]


@pytest.mark.parametrize(
    ("conditions", "flags", "expected"),
    (
        ({"date": between(date(2026, 3, 18), date(2026, 3, 19))}, {"is_page": True}, "page"),
        ({"date": between(date(2026, 3, 18), date(2026, 3, 19))}, {"deleted": True}, "deleted"),
        (None, {"is_page": True}, None),
    ),
)
def test_what_a_scope_is(run, monkeypatch, conditions, flags, expected):
    def finish(stream, *_):
        stream.write_scope(conditions, **flags)

    monkeypatch.setattr(Orders, "_finish", finish)
    (scope, *_) = (scope for one in run().messages for scope in one.get(KEYWORD, ()))
    assert scope["stream"] == "orders"
    assert ("where" in scope) is (conditions is not None)
    assert {name for name in scope if scope[name] is True} == ({expected} if expected else set())


def test_conditions():
    assert between(date(2026, 1, 31), date(2026, 2, 1)) == {
        "from": "2026-01-31",
        "before": "2026-02-01",
    }
    assert between(1, 51) == {"from": 1, "before": 51}
    assert since(datetime(2026, 1, 31, 12, tzinfo=UTC)) == {"from": "2026-01-31T12:00:00.000000Z"}
    assert or_null(before(date(2026, 2, 1))) == {"before": "2026-02-01", "or_null": True}
    assert one_of(("a", "b")) == {"in": ["a", "b"]}
    assert since(date(2026, 1, 31)) == {"from": "2026-01-31"}
    assert none_of(("a/1", "a/2"), prefix="a/") == {"prefix": "a/", "not_in": ["a/1", "a/2"]}
    assert without_prefix("(none)") == {"without_prefix": "(none)"}
    assert or_null(one_of([7])) == {"in": [7], "or_null": True}
