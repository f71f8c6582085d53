"""What a run reads, and where the next one goes on: moments, to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from signalroom_sandbox.posthog import PROJECT, SECOND_PROJECT
from signalroom_singer import TapError

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONTEXT = {"project_id": PROJECT}
SETTINGS = {
    "start_date": None,
    "end_date": None,
    "lookback_hours": 6,
    "settle_minutes": 30,
    "window_hours": 24,
}


@pytest.fixture(autouse=True)
def _noon():
    with time_machine.travel(NOON, tick=False):
        yield


def at(text):
    return datetime.fromisoformat(f"2026-{text}+00:00")


def bookmarked(*values):
    """The state of projects: the tests' own, and another."""
    return {
        "bookmarks": {
            "events": {
                "partitions": [
                    {
                        "context": {"project_id": project},
                        "replication_key": "timestamp",
                        "replication_key_value": value,
                    }
                    for project, value in zip((PROJECT, SECOND_PROJECT), values, strict=False)
                ]
            }
        }
    }


@pytest.fixture
def stream(make_tap):
    """The stream of events, with the bookmarks of projects."""

    def make(*bookmarks, **config):
        return make_tap(bookmarked(*bookmarks), **(SETTINGS | config)).streams["events"]

    return make


@pytest.mark.parametrize(
    ("bookmark", "config", "begin", "end"),
    (
        # Records of the last half hour may still arrive.
        ("2026-03-19T12:00:00Z", {}, "03-19T06:00", "03-20T11:30"),
        ("2026-03-19T12:00:00.000001Z", {}, "03-19T06:00:00.000001", "03-20T11:30"),
        (None, {}, "02-18T11:30", "03-20T11:30"),
        (None, {"start_date": "2026-03-01"}, "03-01T00:00", "03-20T11:30"),
        (None, {"end_date": "2026-03-10"}, "02-09T00:00", "03-11T00:00"),
        (
            None,
            {"start_date": "2026-03-01", "end_date": "2026-03-10"},
            "03-01T00:00",
            "03-11T00:00",
        ),
        (
            None,
            {"start_date": "2026-03-01", "end_date": "2026-03-20"},
            "03-01T00:00",
            "03-20T11:30",
        ),
        ("2026-03-19T12:00:00Z", {"start_date": "2026-03-01"}, "03-19T06:00", "03-20T11:30"),
        ("2026-03-10T12:00:00Z", {"start_date": "2026-03-15"}, "03-15T00:00", "03-20T11:30"),
        # Of events that are dated in the future, or of a clock that was wrong.
        ("2026-03-21T00:00:00Z", {}, "03-20T05:30", "03-20T11:30"),
        ("2026-03-20T11:45:00Z", {}, "03-20T05:30", "03-20T11:30"),
    ),
)
def test_what_a_run_reads(stream, bookmark, config, begin, end):
    windows = stream(bookmark, **config).plan(PROJECT, CONTEXT)
    assert (windows[0].begin, windows[-1].end) == (at(begin), at(end))
    assert {window.length for window in windows[:-1]} <= {24 * HOUR}
    assert 0 * HOUR < windows[-1].length <= 24 * HOUR


def test_windows_are_as_long_as_the_setting_says(stream):
    plan = stream("2026-03-20T11:00:00Z", window_hours=1.5, lookback_hours=3).plan(PROJECT, CONTEXT)
    assert [window.length for window in plan] == [1.5 * HOUR, 1.5 * HOUR, HOUR / 2]


@pytest.mark.parametrize(
    ("bookmark", "is_ahead"),
    (("2026-03-20T11:30:00Z", False), ("2026-03-20T11:30:00.000001Z", True)),
)
def test_a_bookmark_ahead_of_the_clock_is_warned_of(stream, caplog, bookmark, is_ahead):
    stream(bookmark).plan(PROJECT, CONTEXT)
    warnings = [text for text in caplog.messages if "ahead of the clock" in text]
    assert len(warnings) == is_ahead
    if is_ahead:
        assert warnings[0] == (
            f"The bookmark 2026-03-20T11:30:00.000001Z of project {PROJECT} is ahead of the clock; "
            "reading again from 2026-03-20T05:30:00.000000Z, as what came before it may not have "
            "been read"
        )


@pytest.mark.parametrize(
    ("bookmark", "config", "before", "reason"),
    (
        (
            "2026-03-20T11:30:00Z",
            {"lookback_hours": 0},
            "2026-03-20T11:30:00.000000Z",
            "everything up to 2026-03-20T11:30:00.000000Z is loaded",
        ),
        (
            "2026-03-12T12:00:00Z",
            {"end_date": "2026-03-10"},
            "2026-03-11T00:00:00.000000Z",
            "everything up to 2026-03-12T12:00:00.000000Z is loaded",
        ),
        (
            None,
            {"start_date": "2026-03-20", "settle_minutes": 720},
            "2026-03-20T00:00:00.000000Z",
            "start_date is after the last moment to read",
        ),
        (
            "2026-03-01T00:00:00Z",
            {"start_date": "2026-03-20", "settle_minutes": 800},
            "2026-03-19T22:40:00.000000Z",
            "start_date is after the last moment to read",
        ),
    ),
)
def test_nothing_to_read(stream, caplog, bookmark, config, before, reason):
    caplog.set_level("INFO")
    assert stream(bookmark, **config).plan(PROJECT, CONTEXT) == []
    assert f"events: nothing to read before {before}, {reason}" in caplog.messages


