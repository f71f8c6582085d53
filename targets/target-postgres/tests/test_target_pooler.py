"""Behind PgBouncer, in each of its modes; where it is installed (Debian's package `pgbouncer`)."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from threading import Thread

import psycopg
import pytest
from click.testing import CliRunner
from pooler import pgbouncer
from sqlalchemy.engine import make_url
from test_target_resilience import during_copy, session_of
from warehouse import activate, lines, record, schema, state

from signalroom_target_postgres.cli.commands import main
from signalroom_target_postgres.errors import TargetPostgresError

#: So few that runs get each other's sessions, as behind a busy pooler. By session, each loader has
#: one for itself.
SESSIONS = {"transaction": 2, "session": 20}
STREAM = schema({"id": {"type": "integer"}, "name": "string", "n": "integer"})


@pytest.fixture(scope="module", params=("transaction", "session"))
def pooler(request, server):
    with pgbouncer(server, request.param, size=SESSIONS[request.param]) as url:
        yield url


@pytest.fixture
def pooled(warehouse, pooler):
    """A schema of the test's own, loaded by way of the pooler."""
    return replace(warehouse, sqlalchemy_url=pooler)


def rows_of(name, count):
    return [record(id=n, name=name, n=n) for n in range(count)]


def test_runs_after_the_first(pooled):
    """Each finds the sessions as the one before left them: eight batches, and four runs."""
    for run in range(4):
        states = pooled.load(STREAM, *rows_of(str(run), 400), state(at=run), batch_size_rows=50)
        assert states[-1] == {"at": run}
        assert {row["name"] for row in pooled.rows()} == {str(run)}
        assert len(pooled.rows()) == 400


def test_many_bad_records_are_set_aside_each_time(pooled):
    bad = [record(id=n, n="secret") for n in range(100, 120)]
    for times in (1, 2, 3):
        pooled.load(STREAM, *rows_of("a", 10), *bad, on_bad_record="quarantine")
        assert len(pooled.rows()) == 10
        kept = pooled.rows("orders__rejected")
        assert [row["times"] for row in kept] == [times] * 20


@pytest.mark.parametrize("how", ("overwrite", "activate"))
def test_tables_are_replaced(pooled, how):
    stream = schema({"id": {"type": "integer"}, "name": "string", "n": "integer"})
    settings = {"load_method": "overwrite"}
    if how == "activate":
        stream["schema"]["x-replace-on-activate"] = True
        settings = {"activate_version": True, "hard_delete": True, "add_record_metadata": True}
    for run, count in enumerate((30, 20, 10)):
        pooled.load(stream, *rows_of(str(run), count), activate(run + 1), state(at=run), **settings)
        assert [row["name"] for row in pooled.rows()] == [str(run)] * count


def test_columns_are_added_and_widened(pooled):
    pooled.load(STREAM, *rows_of("a", 10))
    wider = schema({"id": {"type": "integer"}, "name": "string", "n": "number", "more": "string"})
    pooled.load(wider, record(id=3, n=1.5, more="x"))
    assert pooled.types() == {"id": "bigint", "name": "text", "n": "numeric", "more": "text"}
    assert len(pooled.rows()) == 10


