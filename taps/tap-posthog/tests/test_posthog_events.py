"""Events: each once, whenever it came and however it is stored."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import requests
from posthog_days import day, days_ago, moment
from singer_sdk.exceptions import ConfigValidationError

from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT, SECOND_PROJECT
from signalroom_singer import RequestRejectedError, TapError
from tap_posthog.client import QueryTooLargeError
from tap_posthog.streams._base import parse_results
from tap_posthog.streams._hogql_base import HogQLTimeStream

EVENTS = "events"


def uuids(output):
    return sorted(row["uuid"] for row in output.records[EVENTS])


def expected(posthog, first=3, last=1, **more):
    """What happened from the beginning of a day to the end of another."""
    begin, end = (days_ago(number).replace(tzinfo=None).isoformat() for number in (first, last - 1))
    return posthog.uuids(start=begin, end=end, **more)


def bookmarks(output):
    """The bookmarks in the order they were sent."""
    found = []
    for message in output.messages:
        if message["type"] == "STATE":
            partitions = message["value"]["bookmarks"].get(EVENTS, {}).get("partitions", [])
            found += [one.get("replication_key_value") for one in partitions]
    return [value for value in found if value]


def state_at(value, key="timestamp", project=PROJECT):
    bookmark = {"replication_key": key, "replication_key_value": value}
    partition = {"context": {"project_id": project}, **bookmark}
    return {"bookmarks": {EVENTS: {"partitions": [partition]}}}


class TestEachOnce:
    @pytest.mark.parametrize("page_size", (2, 7, 100, 10_000))
    def test_all_events_of_the_days_and_no_others(self, make_tap, posthog, sync, page_size):
        end = day(3) if page_size < 10 else day(1)
        output = sync(make_tap(page_size=page_size, end_date=end), EVENTS)
        assert uuids(output) == expected(posthog, 3, 3 if page_size < 10 else 1)
        times = [row["timestamp"] for row in output.records[EVENTS]]
        assert times == sorted(times)

    @pytest.mark.parametrize("page_size", (100, 333))
    def test_thousands_in_one_moment(self, make_tap, posthog, sync, page_size):
        # Half of them would sort another way as UUIDs than as text.
        same = [{"uuid": str(uuid.uuid4()), "timestamp": moment(2, 3600.5)} for _ in range(2_500)]
        posthog.events(events=same)
        output = sync(make_tap(page_size=page_size), EVENTS)
        assert uuids(output) == expected(posthog)
        assert len(uuids(output)) > 2_500

    def test_microseconds_count(self, make_tap, posthog, sync):
        near = [{"timestamp": moment(2, 60 + n / 1_000_000)} for n in range(250)]
        posthog.events(events=near)
        assert uuids(sync(make_tap(page_size=100), EVENTS)) == expected(posthog)

    def test_the_ends_of_windows(self, make_tap, posthog, sync):
        times = [moment(3), moment(2), moment(1), moment(1, 86399.999999), moment(0)]
        made = posthog.events(events=[{"timestamp": at} for at in times])
        found = uuids(sync(make_tap(window_hours=12), EVENTS))
        assert {*made[:4]} <= {*found}
        assert made[4] not in found
        assert found == expected(posthog)

    def test_pages_cut_off_by_the_vendor(self, make_tap, posthog, sync):
        posthog.switches(row_cap=90)
        assert uuids(sync(make_tap(page_size=5_000), EVENTS)) == expected(posthog)

    @pytest.mark.parametrize("way", ("query", "events"))
    def test_twenty_thousand_of_which_many_share_moments(self, make_tap, posthog, sync, way):
        begin = days_ago(300)
        posthog.make_events(begin=begin.isoformat(), days=2, count=20_000, tied=5_000)
        tap = make_tap(start_date=day(300), end_date=day(299), page_size=3_000, events_api=way)
        rows = sync(tap, EVENTS).records[EVENTS]
        assert len({row["timestamp"] for row in rows}) < 17_000
        found = [row["uuid"] for row in rows]
        assert len(found) == 20_000 or way == "events"
        assert sorted({*found}) == expected(posthog, 300, 299)

    def test_a_row_limit_that_falls_during_the_run(self, make_tap, posthog, sync, monkeypatch):
        request_rows = HogQLTimeStream.request_rows

        def rows(stream, *args, **more):
            if int(more["limit"]) > 250:
                posthog.switches(row_cap=90)
            return request_rows(stream, *args, **more)

        monkeypatch.setattr(HogQLTimeStream, "request_rows", rows)
        output = sync(make_tap(), EVENTS)
        assert uuids(output) == expected(posthog)
        assert len(uuids(output)) > 500

    def test_rows_that_exist_twice(self, make_tap, posthog, sync):
        twice = {"uuid": str(uuid.uuid4()), "timestamp": moment(2, 5)}
        posthog.events(events=[twice, twice, twice])
        for page_size in (2, 1000):
            found = uuids(sync(make_tap(page_size=page_size, end_date=day(2)), EVENTS))
            assert sorted({*found}) == expected(posthog, 3, 2)

    def test_columns_in_another_order(self, make_tap, posthog, sync):
        posthog.switches(shuffled_columns=True)
        output = sync(make_tap(), EVENTS)
        assert uuids(output) == expected(posthog)
        assert output.records[EVENTS][0]["distinct_id"].startswith("visitor-")

    @pytest.mark.parametrize("zone", ("America/New_York", "Asia/Kolkata"))
    def test_the_projects_time_zone_does_not_matter(self, make_tap, posthog, sync, zone):
        utc = sync(make_tap(page_size=100), EVENTS).records[EVENTS]
        posthog.zone(name=zone)
        local = sync(make_tap(page_size=100), EVENTS).records[EVENTS]
        assert [(row["uuid"], row["timestamp"]) for row in local] == [
            (row["uuid"], row["timestamp"]) for row in utc
        ]

    def test_an_hour_that_comes_twice(self, make_tap, posthog, sync):
        # The clocks of New York went back at 6 o'clock UTC on this day.
        posthog.zone(name="America/New_York")
        times = [f"2025-11-02T0{hour}:30:00.00000{n}Z" for hour in (4, 5, 6, 7) for n in range(9)]
        made = posthog.events(events=[{"timestamp": at} for at in times])
        tap = make_tap(start_date="2025-11-02", end_date="2025-11-02", page_size=4)
        rows = sync(tap, EVENTS).records[EVENTS]
        assert sorted(row["uuid"] for row in rows) == sorted(made)
        assert [row["timestamp"] for row in rows] == [at[:-1] + "Z" for at in times]

    def test_several_projects(self, make_tap, posthog, sync):
        for setting in ("4711,4712", "all"):
            rows = sync(make_tap(project_id=setting), EVENTS).records[EVENTS]
            for project in (PROJECT, SECOND_PROJECT):
                of_it = sorted(row["uuid"] for row in rows if row["project_id"] == project)
                assert of_it == expected(posthog, project=project)


class TestRuns:
    def test_the_bookmark_moves_with_each_page(self, make_tap, sync):
        output = sync(make_tap(page_size=50), EVENTS)
        values = bookmarks(output)
        assert len({*values}) >= 12
        assert values == sorted(values)
        assert values[-1] == moment(0)

    def test_a_killed_run_resumes_where_it_stopped(self, make_tap, posthog, sync):
        whole = sync(make_tap(page_size=50), EVENTS)
        stops = [n for n, one in enumerate(whole.messages) if one["type"] == "STATE"]
        for stop in stops[:: max(1, len(stops) // 6)]:
            before = {
                one["record"]["uuid"] for one in whole.messages[:stop] if one["type"] == "RECORD"
            }
            tap = make_tap(whole.messages[stop]["value"], page_size=50, lookback_hours=0)
            after = {*uuids(sync(tap, EVENTS))}
            assert sorted(before | after) == expected(posthog)
            assert len(before & after) <= 50

    def test_late_events_within_the_lookback_are_loaded(self, make_tap, posthog, sync):
        first = sync(make_tap(end_date=None, lookback_hours=48), EVENTS)
        now = datetime.now(UTC)
        ago = {hours: (now - timedelta(hours=hours)).isoformat() for hours in (1, 20, 47, 50, 70)}
        made = dict(
            zip(ago, posthog.events(events=[{"timestamp": at} for at in ago.values()]), strict=True)
        )
        second = sync(make_tap(first.state, end_date=None, lookback_hours=48), EVENTS)
        found = {*uuids(second)}
        assert {hours for hours, one in made.items() if one in found} == {1, 20, 47}

    def test_later_events_are_loaded_by_their_time_of_arrival(self, make_tap, posthog, sync):
        by_arrival = {"events_replication_key": "created_at", "end_date": None}
        first = sync(make_tap(**by_arrival), EVENTS)
        assert len(uuids(first)) >= len(expected(posthog))
        now = datetime.now(UTC)
        old = [
            {
                "timestamp": (now - timedelta(days=days)).isoformat(),
                "created_at": (now - timedelta(minutes=10)).isoformat(),
            }
            for days in (10, 80, 200)
        ]
        made = posthog.events(events=old)
        second = sync(make_tap(first.state, **by_arrival, lookback_hours=1), EVENTS)
        assert [one in uuids(second) for one in made] == [True, True, False]
        assert len(uuids(second)) < 60

    def test_events_of_the_future_are_left_to_later_runs(self, make_tap, sandbox, posthog, sync):
        ahead = datetime.now(UTC) + timedelta(days=365)
        soon = datetime.now(UTC) + timedelta(minutes=20)
        far, near = posthog.events(
            events=[{"timestamp": ahead.isoformat()}, {"timestamp": soon.isoformat()}]
        )
        output = sync(make_tap(end_date=None), EVENTS)
        assert not {far, near} & {*uuids(output)}
        assert bookmarks(output)[-1] < datetime.now(UTC).isoformat()

    def test_the_latest_minutes_are_left_to_the_next_run(self, make_tap, posthog, sync):
        now = datetime.now(UTC)
        times = [now - timedelta(minutes=minutes) for minutes in (2, 8)]
        recent, settled = posthog.events(events=[{"timestamp": at.isoformat()} for at in times])
        output = sync(make_tap(end_date=None), EVENTS)
        assert recent not in uuids(output)
        assert settled in uuids(output)
        second = sync(make_tap(output.state, end_date=None, settle_minutes=0), EVENTS)
        assert recent in uuids(second)

    def test_events_that_become_visible_after_the_run(self, make_tap, sandbox, posthog, sync):
        now = datetime.now(UTC)
        hidden = {
            "timestamp": (now - timedelta(minutes=30)).isoformat(),
            "created_at": (now - timedelta(minutes=29)).isoformat(),
            "visible_at": (now + timedelta(minutes=10)).isoformat(),
        }
        (made,) = posthog.events(events=[hidden])
        first = sync(make_tap(end_date=None), EVENTS)
        assert made not in uuids(first)
        sandbox.control.advance(700)
        assert made in uuids(sync(make_tap(first.state, end_date=None), EVENTS))

    def test_no_response_comes_from_the_cache(self, make_tap, posthog, sync, queries):
        sync(make_tap(), EVENTS)
        (made,) = posthog.events(events=[{"timestamp": moment(2, 77)}])
        assert made in uuids(sync(make_tap(), EVENTS))
        assert {query["refresh"] for query in queries()} == {"force_blocking"}

    def test_a_bookmark_ahead_of_the_clock(self, make_tap, sync, caplog):
        ahead = (datetime.now(UTC) + timedelta(days=30)).isoformat()
        output = sync(make_tap(state_at(ahead), end_date=None), EVENTS)
        assert uuids(output)
        assert bookmarks(output)[-1] < datetime.now(UTC).isoformat()
        assert "is ahead of the clock; reading again from" in caplog.text

    @pytest.mark.parametrize("value", ("yesterday", 17, "2026-13-01T00:00:00Z"))
    def test_a_bookmark_that_is_not_a_timestamp(self, make_tap, sync, value):
        output = sync(make_tap(state_at(value)), EVENTS, fails=TapError)
        assert "is not a timestamp" in str(output.error)
        assert "meltano state edit" in str(output.error)

    def test_a_bookmark_without_a_zone_is_utc(self, make_tap, posthog, sync):
        state = state_at(days_ago(1).replace(tzinfo=None).isoformat())
        found = uuids(sync(make_tap(state, lookback_hours=0), EVENTS))
        assert found == expected(posthog, 1, 1)

    def test_a_start_in_the_future(self, make_tap):
        with pytest.raises(ConfigValidationError, match=r"Invalid start_date .* in the future"):
            make_tap(start_date=day(-5), end_date=None)

    def test_one_query_at_a_time(self, make_tap, sandbox, posthog, sync):
        posthog.latency(seconds=0.02)
        sync(make_tap(page_size=50), EVENTS)
        assert sandbox.control.requests()["max_concurrent"] == 1

    def test_a_connection_test_requests_one_row(self, make_tap, queries):
        make_tap().run_sync_dry_run(dry_run_record_limit=1, streams=[make_tap().streams[EVENTS]])
        assert all(query["query"]["query"].endswith("LIMIT 1") for query in queries())
        assert len(queries()) < 6


class TestSize:
    @pytest.mark.parametrize("status", (504, 512))
    def test_a_window_that_is_too_slow_is_split(self, make_tap, posthog, sync, status, caplog):
        posthog.switches(longest_span=3 * 3600, slow_status=status)
        assert uuids(sync(make_tap(page_size=100), EVENTS)) == expected(posthog)
        assert "reading 3:00:00 at once" in caplog.text
        assert "Gave up" not in caplog.text

    def test_a_size_that_was_too_slow_is_rarely_retried(self, make_tap, posthog, sync, sandbox):
        posthog.switches(longest_span=3 * 3600)
        assert uuids(sync(make_tap(start_date=day(14)), EVENTS)) == expected(posthog, 14)
        log = sandbox.control.requests()["requests"]
        queries = [entry for entry in log if entry["method"] == "POST"]
        rejected = [query for query in queries if query["status"] == 504]
        assert len(queries) > 100
        # Of 24 hours, 12 and 6; from then on once in 32 answers.
        assert 3 < len(rejected) <= 3 + len(queries) / 32

    def test_windows_grow_again_when_posthog_is_fast(
        self, make_tap, posthog, sync, queries, monkeypatch
    ):
        posthog.switches(longest_span=3600)
        request_rows = HogQLTimeStream.request_rows

        def rows(stream, *args, **more):
            if len(queries()) == 40:
                posthog.switches(longest_span=48 * 3600)
            return request_rows(stream, *args, **more)

        monkeypatch.setattr(HogQLTimeStream, "request_rows", rows)
        assert uuids(sync(make_tap(start_date=day(14)), EVENTS)) == expected(posthog, 14)
        lengths = [
            datetime.fromisoformat(values["end"]) - datetime.fromisoformat(values["begin"])
            for values in (query["query"]["values"] for query in queries())
        ]
        assert max(lengths[6:40]) <= timedelta(hours=2)
        assert max(lengths[40:]) >= timedelta(hours=6)

    def test_a_window_that_cannot_be_split_further(self, make_tap, posthog, sync):
        posthog.switches(longest_span=0.2)
        tap = make_tap(end_date=day(3), max_tries=2)
        output = sync(tap, EVENTS, fails=QueryTooLargeError)
        assert "answered 504" in str(output.error)

    def test_pages_of_large_events_are_smaller(self, make_tap, posthog, sync, queries):
        blob = json.dumps({"text": "x" * 1_000_000})
        made = [{"timestamp": moment(2, n), "properties": blob} for n in range(40)]
        posthog.events(events=made)
        output = sync(make_tap(), EVENTS)
        assert uuids(output) == expected(posthog)
        limits = [int(query["query"]["query"].rpartition(" ")[2]) for query in queries()]
        assert limits[0] == 250
        assert 1_000 < max(limits) <= 10_000
        assert min(limits[limits.index(2_000) :]) == 100

    @pytest.mark.parametrize("polls", (1, 3))
    def test_a_query_that_is_answered_later(self, make_tap, posthog, sync, monkeypatch, polls):
        monkeypatch.setattr("tap_posthog.client._POLL_SECONDS", 0)
        posthog.switches(answered_later=2, polls=polls)
        assert uuids(sync(make_tap(), EVENTS)) == expected(posthog)

    @pytest.mark.parametrize("ends_in", ("error", "gone"))
    def test_a_query_that_is_never_answered(self, make_tap, posthog, sync, monkeypatch, ends_in):
        monkeypatch.setattr("tap_posthog.client._POLL_SECONDS", 0)
        posthog.switches(answered_later=1, polls=1, ends_in=ends_in)
        assert uuids(sync(make_tap(), EVENTS)) == expected(posthog)


class TestContents:
    def test_properties_are_objects(self, make_tap, sync):
        row = sync(make_tap(), EVENTS).records[EVENTS][0]
        assert isinstance(row["properties"]["order_id"], int)
        assert row["properties"]["tags"] == ["a", "b"]
        assert row["session_id"].startswith("01900000-")

    def test_personal_properties_are_left_out(self, make_tap, sync):
        output = sync(make_tap(), EVENTS)
        assert "203.0.113" not in json.dumps(output.messages)
        assert "@example.com" not in json.dumps(output.messages)
        row = sync(make_tap(include_personal_data=True), EVENTS).records[EVENTS][0]
        assert row["properties"]["$ip"].startswith("203.0.113.")
        assert row["properties"]["$set"]["email"].endswith("@example.com")

    @pytest.mark.parametrize(
        ("written", "read", "kept"),
        (
            ("", None, None),
            ("null", None, None),
            ("{}", {}, None),
            ("{not json", None, "{not json"),
            ("[1, 2]", None, [1, 2]),
            ('{"a": 12345678901234567890123}', {"a": 12345678901234567890123}, None),
            ('{"a": {"b": [{"c": null}]}, "a\\u0000b": "x"}', ..., None),
            ('{"a": "\\ud800"}', None, '{"a": "\\ud800"}'),
            ('{"a": 1, "a": 2}', {"a": 2}, None),
            ('{"a": NaN}', None, '{"a": NaN}'),
        ),
    )
    @pytest.mark.parametrize("personal", (True, False))
    def test_odd_properties(self, make_tap, posthog, sync, written, read, kept, personal):
        event = {"timestamp": "2025-03-01T12:00:00Z", "properties": written}
        posthog.events(events=[event])
        days = {"start_date": "2025-03-01", "end_date": "2025-03-01"}
        (row,) = sync(make_tap(**days, include_personal_data=personal), EVENTS).records[EVENTS]
        if not personal and written == "{not json":
            kept = (
                f"({len(written)} characters left out: no JSON, and personal data may be in them)"
            )
        if read is not ...:
            assert row["properties"] == read
        assert (row.get("_extra") or {}).get("properties") == kept

    @pytest.mark.parametrize("broken", ('"v": NaN}', '"v": "\\ud800"}', '"v": '))
    def test_personal_data_of_odd_properties_is_left_out(self, make_tap, posthog, sync, broken):
        text = '{"$ip": "203.0.113.77", "$set": {"email": "a@example.com"}, ' + broken
        posthog.events(events=[{"timestamp": "2025-03-01T12:00:00Z", "properties": text}])
        output = sync(make_tap(start_date="2025-03-01", end_date="2025-03-01"), EVENTS)
        assert len(output.records[EVENTS]) == 1
        assert "203.0.113.77" not in json.dumps(output.messages)
        assert "@example.com" not in json.dumps(output.messages)

    def test_exact_fractions(self, make_tap, posthog, sync):
        event = {"timestamp": "2025-03-01T12:00:00Z", "properties": '{"v": 0.1234567890123456789}'}
        posthog.events(events=[event])
        tap = make_tap(start_date="2025-03-01", end_date="2025-03-01")
        assert (
            "0.1234567890123456789"
            in tap.streams[EVENTS]
            .clean({"properties": event["properties"]})["properties"]["v"]
            .__str__()
        )

    def test_columns_that_are_not_selected_are_not_requested(self, make_tap, sync, queries):
        catalog = make_tap().catalog_dict
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                name = metadata["breadcrumb"][-1:]
                metadata["metadata"]["selected"] = entry["stream"] == EVENTS and name != [
                    "elements_chain"
                ]
        tap = make_tap()
        tap = type(tap)(config=dict(tap.config), catalog=catalog)
        output = sync(tap)
        tap.close()
        assert output.records[EVENTS]
        assert not any("elements_chain" in query["query"]["query"] for query in queries())

    def test_a_column_that_an_older_version_lacks(self, make_tap, posthog, sync, caplog):
        posthog.switches(missing_column="person_mode")
        assert uuids(sync(make_tap(), EVENTS)) == expected(posthog)
        assert "has no columns person_mode" in caplog.text

    @pytest.mark.parametrize("column", ("uuid", "event", "distinct_id", "timestamp", "created_at"))
    def test_a_required_column(self, make_tap, posthog, sync, column):
        posthog.switches(missing_column=column)
        output = sync(make_tap(), EVENTS, fails=RequestRejectedError)
        assert f"Unable to resolve field: {column}" in str(output.error)


class TestQueriesAnswered404:
    """A proxy says 404 once in a while; the older endpoint tells less."""

    def read(self, sandbox, sync, tap, **fault):
        sandbox.control.fault("http_404", vendor="posthog", match="/query", **fault)
        output = sync(tap, EVENTS, fails=RequestRejectedError)
        paths = [one["path"] for one in sandbox.control.requests()["requests"]]
        return output, [path for path in paths if path.rstrip("/").endswith("/events")]

    @pytest.mark.parametrize("times", (1, 2))
    def test_queries_are_sent_again(self, make_tap, posthog, sandbox, sync, times):
        output, before = self.read(sandbox, sync, make_tap(), times=times)
        assert (output.error, before) == (None, [])
        assert uuids(output) == expected(posthog)

    def test_after_three_the_older_endpoint_is_used(self, make_tap, posthog, sandbox, sync, caplog):
        output, before = self.read(sandbox, sync, make_tap(), times=99)
        assert sorted({*uuids(output)}) == expected(posthog)
        assert before
        assert "reading events by the older endpoint" in caplog.text

    def test_an_instance_that_answered_a_query_has_queries(self, make_tap, sandbox, sync):
        output, before = self.read(sandbox, sync, make_tap(), times=99, skip=1)
        assert "404" in str(output.error)
        assert before == []


class TestRowsOfAnotherTime:
    """They are not paged on from: what lies between would be lost."""

    @pytest.mark.parametrize("stream", (EVENTS, "sessions"))
    @pytest.mark.parametrize("seconds", (-3600, 86_400))
    def test_of_queries(self, make_tap, posthog, sync, stream, seconds):
        posthog.switches(moved_seconds=seconds)
        output = sync(make_tap(), stream, fails=TapError)
        problem = (
            f"{stream}: PostHog's query API was asked for rows from {moment(3)} to {moment(2)}"
        )
        assert f"{problem}, and returned others" in str(output.error)
        assert output.records[stream] == []

    @pytest.mark.parametrize("stream", (EVENTS, "sessions", "persons"))
    def test_of_queries_out_of_order(self, make_tap, posthog, sync, stream):
        posthog.switches(reversed_rows=True)
        output = sync(make_tap(), stream, fails=TapError)
        assert "or in another order" in str(output.error)
        assert output.records[stream] == []

    # Berlin is ahead of UTC, New York behind; Kolkata by half an hour more; Apia by 13 hours.
    @pytest.mark.parametrize(
        "zone", ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia")
    )
    @pytest.mark.parametrize("events", ("many", "one", "tied"))
    def test_of_the_older_endpoint(self, make_tap, posthog, sync, zone, events):
        if events != "many":
            posthog.clear_events()
            count = {"one": 1, "tied": 1_700}[events]
            posthog.events(events=[{"timestamp": moment(2, 43_200)} for _ in range(count)])
        posthog.zone(name=zone)
        whole = sync(make_tap(events_api="events"), EVENTS)
        assert uuids(whole) == expected(posthog)
        posthog.switches(local_time_as_utc=True)
        output = sync(make_tap(events_api="events"), EVENTS, fails=TapError)
        assert "the project's local time as if it were UTC" in str(output.error)
        assert "Set events_api to query" in str(output.error)
        assert output.records[EVENTS] == []
        assert bookmarks(output) in ([], [moment(2)])

    def test_summer_time_that_begins_within_the_run(self, make_tap, posthog, sync):
        posthog.zone(name="Europe/London")
        posthog.switches(local_time_as_utc=True)
        days = [f"2026-03-{day}T12:00:00Z" for day in range(27, 32)]
        posthog.events(events=[{"timestamp": at} for at in days])
        tap = make_tap(start_date="2026-03-27", end_date="2026-03-31", events_api="events")
        output = sync(tap, EVENTS, fails=TapError)
        # London's time is UTC's until the 29th.
        assert [row["timestamp"][:10] for row in output.records[EVENTS]] == [
            "2026-03-27",
            "2026-03-28",
        ]


class TestOlderEndpoint:
    @pytest.fixture
    def make_old_tap(self, make_tap, posthog):
        posthog.switches(no_query_api=True)
        return make_tap

    def test_all_of_the_days(self, make_old_tap, posthog, sync, caplog):
        same = [{"uuid": str(uuid.uuid4()), "timestamp": moment(2, 3600)} for _ in range(1500)]
        posthog.events(events=[*same, {"timestamp": moment(2)}, {"timestamp": moment(0)}])
        output = sync(make_old_tap(), EVENTS)
        assert sorted({*uuids(output)}) == expected(posthog)
        assert "the older endpoint" in caplog.text
        row = output.records[EVENTS][0]
        assert row["timestamp"].endswith("Z")
        assert "$ip" not in row["properties"]

    def test_the_person_is_not_loaded(self, make_old_tap, posthog, sandbox, sync):
        """The endpoint sends the e-mail address of the person with each event."""
        output = sync(make_old_tap(), EVENTS)
        path = f"{sandbox.posthog_url}/api/projects/{PROJECT}/events/"
        headers = {"Authorization": f"Bearer {PERSONAL_KEY}"}
        sent = requests.get(path, headers=headers, timeout=30).json()["results"]
        assert any("@" in row["person"] for row in sent)
        assert not any("_extra" in row for row in output.records[EVENTS])
        assert "@" not in json.dumps(output.records[EVENTS])

    def test_events_out_of_order(self, make_old_tap, posthog, sync, monkeypatch):
        module = "tap_posthog.streams._older_endpoint.parse_results"
        monkeypatch.setattr(module, lambda response: parse_results(response)[::-1])
        posthog.events(events=[{"timestamp": moment(2, second)} for second in (1, 2)])
        output = sync(make_old_tap(), EVENTS, fails=TapError)
        assert "returned others, or not in order" in str(output.error)
        assert output.records[EVENTS] == []

    def test_thousands_in_one_moment(self, make_old_tap, posthog, sync):
        same = [{"uuid": str(uuid.uuid4()), "timestamp": moment(2, 3600)} for _ in range(3_200)]
        posthog.events(events=same)
        assert sorted({*uuids(sync(make_old_tap(), EVENTS))}) == expected(posthog)

    def test_more_than_a_page_in_a_moment_within_a_window(self, make_old_tap, posthog, sync):
        same = [{"uuid": str(uuid.uuid4()), "timestamp": moment(2)} for _ in range(1_500)]
        posthog.events(events=[*same, {"timestamp": moment(2, 7)}])
        posthog.events(events=[{"timestamp": moment(3, 86_399)}])
        assert sorted({*uuids(sync(make_old_tap(), EVENTS))}) == expected(posthog)

    def test_the_endpoint_is_not_used_with_the_setting(self, make_old_tap, sync):
        output = sync(make_old_tap(events_api="query"), EVENTS, fails=RequestRejectedError)
        assert "answered 404" in str(output.error)

    def test_the_endpoint_has_no_time_of_arrival(self, make_old_tap, sync):
        settings = {"events_replication_key": "created_at"}
        output = sync(make_old_tap(**settings), EVENTS, fails=TapError)
        assert "Set events_replication_key to timestamp" in str(output.error)
        with pytest.raises(ConfigValidationError, match="the older endpoint has no created_at"):
            make_old_tap(**settings, events_api="events")


def test_the_key_is_revoked_during_the_run(make_tap, posthog, sandbox, sync):
    sandbox.control.fault(
        "answer",
        vendor="posthog",
        match="query",
        skip=5,
        times=99,
        status=401,
        headers={},
        body={"type": "authentication_error", "detail": "Personal API key is invalid."},
    )
    output = sync(make_tap(page_size=50), EVENTS, fails=RequestRejectedError)
    assert "Check api_key" in str(output.error)
    assert PERSONAL_KEY not in str(output.error)
    read = {*uuids(output)}
    assert len(read) >= 200
    rest = {
        *uuids(sync(make_tap(output.state, lookback_hours=0), EVENTS, fails=RequestRejectedError))
    }
    assert rest == set()
    sandbox.control.clear_faults()
    rest = {*uuids(sync(make_tap(output.state, lookback_hours=0), EVENTS))}
    assert sorted(read | rest) == expected(posthog)
