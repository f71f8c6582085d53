"""One server for all tests of a run, a schema for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from otherserver import PROGRAMS, server_for_tests
from warehouse import new_schema


def pytest_collection_modifyitems(config, items):
    """On another server, only what runs on it: the rest is about the embedded one."""
    if os.environ.get(PROGRAMS):
        others = [
            one
            for one in items
            if Path(__file__).parent in one.path.parents and "server" not in one.fixturenames
        ]
        config.hook.pytest_deselected(items=others)
        items[:] = [one for one in items if one not in others]


@pytest.fixture(scope="session")
def server(testrun_uid):
    """An embedded PostgreSQL, or another; it stops when the last worker has gone."""
    folder = Path(tempfile.gettempdir()) / f"signalroom-target-{testrun_uid}"
    with server_for_tests(folder) as embedded:
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
