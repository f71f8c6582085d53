"""PostHog into PostgreSQL, through Meltano and without."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import requests
from harness.pipelines import ROOT, new_pipe

from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT, SECOND_PROJECT

pytestmark = pytest.mark.e2e

TAP = "tap-posthog"
STATE_ID = f"dev:{TAP}-to-target-postgres"
TODAY = datetime.now(UTC).date()
START = TODAY - timedelta(days=5)
SETTINGS = {
    "TAP_POSTHOG_START_DATE": START.isoformat(),
    "TAP_POSTHOG_END_DATE": (TODAY - timedelta(days=1)).isoformat(),
}


def uuids(database):
    return [row["uuid"] for row in database.query("select uuid from posthog.events order by 1")]


def expected(sandbox):
    return sandbox.control.posthog.uuids(start=START.isoformat(), end=TODAY.isoformat())


@pytest.fixture
def pipe(tmp_path, sandbox, database, zygote):
    return new_pipe(TAP, tmp_path / "pipe", sandbox, database, "posthog", zygote.bin, **SETTINGS)


def test_events_and_what_came_late(project, sandbox, database):
    # A number by a variable: Meltano could not pass it on if it knew that it may be a fraction.
    project.load(tap=TAP, **SETTINGS, TAP_POSTHOG_LOOKBACK_HOURS="24.5")
    assert uuids(database) == expected(sandbox)
    (row,) = database.query(
        "select properties ->> '$browser' as browser, pg_typeof(properties)::text as kind,"
        " pg_typeof(timestamp)::text as at from posthog.events limit 1"
    )
    assert row["browser"] in {"Chrome", "Firefox", "Safari"}
    assert (row["kind"], row["at"]) == ("jsonb", "timestamp with time zone")
    flags = database.query("select count(*) as n from posthog.feature_flags")
    assert flags == [{"n": 230}]
    shown = project.meltano("state", "get", STATE_ID).splitlines()[-1]
    bookmarks = json.loads(shown)["singer_state"]["bookmarks"]
    assert bookmarks["events"]["partitions"] == [
        {
            "context": {"project_id": 4711},
            "replication_key": "timestamp",
            "replication_key_value": f"{TODAY}T00:00:00.000000Z",
        }
    ]

    late = [{"timestamp": f"{TODAY - timedelta(days=1)}T00:00:0{n}Z"} for n in range(5)]
    sandbox.control.posthog.events(events=late)
    project.load(tap=TAP, **SETTINGS)
    assert uuids(database) == expected(sandbox)


def test_lists_are_replaced(pipe, sandbox, database):
    pipe.choose("feature_flags", "experiments")
    pipe.load()
    (first, *_) = sandbox.control.posthog.listed(resource="feature_flags")
    sandbox.control.posthog.delete(resource="feature_flags", identifier=first["id"])
    pipe.load()
    ids = {row["id"] for row in database.query("select id from posthog.feature_flags")}
    assert len(ids) == 229
    assert first["id"] not in ids
    assert database.query("select count(*) as n from posthog.experiments") == [{"n": 17}]


def test_a_stream_without_permission_keeps_its_table(project, sandbox, database):
    project.load("cohorts", "feature_flags", tap=TAP)
    before = database.contents("posthog.cohorts")
    limited = {"TAP_POSTHOG_API_KEY": "phx_sandbox-posthog-limited-key"}
    output = project.load("cohorts", "feature_flags", tap=TAP, code=1, **limited)
    assert "The key may not read cohorts" in output
    assert "Traceback" not in output
    assert database.contents("posthog.cohorts") == before


def test_odd_events_are_loaded(pipe, sandbox, database):
    sandbox.control.posthog.clear_events()
    day = START.isoformat()
    odd = [
        '{"a\\u0000b": "x\\u0000y"}',
        "{not json",
        '{"n": 123456789012345678901234567890, "f": 0.12345678901234567890}',
        json.dumps({"text": "x" * 1_000_000}),
        '{"a": "\\ud800"}',
        "",
    ]
    events = [{"timestamp": f"{day}T00:00:00Z", "properties": text} for text in odd]
    sandbox.control.posthog.events(events=events)
    pipe.choose("events")
    pipe.load()
    rows = database.query("select properties, _extra from posthog.events")
    assert len(rows) == len(odd)
    kept = [row["_extra"]["properties"] for row in rows if row["_extra"]]
    assert "(9 characters left out: no JSON, and personal data may be in them)" in kept
    exact = database.query(
        "select properties ->> 'n' as n, properties ->> 'f' as f from posthog.events"
        " where properties ? 'n'"
    )
    assert exact == [{"n": "123456789012345678901234567890", "f": "0.12345678901234567890"}]


def test_the_variables_of_the_pipeline_before(project, sandbox, database):
    for name in ("API_URL", "API_KEY", "PROJECT_ID"):
        del project.env[f"TAP_POSTHOG_{name}"]
    (project.folder / ".env").write_text(
        "POSTHOG_API_KEY=phx_sandbox-posthog-personal-key\n"
        f"POSTHOG_PROJECT_ID=4712\nPOSTHOG_HOST={sandbox.posthog_url}\n"
    )
    project.load("experiments", tap=TAP)
    assert database.query("select distinct project_id from posthog.experiments") == [
        {"project_id": 4712}
    ]


class TestEventsThatShareAUuid:
    """The sandbox has some, of 20 days ago."""

    FIRST, LAST = TODAY - timedelta(days=25), TODAY - timedelta(days=15)
    DAYS = {
        "TAP_POSTHOG_START_DATE": FIRST.isoformat(),
        "TAP_POSTHOG_END_DATE": LAST.isoformat(),
    }

    @pytest.fixture
    def pipe(self, tmp_path, sandbox, database, zygote):
        made = new_pipe(
            TAP, tmp_path / "pipe", sandbox, database, "posthog", zygote.bin, **self.DAYS
        )
        made.choose("events")
        return made

    @pytest.fixture
    def statements(self):
        """How to count at PostHog and in PostgreSQL, and the change of a table: of the README."""
        readme = (ROOT / "taps" / TAP / "README.md").read_text()
        at_posthog, in_postgres, change = re.findall(r"```sql\n(.*?)```", readme, re.DOTALL)
        end = self.LAST + timedelta(days=1)
        for given, wanted in (("2026-01-01", self.FIRST), ("2026-02-01", end)):
            at_posthog = at_posthog.replace(given, wanted.isoformat())
            in_postgres = in_postgres.replace(given, wanted.isoformat())
        return at_posthog, in_postgres, change

    @pytest.fixture
    def counts(self, sandbox, database, statements):
        """Events and uuids that PostHog counts of a project, and rows of the table."""

        def counts(project=PROJECT):
            answer = requests.post(
                f"{sandbox.posthog_url}/api/projects/{project}/query/",
                headers={"Authorization": f"Bearer {PERSONAL_KEY}"},
                json={"query": {"kind": "HogQLQuery", "query": statements[0]}},
                timeout=30,
            )
            ((events, uuids),) = answer.json()["results"]
            (row,) = database.query(statements[1].replace(str(PROJECT), str(project)))
            return events, uuids, row["count"]

        return counts

    def identities(self, sandbox, **more):
        end = self.LAST + timedelta(days=1)
        span = {"start": self.FIRST.isoformat(), "end": end.isoformat()}
        found = sandbox.control.posthog.identities(**span, **more)
        return sorted(tuple(one) for one in found)

    @staticmethod
    def rows(database, *more):
        columns = ", ".join(["uuid", "event", "distinct_id", "event_date::text", *more])
        found = database.query(f"select {columns} from posthog.events")
        return sorted(tuple(row.values()) for row in found)

    @pytest.mark.parametrize("zoned", (True, False), ids=("", "the stock loader's"))
    def test_a_table_by_uuid_is_changed_to_identity(
        self, pipe, sandbox, database, statements, counts, zoned
    ):
        printed = pipe.load()
        assert "3 of the" in printed
        assert "events that were read share their uuid with another one" in printed
        events, uuids, count = counts()
        assert (events - uuids, count) == (3, uuids)
        query = "select uuid, event, distinct_id, timestamp from posthog.events"
        if not zoned:
            # It makes a timestamp of UTC, which has no zone.
            change = "type timestamp using timestamp at time zone 'UTC'"
            with psycopg.connect(database.libpq_url, autocommit=True) as connection:
                connection.execute(f"alter table posthog.events alter timestamp {change}")
        before = database.query(f"{query} order by 1")

        by_identity = {"TAP_POSTHOG_EVENTS_KEY": "identity"}
        # Not before it is migrated.
        with pytest.raises(AssertionError, match="rows have no value in event_date"):
            pipe.load(**by_identity)
        assert database.query(f"{query} order by 1") == before
        with psycopg.connect(database.libpq_url, autocommit=True) as connection:
            # Whatever the zone of the session is.
            connection.execute("SET TIME ZONE 'Pacific/Apia'")
            connection.execute(statements[2])
        pipe.load(**by_identity)
        # Rows of the lookback were read again, and are there once.
        assert counts() == (events, uuids, uuids)
        assert database.query(f"{query} order by 1") == before
        assert {*self.rows(database)} < {*self.identities(sandbox)}

        (pipe.folder / "states.jsonl").unlink()
        (pipe.folder / "state.json").unlink()
        printed = pipe.load(**by_identity)
        assert "share their uuid" not in printed
        assert counts() == (events, uuids, events)
        assert self.rows(database) == self.identities(sandbox)

    def test_a_new_table_by_identity(self, pipe, sandbox, database, counts):
        pipe.load(TAP_POSTHOG_EVENTS_KEY="identity")
        events, _, count = counts()
        assert count == events
        assert self.rows(database) == self.identities(sandbox)
        # The copies are merged meanwhile, and other ones come.
        sandbox.control.posthog.merge_events()
        at = f"{self.LAST}T23:00:00.000000Z"
        again = {"uuid": self.identities(sandbox)[0][0], "timestamp": at, "event": "again"}
        sandbox.control.posthog.events(
            events=[again, again | {"timestamp": f"{self.LAST}T23:00:01Z"}]
        )
        pipe.load(TAP_POSTHOG_EVENTS_KEY="identity")
        assert self.rows(database) == self.identities(sandbox)
        assert len(self.rows(database)) == events + 1

    @pytest.mark.parametrize("key", ("uuid", "identity"))
    def test_of_several_projects(self, pipe, sandbox, database, counts, key):
        """The table of one project gets the other's rows beside its own."""
        pipe.load(TAP_POSTHOG_EVENTS_KEY=key)
        (pipe.folder / "states.jsonl").unlink()
        printed = pipe.load(TAP_POSTHOG_EVENTS_KEY=key, TAP_POSTHOG_PROJECT_ID="all")
        assert "it is now keyed by uuid" in printed
        for project in (PROJECT, SECOND_PROJECT):
            events, uuids, count = counts(project)
            assert count == (events if key == "identity" else uuids)
        count_of_first = counts()[2]
        shared = database.query(
            "select uuid from posthog.events group by uuid having count(distinct project_id) > 1"
        )
        assert len(shared) == 1
        # Back to one of them, with the key that the table has.
        more = ["event", "distinct_id", "event_date"] if key == "identity" else []
        maps = {"events": {"__key_properties__": ["uuid", *more, "project_id"]}}
        (pipe.folder / "states.jsonl").unlink()
        (pipe.folder / "state.json").unlink(missing_ok=True)
        pipe.load(TAP_POSTHOG_EVENTS_KEY=key, TAP_POSTHOG_STREAM_MAPS=json.dumps(maps))
        assert counts()[2] == count_of_first
