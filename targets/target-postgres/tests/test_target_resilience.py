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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.dialects.postgresql.base import PGDialect
from warehouse import Warehouse, activate, lines, record, schema, state

from signalroom_target_postgres.connection.connector import PostgresConnector, _was_committed
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.errors import ConnectionFailedError, LoadError
from signalroom_target_postgres.warehouse.rejected import BadRecordError
from signalroom_target_postgres.warehouse.writer import TableWriter

PROPERTIES = {"id": {"type": "integer"}, "name": "string", "data": "object"}
STREAM = schema(PROPERTIES)
CLOSED = "server closed the connection unexpectedly"
NO_SPACE = "could not extend file: No space left on device"
#: The nightly run has more of them: `make chaos`.
KILLS = int(os.environ.get("SIGNALROOM_KILLS", "8"))


class TestLostConnections:
    def test_a_batch_is_loaded_again(self, warehouse, caplog):
        caplog.set_level("INFO")
        killed = []

        def kill_once(connection, table):
            if not killed:
                killed.append(session_of(connection))
                warehouse.sql("SELECT pg_terminate_backend(%s)", killed[0])

        with during_copy(kill_once):
            states = warehouse.load(STREAM, *(record(id=n) for n in range(1000)), state(at=1))
        assert killed
        assert states == [{"at": 1}]
        assert len(warehouse.rows()) == 1000
        assert "The connection to PostgreSQL was lost" in caplog.text
        assert "PostgreSQL is back" in caplog.text

    @pytest.mark.parametrize("kind", (psycopg.OperationalError, psycopg.DatabaseError))
    def test_a_dying_server_that_the_driver_still_believes_in(self, warehouse, caplog, kind):
        failed = []

        def fail(*_):
            if len(failed) < 2:
                failed.append(True)
                raise kind(CLOSED)

        with during_copy(fail):
            warehouse.load(STREAM, *(record(id=n) for n in range(10)))
        assert len(failed) == 2
        assert len(warehouse.rows()) == 10
        assert "The connection to PostgreSQL was lost" in caplog.text

    def test_one_that_goes_on_like_this_is_an_error(self, warehouse):
        def fail(*_):
            raise psycopg.OperationalError(CLOSED)

        with during_copy(fail), pytest.raises(LoadError, match="closed the connection"):
            warehouse.load(STREAM, record(id=1))

    def test_a_batch_that_ends_each_session_is_an_error(self, warehouse):
        def kill(connection, _):
            warehouse.sql("SELECT pg_terminate_backend(%s)", session_of(connection))

        with during_copy(kill), pytest.raises(LoadError, match="was lost 11 times while the same"):
            warehouse.load(STREAM, record(id=1))

    @pytest.mark.parametrize(
        ("kind", "advice"),
        (
            (psycopg.errors.IdleInTransactionSessionTimeout, "raise idle_in_transaction_session"),
            (psycopg.errors.TransactionTimeout, "raise transaction_timeout"),
            (psycopg.errors.DuplicatePreparedStatement, "Remove prepare_threshold from"),
        ),
    )
    def test_what_ends_every_session_is_not_tried_again(self, warehouse, kind, advice):
        def fail(*_):
            raise kind(CLOSED)

        with during_copy(fail), pytest.raises(LoadError, match=advice):
            warehouse.load(STREAM, record(id=1))

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

    def test_a_transaction_that_a_crash_left_no_trace_of(self, warehouse):
        with psycopg.connect(warehouse.libpq_url, autocommit=True) as connection:
            assert not _was_committed(connection, 2**31)
            with connection.transaction():
                row = connection.execute("SELECT txid_current()").fetchone()
            assert _was_committed(connection, row[0])

    def test_one_that_is_lost_as_soon_as_it_is_opened(self, warehouse, monkeypatch):
        """While SQLAlchemy asks the server for its settings."""
        real = PGDialect._set_backslash_escapes

        def lost(dialect, connection):
            pid = session_of(connection.connection.driver_connection)
            warehouse.sql("SELECT pg_terminate_backend(%s)", pid)
            real(dialect, connection)

        monkeypatch.setattr(PGDialect, "_set_backslash_escapes", lost)
        with pytest.raises(ConnectionFailedError, match="Cannot connect to PostgreSQL"):
            warehouse.load(STREAM, record(id=1))

    def test_a_server_that_does_not_come_back(self, warehouse, monkeypatch):
        def gone(self):
            message = "Cannot connect to PostgreSQL at db:5432: no server listens there"
            raise ConnectionFailedError(message, is_transient=True)

        def kill(connection, table):
            warehouse.sql("SELECT pg_terminate_backend(%s)", session_of(connection))
            monkeypatch.setattr(PostgresConnector, "_connect", gone)

        began = time.monotonic()
        with during_copy(kill), pytest.raises(ConnectionFailedError, match="no server listens"):
            warehouse.load(STREAM, record(id=1), reconnect_seconds=1)
        assert time.monotonic() - began >= 1


