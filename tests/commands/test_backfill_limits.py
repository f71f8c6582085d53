"""A backfill and hourly runs of one account, whose limits hold for all of them together."""

from __future__ import annotations

import shutil
import time
from datetime import date

import pytest
from harness.pipelines import ROOT, finished, new_project

from signalroom_cli.backfill.command import main
from signalroom_cli.backfill.limits import Limit, max_parallel, share_limits
from signalroom_cli.backfill.slices import Slice
from signalroom_cli.backfill.tap import read_tap, slice_environment

pytestmark = pytest.mark.e2e

PART = Slice(date(2026, 1, 1), date(2026, 1, 2))
CLIENT = """\
plugins:
  extractors:
  - name: tap-redtrack--acme
    inherit_from: tap-redtrack
    config:
      api_key: $ACME_REDTRACK_API_KEY
      client_id: acme
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project's folder with a client's tap, read in this process."""
    for name in ("MELTANO_DATABASE_URI", "MELTANO_SYS_DIR_ROOT", "MELTANO_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(ROOT / "meltano.yml", tmp_path)
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "acme.yml").write_text(CLIENT)
    return tmp_path


def given(folder, tap, count=4):
    """The variables of a slice's run that are the tap's."""
    tap = read_tap(tap, folder)
    env = slice_environment(tap, PART, count)
    return {
        name.removeprefix(f"{tap.prefix}_"): value
        for name, value in env.items()
        if name.startswith(tap.prefix) and not name.endswith("_DATE")
    }


def test_each_limit_of_an_account_is_shared(folder):
    # Four slices, and a scheduled run that goes on meanwhile.
    assert given(folder, "tap-posthog") == {
        "QUERY_REQUESTS_PER_MINUTE": "46",
        "QUERY_REQUESTS_PER_HOUR": "460",
        "REQUESTS_PER_MINUTE": "92",
        "REQUESTS_PER_HOUR": "920",
        "CLICKHOUSE_REQUESTS_PER_MINUTE": "46",
        "CLICKHOUSE_REQUESTS_PER_HOUR": "230",
        "MAX_CONCURRENT_QUERIES": "1",
    }
    assert given(folder, "tap-everflow") == {
        "REQUESTS_PER_SECOND": "5",
        "MAX_CONCURRENCY": "1",
        "BIGQUERY_REQUESTS_PER_HOUR": "190",
    }
    # How many files are read at once is not a limit of an account.
    tap = read_tap("tap-sticky-s3", folder)
    assert "TAP_STICKY_S3_MAX_CONCURRENCY" not in slice_environment(tap, PART, 4)


class TestLimitsThatWereLowered:
    """Wherever they are: a client's tap takes what Meltano gives it."""

    def share(self, folder):
        return given(folder, "tap-redtrack--acme")["REQUESTS_PER_MINUTE"]

    def test_nowhere(self, folder):
        assert self.share(folder) == "3"

    def test_by_the_parents_config(self, folder):
        text = (folder / "meltano.yml").read_text()
        marker = "  - name: tap-redtrack\n    namespace: tap_redtrack\n"
        assert marker in text
        lowered = f"{marker}    config:\n      requests_per_minute: 10\n"
        (folder / "meltano.yml").write_text(text.replace(marker, lowered))
        assert self.share(folder) == "2"

    def test_by_the_parents_variable(self, folder, monkeypatch):
        monkeypatch.setenv("TAP_REDTRACK_REQUESTS_PER_MINUTE", "10")
        assert self.share(folder) == "2"

    def test_by_the_parents_variable_in_the_env_file(self, folder):
        (folder / ".env").write_text("TAP_REDTRACK_REQUESTS_PER_MINUTE=15\n")
        assert self.share(folder) == "3"

    def test_by_the_clients_own_variable(self, folder, monkeypatch):
        monkeypatch.setenv("TAP_REDTRACK_REQUESTS_PER_MINUTE", "10")
        monkeypatch.setenv("TAP_REDTRACK__ACME_REQUESTS_PER_MINUTE", "5")
        assert self.share(folder) == "1"

    def test_by_the_clients_config(self, folder):
        (folder / "clients" / "acme.yml").write_text(f"{CLIENT}      requests_per_minute: 6\n")
        assert self.share(folder) == "1"

    def test_by_the_environment(self, folder, monkeypatch):
        text = (folder / "meltano.yml").read_text()
        prod = (
            "- name: prod\n  config:\n    plugins:\n      extractors:\n"
            "      - name: tap-redtrack\n        config:\n          requests_per_minute: 10\n"
        )
        (folder / "meltano.yml").write_text(text.replace("- name: prod\n", prod))
        assert self.share(folder) == "3"
        monkeypatch.setenv("MELTANO_ENVIRONMENT", "prod")
        assert self.share(folder) == "2"


@pytest.mark.parametrize("where", ("environment", "env file"))
def test_with_a_store_nothing_is_shared_out(folder, monkeypatch, where):
    if where == "environment":
        monkeypatch.setenv("SIGNALROOM_RATE_LIMIT_STORE", "redis://127.0.0.1")
    else:
        (folder / ".env").write_text("SIGNALROOM_RATE_LIMIT_STORE=redis://127.0.0.1\n")
    assert given(folder, "tap-redtrack--acme") == {}
    assert given(folder, "tap-posthog") == {}
    assert read_tap("tap-posthog", folder).max_parallel(9) == 9


