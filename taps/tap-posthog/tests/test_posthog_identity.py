"""Events that share their uuid: PostHog tells them apart by name, person and day."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from posthog_days import day, days_ago, moment

from signalroom_sandbox.posthog import PROJECT, SECOND_PROJECT
from tap_posthog.shared_ids import SharedIds

EVENTS = "events"


def found(output):
    """What the rows are of, as the sandbox has it; each as often as it came."""
    return sorted(
        (row["uuid"], row["event"], row["distinct_id"], row["timestamp"][:10])
        for row in output.records[EVENTS]
    )


def expected(posthog, first=3, last=1, **more):
    begin, end = (days_ago(number).replace(tzinfo=None).isoformat() for number in (first, last - 1))
    return sorted(map(tuple, posthog.identities(start=begin, end=end, **more)))


def siblings(*changes, **same):
    """Events of one uuid."""
    one = {"uuid": str(uuid.uuid4()), "timestamp": moment(2, 3600)} | same
    return [one | change for change in changes]


#: As PostHog's clients name events and persons; ClickHouse and Python sort by code point alike.
NAMES = ("", "Z", "a", "é", "name'); --", "\U0001f600")


class TestEndsOfPages:
    """Where a page ends between events of one moment and one uuid, the next one goes on there."""

    @pytest.mark.parametrize("page_size", (2, 3, 7, 100))
    @pytest.mark.parametrize("by", ("timestamp", "created_at"))
    def test_of_queries(self, make_tap, posthog, sync, page_size, by):
        posthog.clear_events()
        at = {"created_at": moment(2, 3600)}
        named = siblings(*({"event": name} for name in NAMES), **at)
        whose = siblings(*({"distinct_id": name} for name in NAMES), **at)
        # Of the same moment of arrival, but of other days.
        dated = siblings(*({"timestamp": moment(2 + n, 3600)} for n in range(2)), **at)
        posthog.events(events=[*named, *whose, *dated, *named[::-1]])
        tap = make_tap(page_size=page_size, events_replication_key=by)
        assert sorted({*found(sync(tap, EVENTS))}) == expected(posthog)

    def test_of_the_older_endpoint(self, make_tap, posthog, sync):
        posthog.clear_events()
        many = [siblings({"event": "a"}, {"event": "b"}, {"distinct_id": "c"}) for _ in range(700)]
        posthog.events(events=[event for events in many for event in events])
        rows = found(sync(make_tap(events_api="events"), EVENTS))
        assert rows == expected(posthog)
        assert len(rows) == 2_100

    @pytest.mark.parametrize("zone", ("UTC", "America/New_York"))
    @pytest.mark.parametrize("page_size", (2, 3, 100))
    @pytest.mark.parametrize("by", ("timestamp", "created_at"))
    def test_of_copies_that_are_not_merged_the_newest_is_last(
        self, make_tap, posthog, sync, page_size, by, zone
    ):
        posthog.zone(name=zone)
        posthog.clear_events()
        arrived = [{"created_at": moment(2, n), "person_id": f"person {n}"} for n in range(5)]
        for place in (3, 0, 4, 1, 2):
            posthog.events(events=[{**one, **arrived[place]} for one in self.COPIED])
        tap = make_tap(page_size=page_size, events_replication_key=by, events_key="identity")
        kept = {row["uuid"]: row["person_id"] for row in sync(tap, EVENTS).records[EVENTS]}
        assert kept == {one["uuid"]: "person 4" for one in self.COPIED}

    COPIED = tuple(siblings({})[0] for _ in range(7))

    def test_copies_that_are_not_merged_do_not_end_the_run(self, make_tap, posthog, sync):
        posthog.clear_events()
        posthog.events(events=siblings(*[{}] * 9))
        for page_size in (2, 100):
            rows = found(sync(make_tap(page_size=page_size), EVENTS))
            assert [*{*rows}] == expected(posthog)


class TestKeys:
    @pytest.mark.parametrize("way", ("query", "events"))
    def test_by_identity_every_event_that_posthog_counts(self, make_tap, posthog, sync, way):
        days = {"start_date": day(22), "end_date": day(18)}
        tap = make_tap(**days, events_key="identity", events_api=way)
        output = sync(tap, EVENTS)
        key = ["uuid", "event", "distinct_id", "event_date"]
        assert output.schemas[EVENTS]["key_properties"] == key
        properties = output.schemas[EVENTS]["schema"]["properties"]
        assert all(properties[name]["type"] == ["string"] for name in key)
        keys = {tuple(row[name] for name in key) for row in output.records[EVENTS]}
        assert sorted(keys) == expected(posthog, 22, 18)
        # Two are there twice.
        assert len(output.records[EVENTS]) == len(keys) + 2
        assert len(keys) == len({one for one, *_ in keys}) + 3

    @pytest.mark.parametrize("zone", ("America/New_York", "Pacific/Apia"))
    @pytest.mark.parametrize("by", ("timestamp", "created_at"))
    def test_the_day_is_in_utc(self, make_tap, posthog, sync, zone, by):
        posthog.clear_events()
        posthog.zone(name=zone)
        times = [moment(2, seconds) for seconds in (0, 3_600, 43_200, 86_399.999999)]
        posthog.events(events=siblings(*({"timestamp": at, "created_at": at} for at in times)))
        tap = make_tap(events_key="identity", events_replication_key=by)
        rows = sync(tap, EVENTS).records[EVENTS]
        assert [row["timestamp"] for row in rows] == times
        assert {row["event_date"] for row in rows} == {day(2)}

    def test_by_uuid_events_that_share_one_are_counted(self, make_tap, posthog, sync, caplog):
        days = {"start_date": day(22), "end_date": day(18)}
        output = sync(make_tap(**days), EVENTS)
        assert output.schemas[EVENTS]["key_properties"] == ["uuid"]
        assert "event_date" not in output.schemas[EVENTS]["schema"]["properties"]
        (told,) = [one for one in caplog.messages if "share their uuid" in one]
        count = len(output.records[EVENTS])
        assert told.startswith(f"3 of the {count} events that were read share their uuid")
        assert "set events_key to identity" in told
        caplog.clear()
        sync(make_tap(**days, events_key="identity"), EVENTS)
        sync(make_tap(), EVENTS)
        assert "share their uuid" not in caplog.text

    def test_several_projects_share_one_warning(self, make_tap, posthog, sync, caplog):
        named, whose = siblings({}, {"event": "b"}), siblings({}, {"distinct_id": "b"}, {})
        posthog.events(events=named)
        posthog.events(events=[*named, *whose], project=SECOND_PROJECT)
        output = sync(make_tap(project_id="4711,4712"), EVENTS)
        assert output.schemas[EVENTS]["key_properties"] == ["uuid", "project_id"]
        assert [one.split(" ", 1)[0] for one in caplog.messages if "their uuid" in one] == ["3"]
        for project in (PROJECT, SECOND_PROJECT):
            rows = [row for row in output.records[EVENTS] if row["project_id"] == project]
            ids = {row["uuid"] for row in rows}
            assert ids == {one for one, *_ in expected(posthog, project=project)}

    @pytest.mark.parametrize(
        ("setting", "is_part"),
        (
            ("4711", False),
            ("4711,", False),
            ("4711,4711", False),
            ("4711,4712", True),
            ("all", True),
        ),
    )
    def test_the_project_is_part_of_each_key_where_several_are_read(
        self, make_tap, setting, is_part
    ):
        streams = make_tap(project_id=setting).streams
        always = {"group_types", "groups"}
        with_project = {name for name in streams if "project_id" in streams[name].primary_keys}
        assert with_project == ({*streams} if is_part else always)
        tagged = make_tap(project_id=setting, client_id="acme", events_key="identity").streams
        assert all(stream.primary_keys[0] == "_client_id" for stream in tagged.values())
        assert [*tagged[EVENTS].primary_keys[1:]] == [
            *("uuid", "event", "distinct_id", "event_date"),
            *(["project_id"] if is_part else []),
        ]

    def test_rows_of_several_projects_with_one_id(self, make_tap, posthog, sync):
        streams = ("events", "sessions", "annotations", "session_recordings")
        for resource in ("annotations", "session_recordings"):
            posthog.share(resource=resource)
        output = sync(make_tap(project_id="all", start_date=day(21), end_date=day(19)), *streams)
        for stream in streams:
            keys = output.schemas[stream]["key_properties"]
            rows = output.records[stream]
            ids = {tuple(row[name] for name in keys[:-1]) for row in rows}
            assert len({tuple(row[name] for name in keys) for row in rows}) > len(ids)

    @pytest.mark.parametrize("before", ({}, {"events_key": "identity", "project_id": "all"}))
    def test_a_catalog_older_than_the_setting(self, make_tap, sync, before):
        now = {"events_key": "identity", "project_id": "all"} if not before else {}
        catalog = make_tap(**before).catalog_dict
        tap = make_tap(**now)
        stale = type(tap)(config=dict(tap.config), catalog=catalog)
        expected_keys = [*tap.streams[EVENTS].primary_keys]
        output = sync(stale, EVENTS)
        stale.close()
        assert output.schemas[EVENTS]["key_properties"] == expected_keys
        assert all({*expected_keys} <= row.keys() for row in output.records[EVENTS])
        assert not any(
            "event_date" in (row["_extra"] or {})
            for row in output.records[EVENTS]
            if "_extra" in row
        )

    def test_key_columns_are_always_read(self, make_tap, posthog, sync):
        config = {"events_key": "identity", "events_replication_key": "created_at"}
        catalog = make_tap(**config).catalog_dict
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                chosen = metadata["breadcrumb"] in ([], ["properties", "uuid"])
                metadata["metadata"]["selected"] = entry["stream"] == EVENTS and chosen
        tap = make_tap(**config)
        chosen = type(tap)(config=dict(tap.config), catalog=catalog)
        rows = sync(chosen).records[EVENTS]
        chosen.close()
        assert rows
        assert {*rows[0]} >= {"uuid", "event", "distinct_id", "event_date"}
        assert not {*rows[0]} & {"timestamp", "properties", "person_id"}


class TestCounting:
    def test_more_than_a_block(self, monkeypatch):
        monkeypatch.setattr("tap_posthog.shared_ids._BLOCK", 100)
        shared = SharedIds()
        for number in range(1_000):
            shared.add(number // 2, number)
        assert (shared.events, shared.is_lower_bound, shared.count()) == (1_000, True, 500)

    def test_a_block_that_is_just_full_is_exact(self, monkeypatch):
        monkeypatch.setattr("tap_posthog.shared_ids._BLOCK", 100)
        shared = SharedIds()
        # Each id is in the first half and in the second.
        for number in range(100):
            shared.add(number % 50, number)
        assert (shared.is_lower_bound, shared.count()) == (False, 50)
        assert shared.count() == 50

    def test_only_a_block_is_kept_in_memory(self, monkeypatch):
        monkeypatch.setattr("tap_posthog.shared_ids._BLOCK", 100)
        shared = SharedIds()
        # Events that share their id are never in the same block.
        for number in range(200):
            shared.add(number % 100, number)
        assert (shared.is_lower_bound, shared.count()) == (True, 0)

    def test_copies_are_not_counted(self):
        shared = SharedIds()
        for number in range(1_000):
            shared.add(number % 10, number % 10)
        assert (shared.is_lower_bound, shared.count()) == (False, 0)

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4))))
    def test_as_many_as_sets_have(self, events):
        shared = SharedIds()
        for one in events:
            shared.add(one[0], one)
        assert shared.count() == len({*events}) - len({one for one, _ in events})
        assert shared.count() == len({*events}) - len({one for one, _ in events})
