"""Load methods, and tables that are replaced: old rows or new ones, never a mixture."""

from __future__ import annotations

import io
import json
import subprocess
import threading
from unittest.mock import Mock

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql
from warehouse import activate, lines, record, schema, state

from signalroom_target_postgres.errors import UnconfirmedRowsError
from signalroom_target_postgres.target import TargetPostgres
from signalroom_target_postgres.warehouse import outdated_rows
from signalroom_target_postgres.warehouse.outdated_rows import RowSelection
from signalroom_target_postgres.warehouse.rejected import BadRecordError
from signalroom_target_postgres.warehouse.table import Table

PROPERTIES = {"id": {"type": "integer"}, "name": "string"}
STREAM = schema(PROPERTIES)
COMPLETE_LATER = schema(PROPERTIES) | {
    "schema": {**schema(PROPERTIES)["schema"], "x-replace-on-activate": True}
}
ARRAY = {"type": ["array", "null"], "items": {"type": "integer"}}
BOOLEANS = {"type": ["array", "null"], "items": {"type": "boolean"}}
OBJECTS = {"type": ["array", "null"], "items": {"type": "object"}}
DAY = {"type": ["string", "null"], "format": "date"}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
MOMENTS = ["2024-01-31T00:00:00+00:00", "2024-02-01T01:00:00+00:00"]
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

    def test_fresh_rows_are_written_once(self, warehouse, direct):
        # Directly: a session counts when it ends.
        by = {"sqlalchemy_url": direct}
        messages = [record(id=n, name="a") for n in range(1000)]
        warehouse.load(STREAM, *messages, **by)
        warehouse.load(STREAM, *(record(id=n, name="b") for n in range(500, 1500)), **by)
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

    @pytest.mark.parametrize("metadata", (True, False))
    def test_the_runs_rows_are_all_there_is(self, filled, metadata):
        states = filled.load(
            STREAM,
            *(record(id=n % 300, name=str(n)) for n in range(100, 1000)),
            activate(2),
            state(at=1),
            batch_size_rows=100,
            load_method="overwrite",
            add_record_metadata=metadata,
        )
        assert states == [{"at": 1}]
        assert len(filled.rows()) == 300
        assert contents(filled)[:2] == [(0, "900"), (1, "901")]

    @pytest.mark.parametrize(
        "messages",
        (
            (activate(2), record(id=3, name="new"), state(at=2)),
            (record(id=3, name="new"), state(at=2)),
            # An SDK tap's child stream, once per parent.
            (activate(2), record(id=3, name="new"), STREAM, activate(2), state(at=2)),
        ),
        ids=("announced", "nothing said", "child stream"),
    )
    def test_rows_that_nobody_confirmed_are_an_error(self, filled, capsys, messages):
        other = schema(PROPERTIES, stream="others")
        confirmed = (other, record("others", id=1, name="new"), activate(2, "others"))
        with pytest.raises(UnconfirmedRowsError) as error:
            filled.load(*confirmed, state(at=1), STREAM, *messages, **self.SETTINGS)
        assert contents(filled) == [(1, "old"), (2, "old")]
        assert len(filled.rows("others")) == 1
        assert f"orders (1 row for {filled.name}.orders); the table stays as before" in str(
            error.value
        )
        assert "signalroom-run-tap" in str(error.value)
        assert "others" not in str(error.value)

    def test_asked_to_end(self, filled):
        target = TargetPostgres(config=filled.config | self.SETTINGS)

        def messages():
            yield lines(STREAM)
            yield lines(record(id=3, name="new"))
            target.message_reader.request_shutdown()
            yield lines(record(id=4, name="new"))

        source = Mock(spec=io.StringIO, fileno=Mock(side_effect=OSError))
        source.__iter__ = lambda _: messages()
        with pytest.raises(UnconfirmedRowsError, match=r"orders \(2 rows .* asked to end"):
            target.listen(source)
        assert contents(filled) == [(1, "old"), (2, "old")]

    def test_a_full_disk_leaves_the_old_rows(self, filled, tmp_path):
        """The new ones wait on this machine's disk until all are there."""
        rows = [record(id=n, name="new") for n in range(1000)]
        command = filled.command(tmp_path, **self.SETTINGS)
        done = subprocess.run(
            # Of 1,024 bytes.
            ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", *command],
            input=lines(STREAM, *rows, activate(2), state(at=1)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (75, "")
        assert "This machine's disk is full (File too large)" in done.stderr
        assert "set TMPDIR" in done.stderr
        assert "Traceback" not in done.stderr
        assert contents(filled) == [(1, "old"), (2, "old")]

    @pytest.mark.parametrize(
        ("bad", "found"), ((5, "expected a text"), ("forbidden", "forbids it"))
    )
    def test_a_bad_record_leaves_the_old_rows(self, filled, bad, found):
        filled.sql("ALTER TABLE orders ADD CHECK (name <> 'forbidden')")
        rows = record(id=3, name="new"), record(id=4, name=bad)
        with pytest.raises(BadRecordError, match=found):
            filled.load(STREAM, *rows, activate(2), state(at=1), **self.SETTINGS)
        assert contents(filled) == [(1, "old"), (2, "old")]

    def test_a_quarantined_record_is_not_among_the_new_rows(self, filled):
        rows = record(id=3, name="new"), record(id=1, name=5)
        filled.load(STREAM, *rows, activate(2), on_bad_record="quarantine", **self.SETTINGS)
        assert contents(filled) == [(3, "new")]
        assert len(filled.rows("orders__rejected")) == 1

    def test_an_empty_stream_leaves_the_old_rows(self, filled, caplog):
        states = filled.load(STREAM, activate(2), state(at=1), **self.SETTINGS)
        assert contents(filled) == [(1, "old"), (2, "old")]
        assert states == [{"at": 1}]
        assert "No records of orders came" in caplog.text

    def test_a_stream_whose_tap_ended_well_and_is_empty(self, filled):
        filled.load(STREAM, activate(2) | {"x-complete": True}, **self.SETTINGS)
        assert contents(filled) == []

    def test_records_that_were_all_filtered(self, filled):
        maps = {"orders": {"__filter__": "id > 5"}}
        filled.load(STREAM, record(id=3), activate(2), stream_maps=maps, **self.SETTINGS)
        assert contents(filled) == []

    @pytest.mark.parametrize("metadata", (True, False))
    def test_more_records_and_another_activation(self, filled, metadata):
        """What the first one put there stays."""
        rows = record(id=1, name="new"), activate(2), record(id=3, name="new"), activate(2)
        settings = {"load_method": "overwrite", "add_record_metadata": metadata}
        filled.load(STREAM, *rows, **settings)
        assert contents(filled) == [(1, "new"), (3, "new")]

    def test_a_schema_that_changes_on_the_way(self, filled):
        filled.load(
            STREAM,
            record(id=3, name="new"),
            schema(PROPERTIES | {"more": "integer"}),
            record(id=4, name="new", more=1),
            record(id=3, name="newer", more=2),
            activate(2),
            state(at=1),
            **self.SETTINGS,
        )
        assert [(row["id"], row["name"], row["more"]) for row in filled.rows()] == [
            (3, "newer", 2),
            (4, "new", 1),
        ]


def versions(version, *ids):
    """Records of a version; None for none."""
    return [record(id=one) | ({"version": version} if version else {}) for one in ids]


#: What a tap sends after its SCHEMA, and the ids that are in the table then. It holds 1, 2, 3 of
#: version 1 before.
RULE = {
    "a version, complete": ([*versions(2, 2, 4), activate(2)], {2, 4}),
    "announced and complete": ([activate(2), *versions(2, 2, 4), activate(2)], {2, 4}),
    "announced, and that is all": ([activate(2), *versions(2, 4)], {1, 2, 3, 4}),
    "announced, without records": ([activate(2)], {1, 2, 3}),
    "an incremental run": ([activate(1), *versions(1, 2, 4)], {1, 2, 3, 4}),
    "an incremental run without changes": ([activate(1)], {1, 2, 3}),
    "an incremental run that ends with it": ([*versions(1, 4), activate(1)], {1, 2, 3, 4}),
    "the version of long ago": ([*versions(1, 4), activate(0)], {1, 2, 3, 4}),
    "twice": ([activate(2), *versions(2, 4), activate(2), activate(2)], {4}),
    "more of a version": ([*versions(2, 4), activate(2), *versions(2, 5), activate(2)], {4, 5}),
    "two versions": ([*versions(2, 4), activate(2), *versions(3, 5), activate(3)], {5}),
    "the next one is announced": ([*versions(2, 4), activate(2), activate(3)], {4}),
    "records of the next one first": ([*versions(3, 4), *versions(2, 5), activate(2)], {4, 5}),
    "records without a version": ([*versions(None, 2, 4), activate(2)], {2, 4}),
    "with and without": ([*versions(2, 4), *versions(None, 5), activate(2)], {4, 5}),
    "a child stream's parents": (
        [activate(2), *versions(2, 4), STREAM, activate(2), *versions(2, 5), STREAM, activate(2)],
        {1, 2, 3, 4, 5},
    ),
    "a child stream whose tap ended well": (
        [
            *(activate(2), *versions(2, 4), STREAM, activate(2), *versions(2, 5)),
            activate(2) | {"x-complete": True},
        ],
        {4, 5},
    ),
    "ended well, with a version of its own": (
        [activate(2), *versions(2, 4), activate(9) | {"x-complete": True}],
        {4},
    ),
    "ended well, and empty": ([activate(9) | {"x-complete": True}], set()),
    "states in between": (
        [activate(2), state(at=1), *versions(2, 4), state(at=2), activate(2), state(at=3)],
        {4},
    ),
    "a schema that changes": (
        [activate(2), *versions(2, 4), schema(PROPERTIES | {"more": "string"}), activate(2)],
        {1, 2, 3, 4},
    ),
    "one that changes before the last record": (
        [*versions(2, 4), schema(PROPERTIES | {"more": "string"}), *versions(2, 5), activate(2)],
        {4, 5},
    ),
}


class TestActivateVersion:
    @pytest.fixture
    def at_version_1(self, warehouse):
        warehouse.load(STREAM, *versions(1, 1, 2, 3), activate(1), **REPLACE)
        return warehouse

    @pytest.mark.parametrize("case", RULE)
    @pytest.mark.parametrize("hard", (True, False), ids=("deleted", "marked"))
    def test_the_rule(self, at_version_1, case, hard):
        messages, left = RULE[case]
        states = at_version_1.load(
            STREAM, *messages, state(at="end"), **REPLACE | {"hard_delete": hard}
        )
        rows = at_version_1.rows()
        assert {row["id"] for row in rows if not row["_sdc_deleted_at"]} == left
        assert states[-1] == {"at": "end"}
        if not hard:
            assert {row["id"] for row in rows} >= {1, 2, 3} | left

    @pytest.mark.parametrize("size", (1, None), ids=("loaded at once", "held"))
    def test_an_empty_table_keeps_what_came_between_two(self, warehouse, size):
        rows = [STREAM, activate(1), *versions(1, 1, 2), activate(1), state(at=1)]
        warehouse.load(*rows, batch_size_rows=size, **REPLACE)
        assert [row["id"] for row in warehouse.rows()] == [1, 2]

    def test_rows_that_stay_are_counted_in_a_warning(self, at_version_1, caplog):
        at_version_1.load(STREAM, activate(2), *versions(2, 2), **REPLACE)
        name = at_version_1.name
        assert f"{name}.orders keeps 2 rows of earlier versions" in caplog.text
        assert "signalroom-run-tap" in caplog.text

    def test_rows_that_take_long_to_count_are_not_counted(self, at_version_1, monkeypatch):
        monkeypatch.setattr(outdated_rows, "_COUNT_SECONDS", 0.01)
        table = Table(at_version_1.name, "orders")
        with psycopg.connect(at_version_1.libpq_url) as connection:
            cursor = connection.cursor()
            table.read_types(cursor)
            older = RowSelection(table, {}, run=0, version=2)
            assert older.count(cursor) == 3
            connection.commit()
            with psycopg.connect(at_version_1.libpq_url) as other:
                other.execute(sql.SQL("LOCK TABLE {}").format(table.identifier))
                assert older.count(cursor) == 0
            # The transaction goes on.
            assert older.exist(cursor)

    def test_no_warning_where_no_row_is_older(self, at_version_1, caplog):
        at_version_1.load(STREAM, activate(1), *versions(1, 2), **REPLACE)
        assert "earlier versions" not in caplog.text

    def test_a_row_that_was_marked_and_comes_again(self, at_version_1):
        soft = REPLACE | {"hard_delete": False}
        at_version_1.load(STREAM, *versions(2, 2), activate(2), **soft)
        at_version_1.load(STREAM, *versions(3, 1), activate(3), **soft)
        marked = {row["id"]: row["_sdc_deleted_at"] is not None for row in at_version_1.rows()}
        assert marked == {1: False, 2: True, 3: True}

    def test_a_bad_record_keeps_the_older_rows(self, at_version_1):
        bad = record(id=5, name=7) | {"version": 2}
        with pytest.raises(BadRecordError):
            at_version_1.load(STREAM, *versions(2, 4), bad, activate(2), **REPLACE)
        assert {row["id"] for row in at_version_1.rows()} == {1, 2, 3, 4}

    def test_a_row_that_the_server_refuses_keeps_the_older_rows(self, at_version_1):
        at_version_1.sql("ALTER TABLE orders ADD CHECK (id < 5)")
        with pytest.raises(BadRecordError):
            at_version_1.load(STREAM, *versions(2, 4, 5), activate(2), **REPLACE)
        assert {row["id"] for row in at_version_1.rows()} == {1, 2, 3, 4}

    def test_quarantined_records_are_not_in_the_way(self, at_version_1):
        bad = record(id=5, name=7) | {"version": 2}
        settings = REPLACE | {"on_bad_record": "quarantine"}
        at_version_1.load(STREAM, *versions(2, 4), bad, activate(2), **settings)
        assert {row["id"] for row in at_version_1.rows()} == {4}

    def test_streams_side_by_side(self, at_version_1):
        other = schema(PROPERTIES, stream="others")
        of_other = [one | {"stream": "others"} for one in versions(1, 1, 2)]
        at_version_1.load(other, *of_other, **REPLACE)
        at_version_1.load(
            *(STREAM, other, activate(2), activate(2, "others")),
            *(
                one | {"version": 2}
                for pair in zip(of_other, versions(2, 4, 5), strict=True)
                for one in pair
            ),
            activate(2),
            **REPLACE,
        )
        assert {row["id"] for row in at_version_1.rows()} == {4, 5}
        assert {row["id"] for row in at_version_1.rows("others")} == {1, 2}

    def test_maps_that_filter_and_fan_out(self, at_version_1):
        maps = {
            "orders": {"__filter__": "id != 5"},
            "few": {"__source__": "orders", "__filter__": "id == 4"},
            "none": {"__source__": "orders", "__filter__": "id == 0"},
        }
        at_version_1.load(STREAM, *versions(1, 0, 4), stream_maps=maps, **REPLACE)
        messages = [STREAM, activate(2), *versions(2, 4, 5), activate(2)]
        at_version_1.load(*messages, stream_maps=maps, **REPLACE)
        found = {name: {row["id"] for row in at_version_1.rows(name)} for name in ("few", "none")}
        assert found == {"few": {4}, "none": set()}
        assert {row["id"] for row in at_version_1.rows()} == {4}

    @pytest.mark.parametrize("mapped", (False, True), ids=("columns", "mapped"))
    @pytest.mark.parametrize("kind", ("parquet", "jsonl"))
    def test_batches_have_versions_too(self, at_version_1, tmp_path, kind, mapped):
        path = tmp_path / f"rows.{kind}"
        if kind == "parquet":
            pq.write_table(pa.table({"id": [4, 5]}), path)
        else:
            path.write_text('{"id": 4}\n{"id": 5}\n')
        batch = {
            "type": "BATCH",
            "stream": "orders",
            "encoding": {"format": kind},
            "manifest": [path.as_uri()],
            "version": 2,
        }
        maps = {"stream_maps": {"orders": {"name": "str(id)"}}} if mapped else {}
        at_version_1.load(STREAM, activate(2), batch, activate(2), **REPLACE, **maps)
        # An incremental run that activates the same version again.
        at_version_1.load(STREAM, *versions(2, 6), activate(2), **REPLACE, **maps)
        assert {row["id"] for row in at_version_1.rows()} == {4, 5, 6}

    def test_rows_without_a_version_of_an_earlier_run_go(self, warehouse):
        warehouse.load(STREAM, *versions(None, 1, 2), **REPLACE)
        warehouse.load(STREAM, *versions(None, 2, 3), activate(1), **REPLACE)
        assert {row["id"] for row in warehouse.rows()} == {2, 3}

    def test_switched_off(self, filled):
        messages = [STREAM, activate(2), *versions(2, 3), activate(2), state(at=1)]
        filled.load(*messages, add_record_metadata=True)
        assert len(filled.rows()) == 3


class TestStreamsWithoutAKey:
    """They cannot be merged, so older rows and new ones would stand side by side."""

    STREAM = schema(PROPERTIES, keys=())

    @pytest.fixture
    def keyless(self, warehouse):
        warehouse.load(self.STREAM, *versions(1, 1, 2), **REPLACE)
        return warehouse

    @pytest.mark.parametrize(
        ("messages", "left"),
        (
            ([activate(2), *versions(2, 3, 3), activate(2)], [3, 3]),
            (
                [activate(2), *versions(2, 3), STREAM, activate(2), *versions(2, 4), activate(2)],
                [3, 4],
            ),
            ([activate(1), *versions(1, 3)], [1, 2, 3]),
            ([activate(2)], [1, 2]),
            ([*versions(2, 3), activate(2), *versions(2, 4)], [3, 4]),
        ),
    )
    def test_older_rows_go_when_the_new_ones_are_complete(self, keyless, messages, left):
        messages = [self.STREAM if one is STREAM else one for one in messages]
        keyless.load(self.STREAM, *messages, state(at=1), **REPLACE)
        assert [row["id"] for row in keyless.rows()] == left

    def test_rows_that_nobody_confirmed_are_an_error(self, keyless):
        # `load_method` is upsert already.
        with pytest.raises(UnconfirmedRowsError, match=r"orders \(1 row.*key.* append-only"):
            keyless.load(self.STREAM, activate(2), *versions(2, 3), state(at=1), **REPLACE)
        assert [row["id"] for row in keyless.rows()] == [1, 2]

    def test_append_only_appends(self, keyless):
        settings = REPLACE | {"load_method": "append-only"}
        keyless.load(self.STREAM, activate(2), *versions(2, 3), **settings)
        assert [row["id"] for row in keyless.rows()] == [1, 2, 3]


class TestReplaceOnActivate:
    """Streams of taps that promise to activate only what they have sent whole."""

    def test_told_after_the_records(self, filled, caplog):
        rows = versioned(2, id=2, name="new"), versioned(2, id=3, name="new")
        filled.load(COMPLETE_LATER, *rows, activate(2), state(at=1), **REPLACE)
        assert contents(filled) == [(2, "new"), (3, "new")]
        assert "stays as it was" not in caplog.text

    @pytest.mark.parametrize(
        ("changed", "left"),
        (({"hard_delete": False}, [3]), ({"activate_version": False}, [1, 2, 3])),
        ids=("marked", "switched off"),
    )
    def test_settings_by_which_no_row_is_deleted(self, filled, changed, left):
        rows = versioned(2, id=3), activate(2)
        filled.load(COMPLETE_LATER, *rows, **REPLACE | changed)
        rows = filled.rows()
        assert [row["id"] for row in rows] == [1, 2, 3]
        assert [row["id"] for row in rows if not row.get("_sdc_deleted_at")] == left

    def test_records_that_come_after_it(self, filled):
        rows = versioned(2, id=2, name="new"), activate(2), versioned(2, id=3, name="newer")
        with pytest.raises(UnconfirmedRowsError, match=r"orders \(1 row"):
            filled.load(COMPLETE_LATER, *rows, **REPLACE)
        assert contents(filled) == [(2, "new")]
        filled.load(COMPLETE_LATER, *rows, activate(2), **REPLACE)
        assert contents(filled) == [(2, "new"), (3, "newer")]

    def test_a_newer_version_in_the_same_run(self, filled):
        rows = versioned(2, id=2), activate(2), versioned(3, id=3), activate(3)
        filled.load(COMPLETE_LATER, *rows, **REPLACE)
        assert contents(filled) == [(3, None)]

    def test_the_tap_died(self, filled, capsys):
        # No setting would load rows of which the tap promises to say when they are complete.
        with pytest.raises(UnconfirmedRowsError, match=r"says so for taps that do not\.$"):
            filled.load(COMPLETE_LATER, versioned(2, id=2, name="new"), state(at=1), **REPLACE)
        assert contents(filled) == [(1, "old"), (2, "old")]

    def test_told_of_no_records(self, filled):
        filled.load(COMPLETE_LATER, activate(2), **REPLACE)
        assert contents(filled) == []

    def test_told_before_the_records_and_after_them(self, filled):
        rows = activate(2), versioned(2, id=2), versioned(2, id=3), activate(2)
        filled.load(COMPLETE_LATER, *rows, **REPLACE)
        assert [row["id"] for row in filled.rows()] == [2, 3]

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

    @pytest.mark.parametrize(
        ("account", "other"),
        (
            ({"type": "string", "enum": ["a"]}, "b"),
            ({"allOf": [{"type": "string"}, {"const": "a"}]}, "b"),
            ({"anyOf": [{"const": "a"}, {"type": "null"}]}, "b"),
            ({"$ref": "#/definitions/account"}, "b"),
            ({"type": "integer", "const": 1.0}, 2),
            ({"type": ["number", "string"], "const": 1.0}, 2.0),
            ({"type": ["boolean", "string"], "const": True}, False),
            ({"type": "object", "const": {"shop": 1}}, {"shop": 2}),
            ({"type": "array", "items": {"type": "string"}, "const": ["a"]}, ["b"]),
        ),
        ids=str,
    )
    def test_however_the_schema_pins_the_account(self, warehouse, account, other):
        """Rows of other accounts were deleted."""
        stream = schema({"id": "integer", "account": account}, **{"x-replace-on-activate": True})
        stream["schema"]["definitions"] = {"account": {"const": "a"}}
        untyped = {"type": account.get("type", "string")} | (
            {"items": account["items"]} if "items" in account else {}
        )
        warehouse.load(
            schema({"id": "integer", "account": untyped}), record(id=1, account=other), **REPLACE
        )
        found = account.get("const", "a")
        for version in (2, 3):
            warehouse.load(
                stream, versioned(version, id=version, account=found), activate(version), **REPLACE
            )
        assert [row["id"] for row in warehouse.rows()] == [1, 3]

    def test_rows_from_before_the_constant_are_named(self, filled, caplog):
        account = {"type": "string", "const": "a"}
        stream = schema(PROPERTIES | {"account": account}, **{"x-replace-on-activate": True})
        filled.load(stream, versioned(2, id=3, account="a"), activate(2), **REPLACE)
        assert [row["id"] for row in filled.rows()] == [1, 2, 3]
        assert "orders has rows without a value in account" in caplog.text

    @pytest.mark.parametrize("form", ("record", "batch"))
    @pytest.mark.parametrize(
        ("before", "value", "after", "other", "rows"),
        (
            (ARRAY, [5, None], "string", "a", [[5, None], "a"]),
            (ARRAY, [5], "object", {"a": 1}, [[5], {"a": 1}]),
            (BOOLEANS, [True], OBJECTS, [{"a": 1}], [[True], [{"a": 1}]]),
            (DAY, "2024-01-31", "object", {"a": 1}, ["2024-01-31", {"a": 1}]),
            (DAY, "2024-01-31", MOMENT, "2024-02-01T01:00:00Z", MOMENTS),
            ("boolean", True, "string", "a", ["true", "a"]),
            (ARRAY, [5], ARRAY, [2**70], [[5], [2**70]]),
        ),
    )
    def test_a_column_that_changes_while_rows_wait(
        self, warehouse, tmp_path, form, before, value, after, other, rows
    ):
        messages = []
        for number, (type_, one) in enumerate(((before, value), (after, other))):
            stream = schema({"id": "integer", "value": type_}, **{"x-replace-on-activate": True})
            messages.append(stream)
            if form == "record" or number:
                messages.append(versioned(1, id=number, value=one))
            else:
                file = tmp_path / "rows.jsonl"
                file.write_text(json.dumps({"id": number, "value": one}) + "\n")
                batch = {"encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}
                messages.append({"type": "BATCH", "stream": "orders", "version": 1, **batch})
        warehouse.load(*messages, activate(1), **REPLACE)
        found = warehouse.sql("SELECT to_jsonb(value) AS value FROM orders ORDER BY id")
        assert [row["value"] for row in found] == rows


@pytest.mark.parametrize("form", ("record", "file"))
@pytest.mark.parametrize("type_", ("text", "varchar(40)", "jsonb", "numeric", "double precision"))
@pytest.mark.parametrize("column", ("version", "sync_started_at", "sequence", "batched_at"))
def test_metadata_in_columns_of_other_types(warehouse, tmp_path, column, type_, form):
    """A traceback where the table has the loader's numbers in another type."""
    name = {"version": "_sdc_table_version"}.get(column, f"_sdc_{column}")
    warehouse.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, name text, {name} {type_})")
    for version in (9, 10):
        if form == "record":
            message = versioned(version, id=version)
        else:
            path = tmp_path / "a.parquet"
            pq.write_table(pa.table({"id": [version]}), path)
            encoding = {"encoding": {"format": "parquet"}, "manifest": [path.as_uri()]}
            message = {"type": "BATCH", "stream": "orders", "version": version, **encoding}
        warehouse.load(STREAM, message, activate(version), **REPLACE)
    (row,) = warehouse.rows()
    assert row["id"] == 10
    assert row[name] is not None
    if column == "version":
        assert float(row[name]) == 10


class TestAccountsThatShareATable:
    """Each has its own value in a column, which its stream map sets."""

    @staticmethod
    def load(warehouse, account, *messages, keys=("account", "id"), promise=False, **settings):
        rules = {"account": f"'{account}'"} | ({"__key_properties__": [*keys]} if keys else {})
        stream = COMPLETE_LATER if promise else STREAM
        if not keys:
            stream = stream | {"key_properties": []}
        warehouse.load(stream, *messages, stream_maps={"ord*": rules}, **REPLACE | settings)

    @pytest.mark.parametrize(
        "keys", (("account", "id"), ("id",), ()), ids=("key", "none", "keyless")
    )
    @pytest.mark.parametrize(
        ("promise", "settings"),
        ((True, {}), (False, {}), (False, {"load_method": "overwrite"})),
        ids=("promised", "versions", "overwrite"),
    )
    def test_a_replace_leaves_the_others_rows(self, warehouse, keys, promise, settings):
        def load(account, *messages):
            self.load(warehouse, account, *messages, keys=keys, promise=promise, **settings)

        load("acme", *versions(1, 1, 2), activate(1))
        load("birch", *versions(2, 8, 9), activate(2))
        load("acme", *versions(3, 2, 3), activate(3))
        rows = {(row["account"], row["id"]) for row in warehouse.rows()}
        assert rows == {("acme", 2), ("acme", 3), ("birch", 8), ("birch", 9)}

    def test_rows_from_before_the_map_are_named(self, warehouse, caplog):
        warehouse.load(STREAM, record(id=1), **REPLACE)
        warehouse.sql("ALTER TABLE orders DROP CONSTRAINT orders_pkey")
        self.load(warehouse, "acme", *versions(2, 2), activate(2), keys=(), promise=True)
        assert [row["id"] for row in warehouse.rows()] == [1, 2]
        assert "orders has rows without a value in account" in caplog.text


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
