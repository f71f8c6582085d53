"""Which events the tap says it has read completely: the loader removes others of that time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from posthog_days import day, moment

from signalroom_sandbox.posthog import PROJECT, SECOND_PROJECT
from signalroom_singer import RequestRejectedError
from tap_posthog.client import QueryTooLargeError
from tap_posthog.streams._hogql_base import HogQLTimeStream

EVENTS = "events"
KEYWORD = "x-complete-scopes"
HOUR = timedelta(hours=1)
IDENTITY = ("uuid", "event", "distinct_id", "event_date", "project_id")


def meets(record, where):
    """Whether a record meets all conditions; moments are compared as the texts that they are."""
    for column, condition in where.items():
        value = record.get(column)
        if value is None and condition.get("or_null"):
            continue
        if value is None or value not in condition.get("in", [value]):
            return False
        if not condition.get("from", "") <= str(value) < condition.get("before", "~"):
            return False
    return True


class Table:
    """The rows of a table whose loader keeps to the scopes."""

    def __init__(self, key=("uuid", "project_id")):
        self.key = key
        self.rows = {}
        #: Rows that were removed, and for each scope what it is and the rows sent for it.
        self.removed, self.scopes = [], []

    def load(self, output):
        """Load what a run wrote; gives the table itself."""
        sent = {}
        for message in output.messages:
            if message["type"] == "RECORD" and message["stream"] == EVENTS:
                row = message["record"]
                sent[tuple(row[name] for name in self.key)] = row
            for scope in message.get(KEYWORD, ()):
                self.rows |= sent
                if "where" in scope:
                    self._keep(scope["where"], sent)
                sent = {}
        self.rows |= sent
        return self

    def _keep(self, where, sent):
        self.scopes.append((where, [*sent.values()]))
        gone = [key for key, row in self.rows.items() if key not in sent and meets(row, where)]
        self.removed += [self.rows.pop(key) for key in gone]

    def uuids(self, project=PROJECT):
        return sorted(row["uuid"] for row in self.rows.values() if row["project_id"] == project)


@pytest.fixture
def make(make_tap):
    """Make the tap, which removes deleted events; without other settings it reads to now."""

    def make(state=None, **config):
        return make_tap(state, **({"remove_deleted_events": True, "end_date": None} | config))

    return make


@pytest.fixture
def during(monkeypatch):
    """Let something happen before one of the queries of a run, by its number."""

    def during(number, change):
        request_rows, count = HogQLTimeStream.request_rows, iter(range(10**6))

        def rows(stream, *args, **more):
            if next(count) == number:
                change()
            return request_rows(stream, *args, **more)

        monkeypatch.setattr(HogQLTimeStream, "request_rows", rows)

    return during


def add(posthog, number, *times, **fields):
    """Add events of some times of a day, which were ingested at once; gives their uuids."""
    at = [moment(number, seconds) for seconds in times]
    return posthog.events(events=[{"timestamp": t, "created_at": t} | fields for t in at])


@pytest.mark.parametrize("page_size", (2, 7, 10_000))
@pytest.mark.parametrize("by", ("timestamp", "created_at"))
def test_each_scope_has_all_its_events_and_no_time_is_in_none(
    make, posthog, sync, page_size, by
):  # fmt: skip
    posthog.clear_events()
    posthog.events(
        events=[
            {"timestamp": moment(2, 60 * (n // 9)), "created_at": moment(2, 60 * (n // 9))}
            for n in range(60)
        ]
    )
    config = {"end_date": day(2), "page_size": page_size, "events_replication_key": by}
    output = sync(make(**config), EVENTS)
    table = Table().load(output)
    assert output.schemas[EVENTS]["schema"][KEYWORD] is True
    assert len(table.rows) == 60
    assert table.removed == []
    for where, sent in table.scopes:
        of_scope = [row for row in table.rows.values() if meets(row, where)]
        assert {row["uuid"] for row in of_scope} <= {row["uuid"] for row in sent}
    ranges = [where[by] for where, _ in table.scopes]
    assert (ranges[0]["from"], ranges[-1]["before"]) == (moment(3), moment(1))
    assert [one["before"] for one in ranges[:-1]] == [one["from"] for one in ranges[1:]]
    assert all(
        sum(meets(row, where) for where, _ in table.scopes) == 1 for row in table.rows.values()
    )


def test_a_page_that_ends_within_a_moment(make, posthog, sync):
    posthog.clear_events()
    (first,) = add(posthog, 2, 10)
    tied = add(posthog, 2, *[20] * 5)
    (last,) = add(posthog, 2, 30)
    output = sync(make(start_date=day(2), end_date=day(2), page_size=3), EVENTS)
    ranges = [
        (where["timestamp"]["from"], where["timestamp"]["before"], {row["uuid"] for row in sent})
        for where, sent in Table().load(output).scopes
    ]
    assert ranges == [
        (moment(2), moment(2, 20), {first}),
        # Of the three pages that have some of them, none says before the last that this is all.
        (moment(2, 20), moment(2, 30), {*tied}),
        (moment(2, 30), moment(1), {last}),
    ]


def test_the_bookmark_is_the_end_of_the_scope(make, sync):
    output = sync(make(page_size=50), EVENTS)
    ends = []
    for message in output.messages:
        if KEYWORD in message:
            (scope,) = message[KEYWORD]
            (partition,) = message["value"]["bookmarks"][EVENTS]["partitions"]
            ends.append((scope["where"]["timestamp"]["before"], partition["replication_key_value"]))
    assert len(ends) > 12
    assert all(before == bookmark for before, bookmark in ends)


def test_the_lookback_is_read_completely_too(make, posthog, sync):
    first = sync(make(end_date=day(2)), EVENTS)
    table = Table().load(sync(make(first.state, lookback_hours=30), EVENTS))
    begin = moment(1, -30 * 3600)
    assert table.scopes[0][0]["timestamp"]["from"] == begin
    assert table.removed == []


@pytest.mark.parametrize("by", ("timestamp", "created_at"))
@pytest.mark.parametrize("key", ("uuid", "identity"))
def test_deleted_events_of_the_lookback_are_removed(make, posthog, sync, by, key):
    # Some share their uuid; of the sandbox's days that have such events.
    days = {"events_replication_key": by, "events_key": key, "end_date": day(18)}
    table = Table(IDENTITY if key == "identity" else ("uuid", "project_id"))
    first = sync(make(start_date=day(22), **days), EVENTS)
    table.load(first)
    before = table.uuids()
    chance = Random(f"{by} {key}")
    gone = {*chance.sample(before, 80)}
    posthog.delete_events(uuids=sorted(gone))
    state = {"lookback_hours": 3 * 24, "start_date": day(22)}
    table.load(sync(make(first.state, page_size=50, **state, **days), EVENTS))
    read = {row["uuid"] for row in table.rows.values() if row[by] >= moment(20)}
    assert not read & gone
    assert {row["uuid"] for row in table.removed} <= gone
    # Before the lookback, they stay.
    assert all(row[by] >= moment(20) for row in table.removed)
    kept = {row["uuid"] for row in table.rows.values() if row[by] < moment(20)}
    assert kept & gone
    # All that PostHog has is still there.
    assert {*before} - gone <= {*table.uuids()}
    # And with a lookback as long as that, it is all that is there.
    table.load(sync(make(first.state, **{**state, "lookback_hours": 720}, **days), EVENTS))
    assert {*table.uuids()} == {*before} - gone


def test_a_time_without_events_is_a_scope_too(make, posthog, sync):
    table = Table().load(sync(make(start_date=day(4), end_date=day(2)), EVENTS))
    assert table.rows
    posthog.clear_events()
    output = sync(make(start_date=day(4), end_date=day(2)), EVENTS)
    assert output.records[EVENTS] == []
    assert table.load(output).rows == {}
    assert len(output.scopes(EVENTS)) == 3


def test_each_project_has_scopes_of_its_own(make, posthog, sync):
    yesterday = {"timestamp": moment(1, 60), "created_at": moment(1, 60)}
    (shared,) = posthog.events(events=[yesterday])
    posthog.events(events=[{**yesterday, "uuid": shared}], project=SECOND_PROJECT)
    first = sync(make(project_id="all"), EVENTS)
    table = Table().load(first)
    own, others = table.uuids(), table.uuids(SECOND_PROJECT)
    assert shared in own
    assert shared in others
    posthog.delete_events(uuids=[shared])
    second = sync(make(first.state, project_id="all", lookback_hours=72), EVENTS)
    projects = [where["project_id"]["in"] for where in second.scopes(EVENTS)]
    assert {*map(tuple, projects)} == {(PROJECT,), (SECOND_PROJECT,)}
    assert projects == sorted(projects)
    table.load(second)
    assert {*own} - {*table.uuids()} == {shared}
    assert {*others} <= {*table.uuids(SECOND_PROJECT)}


def test_a_run_of_one_project_leaves_the_others(make, sync):
    table = Table().load(sync(make(project_id="all"), EVENTS))
    others = table.uuids(SECOND_PROJECT)
    table.load(sync(make(project_id=str(PROJECT)), EVENTS))
    assert table.removed == []
    assert table.uuids(SECOND_PROJECT) == others


def test_of_a_project_that_ends_early_no_more_than_was_read(make, posthog, sandbox, sync):
    """The rows of its last moment come before those of the next project."""
    table = Table().load(sync(make(project_id="all"), EVENTS))
    sandbox.control.fault("http_403", vendor="posthog", match="4711/query", skip=1, times=99)
    failing = make(project_id="all", on_missing_scope="skip", page_size=50)
    output = sync(failing, EVENTS)
    table.load(output)
    assert table.removed == []
    ends = [
        where["timestamp"]["before"]
        for where in output.scopes(EVENTS)
        if where["project_id"]["in"] == [PROJECT]
    ]
    last = max(row["timestamp"] for row in output.records[EVENTS] if row["project_id"] == PROJECT)
    assert ends == [last]


def test_what_was_not_read_stays(make, posthog, sandbox, sync):
    table = Table().load(sync(make(), EVENTS))
    unread = [row for row in table.rows.values() if row["timestamp"] >= moment(1)]
    posthog.clear_events()
    sandbox.control.fault("http_401", vendor="posthog", match="/query", skip=2, times=99)
    output = sync(make(), EVENTS, fails=RequestRejectedError)
    assert output.error
    ranges = [where["timestamp"] for where in output.scopes(EVENTS)]
    assert [one["before"] for one in ranges] == [moment(2), moment(1)]
    assert [*table.load(output).rows.values()] == unread


def test_windows_that_are_split(make, posthog, sync):
    table = Table().load(sync(make(end_date=day(2)), EVENTS))
    uuids = table.uuids()
    posthog.delete_events(uuids=uuids[::5])
    posthog.switches(longest_span=3 * 3600)
    table.load(sync(make(end_date=day(2), page_size=20), EVENTS))
    assert table.uuids() == sorted({*uuids} - {*uuids[::5]})


def test_of_a_window_that_is_too_slow_nothing_is_removed(make, posthog, sync):
    table = Table().load(sync(make(), EVENTS))
    uuids = table.uuids()
    posthog.clear_events()
    posthog.switches(longest_span=0.2)
    output = sync(make(max_tries=2), EVENTS, fails=QueryTooLargeError)
    assert output.scopes(EVENTS) == []
    assert table.load(output).uuids() == uuids


@pytest.mark.parametrize("number", (1, 4, 9))
def test_events_that_come_and_go_between_two_pages(make, posthog, sync, during, number):
    """Nothing is removed that was there all the time; the next run has the rest right."""
    first = sync(make(page_size=50), EVENTS)
    table = Table().load(first)
    constant = table.uuids()
    chance = Random(number)
    times = (moment(2), moment(1, 80_000))
    recent = [row["uuid"] for row in table.rows.values() if times[0] <= row["timestamp"] < times[1]]
    gone = chance.sample(recent, 30)

    def change():
        posthog.delete_events(uuids=gone)
        add(posthog, 1, *(chance.uniform(0, 86_400) for _ in range(30)))

    during(number, change)
    second = sync(make(first.state, page_size=50, lookback_hours=72), EVENTS)
    table.load(second)
    assert {*constant} - {*gone} <= {*table.uuids()}
    third = sync(make(second.state, lookback_hours=72), EVENTS)
    end = third.scopes(EVENTS)[-1]["timestamp"]["before"]
    assert table.load(third).uuids() == posthog.uuids(start=day(3), end=end.removesuffix("Z"))


def test_what_may_not_be_on_each_replica_stays(make, posthog, sync):
    now = datetime.now(UTC)
    arrived = {minutes: (now - timedelta(minutes=minutes)).isoformat() for minutes in (50, 70)}
    at = moment(1, 3600)
    made = {
        minutes: posthog.events(events=[{"timestamp": at, "created_at": created}])[0]
        for minutes, created in arrived.items()
    }
    first = sync(make(), EVENTS)
    table = Table().load(first)
    posthog.delete_events(uuids=[*made.values()])
    table.load(sync(make(first.state, lookback_hours=72), EVENTS))
    assert [row["uuid"] for row in table.removed] == [made[70]]
    assert made[50] in table.uuids()


def test_by_time_of_arrival_old_events_stay(make, posthog, sync):
    """They arrived in that time, but the queries leave them out: `max_event_age_days`."""
    posthog.clear_events()
    arrived = {"created_at": moment(2, 3600)}
    old, new = posthog.events(events=[{**arrived, "timestamp": moment(days)} for days in (20, 5)])
    config = {"events_replication_key": "created_at"}
    first = sync(make(**config, max_event_age_days=90), EVENTS)
    table = Table().load(first)
    assert table.uuids() == sorted([old, new])
    posthog.clear_events()
    output = sync(make(**config, max_event_age_days=10), EVENTS)
    table.load(output)
    assert table.uuids() == [old]
    for where in output.scopes(EVENTS):
        age = datetime.fromisoformat(where["created_at"]["before"]) - timedelta(days=10)
        # By the end of what was read, which may be later than that of the scope.
        assert datetime.fromisoformat(where["timestamp"]["from"]) >= age
    last = datetime.fromisoformat(output.scopes(EVENTS)[-1]["created_at"]["before"])
    assert datetime.now(UTC) - last >= HOUR


@pytest.mark.parametrize("way", ("events", "auto"))
def test_by_the_older_endpoint_nothing_is_removed(make, posthog, sync, way):
    posthog.switches(no_query_api=True)
    output = sync(make(events_api=way), EVENTS)
    assert output.records[EVENTS]
    assert output.scopes(EVENTS) == []
    # Nor do the rows wait for a scope until the end.
    ends = [one[KEYWORD] for one in output.messages if KEYWORD in one]
    assert len(ends) >= 4
    assert all(end == [{"stream": EVENTS}] for end in ends)


def test_rows_of_the_older_endpoint_are_removed_by_queries(make, posthog, sync):
    old = sync(make(events_api="events"), EVENTS)
    table = Table().load(old)
    assert {row.get("created_at") for row in table.rows.values()} == {None}
    posthog.clear_events()
    assert table.load(sync(make(), EVENTS)).rows == {}


def test_without_the_setting_nothing_is_said(make_tap, sync):
    output = sync(make_tap(), EVENTS)
    assert output.records[EVENTS]
    assert KEYWORD not in output.schemas[EVENTS]["schema"]
    assert output.scopes(EVENTS) == []


@pytest.mark.parametrize("column", ("created_at", "project_id"))
def test_without_a_column_that_tells(make, sync, column):
    catalog = make().catalog_dict
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            name = metadata["breadcrumb"][-1:]
            metadata["metadata"]["selected"] = entry["stream"] == EVENTS and name != [column]
    tap = make()
    tap = type(tap)(config=dict(tap.config), catalog=catalog)
    output = sync(tap)
    assert output.records[EVENTS]
    assert output.scopes(EVENTS) == []


def test_sessions_are_never_removed(make, sync):
    """PostHog keeps them when it deletes events, and their start may change."""
    output = sync(make(), "sessions")
    assert output.records["sessions"]
    assert KEYWORD not in output.schemas["sessions"]["schema"]
    assert output.scopes("sessions") == []


def test_a_person_who_is_deleted_is_removed_with_the_option_or_without(make_tap, posthog, sync):
    """All persons are read in each run: the loader replaces the table."""
    first = sync(make_tap(), "persons")
    (gone, *_) = (row["id"] for row in first.records["persons"])
    posthog.delete_person(person=gone)
    second = sync(make_tap(first.state), "persons")
    assert {row["id"] for row in first.records["persons"]} - {gone} == {
        row["id"] for row in second.records["persons"]
    }
    assert second.schemas["persons"]["schema"]["x-replace-on-activate"] is True
    assert [one["type"] for one in second.messages if one.get("stream") == "persons"][-1] == (
        "ACTIVATE_VERSION"
    )
