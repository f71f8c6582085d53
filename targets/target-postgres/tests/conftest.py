"""One server for all tests of a run, a schema for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from warehouse import new_schema

from signalroom_target_postgres.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def server(testrun_uid):
    """An embedded PostgreSQL; it stops when the last worker has gone."""
    folder = Path(tempfile.gettempdir()) / f"signalroom-target-{testrun_uid}"
    with EmbeddedPostgres(folder) as embedded:
        yield embedded
    if not embedded.cluster.is_running:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def environment():
    """Nothing of ours configured, and nothing left of what a test, or a .env it reads, sets."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith("TARGET_POSTGRES_")]:
        del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def warehouse(server):
    """A schema of the test's own."""
    with new_schema(server.libpq_url, server.sqlalchemy_url) as made:
        yield made
