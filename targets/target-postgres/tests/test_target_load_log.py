"""The log of loads: what each run loaded, by stream, in the transactions of the rows."""

from __future__ import annotations

import logging
from dataclasses import replace
from unittest.mock import Mock

import psycopg
import pytest
from sqlalchemy.engine import make_url
from warehouse import activate, new_schema, record, schema, state

from signalroom_target_postgres.errors import LoadError, TargetPostgresError
from signalroom_target_postgres.warehouse.load_log import LoadLog
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


def name_of(database):
    return database.sql("SELECT current_database() AS name")[0]["name"]


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


def test_a_table_that_is_replaced(warehouse, log):
    settings = {"load_method": "overwrite", "add_record_metadata": True}
    for numbers in ((1, 2, 3), (3, 4)):
        messages = [record(id=number) for number in numbers]
        warehouse.load(ORDERS, *messages, activate(1), **settings)
    assert [counts(row) for row in log()] == [(3, 3, 0, 0, 0), (2, 2, 0, 3, 0)]


def test_a_server_that_does_not_say_which_rows_are_new(warehouse, direct, log):
    url = make_url(direct).update_query_dict({"options": "-ctrack_counts=off"})
    warehouse.load(ORDERS, record(id=1))
    warehouse.settings["sqlalchemy_url"] = url.render_as_string(hide_password=False)
    warehouse.load(ORDERS, record(id=1), record(id=2))
    row = log()[1]
    assert counts(row) == (2, None, None, 0, 0)
    assert row["rows_written"] == 2


def test_a_bookmark_that_is_a_number(warehouse, log):
    bookmark = {"replication_key": "id", "replication_key_value": 7}
    warehouse.load(ORDERS, record(id=7), state(bookmarks={"orders": bookmark}))
    assert log()[0]["bookmark_after"] == "7"


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


def test_a_connection_that_is_lost_at_the_end(caplog):
    """All is loaded by then: it fails no run."""
    connector = Mock()
    connector.run_transaction.side_effect = LoadError("the server is gone")
    log = LoadLog(logging.getLogger(__name__), enabled=True, environ={})
    log.finish(connector, {}, {}, "loaded")
    assert "is not written: the server is gone" in caplog.text


def test_a_connection_that_is_lost_at_the_start_is_warned_of_once(caplog):
    connector = Mock()
    connector.run_transaction.side_effect = LoadError("the server is gone")
    log = LoadLog(logging.getLogger(__name__), enabled=True, environ={})
    for table in ("orders", "clicks"):
        log.begin(connector, Mock(table=("public", table)))
    log.finish(connector, {}, {}, "loaded")
    assert caplog.text.count("is not written: the server is gone") == 1
    assert connector.run_transaction.call_count == 1


def test_it_can_be_turned_off(warehouse, log):
    warehouse.load(ORDERS, record(id=1), load_log=False)
    assert log() == []


@pytest.fixture
def role(warehouse):
    """A user who may do nothing so far."""
    name = f"{warehouse.name}_loader"
    warehouse.sql(f"CREATE ROLE {name} LOGIN")
    yield name
    warehouse.sql(f"DROP OWNED BY {name} CASCADE")
    warehouse.sql(f"DROP ROLE {name}")


def limit(warehouse, role):
    """The warehouse, loaded into by a user who may do nothing else."""
    warehouse.sql(f"GRANT ALL ON SCHEMA {warehouse.name} TO {role}")
    url = make_url(warehouse.sqlalchemy_url).set(username=role)
    return replace(warehouse, sqlalchemy_url=url.render_as_string(hide_password=False))


@pytest.fixture
def limited(warehouse, role):
    """A user who may load into the test's schema, and nothing else."""
    return limit(warehouse, role)


@pytest.fixture
def database(warehouse, direct, role):
    """A database of the test's own, as all tests of one share the log, and its name."""
    name = f"{warehouse.name}_database"
    warehouse.sql(f"CREATE DATABASE {name}")
    url = make_url(direct).set(database=name)
    libpq = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with new_schema(libpq, url.render_as_string(hide_password=False)) as made:
        yield made
    warehouse.sql(f"DROP DATABASE {name} WITH (FORCE)")


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

    def test_a_table_of_that_name_that_is_another(self, database, caplog):
        database.sql("CREATE SCHEMA signalroom; CREATE TABLE signalroom.loads (a int)")
        database.load(ORDERS, record(id=1), record(id=2), batch_size_rows=1)
        assert [row["id"] for row in database.rows()] == [1, 2]
        assert database.sql("SELECT * FROM signalroom.loads") == []
        assert caplog.text.count("is not written: column") == 1
        # A stream that is loaded there.
        own = schema({"a": {"type": "integer"}}, keys=(), stream="loads")
        database.load(own, record("loads", a=7), default_target_schema="signalroom")
        assert database.sql("SELECT a FROM signalroom.loads") == [{"a": 7}]


