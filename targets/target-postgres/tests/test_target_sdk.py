"""The SDK's own tests of a target, and every sample it brings, with what must be in the tables."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

import pytest
from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.testing import get_target_test_class, target_test_streams
from warehouse import new_schema

from signalroom_target_postgres.embedded.account import account_for
from signalroom_target_postgres.target import TargetPostgres

SAMPLES = resources.files(target_test_streams)
# Three rows a batch, as the SDK's test of states expects.
SETTINGS = {"add_record_metadata": True, "activate_version": True, "batch_size_rows": 3}
EMBEDDED = dict(SETTINGS)
SYSTEM = dict(SETTINGS)


def system_programs():
    """The folder of an installed PostgreSQL's programs, if there is one."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found and (initdb := shutil.which("initdb")):
        found = [Path(initdb).resolve().parent]
    return max(found, default=None)


@pytest.fixture(scope="module")
def system_server():
    """A server of the system's PostgreSQL; its libpq address."""
    programs = system_programs()
    if programs is None:
        pytest.skip("no PostgreSQL is installed")
    with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        account = account_for(data)
        account.grant_traverse(data)
        account.chown(data)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]

        def run(program, *arguments):
            subprocess.run(
                [programs / program, "-D", data, *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd=data,
                umask=0o077,
                **account.process_options,
            )

        run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale")
        options = f"-c unix_socket_directories= -c listen_addresses=127.0.0.1 -c port={port}"
        run("pg_ctl", "start", "-w", "-l", data / "log", "-o", options)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        run("pg_ctl", "stop", "-m", "fast", "-w")


@pytest.fixture
def embedded(server, address):
    with new_schema(server.libpq_url, address) as made:
        EMBEDDED.update(made.config | SETTINGS)
        yield made


@pytest.fixture
def system(system_server):
    url = system_server.replace("postgresql://", "postgresql+psycopg://")
    with new_schema(system_server, url) as made:
        SYSTEM.update(made.config | SETTINGS)
        yield made


@pytest.mark.usefixtures("embedded")
class TestOnTheEmbeddedServer(get_target_test_class(TargetPostgres, config=EMBEDDED)):
    """The SDK's tests."""


@pytest.mark.usefixtures("system")
class TestOnTheSystemsServer(get_target_test_class(TargetPostgres, config=SYSTEM)):
    """The SDK's tests."""


#: What each sample leaves in its tables: by table, the rows without metadata.
LEFT = {
    "array_data": {
        "test_array_data": [
            {"id": 1, "fruits": ["apple", "orange", "pear"]},
            {"id": 2, "fruits": ["banana", "apple"]},
            {"id": 3, "fruits": ["pear"]},
            {"id": 4, "fruits": ["orange", "banana", "apple", "pear"]},
        ]
    },
    "duplicate_records": {
        "test_duplicate_records": [{"id": 1, "metric": 100}, {"id": 2, "metric": 20}]
    },
    "schema_no_properties": {
        "test_object_schema_with_properties": [
            {"object_store": {"id": 1, "metric": 187}},
            {"object_store": {"id": 2, "metric": 203}},
        ],
        "test_object_schema_no_properties": [
            {"object_store": {"id": 1, "metric": 1}},
            {"object_store": {"id": 2, "metric": 2}},
        ],
    },
}


@pytest.mark.parametrize("sample", LEFT)
def test_what_a_sample_leaves(warehouse, sample):
    warehouse.load(*(SAMPLES / f"{sample}.singer").read_text().splitlines())
    assert {table: warehouse.rows(table) for table in LEFT[sample]} == LEFT[sample]


BROKEN = {"invalid_schema", "record_before_schema", "record_missing_key_property"}
# Read by the SDK's tests, whose runs of it fail; see LOADABLE for the others.
LOADABLE = sorted(
    entry.name.removesuffix(".singer")
    for entry in SAMPLES.iterdir()
    if entry.name.endswith(".singer") and entry.name.removesuffix(".singer") not in BROKEN
)


@pytest.mark.parametrize("sample", LOADABLE)
def test_every_sample_loads_all_its_keys_twice_over(warehouse, sample):
    messages = (SAMPLES / f"{sample}.singer").read_text().splitlines()
    if sample == "record_missing_required_property":
        with pytest.raises(MissingKeyPropertiesError, match="column 'id': it is missing"):
            warehouse.load(*messages)
        return
    expected = expected_rows(messages)
    warehouse.load(*messages)
    warehouse.load(*messages)
    found = {
        table: warehouse.sql(f'SELECT count(*) AS rows FROM "{table}"')[0]["rows"]
        for table in expected
    }
    assert found == expected


def expected_rows(messages):
    """Rows by table after loading twice: one a key, or each record twice where there is none."""
    keys, rows = {}, {}
    for message in map(json.loads, messages):
        if message["type"] == "SCHEMA":
            keys[message["stream"]] = message.get("key_properties") or []
        elif message["type"] == "RECORD":
            name, record = message["stream"], message["record"]
            marks = rows.setdefault(name, {})
            key = tuple(record[key] for key in keys[name])
            if key:
                marks[key] = 1
            else:
                marks[len(marks)] = 2
    return {re.sub(r"\W", "_", name): sum(marks.values()) for name, marks in rows.items()}
