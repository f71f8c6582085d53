"""What the log says of changes of a table: only what has happened."""

from __future__ import annotations

import pytest
from psycopg import errors
from warehouse import record, schema

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.warehouse import table_setup
from signalroom_target_postgres.warehouse.rejected import BadRecordError

ID = {"type": "integer"}
BIG = 2**70


def test_a_column_is_said_to_have_another_type_once_it_has_it(warehouse, caplog):
    stream = schema({"id": ID, "count": "integer"})
    warehouse.load(stream, record(id=1, count=1))
    warehouse.load(stream, record(id=1, count=BIG), record(id=2, count=BIG))
    said = f"Column count of {warehouse.name}.orders becomes numeric (was bigint)"
    assert caplog.text.count(said) == 1
    assert warehouse.types()["count"] == "numeric"


@pytest.mark.parametrize("type_", ("integer", "number"), ids=("by a value", "by the schema"))
@pytest.mark.parametrize("on_bad_record", ("fail", "quarantine"))
def test_a_column_that_cannot_change_is_not_said_to(warehouse, caplog, type_, on_bad_record):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, count bigint)")
    warehouse.sql("CREATE VIEW counts AS SELECT count FROM orders")
    messages = schema({"id": ID, "count": type_}), record(id=1, count=BIG), record(id=2, count=2)
    if on_bad_record == "fail":
        with pytest.raises((BadRecordError, LoadError), match="used by a view"):
            warehouse.load(*messages)
    else:
        warehouse.load(*messages, on_bad_record=on_bad_record)
        assert warehouse.rows() == [{"id": 2, "count": 2}]
        assert "has to become numeric, and cannot: cannot alter type" in caplog.text
    assert "becomes" not in caplog.text
    assert warehouse.types()["count"] == "bigint"


def test_a_key_that_the_table_cannot_take_is_not_said_to_be_its_key(warehouse, caplog):
    warehouse.sql("CREATE TABLE orders (id bigint, name text)")
    warehouse.sql("INSERT INTO orders VALUES (1, 'a'), (1, 'b')")
    with pytest.raises(LoadError, match="cannot have that key"):
        warehouse.load(schema({"id": ID, "name": "string", "more": "string"}), record(id=2))
    # The column was added in the same transaction.
    assert "now keyed" not in caplog.text
    assert "more" not in caplog.text
    warehouse.sql("DELETE FROM orders WHERE name = 'b'")
    with caplog.at_level("INFO"):
        warehouse.load(schema({"id": ID, "name": "string", "more": "string"}), record(id=2))
    table = f"{warehouse.name}.orders"
    assert f"{table} was without a key; it is now keyed by id" in caplog.text
    assert f"Added column more (text) to {table}" in caplog.text


def test_a_change_that_was_rolled_back_and_made_again_is_said_once(warehouse, caplog, monkeypatch):
    widen, tries = table_setup.widen_column, []

    def collide(cursor, table, column, to):
        widen(cursor, table, column, to)
        tries.append(column)
        if len(tries) == 1:
            raise errors.DeadlockDetected

    monkeypatch.setattr(table_setup, "widen_column", collide)
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, count bigint)")
    warehouse.load(schema({"id": ID, "count": "integer"}), record(id=1, count=BIG))
    assert tries == ["count", "count"]
    assert caplog.text.count("becomes numeric") == 1