def session_of(connection):
    """The server's process for it; what libpq knows is a pooler's, where there is one."""
    return connection.execute("SELECT pg_backend_pid()").fetchone()[0]


@contextmanager
def during_copy(act):
    """Do something to the connection as soon as a COPY has begun."""
    real = TableWriter._copy

    def copy(self, cursor, into, rows):
        act(cursor.connection, into)
        real(self, cursor, into, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TableWriter, "_copy", copy)
        yield


class TestRefusals:
    """What the server says no to, in words a person can act on."""

    @pytest.fixture
    def stranger(self, warehouse, direct):
        """The address of a user without rights."""
        name = f"stranger_{warehouse.name}"
        warehouse.sql(f"CREATE USER {name}")
        yield direct.replace("postgres@", f"{name}@")
        warehouse.sql(f"DROP OWNED BY {name}")
        warehouse.sql(f"DROP USER {name}")

    def test_a_missing_privilege(self, warehouse, stranger):
        with pytest.raises(LoadError, match=r"permission denied for schema.*GRANT USAGE, CREATE"):
            warehouse.load(STREAM, record(id=1), sqlalchemy_url=stranger)
        with pytest.raises(LoadError, match=r"permission denied for database.*CREATE ON DATABASE"):
            warehouse.load(STREAM, sqlalchemy_url=stranger, default_target_schema="brand_new")

    def test_a_server_that_only_reads(self, warehouse, direct):
        url = f"{direct}&options=-c default_transaction_read_only%3Don"
        with pytest.raises(LoadError, match=r"read-only transaction.*connect to the primary"):
            warehouse.load(STREAM, record(id=1), sqlalchemy_url=url)

    def test_a_time_limit(self, warehouse, direct):
        warehouse.load(STREAM)
        url = f"{direct}&options=-c statement_timeout%3D100"
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
        with pytest.raises(BadRecordError, match="the row that it refers to does not exist") as no:
            warehouse.load(STREAM, record(id=1, name="secret"))
        assert "secret" not in str(no.value)

    def test_an_index_of_the_users(self, warehouse):
        warehouse.load(STREAM, record(id=1, name="a"))
        warehouse.sql("CREATE UNIQUE INDEX ON orders (name)")
        with pytest.raises(BadRecordError, match="another row has the same values"):
            warehouse.load(STREAM, record(id=2, name="a"))


class TestAtOnce:
    """Several loaders, one database."""

    @pytest.fixture
    def run(self, warehouse, tmp_path, zygote):
        """Run as many loaders as there are inputs, all at once."""
        return partial(self.run_all, warehouse, tmp_path, programs=zygote.bin)

    def run_all(self, warehouse, tmp_path, inputs, **settings):
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

    def test_four_loaders_of_one_table(self, warehouse, run):
        """The same rows in other orders, and rows of their own; the table is new to all."""

        def messages(loader):
            shared = [record(id=n, name="shared") for n in range(1000)]
            random.Random(loader).shuffle(shared)
            own = [record(id=10_000 * (loader + 1) + n, name=str(loader)) for n in range(500)]
            return [STREAM, *shared, *own]

        run([messages(loader) for loader in range(4)])
        found = warehouse.sql("SELECT name, count(*) FROM orders GROUP BY 1 ORDER BY 1")
        counts = {row["name"]: row["count"] for row in found}
        assert counts == {"shared": 1000, "0": 500, "1": 500, "2": 500, "3": 500}

    def test_four_loaders_that_widen_add_and_replace(self, warehouse, run):
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
            run(inputs, **settings)
            found = warehouse.sql("SELECT _client_id, count(*) AS rows FROM orders GROUP BY 1")
            assert sorted((row["_client_id"], row["rows"]) for row in found) == [
                (str(loader), count) for loader in range(4)
            ]
        assert warehouse.types()["value"] == "text"


STEP = 200  # rows between states
STEPS = 20
ROWS = STEP * STEPS
# Large enough that what a pipe holds is a few steps: the target is where the tap is.
PAD = "x" * 2000
INPUTS = {
    "load": {},
    "upsert": {},
    "overwrite": {"load_method": "overwrite"},
}


def steps_after(at, name):
    """What a tap sends from a state on, step by step."""
    for first in range(at, ROWS, STEP):
        rows = [record(id=n, name=name, data={"pad": PAD}) for n in range(first, first + STEP)]
        begin = [STREAM] if first == at else []
        end = [activate(1)] if first + STEP == ROWS else []
        yield lines(*begin, *rows, *end, state(at=first + STEP))


