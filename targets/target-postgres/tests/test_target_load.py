from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from signalroom_target_postgres.embedded import EmbeddedPostgres

EXECUTABLE = Path(sys.executable).parent / "signalroom-target-postgres"
SETTINGS = {"use_copy": True, "add_record_metadata": False, "activate_version": False}
SCHEMA = {
    "type": "SCHEMA",
    "stream": "orders",
    "key_properties": ["id"],
    "schema": {
        "properties": {
            "id": {"type": "integer"},
            "total": {"type": ["number", "null"]},
            "at": {"type": ["string", "null"], "format": "date-time"},
        }
    },
}


@pytest.fixture(scope="module")
def home():
    with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder:
        yield (home := Path(folder) / "pg")
        EmbeddedPostgres(home).stop(force=True)


@pytest.fixture
def command(home, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("TARGET_POSTGRES_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIGNALROOM_PGDATA", str(home))
    settings = SETTINGS | {"default_target_schema": tmp_path.name.replace("-", "_")}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    return [EXECUTABLE, "--config", str(tmp_path / "config.json")]


def lines(*messages):
    return "".join(json.dumps(message) + "\n" for message in messages)


def record(**values):
    return {"type": "RECORD", "stream": "orders", "record": values}


def load(command, *messages):
    return subprocess.run(
        command, input=lines(*messages), capture_output=True, text=True, check=False
    )


def rows(home, schema):
    with EmbeddedPostgres(home) as embedded, psycopg.connect(embedded.libpq_url) as connection:
        return connection.execute(f'TABLE "{schema}".orders ORDER BY id').fetchall()


def test_a_stream_is_loaded_and_merged_by_its_key(home, command, tmp_path):
    first = load(
        command,
        SCHEMA,
        record(id=1, total=1.5, at="2024-05-01T12:00:00Z"),
        record(id=2, total=None, at=None),
        {"type": "STATE", "value": {"bookmark": 1}},
    )
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {"bookmark": 1}
    assert first.stderr.count("No connection is configured") == 1
    assert "TARGET_POSTGRES_HOST" in first.stderr
    assert not EmbeddedPostgres(home).cluster.is_running
    second = load(command, SCHEMA, record(id=2, total=2.5, at=None), record(id=3, total=3, at=None))
    assert second.returncode == 0, second.stderr
    loaded = rows(home, json.loads((tmp_path / "config.json").read_text())["default_target_schema"])
    assert [(row[0], row[1]) for row in loaded] == [(1, 1.5), (2, 2.5), (3, 3)]
    assert str(loaded[0][2]) == "2024-05-01 12:00:00+00:00"


def test_about_and_nothing_to_load_need_no_server(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALROOM_PGDATA", str(tmp_path / "none"))
    about = subprocess.run(
        [EXECUTABLE, "--about", "--format=json"], capture_output=True, text=True, check=True
    )
    assert json.loads(about.stdout)["name"] == "target-postgres"
    nothing = subprocess.run([EXECUTABLE], input="", capture_output=True, text=True, check=True)
    assert nothing.stdout == ""
    assert not (tmp_path / "none").exists()


def test_an_error_releases_the_server(home, command):
    failed = load(command, SCHEMA, {"type": "RECORD", "stream": "unknown", "record": {}})
    assert failed.returncode == 65
    assert "No connection is configured" in failed.stderr
    assert not EmbeddedPostgres(home).cluster.is_running


def test_sigterm_loads_what_was_read_and_releases_the_server(home, command, tmp_path):
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdin.write(lines(SCHEMA, record(id=1, total=1, at=None)))
    process.stdin.flush()
    for line in process.stderr:
        if "No connection is configured" in line:
            break
    assert EmbeddedPostgres(home).cluster.is_running
    process.send_signal(signal.SIGTERM)
    process.wait()
    process.communicate()
    assert not EmbeddedPostgres(home).cluster.is_running
