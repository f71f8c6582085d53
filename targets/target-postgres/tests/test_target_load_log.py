"""The log of loads: what each run loaded, by stream, in the transactions of the rows."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from sqlalchemy.engine import make_url
from warehouse import activate, record, schema, state

from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.rejected import BadRecordError

PROPERTIES = {"id": {"type": "integer"}, "day": {"type": "string", "format": "date"}}
ORDERS = schema(PROPERTIES) | {"bookmark_properties": ["day"]}
COUNTS = ("rows_read", "rows_new", "rows_updated", "rows_removed", "rows_rejected")


def reached(day, stream="orders"):
    bookmark = {"replication_key": "day", "replication_key_value": day}
    return state(bookmarks={stream: bookmark})


@pytest.fixture
def log(warehouse):
    """What the log has of this test's tables, in order."""

    def read():
        return warehouse.sql(
            "SELECT * FROM signalroom.loads WHERE table_schema = %s ORDER BY started_at, stream",
            warehouse.name,
        )

    return read


def counts(row):
    return tuple(row[name] for name in COUNTS)


def test_a_row_for_each_run_and_stream(warehouse, log):
    first = [record(id=number, day=f"2026-01-0{number}") for number in (1, 2, 3)]
    warehouse.load(ORDERS, *first, reached("2026-01-03"))
    again = [record(id=number, day="2026-01-04") for number in (3, 4)]
    other = [schema({"id": {"type": "integer"}}, stream="others"), record("others", id=1)]
    warehouse.load(reached("2026-01-03"), ORDERS, *again, *other, reached("2026-01-04"))
    one, two, three = log()
    assert [counts(row) for row in (one, two, three)] == [
        (3, 3, 0, 0, 0),
        (2, 1, 1, 0, 0),
        (1, 1, 0, 0, 0),
    ]
    assert (one["bookmark_before"], one["bookmark_after"]) == (None, "2026-01-03")
    assert (two["bookmark_before"], two["bookmark_after"]) == ("2026-01-03", "2026-01-04")
    assert one["run_id"] != two["run_id"] == three["run_id"]
    assert (one["stream"], one["table_name"], one["replication_key"]) == ("orders", "orders", "day")
    assert (three["stream"], three["replication_key"]) == ("others", None)
    for row in (one, two, three):
        assert row["outcome"] == "loaded"
        assert row["started_at"] <= row["finished_at"]
        assert row["seconds"] > 0
        assert row["rows_written"] == row["rows_new"] + row["rows_updated"]


def test_what_meltano_says_of_the_run(warehouse, log, monkeypatch):
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "prod")
    monkeypatch.setenv("MELTANO_EXTRACTOR_NAME", "tap-x--acme")
    monkeypatch.setenv("MELTANO_LOADER_NAME", "target-postgres")
    monkeypatch.setenv("MELTANO_RUN_ID", "run-713")
    client = {"_client_id": {"type": "string", "const": "acme"}}
    stream = schema(PROPERTIES | client, keys=("_client_id", "id"))
    warehouse.load(stream, record(_client_id="acme", id=1))
    monkeypatch.setenv("MELTANO_RUN_STATE_ID_SUFFIX", "backfill-1")
    monkeypatch.delenv("MELTANO_RUN_ID")
    warehouse.load(stream, record(_client_id="acme", id=1))
    first, second = log()
    assert (first["run_id"], first["client_id"]) == ("run-713", "acme")
    assert first["extractor"] == second["extractor"] == "tap-x--acme"
    assert first["state_id"] == "prod:tap-x--acme-to-target-postgres"
    assert second["state_id"] == "prod:tap-x--acme-to-target-postgres:backfill-1"


def test_a_stream_without_records_has_a_row(warehouse, log):
    warehouse.load(ORDERS)
    (row,) = log()
    assert counts(row) == (0, 0, 0, 0, 0)
    assert row["outcome"] == "loaded"


def test_rejected_and_removed_rows_count(warehouse, log):
    settings = {"activate_version": True, "hard_delete": True, "add_record_metadata": True}
    settings |= {"on_bad_record": "quarantine"}
    warehouse.load(ORDERS, record(id=1), record(id=2), activate(1), **settings)
    bad = {"type": "RECORD", "stream": "orders", "record": {"id": "none"}}
    messages = [record(id=3) | {"version": 2}, bad | {"version": 2}, activate(2)]
    warehouse.load(ORDERS, *messages, **settings)
    assert [counts(row)[-2:] for row in log()] == [(0, 0), (2, 1)]
    assert log()[1]["rows_read"] == 2