@pytest.fixture(scope="module")
def server_of_its_own():
    """A server that may be killed."""
    with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "pg"
        yield home
        EmbeddedPostgres(home).stop(force=True)


@dataclass
class Kill:
    """When something is killed, and what.

    After a step of the tap's and so many seconds; after the last, the input has ended.
    """

    step: int
    delay: float
    victim: str

    def __call__(self, process, home):
        time.sleep(self.delay)
        if self.victim == "target":
            process.kill()
            return
        pid_file = home / "data" / "postmaster.pid"
        given_up = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < given_up:
            # As soon as there is a server; it may be starting.
            with suppress(FileNotFoundError, ProcessLookupError, IndexError):
                kill_server(int(pid_file.read_text().split()[0]))
                return
            time.sleep(0.005)


def kill_server(postmaster):
    """Kill all of it: a session outlives its postmaster for as long as it is kept busy."""
    listed = Path(f"/proc/{postmaster}/task/{postmaster}/children")
    sessions = listed.read_text().split() if listed.exists() else []
    os.kill(postmaster, signal.SIGKILL)
    for session in sessions:
        with suppress(ProcessLookupError):
            os.kill(int(session), signal.SIGKILL)


def run_once(command, home, at, name, kill=None):
    """Load from a state on; gives the exit code, the states passed on, and what was logged."""
    env = os.environ | {"SIGNALROOM_PGDATA": str(home)}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    ) as process:
        feed = threading.Thread(target=send, args=(process, home, at, name, kill))
        feed.start()
        logged = []
        log = threading.Thread(target=lambda: logged.extend(process.stderr))
        log.start()
        states = [json.loads(line)["at"] for line in process.stdout]
        feed.join()
        log.join()
    assert "Traceback" not in "".join(logged), logged
    return process.returncode, states, "".join(logged)


def send(process, home, at, name, kill):
    # Closing reports a broken pipe too.
    with suppress(BrokenPipeError), process.stdin:
        for number, step in enumerate(steps_after(at, name)):
            if kill and kill.step == number:
                kill(process, home)
            process.stdin.write(step)
            process.stdin.flush()
    if kill and kill.step >= STEPS:
        kill(process, home)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_kill_at_any_moment_leaves_table_and_state_consistent(
    server_of_its_own, zygote, tmp_path, seed
):
    """Of target or server, while a table is made, updated or replaced; then on from the state."""
    home, name = server_of_its_own, f"kill_{seed}"
    chance = random.Random(seed)
    kind, victim = list(INPUTS)[seed % 3], ("target", "server")[seed // 3 % 2]
    # One in six when all has been sent: while the last batch, or all of them, are committed.
    # A loader that was sent nothing has started no server that could be killed.
    step = chance.randrange(1 if victim == "server" else 0, STEPS * 6 // 5)
    kill = Kill(step, chance.uniform(0, 0.05), victim)
    warehouse = Warehouse("", "", name, INPUTS[kind] | {"batch_size_rows": STEP})
    command = warehouse.command(tmp_path, zygote.bin, sqlalchemy_url="")
    if kind != "load":
        code, states, logged = run_once(command, home, 0, "old")
        assert (code, states[-1]) == (0, ROWS), logged
    code, states, logged = run_once(command, home, 0, "new", kill)
    at = states[-1] if states else 0
    sys.stdout.write(f"seed {seed}: {kind}, {kill}, exit {code}, state {at}\n")
    if victim == "target":
        assert code == -signal.SIGKILL or (code == 0 and kill.step >= STEPS), logged
    else:
        assert code == 0, logged
        if 6 <= kill.step < STEPS:
            assert "The connection to PostgreSQL was lost" in logged
    with counting(home, name) as counts:
        if kind == "overwrite":
            assert counts in ({"old": ROWS}, {"new": ROWS})
            assert counts.get("new", 0) >= at
        elif kind == "upsert":
            assert counts.get("old", 0) + counts.get("new", 0) == ROWS
        # What the state covers is there.
        assert counts.get("new", 0) >= at
    code, states, logged = run_once(command, home, 0 if kind == "overwrite" else at, "new")
    assert code == 0, logged
    with counting(home, name) as counts:
        assert counts == {"new": ROWS}


@contextmanager
def counting(home, schema_name):
    """How many rows of each name there are; no id twice."""
    with EmbeddedPostgres(home) as server, psycopg.connect(server.libpq_url) as connection:
        table = f"{schema_name}.orders"
        if connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
            yield {}
            return
        query = f"SELECT name, count(*), count(DISTINCT id) FROM {table} GROUP BY name"
        rows = connection.execute(query).fetchall()
        assert all(total == distinct for _, total, distinct in rows)
        yield {row[0]: row[1] for row in rows}
