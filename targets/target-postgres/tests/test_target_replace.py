"""Load methods, and tables that are replaced: old rows or new ones, never a mixture."""

from __future__ import annotations

import subprocess
import threading

import psycopg
import pytest
from warehouse import activate, lines, record, schema, state

from signalroom_target_postgres.rejected import BadRecordError

PROPERTIES = {"id": {"type": "integer"}, "name": "string"}
STREAM = schema(PROPERTIES)
COMPLETE_LATER = schema(PROPERTIES) | {
    "schema": {**schema(PROPERTIES)["schema"], "x-replace-on-activate": True}
}
REPLACE = {"activate_version": True, "hard_delete": True, "add_record_metadata": True}


def versioned(version, **values):
    return record(**values) | {"version": version}


def contents(warehouse):
    return [(row["id"], row["name"]) for row in warehouse.rows()]


@pytest.fixture
def filled(warehouse):
    warehouse.load(
        STREAM, record(id=1, name="old"), record(id=2, name="old"), add_record_metadata=True
    )
    return warehouse


class TestUpsert:
    def test_the_last_of_a_key_wins(self, warehouse):
        warehouse.load(
            STREAM,
            *(record(id=n % 10, name=str(n)) for n in range(1000)),
            batch_size_rows=333,
        )
        assert contents(warehouse) == [(n, str(990 + n)) for n in range(10)]

    def test_keys_that_only_the_server_holds_for_equal(self, warehouse):
        stream = schema({"id": {"type": "number"}, "name": "string"})
        warehouse.load(stream, record(id=7, name="there already"))
        lines = [
            '{"type":"RECORD","stream":"orders","record":{"id":1,"name":"a"}}',
            '{"type":"RECORD","stream":"orders","record":{"id":1.0,"name":"b"}}',
            '{"type":"RECORD","stream":"orders","record":{"id":1e0,"name":"c"}}',
        ]
        for messages in (lines, lines[::-1], lines):
            warehouse.load(stream, *messages)
        assert [(int(key), name) for key, name in contents(warehouse)] == [
            (1, "c"),
            (7, "there already"),
        ]

    def test_a_table_of_keys_alone(self, warehouse):
        stream = schema({"a": {"type": "integer"}, "b": {"type": "string"}}, keys=("b", "a"))
        for _ in range(2):
            warehouse.load(stream, record(a=1, b="x"), record(a=1, b="x"), record(a=2, b="x"))
        assert len(warehouse.rows()) == 2

    def test_fresh_rows_are_written_once(self, warehouse):
        messages = [record(id=n, name="a") for n in range(1000)]
        warehouse.load(STREAM, *messages)
        warehouse.load(STREAM, *(record(id=n, name="b") for n in range(500, 1500)))
        # The stock target inserts fresh rows and then updates them too.
        with psycopg.connect(warehouse.libpq_url, autocommit=True) as connection:
            cursor = connection.execute(
                "SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables "
                "WHERE schemaname = %s AND relname = 'orders'",
                (warehouse.name,),
            )
            assert cursor.fetchone() == (1500, 500, 0)


def test_append_only_adds_even_what_is_there(warehouse):
    for _ in range(2):
        warehouse.load(STREAM, record(id=1, name="a"), load_method="append-only")
    assert contents(warehouse) == [(1, "a"), (1, "a")]
    assert warehouse.key() == []


def test_a_stream_without_keys_is_appended(warehouse):
    for _ in range(2):
        warehouse.load(schema(PROPERTIES, keys=()), record(id=1, name="a"))
    assert contents(warehouse) == [(1, "a"), (1, "a")]