def test_no_share_is_rounded_up():
    # Three slices of three, as a scheduled run has one too: two at once.
    limits = [Limit("per_minute", 100, is_rate=True), Limit("queries", 3, is_rate=False)]
    assert max_parallel(limits, 3) == 2
    assert share_limits(limits, 2) == {"per_minute": "33", "queries": "1"}
    for value in range(2, 40):
        for count in range(1, 12):
            running = max_parallel([Limit("rate", value, is_rate=True)], count)
            share = share_limits([Limit("rate", value, is_rate=True)], running)["rate"]
            assert (running + 1) * int(share) <= value


def test_slices_that_cannot_have_a_share_wait(project, sandbox):
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    printed = project.run(
        *("signalroom", "backfill", "tap-everflow", "2026-01-01", "2026-01-03", "--slices=3"),
        "--streams=daily_stats",
        TAP_EVERFLOW_REQUESTS_PER_SECOND="2",
    )
    assert "1 of 3 slices run at once" in printed
    assert printed.count("  loaded\n") == 3


def test_one_request_cannot_be_shared(project, sandbox):
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    printed = project.run(
        *("signalroom", "backfill", "tap-everflow", "2026-01-01", "2026-01-01"),
        "--streams=daily_stats",
        TAP_EVERFLOW_MAX_CONCURRENCY="1",
    )
    assert "exceed max_concurrency (TAP_EVERFLOW_MAX_CONCURRENCY): pause the schedule" in printed


def test_an_orchestrator_is_not_given_more_than_there_is(folder, capsys):
    (folder / ".env").write_text("TAP_REDTRACK_REQUESTS_PER_MINUTE=4\n")
    arguments = ["tap-redtrack", "2026-01-01", "2026-01-31", "--plan", f"--folder={folder}"]
    assert main([*arguments, "--slices=4"]) == 1
    assert "4 slices cannot share requests_per_minute (4): use 3" in capsys.readouterr().err
    assert main([*arguments, "--slices=3"]) == 0
    assert capsys.readouterr().out == "[0, 1, 2]\n"


def test_a_backfill_and_an_hourly_run_of_another_machine(
    tmp_path, project, meltano_template, sandbox, database, zygote
):
    """The vendor counts both, so they keep one rate together: twice as many requests without it."""
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    other = new_project(
        tmp_path / "other machine", meltano_template, sandbox, database, programs=zygote.bin
    )
    sandbox.control.clear_requests()
    limits = {
        "TAP_EVERFLOW_REQUESTS_PER_SECOND": "5",
        "SIGNALROOM_RATE_LIMIT_STORE": database.libpq_url,
    }
    slices = project.start(
        *("backfill", "tap-everflow", "2025-10-01", "2026-01-24"),
        *("--slices=2", "--streams=conversions"),
        program="signalroom",
        **limits,
    )
    while not sandbox.control.requests()["count"]:
        time.sleep(0.1)
    days = {"TAP_EVERFLOW_START_DATE": "2025-12-01", "TAP_EVERFLOW_END_DATE": "2026-01-24"}
    other.load("conversions", **days, **limits)
    assert finished(slices, 0).count("  loaded\n") == 2
    moments = [request["at"] for request in sandbox.control.requests()["requests"]]
    assert len(moments) > 100
    # Not the most in any second: on a busy machine a request arrives a good while after its turn.
    assert len(moments) <= 5 * (max(moments) - min(moments) + 1)


def test_states_of_the_default_environment_are_removed(project, sandbox, database):
    path = project.folder / "meltano.yml"
    text = path.read_text()
    path.write_text(text.replace("default_environment: dev", "default_environment: prod"))
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    command = ("signalroom", "backfill", "tap-everflow", "2026-01-01", "2026-01-04", "--slices=2")
    days = "select count(distinct date)::int as days from everflow.daily_stats"
    for _ in range(2):
        project.run(*command, "--streams=daily_stats")
        assert not project.state_ids()
        assert database.query(days) == [{"days": 4}]
        # The second one has to read all of them again.
        database.query("delete from everflow.daily_stats returning 1")


def test_the_environment_can_be_named(project, sandbox):
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    command = ("signalroom", "backfill", "tap-everflow", "2026-01-01", "2026-01-02", "--slices=2")
    project.run(*command, "--streams=daily_stats", "--only=0", "--environment=staging")
    (state_id,) = project.state_ids()
    assert state_id.startswith("staging:tap-everflow-to-target-postgres:backfill-2026-01-01")
    project.run(*command, "--finish", "--environment=staging")
    assert not project.state_ids()


def test_no_environment_is_a_sentence(project):
    path = project.folder / "meltano.yml"
    path.write_text(path.read_text().replace("default_environment: dev\n", ""))
    command = ("signalroom", "backfill", "tap-everflow", "2026-01-01", "2026-01-02")
    assert "A backfill needs a Meltano environment" in project.run(*command, code=1)
    assert "A backfill needs a Meltano environment" in project.run(
        *command, code=1, MELTANO_ENVIRONMENT="null"
    )
