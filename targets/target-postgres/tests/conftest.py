"""One server for all tests of a run, a schema for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from pooler import MODE, PROGRAM, pgbouncer
from testserver import PROGRAMS, server_for_tests
from warehouse import new_schema


def pytest_collection_modifyitems(config, items):
    """On another server, or by a pooler, only what goes there: the rest is the embedded one's."""
    ours = [one for one in items if Path(__file__).parent in one.path.parents]
    others = []
    if os.environ.get(PROGRAMS) or os.environ.get(MODE):
        others = [one for one in ours if "server" not in one.fixturenames]
    if PROGRAM is None:
        others += [one for one in ours if "pooler" in one.fixturenames]
    if others:
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


@pytest.fixture(scope="session")
def address(server):
    """Where the loader connects to: the server, or a pooler in front of it."""
    if mode := os.environ.get(MODE):
        with pgbouncer(server, mode) as url:
            yield url
    else:
        yield server.sqlalchemy_url


@pytest.fixture
def direct(server):
    """The server itself, for what no pooler takes: other users, and settings of the session."""
    return server.sqlalchemy_url


@pytest.fixture
def warehouse(server, address):
    """A schema of the test's own."""
    with new_schema(server.libpq_url, address) as made:
        yield made
