"""`--control-totals`: the vendor's own totals by day, as lines of JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import time_machine
from singer_sdk import typing as th

from signalroom_singer import (
    COMMON_SETTINGS,
    WINDOW_SETTINGS,
    MalformedResponseError,
    SignalRoomTap,
    WindowedStream,
    one_of,
)

NEW_YORK = ZoneInfo("America/New_York")


class Orders(WindowedStream):
    """Orders of one advertiser, by day; the vendor knows their number and their amounts."""

    name = "orders"
    replication_key = "date"
    primary_keys = ("id",)
    report_zone = NEW_YORK
    window_column = "date"
    lookback_days = 3
    control_columns = ("count", "amount")
    filters_in_force = {"advertiser": one_of([7])}
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType),
        th.Property("date", th.DateType),
        th.Property("advertiser", th.IntegerType),
        th.Property("count", th.IntegerType),
        th.Property("amount", th.NumberType),
    ).to_dict()

    def read_window(self, window, context):
        raise AssertionError

    def control_totals(self, window):
        # A day without orders is missing, as in many reports.
        return {window.end: {"count": Decimal(2), "amount": Decimal("1E-8")}}


class OrdersTap(SignalRoomTap):
    name = "tap-orders"
    config_jsonschema = th.PropertiesList(*COMMON_SETTINGS, *WINDOW_SETTINGS).to_dict()

    def discover_streams(self):
        return [Orders(self)]


@pytest.fixture(autouse=True)
def _noon():
    with time_machine.travel(datetime(2026, 3, 20, 12, tzinfo=UTC)):
        yield


@pytest.fixture
def lines(tmp_path, capsys):
    """The lines that the command prints."""

    def lines(days, mark=None, **config):
        state = {"replication_key": "date", "replication_key_value": mark} if mark else {}
        options = []
        for name, value in {
            "config": config,
            "state": {"bookmarks": {"orders": state}},
        }.items():
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(value))
            options.append(f"--{name}={path}")
        OrdersTap.cli.main([*options, f"--control-totals={days}"], standalone_mode=False)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return lines


def test_each_day_has_its_totals_with_all_digits(lines):
    assert lines("2026-03-01..2026-03-02", client_id="acme") == [
        {
            "stream": "orders",
            "client_id": "acme",
            "day_column": "date",
            "where": {
                "date": {"from": "2026-03-01", "before": "2026-03-03"},
                "advertiser": {"in": [7]},
            },
            "days": {
                "2026-03-01": {"count": "0", "amount": "0"},
                "2026-03-02": {"count": "2", "amount": "0.00000001"},
            },
        }
    ]


@pytest.mark.parametrize(
    ("mark", "start", "days"),
    (
        ("2026-03-15", None, ["2026-03-13", "2026-03-14", "2026-03-15"]),
        ("2026-03-15", "2026-03-15", ["2026-03-15"]),
        # Days that are no longer read.
        ("2026-03-15", "2026-03-18", ["2026-03-15"]),
        # A bookmark that is ahead of the clock.
        ("2026-04-01", "2026-03-19", ["2026-03-19"]),
    ),
)
def test_by_default_they_are_of_the_days_that_the_last_run_read(lines, mark, start, days):
    (line,) = lines("lookback", mark, **({"start_date": start} if start else {}))
    assert [*line["days"]] == days


def test_before_the_first_run_there_is_nothing_to_compare(lines):
    assert lines("lookback") == [
        {"stream": "orders", "client_id": None, "problem": "no day was loaded yet"}
    ]


@pytest.mark.parametrize("days", ("2026-03-02..2026-03-01", "2026-03-01", "soon", "a..b"))
def test_what_is_no_range_of_days_is_refused(lines, days):
    with pytest.raises(Exception, match="is no range of days, such as 2026-01-01"):
        lines(days)


@pytest.mark.parametrize(
    "setting",
    (
        {"stream_maps": {"orders": {"__filter__": "record['amount'] > 0"}}},
        {"stream_maps": {"orders": {"amount": "record['amount'] * 2"}}},
        {"hash_columns": ["orders.advertiser"], "hash_salt": "a salt of a sufficient length"},
    ),
    ids=["filter", "changed", "hashed"],
)
def test_what_settings_change_is_not_compared(lines, setting):
    (line,) = lines("2026-03-01..2026-03-02", **setting)
    assert line["problem"] == "a setting changes, hashes or leaves out rows or columns of it"
    assert "days" not in line


def test_a_renamed_stream_is_compared_by_its_new_name(lines):
    (line,) = lines(
        "2026-03-01..2026-03-02", stream_maps={"orders": {"__alias__": "sales", "id": "id"}}
    )
    assert line["stream"] == "sales"


def test_a_filter_that_no_column_shows(lines, monkeypatch):
    monkeypatch.setattr(Orders, "filters_in_force", None)
    (line,) = lines("2026-03-01..2026-03-02")
    assert line["problem"] == "no column shows what the settings filter by"


def test_a_response_without_what_is_expected_is_explained(lines, monkeypatch):
    monkeypatch.setattr(Orders, "control_totals", lambda _, window: window["missing"])
    with pytest.raises(MalformedResponseError, match="orders"):
        lines("2026-03-01..2026-03-02")
