"""PostHog into PostgreSQL, through Meltano and without."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from e2e import new_pipe

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
    assert bookmarks["events"] == {
        "partitions": [
            {
                "context": {"project_id": 4711},
                "replication_key": "timestamp",
                "replication_key_value": f"{TODAY}T00:00:00.000000Z",
            }
        ]
    }

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
