"""Lost connections, servers that restart, kills at any moment, several loaders at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from warehouse import Warehouse, activate, lines, record, schema, state

from signalroom_target_postgres.connector import PostgresConnector
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.errors import ConnectionFailedError, LoadError
from signalroom_target_postgres.loading import Writer

PROPERTIES = {"id": {"type": "integer"}, "name": "string", "data": "object"}
STREAM = schema(PROPERTIES)
CLOSED = "server closed the connection unexpectedly"
NO_SPACE = "could not extend file: No space left on device"
#: The nightly run has more of them: `make chaos`.
KILLS = int(os.environ.get("SIGNALROOM_KILLS", "15"))


class TestLostConnections:
    def test_a_batch_is_loaded_again(self, warehouse, caplog):
        caplog.set_level("INFO")
        killed = []

        def kill_once(connection, table):
            if not killed:
                killed.append(connection.info.backend_pid)
                warehouse.sql("SELECT pg_terminate_backend(%s)", killed[0])

        with during_copy(kill_once):
            states = warehouse.load(STREAM, *(record(id=n) for n in range(1000)), state(at=1))
        assert killed
        assert states == [{"at": 1}]
        assert len(warehouse.rows()) == 1000
        assert "The connection to PostgreSQL was lost" in caplog.text
        assert "PostgreSQL is back" in caplog.text

    def test_a_commit_without_an_answer_is_asked_about(self, warehouse, monkeypatch):
        """Rows without a key would be doubled if it was simply done again."""
        lost = []
        real = psycopg.Connection.transaction

        @contextmanager
        def transaction(connection, *arguments, **options):
            with real(connection, *arguments, **options) as opened:
                yield opened
            if not lost and connection.info.transaction_status == 0 and written(connection):
                lost.append(True)
                connection.close()
                raise psycopg.OperationalError(CLOSED)

        def written(connection):
            query = f"SELECT to_regclass('{warehouse.name}.orders')"
            if connection.execute(query).fetchone() == (None,):
                return False
            found = connection.execute(f"SELECT count(*) FROM {warehouse.name}.orders").fetchone()
            connection.rollback()
            return found != (0,)

        monkeypatch.setattr(psycopg.Connection, "transaction", transaction)
        warehouse.load(schema(PROPERTIES, keys=()), record(id=1))
        assert lost
        assert len(warehouse.rows()) == 1

    def test_a_server_that_does_not_come_back(self, warehouse, monkeypatch):
        def gone(self):
            message = "Cannot connect to PostgreSQL at db:5432: no server listens there"
            raise ConnectionFailedError(message, passing=True)

        def kill(connection, table):
            warehouse.sql("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
            monkeypatch.setattr(PostgresConnector, "_connect", gone)

        began = time.monotonic()
        with during_copy(kill), pytest.raises(ConnectionFailedError, match="no server listens"):
            warehouse.load(STREAM, record(id=1), reconnect_seconds=1)
        assert 1 <= time.monotonic() - began < 20


@contextmanager
def during_copy(act):
    """Do something to the connection as soon as a COPY has begun."""
    real = Writer._copy_all

    def copy_all(self, cursor, into, rows):
        act(cursor.connection, into)
        real(self, cursor, into, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Writer, "_copy_all", copy_all)
        yield


class TestRefusals:
    """What the server says no to, in words a person can act on."""

    @pytest.fixture
    def stranger(self, warehouse):
        """The address of a user without rights."""
        name = f"stranger_{warehouse.name}"
        warehouse.sql(f"CREATE USER {name}")
        yield warehouse.sqlalchemy_url.replace("postgres@", f"{name}@")
        warehouse.sql(f"DROP OWNED BY {name}")
        warehouse.sql(f"DROP USER {name}")

    def test_a_missing_privilege(self, warehouse, stranger):
        with pytest.raises(LoadError, match=r"permission denied for schema.*GRANT CREATE"):
            warehouse.load(STREAM, record(id=1), sqlalchemy_url=stranger)
        with pytest.raises(LoadError, match=r"permission denied for database.*CREATE ON DATABASE"):
            warehouse.load(STREAM, sqlalchemy_url=stranger, default_target_schema="brand_new")

    def test_a_server_that_only_reads(self, warehouse):
        url = f"{warehouse.sqlalchemy_url}&options=-c default_transaction_read_only%3Don"
        with pytest.raises(LoadError, match=r"read-only transaction.*connect to the primary"):
            warehouse.load(STREAM, record(id=1), sqlalchemy_url=url)

    def test_a_time_limit(self, warehouse):
        warehouse.load(STREAM)
        url = f"{warehouse.sqlalchemy_url}&options=-c statement_timeout%3D100"
        with psycopg.connect(warehouse.libpq_url) as other:
            other.execute(f"LOCK {warehouse.name}.orders IN SHARE MODE")
            with pytest.raises(LoadError, match=r"statement timeout.*raise statement_timeout"):
                warehouse.load(STREAM, record(id=1), sqlalchemy_url=url)

    def test_a_full_disk(self, warehouse, monkeypatch):
        def full(connection, table):
            raise psycopg.errors.DiskFull(NO_SPACE)

        with during_copy(full), pytest.raises(LoadError, match=r"disk is full.*nothing of this"):
            warehouse.load(STREAM, record(id=1), state(at=1))
        assert warehouse.rows() == []

    def test_a_constraint_between_tables(self, warehouse):
        warehouse.sql("CREATE TABLE shops (name text PRIMARY KEY)")
        warehouse.sql(
            "CREATE TABLE orders (id bigint PRIMARY KEY, name text REFERENCES shops, data jsonb)"
        )
        with pytest.raises(LoadError, match=r"foreign key constraint.*change the constraint") as no:
            warehouse.load(STREAM, record(id=1, name="secret"))
        assert "secret" not in str(no.value)

    def test_an_index_of_the_users(self, warehouse):
        warehouse.load(STREAM, record(id=1, name="a"))
        warehouse.sql("CREATE UNIQUE INDEX ON orders (name)")
        with pytest.raises(LoadError, match="unique index of the table has these values"):
            warehouse.load(STREAM, record(id=2, name="a"))


class TestAtOnce:
    """Several loaders, one database."""

    def run(self, warehouse, tmp_path, inputs, **settings):
        loaders = [
            subprocess.Popen(
                warehouse.command(tmp_path, batch_size_rows=100, **settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in inputs
        ]
        threads = []
        for loader, messages in zip(loaders, inputs, strict=True):
            feed = threading.Thread(target=loader.communicate, args=(lines(*messages),))
            feed.start()
            threads.append(feed)
        for thread in threads:
            thread.join()
        assert [loader.returncode for loader in loaders] == [0] * len(loaders)

    def test_four_loaders_of_one_table(self, warehouse, tmp_path):
        """The same rows in other orders, and rows of their own; the table is new to all."""

        def messages(loader):
            shared = [record(id=n, name="shared") for n in range(1000)]
            random.Random(loader).shuffle(shared)
            own = [record(id=10_000 * (loader + 1) + n, name=str(loader)) for n in range(500)]
            return [STREAM, *shared, *own]

        self.run(warehouse, tmp_path, [messages(loader) for loader in range(4)])
        found = warehouse.sql("SELECT name, count(*) FROM orders GROUP BY 1 ORDER BY 1")
        counts = {row["name"]: row["count"] for row in found}
        assert counts == {"shared": 1000, "0": 500, "1": 500, "2": 500, "3": 500}

    def test_four_loaders_that_widen_add_and_replace(self, warehouse, tmp_path):
        def stream(loader):
            one = schema(
                {
                    "_client_id": {"type": "string", "const": str(loader)},
                    "id": {"type": "integer"},
                    "value": ["integer", "number", "string", "integer"][loader],
                    f"own_{loader}": "string",
                },
                keys=("_client_id", "id"),
            )
            one["schema"]["x-replace-on-activate"] = True
            return one

        def messages(loader, count):
            rows = [record(_client_id=str(loader), id=n, value=None) for n in range(count)]
            return [stream(loader), *rows, activate(1)]

        settings = {"activate_version": True, "hard_delete": True, "add_record_metadata": True}
        for count in (300, 200):
            inputs = [messages(loader, count) for loader in range(4)]
            self.run(warehouse, tmp_path, inputs, **settings)
            found = warehouse.sql("SELECT _client_id, count(*) AS rows FROM orders GROUP BY 1")
            assert sorted((row["_client_id"], row["rows"]) for row in found) == [
                (str(loader), count) for loader in range(4)
            ]
        assert warehouse.types()["value"] == "text"


ROWS = 3000
STEP = 250  # rows between states
INPUTS = {
    "load": {},
    "upsert": {},
    "overwrite": {"load_method": "overwrite"},
}


def messages_after(at, name):
    """What a tap sends from a state on."""
    yield STREAM
    for n in range(at, ROWS):
        yield record(id=n, name=name, data={"n": n, "pad": "x" * 200})
        if (n + 1) % STEP == 0:
            yield state(at=n + 1)


@pytest.fixture(scope="module")
def server_of_its_own():
    """A server that may be killed."""
    with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "pg"
        yield home
        EmbeddedPostgres(home).stop(force=True)


def run_once(command, env, at, name, victim, delay):
    """Load from a state on, killing something on the way; gives the states passed on."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    ) as process:
        killer = threading.Thread(target=kill_later, args=(process, env, victim, delay))
        killer.start()
        output, errors = process.communicate(lines(*messages_after(at, name)))
        killer.join()
    assert "Traceback" not in errors, errors
    return process.returncode, [json.loads(line)["at"] for line in output.splitlines()], errors