@pytest.mark.parametrize(
    ("bookmark", "begin", "rest"),
    (
        (None, "2026-02-18T11:30", "30 windows, bookmark none"),
        (
            *("2026-03-20T11:00:00Z", "2026-03-20T05:00"),
            "1 window, bookmark 2026-03-20T11:00:00.000000Z",
        ),
    ),
)
def test_the_plan_is_in_the_log(stream, caplog, bookmark, begin, rest):
    caplog.set_level("INFO")
    stream(bookmark).plan(PROJECT, CONTEXT)
    window = f"{begin}:00.000000Z to 2026-03-20T11:30:00.000000Z"
    assert f"events: reading {window} of project {PROJECT} in {rest}" in caplog.messages


def test_progress_is_in_hours(stream):
    events = stream("2026-03-20T11:00:00Z")
    events.plan(PROJECT, CONTEXT)
    assert (events.progress.total, events.progress.unit) == (6.5, "hours")


def test_each_project_has_a_bookmark_of_its_own(stream):
    events = stream("2026-03-19T12:00:00Z", "2026-03-18T12:00:00Z")
    assert events.bookmark(CONTEXT) == at("03-19T12:00")
    assert events.bookmark({"project_id": SECOND_PROJECT}) == at("03-18T12:00")
    assert events.bookmark({"project_id": 1}) is None


def test_a_bookmark_of_another_column_does_not_count(stream, monkeypatch):
    events = stream("2026-03-19T12:00:00Z")
    monkeypatch.setattr(events, "replication_key", "created_at")
    assert events.bookmark(CONTEXT) is None


def test_a_broken_bookmark_names_the_stream(stream):
    with pytest.raises(TapError, match="events: 'soon' in the state is not a timestamp"):
        stream("soon").bookmark(CONTEXT)


class TestReading:
    """The bookmark comes before a page's last moment, which may go on in the next one."""

    @pytest.fixture
    def read(self, stream, monkeypatch):
        def read(pages, *bookmarks, **config):
            """Read pages by the beginning of their window; gives times and bookmarks in order."""
            events = stream(*bookmarks, **config)
            output = []

            def read_window(_, window, project):
                assert project == PROJECT
                for times in pages.get(f"{window.begin:%H}", ()):
                    yield [{"timestamp": f"2026-03-20T{time}.000000Z"} for time in times]

            def save(value, context):
                assert context == CONTEXT
                events.get_context_state(context)["replication_key_value"] = value
                events.get_context_state(context)["replication_key"] = "timestamp"
                output.append(f"bookmark {value[11:19]}")

            monkeypatch.setattr(type(events), "read_window", read_window)
            monkeypatch.setattr(events, "save_bookmark", save)
            for record in events.read_project(PROJECT, CONTEXT):
                time = record["timestamp"][11:19]
                output.append(time)
            return output, events

        return read

    def test_each_page_moves_the_bookmark(self, read):
        pages = {"09": [["09:10:00", "09:20:00"], [], ["09:30:00"]], "10": []}
        output, events = read(
            pages, "2026-03-20T09:00:00Z", lookback_hours=0, window_hours=1.25, settle_minutes=30
        )
        assert output == [
            *("09:10:00", "bookmark 09:20:00", "09:20:00", "bookmark 09:30:00", "09:30:00"),
            *("bookmark 10:15:00", "bookmark 11:30:00"),
        ]
        assert (events.progress.done, events.progress.total) == (2.5, 2.5)

    def test_the_bookmark_does_not_go_back_over_the_lookback(self, read):
        pages = {"09": [["09:10:00"]], "10": [["10:10:00"], ["10:20:00"]]}
        output, _ = read(pages, "2026-03-20T10:10:00Z", lookback_hours=1, window_hours=1)
        assert output == [
            *("09:10:00", "10:10:00", "bookmark 10:20:00", "10:20:00"),
            *("bookmark 11:10:00", "bookmark 11:30:00"),
        ]

    def test_a_bookmark_ahead_of_the_clock_goes_back(self, read):
        output, _ = read({}, "2026-03-21T00:00:00Z", lookback_hours=1, window_hours=1)
        assert output == ["bookmark 11:30:00"]

    def test_progress_goes_on_where_another_project_ended(self, read, stream):
        _, events = read({}, "2026-03-20T11:00:00Z", lookback_hours=0, window_hours=1)
        events.get_context_state(CONTEXT)["replication_key_value"] = "2026-03-20T11:00:00Z"
        assert list(events.read_project(PROJECT, CONTEXT)) == []
        assert (events.progress.done, events.progress.total) == (1, 1)