def test_several_loaders_at_once(pooled, tmp_path, zygote):
    """Twice as many as there are sessions: they wait for each other, and load all."""
    count = 2 * SESSIONS["transaction"]
    loaders = [
        subprocess.Popen(
            pooled.command(tmp_path, zygote.bin, batch_size_rows=50),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    feeds = [
        Thread(target=loader.communicate, args=(lines(STREAM, *rows_of(str(number), 300)),))
        for number, loader in enumerate(loaders)
    ]
    for feed in feeds:
        feed.start()
    for feed in feeds:
        feed.join()
    assert [loader.returncode for loader in loaders] == [0] * count
    assert len(pooled.rows()) == 300


def kill_once(warehouse):
    """Kill the session at the server, once, as soon as a COPY has begun in it."""
    killed = []

    def act(connection, _):
        if not killed:
            killed.append(session_of(connection))
            warehouse.sql("SELECT pg_terminate_backend(%s)", killed[0])

    return during_copy(act)


@pytest.mark.parametrize("keys", (("id",), ()))
def test_a_session_that_dies_while_it_loads(pooled, keys, caplog):
    stream = schema({"id": {"type": "integer"}, "name": "string", "n": "integer"}, keys=keys)
    with kill_once(pooled):
        states = pooled.load(stream, *rows_of("a", 200), state(at=1))
    assert states == [{"at": 1}]
    assert len(pooled.rows()) == 200
    assert "The connection to PostgreSQL was lost" in caplog.text


def test_a_loader_that_is_killed_leaves_nothing_to_the_next(pooled, tmp_path, zygote):
    pooled.load(STREAM)
    with (
        psycopg.connect(pooled.libpq_url) as other,
        subprocess.Popen(
            pooled.command(tmp_path, zygote.bin),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as loader,
    ):
        other.execute(f"LOCK {pooled.name}.orders IN SHARE MODE")
        loader.stdin.write(lines(STREAM, *rows_of("killed", 100)))
        loader.stdin.close()
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        while not pooled.sql(waits, f"{pooled.name}.orders"):
            assert loader.poll() is None
        loader.kill()
        loader.wait()
    pooled.load(STREAM, *rows_of("next", 100), state(at=1))
    assert {row["name"] for row in pooled.rows()} == {"next"}


def test_a_table_of_dlt_s_is_taken_over_and_queried(pooled, monkeypatch):
    pooled.sql("CREATE TABLE orders (id bigint, name text, _dlt_id text NOT NULL)")
    pooled.sql("INSERT INTO orders VALUES (1, 'old', 'a'), (1, 'new', 'b')")
    monkeypatch.setenv("TARGET_POSTGRES_SQLALCHEMY_URL", pooled.sqlalchemy_url)
    for _ in range(2):
        result = CliRunner().invoke(main, ["take-over", f"{pooled.name}.orders", "--key=id"])
        assert result.exit_code == 0, result.output
        assert pooled.key() == ["id"]
        query = f"SELECT count(*) FROM {pooled.name}.orders"
        assert "1" in CliRunner().invoke(main, ["sql", query]).output
    pooled.load(STREAM, record(id=1, name="merged"))
    assert [row["name"] for row in pooled.rows()] == ["merged"]


def test_settings_of_the_session_stay_ours(pooled):
    """Other clients' leftovers in a shared session do not move a time."""
    stream = schema({"id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}})
    url = make_url(pooled.sqlalchemy_url).set(drivername="postgresql")
    for _ in range(SESSIONS["transaction"]):
        with psycopg.connect(url.render_as_string(), autocommit=True) as other:
            other.execute("SET timezone = 'America/New_York'")
    pooled.load(stream, record(id=1, at="2026-01-02T03:04:05Z"))
    pooled.load(stream, record(id=2, at="2026-01-02T03:04:05"))
    pooled.sql("SET timezone = 'UTC'")
    assert len({row["at"] for row in pooled.rows()}) == 1


def test_statements_that_are_prepared_all_the_same(pooled, pooler):
    """A pooler of before 1.21 does not know them; whoever asks for them is told where."""
    url = f"{pooler}?prepare_threshold=1"
    try:
        for _ in range(3):
            pooled.load(STREAM, *rows_of("a", 200), sqlalchemy_url=url, batch_size_rows=20)
    except TargetPostgresError as error:
        assert "Remove prepare_threshold from `sqlalchemy_url`" in error.message


def test_statement_mode_is_an_error_that_names_it(server, warehouse, pooler):
    with (
        pgbouncer(server, "statement") as url,
        pytest.raises(TargetPostgresError, match="this is a pooler in statement mode") as caught,
    ):
        warehouse.load(STREAM, record(id=1), sqlalchemy_url=url)
    assert "Use its transaction or session mode" in caught.value.message


def test_parameters_that_a_pooler_refuses_are_named(pooled, pooler):
    url = f"{pooler}?options=-c%20statement_timeout%3D5s"
    with pytest.raises(TargetPostgresError, match="Remove `options` from `sqlalchemy_url`"):
        pooled.load(STREAM, record(id=1), sqlalchemy_url=url)