def kill_later(process, env, victim, delay):
    time.sleep(delay)
    if victim == "target":
        process.kill()
    elif victim == "server":
        pid_file = Path(env["SIGNALROOM_PGDATA"]) / "data" / "postmaster.pid"
        try:
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, IndexError):
            return  # not started yet, or stopped already


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_kill_at_any_moment_leaves_table_and_state_consistent(
    server_of_its_own, tmp_path, monkeypatch, seed
):
    """Of target or server, while a table is made, updated or replaced; then on from the state."""
    chance = random.Random(seed)
    kind = list(INPUTS)[seed % 3]
    victim = ("target", "server")[seed // 3 % 2]
    name = f"kill_{seed}"
    env = {key: value for key, value in os.environ.items() if not key.startswith("TARGET_POSTGRES")}
    env["SIGNALROOM_PGDATA"] = str(server_of_its_own)
    config = {
        "default_target_schema": name,
        "add_record_metadata": False,
        "activate_version": False,
        "batch_size_rows": STEP,
        **INPUTS[kind],
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [
        Warehouse("", "", "").command(tmp_path)[0],
        "--config",
        str(tmp_path / "config.json"),
    ]
    at = 0
    if kind != "load":
        code, states, errors = run_once(command, env, 0, "old", None, 0)
        assert (code, states[-1]) == (0, ROWS), errors
    # Its start takes about a second, its work another.
    delay = chance.uniform(0.8, 2.2)
    code, states, errors = run_once(command, env, 0, "new", victim, delay)
    at = states[-1] if states else 0
    told = f"seed {seed}: {kind}, {victim} killed after {delay:.2f} s, exit {code}, state {at}"
    sys.stdout.write(f"{told}\n")
    if victim == "target":
        assert code in {0, -signal.SIGKILL}, errors
    else:
        assert code == 0, errors
    with (
        EmbeddedPostgres(server_of_its_own) as server,
        psycopg.connect(server.libpq_url) as connection,
    ):
        found = counts(connection, name)
        if kind == "overwrite":
            assert found in ({"old": ROWS}, {"new": ROWS})
        elif kind == "upsert":
            assert found.get("old", 0) + found.get("new", 0) == ROWS
        # What the state covers is there.
        assert found.get("new", 0) >= (at if kind != "overwrite" else (ROWS if at else 0))
    code, states, errors = run_once(command, env, 0 if kind == "overwrite" else at, "new", None, 0)
    assert code == 0, errors
    with (
        EmbeddedPostgres(server_of_its_own) as server,
        psycopg.connect(server.libpq_url) as connection,
    ):
        assert counts(connection, name) == {"new": ROWS}
        connection.execute(f"DROP SCHEMA {name} CASCADE")


def counts(connection, name):
    if connection.execute(f"SELECT to_regclass('{name}.orders')").fetchone() == (None,):
        return {}
    query = f"SELECT name, count(*), count(DISTINCT id) FROM {name}.orders GROUP BY name"
    rows = connection.execute(query).fetchall()
    assert all(total == distinct for _, total, distinct in rows)
    return {row[0]: row[1] for row in rows}
