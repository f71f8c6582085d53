"""What people may have edited in a state: timestamps are read in UTC, anything else is named."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine

from signalroom_singer import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.state import parse_bookmark, validate_state


@pytest.fixture(autouse=True)
def _machine_in_another_zone():
    with time_machine.travel(datetime(2026, 3, 20, 12, tzinfo=ZoneInfo("Asia/Tokyo"))):
        yield


@pytest.mark.parametrize(
    ("value", "text"),
    (
        ("2026-01-31T12:00:00", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00.25+02:00", "2026-01-31T10:00:00.250000+00:00"),
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        # No zone of the world makes a year out of these that Python does not have.
        ("0001-01-01T00:00:00", "1900-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59-12:00", "9999-12-30T00:00:00+00:00"),
    ),
)
def test_a_timestamp_is_read_in_utc(value, text):
    assert parse_bookmark(value, stream="orders").isoformat() == text


@pytest.mark.parametrize("value", (None, ""))
def test_a_stream_may_have_no_bookmark(value):
    assert parse_bookmark(value, stream="orders") is None


def test_what_is_no_timestamp_is_named():
    with pytest.raises(TapError) as caught:
        parse_bookmark("soon", stream="orders")
    assert str(caught.value) == (
        "orders: 'soon' in the state is not a timestamp (2026-01-31T12:00:00Z). Fix it with "
        "`meltano state edit`, or read everything again with --full-refresh."
    )
    assert caught.value.exit_code == ExitCode.DATA


_PARTITION = {"context": {"account": "a"}, "replication_key_value": "2026-03-01"}


@pytest.mark.parametrize(
    "bookmark",
    (
        {},
        {"replication_key": "date", "replication_key_value": "2026-03-01"},
        {"partitions": []},
        {"partitions": [_PARTITION, _PARTITION]},
        {"titles": {"é": "漢字"}},
        {"fields": ["a", ["b", ["c"]]]},
    ),
)
def test_states_as_taps_write_them(bookmark):
    validate_state({"bookmarks": {"orders": bookmark}})


def test_a_state_may_have_no_bookmarks():
    validate_state({})


@pytest.mark.parametrize(
    ("state", "where", "shown"),
    (
        ({"bookmarks": ["orders"]}, " (bookmarks)", "['orders']"),
        ({"bookmarks": {"orders": "2026-03-01"}}, " of stream orders", "2026-03-01"),
        ({"bookmarks": {"orders": None}}, " of stream orders", "None"),
        # Half of a character, which no state backend could write again.
        (
            {"bookmarks": {"orders": {"a": "\ud83d"}}},
            " of stream orders",
            str({"a": "\ud83d"}),
        ),
        (
            {"bookmarks": {"orders": {"partitions": _PARTITION}}},
            " of stream orders (partitions)",
            str(_PARTITION),
        ),
        (
            {"bookmarks": {"orders": {"partitions": [_PARTITION, "a"]}}},
            " of stream orders (partitions)",
            str([_PARTITION, "a"])[:100],
        ),
        (
            {"bookmarks": {"orders": {"partitions": [{"context": "a"}]}}},
            " of stream orders (partitions)",
            "[{'context': 'a'}]",
        ),
        ({"bookmarks": {"orders": {"fields": [7]}}}, " of stream orders (fields)", "[7]"),
    ),
)
def test_a_part_of_a_state_that_cannot_be_used_is_named(state, where, shown):
    with pytest.raises(TapError) as caught:
        validate_state(state)
    assert str(caught.value) == (
        f"The state{where} cannot be used: {shown!r} is not valid here. Fix it with `meltano state "
        "edit`, or read everything again with --full-refresh."
    )
    assert caught.value.exit_code == ExitCode.DATA


def test_only_the_beginning_of_a_long_value_is_shown():
    with pytest.raises(TapError, match=r"'x{100}' is not valid") as caught:
        validate_state({"bookmarks": {"orders": "x" * 101}})
    with pytest.raises(TapError, match=r"'x{100}' in the state"):
        parse_bookmark("x" * 101, stream="orders")
    assert "x" * 101 not in str(caught.value)
