"""An upgrade of a project in use, from an earlier commit to this tree; some minutes.

The earlier version is installed in a clone, and loads from all taps by Meltano. Then the project
gets this tree's `meltano.yml`, and goes on with its own state and tables. In the end they are as if
this version had loaded everything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from harness.pipelines import ROOT, Project, clean_env, new_database, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.proof

SOURCES = ("everflow", "gsheets", "mautic", "posthog", "redtrack", "sticky-s3")
TODAY = datetime.now(UTC).date()
#: Without today, which every run finds otherwise.
DAYS = {
    f"TAP_{source}_{end}_DATE": (TODAY - timedelta(days=days)).isoformat()
    for source in ("EVERFLOW", "POSTHOG", "REDTRACK")
    for end, days in (("START", 12), ("END", 2))
}
_TABLES = """
select table_schema || '.' || table_name as name from information_schema.tables
where table_schema not in ('information_schema', 'pg_catalog', 'signalroom') order by 1
"""
_COLUMNS = """
select column_name as name from information_schema.columns
where table_schema || '.' || table_name = %s and column_name !~ '^(_loaded_at|_sdc_.*)$' order by 1
"""


@pytest.fixture
def earlier(tmp_path):
    """A clone of the earlier version, installed."""
    revision = os.environ.get("FROM") or newest_tag()
    clone = tmp_path / "earlier"
    run("git", "clone", "--quiet", ROOT, clone)
    run("git", "-C", clone, "checkout", "--quiet", revision)
    env = clean_env() | {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    run("make", f"PYTHON={sys._base_executable}", "setup", cwd=clone, env=env)
    # Else what follows says nothing.
    where = "import signalroom_target_postgres as it; print(it.__file__)"
    assert run(clone / ".venv/bin/python", "-c", where).startswith(str(clone))
    return clone


def newest_tag():
    command = ["git", "-C", ROOT, "describe", "--tags", "--abbrev=0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail("No version has a tag yet. Say from where: make upgrade-proof FROM=<commit>")
    return done.stdout.strip()


def project_of(checkout: Path, folder: Path, database, env) -> Project:
    """A project with the files of a checkout, and its programs first."""
    shutil.copytree(checkout / "plugins", folder / "plugins", dirs_exist_ok=True)
    shutil.copy(checkout / "meltano.yml", folder)
    target = {"TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url}
    return Project(folder, clean_env(checkout / ".venv" / "bin") | env | target | DAYS)


def load(project):
    for source in SOURCES:
        project.meltano("run", f"tap-{source}", "target-postgres")


def tables(database):
    return [row["name"] for row in database.query(_TABLES)]


def rows(database, table, columns):
    quoted = ", ".join(f'"{name}"' for name in columns)
    return sorted(map(repr, database.query(f"select {quoted} from {table}")))


@pytest.mark.timeout(1800)
def test_a_project_goes_on_with_its_state_and_tables(earlier, sandbox, postgres, tmp_path):
    folders = [tmp_path / name for name in ("project", "alone")]
    for folder in folders:
        folder.mkdir()
    with new_database(postgres) as database, new_database(postgres) as other:
        load(project_of(earlier, folders[0], database, sandbox.dotenv))
        sandbox.control.advance(3_600)
        upgraded = project_of(ROOT, folders[0], database, sandbox.dotenv)
        for _ in range(2):
            load(upgraded)
        load(project_of(ROOT, folders[1], other, sandbox.dotenv))
        names = tables(other)
        assert len(names) > 50
        assert {*names} <= {*tables(database)}
        different = []
        for name in names:
            columns = [row["name"] for row in other.query(_COLUMNS, name)]
            if rows(database, name, columns) != rows(other, name, columns):
                different.append(name)
        assert different == []