class TestALogOfAnEarlierVersion:
    """It has no column for rows that did not change."""

    ORDERS = schema(PROPERTIES | {"_loaded_at": {"type": "string", "format": "date-time"}})

    @pytest.fixture
    def earlier(self, database):
        database.load(self.ORDERS, record(id=1, _loaded_at="2026-01-01T00:00:00Z"))
        database.sql("ALTER TABLE signalroom.loads DROP COLUMN rows_unchanged")
        return database

    def load_again(self, database):
        database.load(self.ORDERS, record(id=1, _loaded_at="2026-01-01T01:00:00Z"))
        return database.sql("SELECT * FROM signalroom.loads ORDER BY started_at")[-1]

    def test_the_owner_adds_it(self, earlier):
        row = self.load_again(earlier)
        assert row["rows_unchanged"] == 1
        assert (counts(row), row["rows_written"]) == ((1, 0, 0, 0, 0), 0)

    def test_who_may_not_writes_the_rest(self, earlier, role, caplog):
        caplog.set_level(logging.INFO)
        earlier.sql(f"GRANT USAGE ON SCHEMA signalroom TO {role}")
        earlier.sql(f"GRANT SELECT, INSERT, UPDATE ON signalroom.loads TO {role}")
        earlier.sql(f"ALTER TABLE orders OWNER TO {role}")
        row = self.load_again(limit(earlier, role))
        assert (counts(row), "rows_unchanged" in row) == ((1, 0, 0, 0, 0), False)
        assert (
            "signalroom.loads has no column for the rows that did not change (must be owner of"
            " table loads); its owner can add it: ALTER TABLE signalroom.loads"
        ) in caplog.text

    def test_another_loader_that_loads_is_not_waited_for(self, earlier):
        with psycopg.connect(earlier.libpq_url) as other:
            other.execute("SELECT count(*) FROM signalroom.loads")
            row = self.load_again(earlier)
        assert (row["rows_read"], "rows_unchanged" in row) == (1, False)
        assert self.load_again(earlier)["rows_unchanged"] == 1


class TestTheFirstLoad:
    """It creates the table, as far as the user may."""

    @pytest.mark.parametrize(
        "grants",
        (
            "GRANT CREATE ON DATABASE {database} TO {role}",
            "CREATE SCHEMA signalroom; GRANT USAGE, CREATE ON SCHEMA signalroom TO {role}",
        ),
        ids=("of the database", "of the schema"),
    )
    def test_a_user_who_may_create_it(self, database, role, caplog, grants):
        database.sql(grants.format(database=name_of(database), role=role))
        user = limit(database, role)
        for number in (1, 2):
            user.load(ORDERS, record(id=number))
        log = database.sql("SELECT * FROM signalroom.loads")
        assert [counts(row) for row in log] == [(1, 1, 0, 0, 0)] * 2
        assert "is not written" not in caplog.text

    @pytest.mark.parametrize(
        ("before", "right"),
        (
            ("", "DATABASE {database}"),
            ("CREATE SCHEMA signalroom", "SCHEMA signalroom"),
            (
                "CREATE SCHEMA signalroom; GRANT USAGE ON SCHEMA signalroom TO {role}",
                "SCHEMA signalroom",
            ),
        ),
        ids=("no schema", "no right to the schema", "no right to create in it"),
    )
    def test_a_user_who_may_not(self, database, role, caplog, before, right):
        database.sql(before.format(role=role))
        limit(database, role).load(ORDERS, record(id=1))
        right = right.format(database=name_of(database))
        assert f"{role} may not create it (GRANT CREATE ON {right} TO {role})" in caplog.text
        assert [row["id"] for row in database.rows()] == [1]

    @pytest.mark.parametrize(
        "grants",
        (
            "GRANT SELECT, INSERT, UPDATE ON signalroom.loads",
            "GRANT USAGE ON SCHEMA signalroom TO {role}; GRANT INSERT, UPDATE ON signalroom.loads",
        ),
        ids=("no right to the schema", "no right to read"),
    )
    def test_a_user_who_may_not_write_to_it(self, database, role, caplog, grants):
        database.load(schema({"id": "integer"}, stream="others"))
        database.sql(f"{grants.format(role=role)} TO {role}")
        limit(database, role).load(ORDERS, record(id=2))
        assert f"{role} may not write to it" in caplog.text
        assert [row["id"] for row in database.rows()] == [2]
