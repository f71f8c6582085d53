"""A Meltano project of the test's own, a sandbox, and a database in a shared PostgreSQL."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from harness.chaos.plan import SEEDS
from harness.chaos.report import Report
from harness.fuzz.taps import catalog_of, patient, read
from harness.pipelines import BIN, ROOT, clean_env, new_database, new_project, run
from harness.wheels import built_once
from testserver import server_for_tests


def pytest_configure(config):
    # In the process that hears of all tests, where `make chaos` was asked for.
    if SEEDS and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report())


@pytest.fixture(scope="session")
def postgres(testrun_uid):
    """One server for all workers; it stops when the last has gone."""
    # Not below pytest's own folders: they are closed to the account a root's server runs under.
    folder = Path(tempfile.gettempdir()) / f"signalroom-tests-{testrun_uid}"
    with server_for_tests(folder) as server:
        yield server
    if not server.cluster.is_running:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(postgres):
    with new_database(postgres) as made:
        yield made


@pytest.fixture
def sandbox(sandbox_server):
    """The sandbox as new, with the vendor's own limits."""
    sandbox_server.control.reset()
    yield sandbox_server
    sandbox_server.control.reset()


@pytest.fixture(scope="session")
def meltano_template(tmp_path_factory):
    """A project whose system database is there already: making it takes a second."""
    folder = tmp_path_factory.mktemp("template")
    for name in ("meltano.yml", "plugins", "clients"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    run(BIN / "meltano", "state", "list", cwd=folder, env=clean_env())
    return folder


@pytest.fixture
def project(tmp_path, meltano_template, sandbox, database, zygote):
    """A project whose programs start at once."""
    folder = tmp_path / "project"
    return new_project(folder, meltano_template, sandbox, database, programs=zygote.bin)


@pytest.fixture(scope="session")
def asked(sandbox_server):
    """What a tap offers, and what it writes for each of its streams; asked once."""
    catalogs, messages = {}, {}

    def of(name, stream=None):
        patient(sandbox_server)
        if name not in catalogs:
            catalogs[name] = catalog_of(name, sandbox_server)
        if stream and (name, stream) not in messages:
            found, error, _ = read(name, sandbox_server, catalogs[name], stream)
            assert error is None
            messages[name, stream] = found
        return catalogs[name], messages.get((name, stream))

    return of


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """All packages as wheels and sources, built once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    return built_once(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)
