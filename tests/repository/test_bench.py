"""The benchmarks run, and check what they loaded."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import psycopg
import pytest
from harness.pipelines import ROOT, clean_env, new_database, run

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "name", ("load-batch", "pipe", "files-growth", "events", "contacts", "start")
)
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
        "plain COPY|stock target|6 files|queries a minute|the pages alone|smallest SDK tap",
        done.stdout,
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


def test_a_year_of_two_taps_grows_by_nothing_but_the_state():
    year = [sys.executable, ROOT / "bench/year.py", "--quick"]
    done = subprocess.run(year, capture_output=True, text=True, check=False, env=clean_env())
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ +12 +\d+\.\d kB", done.stdout, re.MULTILINE)
    assert "From month 3 on nothing grows but the state" in done.stdout


COMPARE = """
import sys
sys.path.insert(0, {bench!r})
import psycopg
from clients import Agency, compare
ours, alone = sys.argv[1:]
agency = Agency(None, {{}}, accounts=[0, 1], clients={{"one": 0, "two": 1, "three": 0}})
print(compare(agency, ours, alone))
with psycopg.connect(ours) as connection:
    connection.execute("UPDATE everflow.daily_stats SET payout = 9 WHERE _client_id = 'one'")
    connection.execute("DELETE FROM everflow.daily_stats WHERE _client_id = 'two'")
    connection.execute("INSERT INTO everflow.daily_stats VALUES ('three', 3, 1), ('who', 1, 1)")
print(compare(agency, ours, alone))
"""


def test_the_clients_tables_are_held_against_their_accounts(postgres):
    with new_database(postgres) as ours, new_database(postgres) as alone:
        for database, payouts in (
            (ours, {"one": 1, "two": 2, "three": 1}),
            (alone, {"account-0": 1, "account-1": 2}),
        ):
            with psycopg.connect(database.libpq_url) as connection:
                connection.execute("CREATE SCHEMA everflow")
                connection.execute(
                    "CREATE TABLE everflow.daily_stats (_client_id text, id int, payout int)"
                )
                for client, payout in payouts.items():
                    connection.execute(
                        "INSERT INTO everflow.daily_stats VALUES (%s, 1, %s), (%s, 2, %s)",
                        (client, payout) * 2,
                    )
        script = COMPARE.format(bench=str(ROOT / "bench"))
        told = run(sys.executable, "-c", script, ours.libpq_url, alone.libpq_url)
    right, wrong = map(ast.literal_eval, told.splitlines())
    assert right == []
    stranger, one, two, three = wrong
    assert "rows of 'who', who is no client" in stranger
    assert "one has [2" in one
    assert "two has None" in two
    assert "three has [3" in three
