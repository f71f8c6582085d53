"""The loader at work through Meltano: replacing, progress, and the stock loader beside it."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from harness.pipelines import finished, new_database

pytestmark = pytest.mark.e2e

YESTERDAY = datetime.now(ZoneInfo("America/New_York")).date() - timedelta(days=1)
STATE_ID = "dev:tap-everflow-to-target-postgres"


def ids(database):
    rows = database.query("select _client_id, network_offer_id from everflow.offers order by 1, 2")
    return [(row["_client_id"], row["network_offer_id"]) for row in rows]


def execute(database, statement):
    """A statement that changes something; returns a row, so that it can be read."""
    return database.query(f"{statement} returning 1")


def test_what_the_vendor_no_longer_has_goes_and_other_clients_rows_stay(project, database):
    for client in ("acme", "globex"):
        project.load("offers", TAP_EVERFLOW_CLIENT_ID=client)
    before = ids(database)
    assert {client for client, _ in before} == {"acme", "globex"}
    columns = "_client_id, network_offer_id, name"
    execute(database, f"insert into everflow.offers ({columns}) values ('acme', -1, 'gone')")
    execute(database, f"insert into everflow.offers ({columns}) values ('globex', -1, 'theirs')")
    output = project.load("offers", TAP_EVERFLOW_CLIENT_ID="acme")
    assert ids(database) == sorted([*before, ("globex", -1)])
    rows = sum(client == "acme" for client, _ in before)
    assert f"offers: {rows} rows read, replacing the {rows + 1} before, 0 rejected" in output


def test_a_tap_that_fails_half_way_leaves_the_old_rows(project, sandbox, database):
    project.load("offers", TAP_EVERFLOW_CLIENT_ID="acme", TAP_EVERFLOW_PAGE_SIZE="7")
    before = database.contents("everflow.offers")
    loaded = database.query("select max(_loaded_at) as at from everflow.offers")
    sandbox.control.fault("http_403", match="offers", skip=1)
    project.load("offers", TAP_EVERFLOW_CLIENT_ID="acme", TAP_EVERFLOW_PAGE_SIZE="7", code=1)
    assert database.contents("everflow.offers") == before
    assert database.query("select max(_loaded_at) as at from everflow.offers") == loaded


def test_the_state_shows_progress_while_a_run_is_going_on(project, sandbox):
    sandbox.control.everflow.latency(1.5)
    end = YESTERDAY.isoformat()
    process = project.start_load(
        "daily_stats",
        TAP_EVERFLOW_START_DATE=(YESTERDAY - timedelta(days=100)).isoformat(),
        TAP_EVERFLOW_END_DATE=end,
        TAP_EVERFLOW_MAX_CONCURRENCY="1",
        TARGET_POSTGRES_MAX_BATCH_AGE_SECONDS="1",
    )
    seen = set()
    while process.poll() is None:
        seen.add(progress(project))
        time.sleep(0.2)
    finished(process, 0)
    assert len(seen - {None, end}) >= 2
    assert progress(project) == end
    # As users look at it.
    told = project.run("meltano", "state", "get", STATE_ID)
    assert f'"replication_key_value":"{end}"' in told


def progress(project):
    """The bookmark that Meltano has saved; nothing where there is none yet."""
    bookmarks = project.saved_bookmarks(STATE_ID)
    return bookmarks.get("daily_stats", {}).get("replication_key_value")


def test_the_stock_loader_loads_the_same(project, database, postgres):
    streams = ("daily_stats", "conversions", "offers")
    days = {
        "TAP_EVERFLOW_START_DATE": (YESTERDAY - timedelta(days=5)).isoformat(),
        "TAP_EVERFLOW_END_DATE": YESTERDAY.isoformat(),
    }
    project.load(*streams, **days)
    with new_database(postgres) as other:
        env = days | {
            "TAP_EVERFLOW__SELECT": json.dumps([f"{name}.*" for name in streams]),
            "TARGET_POSTGRES_STOCK_SQLALCHEMY_URL": other.sqlalchemy_url,
        }
        output = project.meltano("run", "tap-everflow", "target-postgres-stock", **env)
        assert "ACTIVATE_VERSION" not in output or "ignored" in output
        for name in streams:
            ours, theirs = (comparable(one, f"everflow.{name}") for one in (database, other))
            assert ours == theirs
            assert ours


def comparable(database, table):
    """The rows without the metadata and what the two write differently on purpose."""
    query = f"select * from {table}"
    return sorted(
        repr(
            sorted(
                (name, plain(value))
                for name, value in row.items()
                if value is not None and not name.startswith(("_sdc_", "_loaded_at"))
            )
        )
        for row in database.query(query)
    )


def plain(value):
    """A value whose zone and trailing zeros do not matter."""
    if isinstance(value, Decimal):
        return str(value.normalize())
    return str(value).removesuffix("+00:00")


def test_a_project_with_the_variant_of_before_goes_on_and_keeps_its_state_with_the_new_one(
    project, database
):
    days = {"TAP_EVERFLOW_START_DATE": "2026-01-05", "TAP_EVERFLOW_END_DATE": "2026-01-06"}
    settings, locks = project.folder / "meltano.yml", project.folder / "plugins" / "loaders"
    text, lock = settings.read_text(), locks / "target-postgres--signalroom.lock"
    assert "    variant: signalroom\n" in text
    settings.write_text(text.replace("variant: signalroom", "variant: meltanolabs"))
    old = lock.read_text().replace('"variant": "signalroom"', '"variant": "meltanolabs"')
    (locks / "target-postgres--meltanolabs.lock").write_text(old)
    lock.rename(project.folder / "new.lock")
    project.load("daily_stats", **days)
    before = project.saved_bookmarks(STATE_ID)
    assert before["daily_stats"]["replication_key_value"] == "2026-01-06"
    settings.write_text(text)
    (locks / "target-postgres--meltanolabs.lock").unlink()
    (project.folder / "new.lock").rename(lock)
    assert "bookmark 2026-01-06" in project.load("daily_stats", **days)
    assert project.saved_bookmarks(STATE_ID) == before