def test_it_says_neither_more_nor_less_than_is_loaded(warehouse, log):
    """Batches that were committed before the run failed count, and no others."""
    good = [record(id=number) for number in range(5)]
    with pytest.raises(BadRecordError):
        warehouse.load(ORDERS, *good, record(id="none"), batch_size_rows=2)
    (row,) = log()
    assert row["rows_written"] == len(warehouse.rows()) == 5
    assert (row["outcome"], row["bookmark_after"]) == ("failed", None)


def test_a_batch_that_is_rolled_back_is_not_in_it(warehouse, log):
    warehouse.load(ORDERS, record(id=1))
    warehouse.sql(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '57000'; END $$;"
        "CREATE TRIGGER fails BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION fails()"
    )
    with pytest.raises(TargetPostgresError):
        warehouse.load(ORDERS, record(id=2))
    first, second = log()
    assert counts(first) == (1, 1, 0, 0, 0)
    assert counts(second) == (1, 0, 0, 0, 0)
    assert second["outcome"] != "loaded"


def test_a_schema_that_comes_again_is_the_same_load(warehouse, log):
    more = schema(PROPERTIES | {"more": "string"}) | {"bookmark_properties": ["day"]}
    warehouse.load(ORDERS, record(id=1), more, record(id=2, more="x"), reached("2026-01-01"))
    (row,) = log()
    assert counts(row) == (2, 2, 0, 0, 0)


def test_it_can_be_turned_off(warehouse, log):
    warehouse.load(ORDERS, record(id=1), load_log=False)
    assert log() == []


@pytest.fixture
def limited(warehouse):
    """A user who may load into the test's schema, and nothing else."""
    user = f"{warehouse.name}_loader"
    warehouse.sql(f"CREATE ROLE {user} LOGIN")
    warehouse.sql(f"GRANT ALL ON SCHEMA {warehouse.name} TO {user}")
    url = make_url(warehouse.sqlalchemy_url).set(username=user)
    yield replace(warehouse, sqlalchemy_url=url.render_as_string(hide_password=False))
    warehouse.sql(f"DROP OWNED BY {user} CASCADE")
    warehouse.sql(f"DROP ROLE {user}")


class TestWithoutTheRight:
    def test_it_loads_and_says_so_once(self, warehouse, limited, log, caplog):
        warehouse.load(ORDERS, record(id=0))
        other = schema({"id": {"type": "integer"}}, stream="others")
        limited.settings["default_target_schema"] = limited.name
        warehouse.sql("ALTER TABLE orders RENAME TO theirs")
        states = limited.load(
            ORDERS, record(id=1), other, record("others", id=1), reached("2026-01-01")
        )
        assert states == [reached("2026-01-01")["value"]]
        assert [row["id"] for row in warehouse.rows()] == [1]
        said = caplog.text
        assert said.count("The log of loads, signalroom.loads, is not written") == 1
        user = f"{warehouse.name}_loader"
        assert f"GRANT SELECT, INSERT, UPDATE ON signalroom.loads TO {user}" in said
        assert len(log()) == 1
        warehouse.sql(f"GRANT USAGE ON SCHEMA signalroom TO {user}")
        warehouse.sql(f"GRANT SELECT, INSERT, UPDATE ON signalroom.loads TO {user}")
        limited.load(ORDERS, record(id=2))
        assert counts(log()[1]) == (1, 1, 0, 0, 0)

    def test_a_table_of_that_name_that_is_another(self, server, warehouse, caplog):
        """In a database of its own: it is the same table for all tests of one."""
        name = f"{warehouse.name}_other"
        warehouse.sql(f"CREATE DATABASE {name}")
        url = make_url(warehouse.sqlalchemy_url).set(database=name)
        libpq = url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(libpq, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA signalroom; CREATE TABLE signalroom.loads (a int)")
        theirs = replace(warehouse, sqlalchemy_url=url.render_as_string(hide_password=False))
        theirs.load(ORDERS, record(id=1), record(id=2), batch_size_rows=1)
        with psycopg.connect(libpq) as connection:
            rows = connection.execute(f"SELECT id FROM {warehouse.name}.orders ORDER BY 1")
            assert rows.fetchall() == [(1,), (2,)]
            assert connection.execute("SELECT * FROM signalroom.loads").fetchall() == []
        assert caplog.text.count("is not written: column") == 1
        # A stream that is loaded there.
        own = schema({"a": {"type": "integer"}}, keys=(), stream="loads")
        theirs.load(own, record("loads", a=7), default_target_schema="signalroom")
        with psycopg.connect(libpq) as connection:
            assert connection.execute("SELECT a FROM signalroom.loads").fetchall() == [(7,)]
        warehouse.sql(f"DROP DATABASE {name} WITH (FORCE)")
