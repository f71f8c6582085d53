"""Whatever happens to a run: run it again, and the database is that of a run that nothing met.

Six taps, some dozens of troubles, at random points: a fast choice of them in every test run, all
of them by `make chaos`, which writes what came of it to docs/reliability.md.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

import pytest
from harness.chaos import plan, stage
from harness.chaos.sources import SOURCES
from harness.chaos.troubles import TROUBLES
from harness.pipelines import new_database

from signalroom_target_postgres.embedded import EmbeddedPostgres

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL that may be killed."""
    # Not below pytest's own folders: they are closed to the account a root's server runs under.
    folder = Path(tempfile.mkdtemp(prefix="sr-"))
    with EmbeddedPostgres(folder / "pg") as server:
        yield server
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def make_pipe(zygote, sandbox_server):
    return stage.pipes(zygote, sandbox_server, {})


@pytest.fixture(scope="session")
def whole(sandbox_server, server, make_pipe, tmp_path_factory):
    """What an uninterrupted run does, by source."""
    known = {}

    def of(source):
        if source not in known:
            folder = tmp_path_factory.mktemp("whole") / "pipe"
            known[source] = stage.uninterrupted(source, sandbox_server, server, make_pipe, folder)
            assert known[source].tables[source.streams[0]]
        return known[source]

    return of


@pytest.mark.parametrize(("source", "trouble", "seed"), plan.cases())
def test_in_the_end_all_is_as_if_nothing_had_happened(
    record_property, sandbox_server, server, make_pipe, meltano_template, whole, tmp_path,
    source, trouble, seed,
):  # fmt: skip
    chosen, what = SOURCES[source], TROUBLES[trouble]
    chance = Random(f"{source} {trouble} {seed}")
    sandbox_server.control.reset()
    chosen.prepare(sandbox_server.control)
    with new_database(server) as database:
        case = stage.Stage(
            chosen, sandbox_server, server, database, tmp_path, chance, make_pipe,
            stage.projects(meltano_template), whole(chosen),
        )  # fmt: skip
        try:
            what.strike(case)
            case.resume()
            if case.restated:
                # A run that went on where another stopped may have passed what changed since.
                case.resume()
            found, expected = case.tables(), case.whole.tables
            if case.restated:
                folder = tmp_path / "whole"
                expected = stage.uninterrupted(
                    chosen, sandbox_server, server, make_pipe, folder
                ).tables
        finally:
            # Shown if it fails; and noted then too, as the report is of all cases.
            sys.stdout.write(case.told())
            record_property("chaos", [source, trouble, seed, case.runs])
    if differing := list(differences(found, expected)):
        pytest.fail("\n".join(["The tables differ.", *differing]), pytrace=False)
    if "Traceback" in case.told():
        pytest.fail("A traceback, where a person wants to know what to do", pytrace=False)
    if any(secret in case.told() for secret in stage.secrets(sandbox_server, chosen)):
        pytest.fail("A secret is in the logs", pytrace=False)


def differences(found, expected):
    """What is other than it must be, table by table."""
    for table in sorted(found.keys() | expected.keys()):
        if table not in expected:
            yield f"{table}: it should not be there"
            continue
        rows = found.get(table, [])
        if rows == expected[table]:
            continue
        yield f"{table}: {len(rows)} rows, not {len(expected[table])}"
        yield from (f"  missing: {row}" for row in sorted(set(expected[table]) - set(rows))[:2])
        yield from (f"  instead: {row}" for row in sorted(set(rows) - set(expected[table]))[:2])