class TestOverwrite:
    SETTINGS = {"load_method": "overwrite", "add_record_metadata": True}

    def test_the_runs_rows_are_all_there_is(self, filled):
        states = filled.load(
            STREAM,
            *(record(id=n % 300, name=str(n)) for n in range(100, 1000)),
            state(at=1),
            batch_size_rows=100,
            **self.SETTINGS,
        )
        assert states == [{"at": 1}]
        assert len(filled.rows()) == 300
        assert contents(filled)[:2] == [(0, "900"), (1, "901")]

    def test_a_tap_that_died_leaves_the_old_rows(self, filled, caplog):
        states = filled.load(STREAM, state(at=1), record(id=3, name="new"), **self.SETTINGS)
        assert contents(filled) == [(1, "old"), (2, "old")]
        assert states == [{"at": 1}]
        assert (
            "did not say that orders is complete: its 1 new records are not loaded" in caplog.text
        )

    def test_a_full_disk_leaves_the_old_rows(self, filled, tmp_path):
        """The new ones wait on this machine's disk until all are there."""
        rows = [record(id=n, name="new") for n in range(1000)]
        command = filled.command(tmp_path, **self.SETTINGS)
        done = subprocess.run(
            # Of 1,024 bytes.
            ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", *command],
            input=lines(STREAM, *rows, state(at=1)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert "This machine's disk is full (File too large)" in done.stderr
        assert "set TMPDIR" in done.stderr
        assert "Traceback" not in done.stderr
        assert contents(filled) == [(1, "old"), (2, "old")]

    def test_a_bad_record_leaves_the_old_rows(self, filled):
        with pytest.raises(BadRecordError):
            filled.load(
                STREAM, record(id=3, name="new"), record(id=4, name=5), state(at=1), **self.SETTINGS
            )
        assert contents(filled) == [(1, "old"), (2, "old")]

    def test_a_row_the_server_refuses_leaves_the_old_rows(self, filled):
        filled.sql("ALTER TABLE orders ADD CHECK (name <> 'forbidden')")
        with pytest.raises(BadRecordError, match=r"id=4.*orders_name_check forbids it"):
            filled.load(
                STREAM,
                record(id=3, name="new"),
                record(id=4, name="forbidden"),
                state(at=1),
                **self.SETTINGS,
            )
        assert contents(filled) == [(1, "old"), (2, "old")]

    def test_an_empty_stream_empties_the_table(self, filled):
        filled.load(STREAM, state(at=1), **self.SETTINGS)
        assert contents(filled) == []

    def test_a_schema_that_changes_on_the_way(self, filled):
        filled.load(
            STREAM,
            record(id=3, name="new"),
            schema(PROPERTIES | {"more": "integer"}),
            record(id=4, name="new", more=1),
            record(id=3, name="newer", more=2),
            state(at=1),
            **self.SETTINGS,
        )
        assert [(row["id"], row["name"], row["more"]) for row in filled.rows()] == [
            (3, "newer", 2),
            (4, "new", 1),
        ]


class TestActivateVersion:
    def test_told_after_the_records(self, filled, caplog):
        filled.load(
            COMPLETE_LATER,
            versioned(2, id=2, name="new"),
            versioned(2, id=3, name="new"),
            activate(2),
            state(at=1),
            **REPLACE,
        )
        assert contents(filled) == [(2, "new"), (3, "new")]
        assert "did not say" not in caplog.text

    def test_records_that_come_after_it_are_told(self, filled, caplog):
        filled.load(
            COMPLETE_LATER,
            versioned(2, id=2, name="new"),
            activate(2),
            versioned(3, id=3, name="newer"),
            state(at=1),
            **REPLACE,
        )
        assert contents(filled) == [(2, "new")]
        assert "did not say that orders is complete: its 1 new records" in caplog.text

    def test_not_told(self, filled, caplog):
        states = filled.load(COMPLETE_LATER, versioned(2, id=2, name="new"), state(at=1), **REPLACE)
        assert contents(filled) == [(1, "old"), (2, "old")]
        assert states == [{"at": 1}]
        assert "did not say that orders is complete" in caplog.text

    def test_told_of_no_records(self, filled):
        filled.load(COMPLETE_LATER, activate(2), **REPLACE)
        assert contents(filled) == []

    def test_announced_before_the_records_as_the_sdk_does(self, filled):
        filled.load(
            STREAM,
            activate(2),
            versioned(2, id=2, name="new"),
            versioned(2, id=3, name="new"),
            state(at=1),
            **REPLACE,
        )
        assert contents(filled) == [(2, "new"), (3, "new")]

    def test_announced_and_then_the_tap_died(self, filled):
        states = filled.load(
            STREAM, activate(2), state(at=0), versioned(2, id=2, name="new"), **REPLACE
        )
        assert contents(filled) == [(1, "old"), (2, "old")]
        assert states == [{"at": 0}]

    def test_soft(self, filled):
        filled.load(
            STREAM,
            activate(2),
            versioned(2, id=2, name="new"),
            state(at=1),
            activate_version=True,
            add_record_metadata=True,
        )
        marked = {row["id"]: row["_sdc_deleted_at"] is not None for row in filled.rows()}
        assert marked == {1: True, 2: False}
        filled.load(
            STREAM,
            activate(3),
            versioned(3, id=1, name="again"),
            state(at=1),
            activate_version=True,
            add_record_metadata=True,
        )
        marked = {row["id"]: row["_sdc_deleted_at"] is not None for row in filled.rows()}
        assert marked == {1: False, 2: True}

    def test_without_a_promise_the_old_versions_go_in_the_end(self, filled):
        filled.load(STREAM, versioned(2, id=2, name="new"), activate(2), **REPLACE)
        assert contents(filled) == [(2, "new")]

    def test_switched_off(self, filled):
        filled.load(
            STREAM,
            activate(2),
            versioned(2, id=3, name="new"),
            state(at=1),
            add_record_metadata=True,
        )
        assert len(filled.rows()) == 3

    def test_other_clients_rows_are_not_touched(self, warehouse):
        def stream(client):
            one = schema(
                {"_client_id": {"type": "string", "const": client}, **PROPERTIES},
                keys=("_client_id", "id"),
            )
            one["schema"]["x-replace-on-activate"] = True
            return one

        for client in ("a", "b"):
            warehouse.load(
                stream(client), record(_client_id=client, id=1, name="old"), activate(1), **REPLACE
            )
        warehouse.load(
            stream("a"), record(_client_id="a", id=2, name="new"), activate(2), **REPLACE
        )
        assert [(row["_client_id"], row["id"]) for row in warehouse.rows()] == [("a", 2), ("b", 1)]
        warehouse.load(stream("a"), activate(3), **REPLACE)
        assert [(row["_client_id"], row["id"]) for row in warehouse.rows()] == [("b", 1)]


def test_readers_see_the_old_rows_or_the_new_ones(warehouse):
    """While a table is replaced again and again, no reader sees a hole or a mixture."""
    rounds, rows = 8, 400

    def messages(number):
        return [
            COMPLETE_LATER,
            *(record(id=n, name=str(number)) for n in range(rows)),
            activate(number),
        ]

    warehouse.load(*messages(0), **REPLACE)
    seen, stop = [], threading.Event()

    def read():
        with psycopg.connect(warehouse.libpq_url, autocommit=True) as connection:
            while not stop.is_set():
                query = f"SELECT count(*), count(DISTINCT name) FROM {warehouse.name}.orders"
                seen.append(connection.execute(query).fetchone())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, rounds):
            warehouse.load(*messages(number), **REPLACE)
    finally:
        stop.set()
        reader.join()
    assert set(seen) == {(rows, 1)}
    assert len(seen) > rounds
