"""The sandbox's DuckDB against ClickHouse itself: ``make clickhouse`` installs it, some 840 MB.

The same events in both, and the queries that tap-posthog sends. What HogQL adds is not in it: that
columns are in the project's time zone is done by hand here.
"""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT
from signalroom_sandbox.posthog.hogql import translate
from signalroom_sandbox.posthog.world import World
from tap_posthog.query_size import QuerySize
from tap_posthog.tap import TapPostHog
from tap_posthog.time_windows import TimeWindow

pytestmark = pytest.mark.clickhouse

BEGIN = datetime(2025, 11, 2, tzinfo=UTC)
READ = ["uuid", "timestamp", "event", "distinct_id", "created_at"]
FORMAT = "%Y-%m-%d %H:%M:%S.%f"
COLUMNS = {"events": {*READ}}
FAR = datetime(2100, 1, 1)
LATER = timedelta(microseconds=250_000)


def events():
    """Events of few moments, microseconds apart, also in the hour that New York has twice."""
    random_ = random.Random(713)
    moments = [
        BEGIN + timedelta(hours=hour, microseconds=micro)
        for hour in range(4, 8)
        for micro in (0, 1, 999_999, 500_000)
    ]
    made = [
        (str(uuid.UUID(int=random_.getrandbits(128))), random_.choice(moments))
        for _ in range(1_000)
    ]
    # Some share their uuid, at the same moment or at another, and some are there twice.
    names, persons = ("", "a", "é", "\U0001f600"), ("visitor", "Visitor", "name''); --")
    several = [
        (identifier, moment, random_.choice(names), random_.choice(persons), moment + LATER)
        for identifier, moment in made
        for _ in range(3)
    ]
    copies = [(*one[:4], one[4] + random_.choice((timedelta(), LATER))) for one in several[::3]]
    return [*several, *copies]


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.fixture(scope="module")
def both():
    """Ask both the same; gives two lists of rows."""
    made = events()
    world = World(seed=1, scale=0.001)
    world.add(
        1,
        [
            {
                "uuid": one,
                "timestamp": at.isoformat(),
                "event": name,
                "distinct_id": who,
                "created_at": created.isoformat(),
            }
            for one, at, name, who, created in made
        ],
    )
    from chdb.session import Session  # noqa: PLC0415 - it is there for these tests alone

    clickhouse = Session()
    clickhouse.query(
        "CREATE TABLE stored (uuid UUID, timestamp DateTime64(6, 'UTC'), event String,"
        " distinct_id String, created_at DateTime64(6, 'UTC'))"
        " ENGINE = MergeTree ORDER BY tuple()"
    )
    rows = ", ".join(
        f"('{one}', '{at:{FORMAT}}', {quoted(name)}, {quoted(who)}, '{created:{FORMAT}}')"
        for one, at, name, who, created in made
    )
    clickhouse.query(f"INSERT INTO stored VALUES {rows}")

    def ask(text, zone="UTC", **values):
        clickhouse.query(
            "CREATE OR REPLACE VIEW events AS SELECT uuid, event, distinct_id,"
            f" toTimeZone(timestamp, '{zone}') AS timestamp,"
            f" toTimeZone(created_at, '{zone}') AS created_at FROM stored"
        )
        query = translate(text, values, team=1, zone=zone, now=FAR, columns=COLUMNS)
        ours = [
            [value.isoformat() if isinstance(value, datetime) else value for value in row]
            for row in world.query(query.sql)[2]
        ]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", quoted(value))
        answer = clickhouse.query(text, "JSONCompactEachRow").data()
        theirs = [json.loads(line) for line in answer.splitlines()]
        return ours, theirs

    yield ask
    clickhouse.close()


def identifiers(rows):
    return [row[0] for row in rows]


def test_uuids_sort_the_same(both):
    for order in ("uuid", "toString(uuid)", "timestamp, toString(uuid)"):
        ours, theirs = both(f"SELECT uuid FROM events ORDER BY {order} LIMIT 5000")
        assert len(ours) == 4_000
        assert ours == theirs


def test_uuids_compare_the_same(both):
    ours, _ = both("SELECT uuid FROM events ORDER BY uuid LIMIT 5000")
    for (place,) in ours[::500]:
        for condition in ("uuid > toUUID({last})", "toString(uuid) > {last}"):
            text = f"SELECT uuid FROM events WHERE {condition} ORDER BY uuid LIMIT 5000"
            ours, theirs = both(text, last=place)
            assert ours == theirs
            assert ours


@pytest.mark.parametrize("zone", ("UTC", "America/New_York", "Asia/Kolkata"))
@pytest.mark.parametrize("by", ("timestamp", "created_at"))
def test_pages_of_the_tap(both, zone, by, monkeypatch):
    """Page by page, as the tap asks: the same pages, and each event once."""
    config = {"api_key": PERSONAL_KEY, "project_id": str(PROJECT), "events_replication_key": by}
    tap = TapPostHog(config=config)
    stream = tap.streams["events"]
    monkeypatch.setattr(stream, "columns", lambda: READ)
    seen = []

    def query(project, text, values, **_):
        assert project == PROJECT
        ours, theirs = both(text, zone, **values)
        texts = (0, 2, 3)
        assert [[row[n] for n in texts] for row in ours] == [
            [row[n] for n in texts] for row in theirs
        ]
        # DuckDB's moments are UTC.
        results = [[one, f"{at}+00:00", name, who, f"{c}+00:00"] for one, at, name, who, c in ours]
        seen.extend(map(tuple, results))
        return {"columns": READ, "results": results}

    monkeypatch.setattr(stream.client, "query", query)
    monkeypatch.setattr(QuerySize, "note_page", lambda *_: None)
    stream.query_size.rows = 37
    window = TimeWindow(BEGIN, BEGIN + timedelta(days=1))
    pages = list(stream.read_window(window, PROJECT))
    assert len(pages) > 70
    assert {*seen} == {
        (one, at.isoformat(), name, who, created.isoformat())
        for one, at, name, who, created in events()
    }
    tap.close()


@pytest.mark.parametrize("zone", ("UTC", "America/New_York", "Asia/Kolkata"))
def test_events_are_counted_the_same(both, zone):
    text = (
        "SELECT uniqExact(uuid, event, distinct_id, toDate(toTimeZone(timestamp, 'UTC'))) AS a,"
        " uniqExact(uuid) AS b, uniqExact(uuid, toDate(timestamp)) AS c FROM events"
    )
    (ours,), (theirs,) = both(text, zone)
    assert ours == [int(number) for number in theirs]
    assert ours[1] == 1_000
    assert ours[0] == len({(one, name, who) for one, _, name, who, _ in events()})


def test_bare_text_is_in_the_zone_of_the_column(both):
    text = (
        "SELECT uuid FROM events WHERE timestamp < '2025-11-02 01:30:00' ORDER BY uuid LIMIT 5000"
    )
    for zone in ("UTC", "Asia/Kolkata"):
        ours, theirs = both(text, zone)
        assert ours == theirs
