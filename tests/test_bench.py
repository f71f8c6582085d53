"""The benchmarks run, and check what they loaded."""

from __future__ import annotations

import re
import subprocess
import sys

import psycopg
import pytest
from e2e import ROOT, clean_env, new_database, run

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", ("load-batch", "pipe", "files-growth", "events", "contacts"))
def test_a_benchmark_runs(name):
    done = subprocess.run(
        [sys.executable, ROOT / "bench/run.py", "--quick", name],
        capture_output=True,
        text=True,
        check=False,
        env=clean_env(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        "plain COPY|stock target|6 files|queries a minute|the pages alone", done.stdout
    )


def test_the_large_one_runs_small():
    done = subprocess.run(
        [sys.executable, ROOT / "bench/large.py", "--quick", "events"],
        capture_output=True,
        text=True,
        check=False,
        env=clean_env(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5,000 events" in done.stdout


COMPARE = """
import sys
sys.path.insert(0, {bench!r})
from clients import Agency, compare
agency = Agency(None, {{}}, accounts=[0, 1], clients={{"one": 0, "two": 1, "three": 0}})
print("\\n".join(compare(agency, *sys.argv[1:])))
"""


@pytest.mark.parametrize(
    ("change", "found"),
    (
        ("SELECT 1", []),
        ("DELETE FROM everflow.daily_stats WHERE _client_id = 'two'", ["two has None"]),
        ("UPDATE everflow.daily_stats SET payout = 9 WHERE _client_id = 'one'", ["one has [2"]),
        (
            "INSERT INTO everflow.daily_stats VALUES ('three', 3, 3), ('who', 1, 1)",
            ["'who', who is no client", "three has [3"],
        ),
    ),
)
def test_the_clients_tables_are_held_against_their_accounts(postgres, change, found):
    payouts = {
        "ours": {"one": 1, "two": 2, "three": 1},
        "alone": {"account-0": 1, "account-1": 2},
    }
    with new_database(postgres) as ours, new_database(postgres) as alone:
        for database, clients in ((ours, payouts["ours"]), (alone, payouts["alone"])):
            with psycopg.connect(database.libpq_url) as connection:
                connection.execute("CREATE SCHEMA everflow")
                connection.execute(
                    "CREATE TABLE everflow.daily_stats (_client_id text, id int, payout int)"
                )
                for client, payout in clients.items():
                    connection.execute(
                        "INSERT INTO everflow.daily_stats VALUES (%s, 1, %s), (%s, 2, %s)",
                        (client, payout) * 2,
                    )
        with psycopg.connect(ours.libpq_url) as connection:
            connection.execute(change)
        script = COMPARE.format(bench=str(ROOT / "bench"))
        told = run(sys.executable, "-c", script, ours.libpq_url, alone.libpq_url).split("\n")
    lines = [line for line in told if line]
    assert len(lines) == len(found)
    assert all(part in line for part, line in zip(found, lines, strict=True))
