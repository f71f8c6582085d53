"""A loader that ends before the tap has: what the user reads last is what is wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

pytestmark = pytest.mark.e2e

STATE_ID = "dev:tap-everflow-to-target-postgres"
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)

#: Meltano's own, which come below.
_AFTER = {"Loader failed", "Block run completed", "Run completed"}


def last_words(output):
    """The last lines that are not Meltano's: who said them, how much they matter, and what."""
    assert "Traceback" not in output, output
    assert "BrokenPipe" not in output
    found = re.findall(r"^\S+ \[(\w+) *\] (\S+) +(.*)$", output, re.MULTILINE)
    assert {text for _, name, text in found[-3:] if name == "meltano"} <= _AFTER
    return [one for one in found if one[1] != "meltano"]


def days(count):
    """So many days of a report, one by one, as it takes a while."""
    start = (YESTERDAY - timedelta(days=count)).isoformat()
    return {"TAP_EVERFLOW_START_DATE": start, "TAP_EVERFLOW_WINDOW_DAYS": "1"}


@pytest.mark.parametrize("count", (1, 200), ids=("short", "long"))
def test_a_server_that_cannot_be_reached(project, count):
    url = "postgresql+psycopg://nobody:x@127.0.0.1:1/none"
    output = project.load(
        "daily_stats", "offers", code=1, TARGET_POSTGRES_SQLALCHEMY_URL=url, **days(count)
    )
    level, name, text = last_words(output)[-1]
    assert (level, name) == ("error", "target-postgres")
    assert text.startswith("Cannot connect to PostgreSQL at 127.0.0.1:1")


def test_a_setting_that_is_wrong(project):
    output = project.load(code=1, TARGET_POSTGRES_MAX_BATCH_AGE_SECONDS="-1")
    level, name, text = last_words(output)[-1]
    assert (level, name) == ("error", "target-postgres")
    assert "max_batch_age_seconds" in text


def test_a_table_that_cannot_take_the_stream(project, database):
    with psycopg.connect(database.libpq_url) as connection:
        connection.execute("create schema everflow; create view everflow.daily_stats as select 1 a")
    output = project.load(code=1, **days(100))
    words = last_words(output)
    assert words[-1][:2] == ("error", "target-postgres")
    assert "daily_stats" in words[-1][2]


def test_a_database_that_goes_away_half_way(project, database, sandbox):
    sandbox.control.everflow.latency(0.05)
    server = database.libpq_url.replace(f"/{database.name}?", "/postgres?")
    lines = []
    with (
        psycopg.connect(server, autocommit=True) as admin,
        project.start_load(
            "daily_stats", **days(300), TARGET_POSTGRES_MAX_BATCH_AGE_SECONDS="1"
        ) as process,
    ):
        for line in process.stdout:
            lines.append(line)
            saved = "state has been updated" in line and project.saved_bookmarks(STATE_ID)
            if saved and "replication_key_value" in saved["daily_stats"]:
                admin.execute(f"alter database {database.name} allow_connections false")
                admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                    (database.name,),
                )
                break
        lines += process.stdout
        process.wait()
        admin.execute(f"alter database {database.name} allow_connections true")
    assert process.returncode == 1
    words = last_words("".join(lines))
    assert words[-1][:2] == ("error", "target-postgres")
    assert words[-1][2].startswith("Cannot connect to PostgreSQL at ")
    loaded = database.query("select max(date)::text as day from everflow.daily_stats")[0]["day"]
    assert project.saved_bookmarks(STATE_ID)["daily_stats"]["replication_key_value"] <= loaded


def test_a_tap_that_waits_for_a_slow_vendor_is_stopped(project, database, sandbox):
    with psycopg.connect(database.libpq_url) as connection:
        connection.execute("create schema everflow; create view everflow.daily_stats as select 1 a")
    sandbox.control.everflow.latency(0.2)
    output = project.load("daily_stats", code=1, **days(2000))
    words = last_words(output)
    assert words[-1][:2] == ("error", "target-postgres")
    stopped = (
        "info",
        "tap-everflow",
        "Stopped before everything was read, as the loader has failed",
    )
    assert words[-2] == stopped
    assert [*project.folder.glob(".meltano/run/loader-failed-*")] == []
