"""What a vendor takes back is gone from the tables too, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from harness.pipelines import new_database, new_pipe

from signalroom_sandbox.posthog import PROJECT, SECOND_PROJECT

pytestmark = pytest.mark.e2e
ZONE = "America/New_York"
YESTERDAY = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
TABLES = ("daily_stats", "conversions")
SETTINGS = {
    "TAP_EVERFLOW_START_DATE": str(YESTERDAY - timedelta(days=9)),
    # The next day may begin between two runs.
    "TAP_EVERFLOW_END_DATE": str(YESTERDAY),
    "TAP_EVERFLOW_LOOKBACK_DAYS": "5",
    "TAP_EVERFLOW_CONVERSIONS_LOOKBACK_DAYS": "5",
}


@pytest.fixture
def make_pipes(sandbox, zygote, tmp_path):
    """Make a pipeline for each of two clients and two advertisers, into the same tables."""

    def make(database, name):
        pipes = {}
        for client in ("acme", "birch"):
            for advertiser in ("1", "2"):
                pipe = new_pipe(
                    *("tap-everflow", tmp_path / name / client / advertiser, sandbox, database),
                    *("everflow", zygote.bin),
                    TAP_EVERFLOW_CLIENT_ID=client,
                    TAP_EVERFLOW_ADVERTISER_ID=advertiser,
                    **SETTINGS,
                )
                pipe.choose(*TABLES)
                pipes[client, advertiser] = pipe
        return pipes

    return make


def rows(database, where="true"):
    """All rows, without when and by which run they were loaded."""
    return {
        table: sorted(
            str({name: row[name] for name in row if not name.startswith(("_loaded", "_sdc"))})
            for row in database.query(f"select * from everflow.{table} where {where}")
        )
        for table in TABLES
    }


def test_two_clients_and_two_filters_in_one_table(sandbox, postgres, database, make_pipes):
    everflow = sandbox.control.everflow
    pipes = make_pipes(database, "pipes")
    for pipe in pipes.values():
        pipe.load()
    before = rows(database)
    others_before = rows(database, "(_client_id, advertiser_id) <> ('acme', 1)")
    assert all(before.values())
    affiliates = database.query(
        "select affiliate_id from everflow.daily_stats where date = %s group by 1 order by 1",
        YESTERDAY,
    )
    for days, affiliate in enumerate(affiliates[:3]):
        day = YESTERDAY - timedelta(days=days)
        everflow.restate(day, ZONE, delete_affiliate=affiliate["affiliate_id"])
    # Before the days that are read again.
    old = YESTERDAY - timedelta(days=8)
    old_before = rows(database, f"date = '{old}'")
    everflow.restate(old, ZONE, percent=50)

    pipes["acme", "1"].load()
    others = "(_client_id, advertiser_id) <> ('acme', 1)"
    after = rows(database)
    assert rows(database, others) == others_before
    assert all(len(after[table]) < len(before[table]) for table in TABLES)

    for pipe in pipes.values():
        pipe.load()
    with new_database(postgres) as fresh:
        for pipe in make_pipes(fresh, "fresh").values():
            pipe.load()
        recent = f"date > '{old}'"
        assert rows(database, recent) == rows(fresh, recent)
    assert rows(database, f"date = '{old}'") == old_before


def test_a_vendors_bad_hour(project, sandbox, database):
    project.load("daily_stats", **SETTINGS)
    (before,) = database.query("select count(*), sum(payout) as payout from everflow.daily_stats")
    for days in range(5):
        day = YESTERDAY - timedelta(days=days)
        sandbox.control.everflow.crowd(day, ZONE, affiliates=0, offers=0)
    output = project.load("daily_stats", code=1, **SETTINGS)
    assert "daily_stats: the source did not send" in output
    assert "`max_removed_share_of_scope` (TARGET_POSTGRES_MAX_REMOVED_SHARE_OF_SCOPE)" in output
    assert "Traceback" not in output
    (after,) = database.query("select count(*), sum(payout) as payout from everflow.daily_stats")
    assert after == before
    limits = {f"TARGET_POSTGRES_MAX_REMOVED_SHARE_OF_{name}": "1" for name in ("SCOPE", "RUN")}
    project.load("daily_stats", **SETTINGS, **limits)
    (left,) = database.query("select max(date) as last from everflow.daily_stats")
    assert left["last"] == YESTERDAY - timedelta(days=5)


class TestEventsOfADeletedPerson:
    """PostHog deletes them from all days; a run reads the lookback again."""

    FIRST, LAST = (datetime.now(UTC).date() - timedelta(days=days) for days in (10, 2))
    LOOKBACK = LAST - timedelta(days=2)

    @pytest.fixture
    def load(self, sandbox, zygote, tmp_path, database):
        pipe = new_pipe(
            *("tap-posthog", tmp_path / "pipe", sandbox, database, "posthog", zygote.bin),
            TAP_POSTHOG_PROJECT_ID=f"{PROJECT},{SECOND_PROJECT}",
            TAP_POSTHOG_START_DATE=str(self.FIRST),
            TAP_POSTHOG_END_DATE=str(self.LAST),
            TAP_POSTHOG_LOOKBACK_HOURS="72",
            TAP_POSTHOG_PAGE_SIZE="50",
        )
        pipe.choose("events", "persons")

        def load(*, removes, from_start=False):
            if from_start:
                for name in ("states.jsonl", "state.json"):
                    (pipe.folder / name).unlink(missing_ok=True)
            return pipe.load(TAP_POSTHOG_REMOVE_DELETED_EVENTS=str(removes).lower())

        return load

    def at_posthog(self, sandbox, project):
        span = {"start": str(self.FIRST), "end": str(self.LAST + timedelta(days=1))}
        return sandbox.control.posthog.uuids(**span, project=project)

    def uuids(self, database, project, since=FIRST):
        rows = database.query(
            "select uuid from posthog.events where project_id = %s and timestamp >= %s order by 1",
            *(project, f"{since}T00:00Z"),
        )
        return [row["uuid"] for row in rows]

    def test_those_of_the_lookback_are_removed_and_by_a_backfill_all(self, load, sandbox, database):
        load(removes=True)
        before, others = (self.uuids(database, one) for one in (PROJECT, SECOND_PROJECT))
        # Of whom both projects have events, and the first one some of the lookback.
        (person, *_) = database.query(
            "select person_id as id from posthog.events group by person_id"
            " having count(*) filter (where timestamp >= %s and project_id = %s) > 1"
            " and count(*) filter (where timestamp < %s and project_id = %s) > 1"
            " and count(*) filter (where project_id = %s) > 0",
            *(f"{self.LOOKBACK}T00:00Z", PROJECT, f"{self.LOOKBACK}T00:00Z", PROJECT),
            SECOND_PROJECT,
        )
        gone = {*sandbox.control.posthog.delete_person(person=person["id"])} & {*before}

        load(removes=False)
        assert self.uuids(database, PROJECT) == before
        of_person = "select from posthog.persons where id = %s and project_id = %s"
        assert database.query(of_person, person["id"], PROJECT) == []
        assert len(database.query(of_person, person["id"], SECOND_PROJECT)) == 1

        printed = load(removes=True)
        recent = {*self.uuids(database, PROJECT, since=self.LOOKBACK)}
        old = {*self.uuids(database, PROJECT)} - recent
        assert recent == {*self.at_posthog(sandbox, PROJECT)} & recent
        assert gone & old
        assert {*before} - old - recent == gone - old
        assert f", {len(gone - old)} removed" in printed

        load(removes=True, from_start=True)
        assert self.uuids(database, PROJECT) == self.at_posthog(sandbox, PROJECT)
        assert {*before} - {*self.uuids(database, PROJECT)} == gone
        assert self.uuids(database, SECOND_PROJECT) == others
