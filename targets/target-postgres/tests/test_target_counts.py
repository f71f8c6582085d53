"""The line of each stream: what became of its records."""

from __future__ import annotations

import json
import logging
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from warehouse import activate, new_schema, record, schema

from signalroom_target_postgres.errors import UnconfirmedRowsError
from signalroom_target_postgres.warehouse.counts import Counts, RowCounts
from signalroom_target_postgres.warehouse.rejected import BadRecordError

SCHEMA = schema({"id": "integer", "name": "string"})
REPLACED = schema({"id": "integer"}, **{"x-replace-on-activate": True})
VERSIONED = {"activate_version": True, "hard_delete": True, "add_record_metadata": True}


def rows(*numbers, stream="orders", **values):
    return [record(stream, id=number, **values) for number in numbers]


@pytest.fixture
def said(caplog):
    """The last line about a stream, without the seconds."""
    caplog.set_level(logging.INFO)

    def summary(stream="orders"):
        lines = [one for one in caplog.messages if one.startswith(f"{stream}: ")]
        return re.sub(r" in [\d.]+ s.*", "", lines[-1].removeprefix(f"{stream}: "))

    return summary


class TestRecords:
    def test_each_stream_has_one_line(self, warehouse, said, caplog):
        warehouse.load(SCHEMA, *rows(*range(300)), schema({"id": "integer"}, stream="empty"))
        assert said() == "300 rows read, 300 new, 0 updated, 0 removed, 0 rejected"
        assert said("empty") == "0 rows read, 0 new, 0 updated, 0 removed, 0 rejected"
        assert len([one for one in caplog.messages if " rows read" in one]) == 2

    def test_rows_whose_key_was_there_are_updated(self, warehouse, said):
        warehouse.load(SCHEMA, *rows(*range(10)))
        warehouse.load(SCHEMA, *rows(*range(6, 1200), name="x"))
        assert said() == "1,194 rows read, 1,190 new, 4 updated, 0 removed, 0 rejected"

    def test_a_key_that_comes_again_in_a_batch_is_one_row(self, warehouse, said):
        warehouse.load(SCHEMA, *rows(1, 1, 1, 2))
        assert said() == "4 rows read, 2 new, 0 updated, 0 removed, 0 rejected"

    def test_keys_that_only_the_server_holds_for_equal(self, warehouse, said):
        warehouse.sql("CREATE TABLE orders (id numeric PRIMARY KEY, name text)")
        numbers = schema({"id": "number", "name": "string"})
        warehouse.load(numbers, *rows(1, 2))
        warehouse.load(
            numbers, *rows(1, 3), '{"type":"RECORD","stream":"orders","record":{"id":1.0}}'
        )
        assert said() == "3 rows read, 1 new, 1 updated, 0 removed, 0 rejected"

    def test_all_rows_are_new_without_a_key(self, warehouse, said):
        for _ in range(2):
            warehouse.load(schema({"id": "integer"}, keys=()), *rows(1, 2))
            assert said() == "2 rows read, 2 new, 0 updated, 0 removed, 0 rejected"

    def test_rows_of_nothing_but_a_key_are_never_updated(self, warehouse, said):
        warehouse.load(schema({"id": "integer"}), *rows(1, 2))
        warehouse.load(schema({"id": "integer"}), *rows(2, 3))
        assert said() == "2 rows read, 1 new, 0 updated, 0 removed, 0 rejected"
        warehouse.load(schema({"id": "integer"}), *rows(3))
        assert said() == "1 row read, 0 new, 0 updated, 0 removed, 0 rejected"

    def test_a_schema_that_changes_within_the_run(self, warehouse, said):
        wider = schema({"id": "integer", "name": "string", "more": "string"})
        warehouse.load(SCHEMA, *rows(1, 2), wider, *rows(2, 3))
        assert said() == "4 rows read, 3 new, 1 updated, 0 removed, 0 rejected"

    def test_streams_that_maps_make_have_lines_of_their_own(self, warehouse, said):
        maps = {
            "orders": {"__filter__": "id > 1"},
            "copies": {"__source__": "orders", "__key_properties__": ["id"]},
        }
        warehouse.load(SCHEMA, *rows(1, 2, 3), stream_maps=maps)
        assert said() == "2 rows read, 2 new, 0 updated, 0 removed, 0 rejected"
        assert said("copies") == "3 rows read, 3 new, 0 updated, 0 removed, 0 rejected"


class TestFiles:
    def batch(self, folder, *numbers):
        path = folder / f"{random.random()}.jsonl"
        path.write_text("".join(f"{json.dumps({'id': number})}\n" for number in numbers))
        encoding = {"format": "jsonl", "compression": "none"}
        manifest = [path.as_uri()]
        return {"type": "BATCH", "stream": "orders", "encoding": encoding, "manifest": manifest}

    def test_rows_of_files_are_counted(self, warehouse, said, tmp_path):
        warehouse.load(SCHEMA, self.batch(tmp_path, 1, 2), self.batch(tmp_path, 2, 3))
        assert said() == "4 rows read, 3 new, 1 updated, 0 removed, 0 rejected"

    def test_a_file_that_is_read_again_for_a_wider_column_counts_once(
        self, warehouse, said, tmp_path
    ):
        warehouse.sql("CREATE TABLE orders (id smallint PRIMARY KEY, name text)")
        warehouse.load(SCHEMA, self.batch(tmp_path, 1, 70_000))
        assert said() == "2 rows read, 2 new, 0 updated, 0 removed, 0 rejected"

    def test_rows_that_do_not_fit_are_rejected(self, warehouse, said, tmp_path):
        batch = self.batch(tmp_path, 1, "none", 2)
        warehouse.load(SCHEMA, batch, on_bad_record="quarantine")
        assert said() == "3 rows read, 2 new, 0 updated, 0 removed, 1 rejected"


class TestRejected:
    def test_records_that_do_not_fit(self, warehouse, said):
        warehouse.load(SCHEMA, *rows(1, "x", None, 2), on_bad_record="quarantine")
        assert said() == "4 rows read, 2 new, 0 updated, 0 removed, 2 rejected"

    def test_rows_that_the_table_refuses(self, warehouse, said):
        warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name text CHECK (id % 7 <> 0))")
        warehouse.load(SCHEMA, *rows(1, 2, 3))
        warehouse.load(SCHEMA, *rows(*range(1, 101)), on_bad_record="quarantine")
        assert said() == "100 rows read, 83 new, 3 updated, 0 removed, 14 rejected"

    def test_rows_whose_parents_come_after_them(self, warehouse, said):
        warehouse.sql(
            "CREATE TABLE parents (id bigint PRIMARY KEY);"
            "CREATE TABLE orders (id bigint PRIMARY KEY, name text,"
            " parent bigint REFERENCES parents)"
        )
        children = schema({"id": "integer", "parent": "integer"})
        warehouse.load(
            children,
            *(record(id=number, parent=number) for number in (1, 2)),
            {"type": "ACTIVATE_VERSION", "stream": "orders", "version": 1},
            schema({"id": "integer"}, stream="parents"),
            *rows(1, stream="parents"),
            on_bad_record="quarantine",
        )
        assert said() == "2 rows read, 1 new, 0 updated, 0 removed, 1 rejected"

    def test_a_run_that_fails_says_what_it_loaded_before(self, warehouse, said, caplog):
        with pytest.raises(BadRecordError):
            warehouse.load(SCHEMA, *rows(1, 2, "x"))
        assert said() == "3 rows read, 2 new, 0 updated, 0 removed, 0 rejected"


class TestVersions:
    def test_a_table_that_is_replaced(self, warehouse, said):
        for numbers in ((1, 2, 3), (3, 4)):
            warehouse.load(REPLACED, *rows(*numbers), activate(1), **VERSIONED)
        assert said() == "2 rows read, replacing the 3 before, 0 rejected"

    def test_rows_that_were_never_said_to_be_complete(self, warehouse, said):
        with pytest.raises(UnconfirmedRowsError, match="Rows were read and not loaded"):
            warehouse.load(REPLACED, *rows(1, 2), **VERSIONED)
        assert said() == "2 rows read, 0 new, 0 updated, 0 removed, 0 rejected"

    @pytest.mark.parametrize("hard", (True, False))
    def test_rows_of_older_versions_are_removed(self, warehouse, said, hard):
        for version, numbers in ((1, (1, 2, 3)), (2, (3, 4))):
            messages = [one | {"version": version} for one in rows(*numbers)]
            options = VERSIONED | {"hard_delete": hard}
            warehouse.load(SCHEMA, *messages, activate(version), **options)
        assert said() == "2 rows read, 1 new, 1 updated, 2 removed, 0 rejected"


class TestTables:
    def test_a_partitioned_table(self, warehouse, said):
        warehouse.sql(
            "CREATE TABLE orders (id bigint PRIMARY KEY, name text) PARTITION BY HASH (id);"
            "CREATE TABLE half PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
            "CREATE TABLE rest PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
            " PARTITION BY HASH (id);"
            "CREATE TABLE quarter PARTITION OF rest FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
        )
        warehouse.load(SCHEMA, *rows(*range(20)))
        warehouse.load(SCHEMA, *rows(*range(15, 30)))
        assert said() == "15 rows read, 10 new, 5 updated, 0 removed, 0 rejected"

    def test_a_user_who_is_under_policies(self, warehouse, direct, said):
        user = f"{warehouse.name}_loader"
        warehouse.sql(
            "CREATE TABLE orders (id bigint PRIMARY KEY, name text);"
            "INSERT INTO orders VALUES (1), (2);"
            f"CREATE ROLE {user} LOGIN; GRANT ALL ON orders TO {user};"
            f"GRANT USAGE ON SCHEMA {warehouse.name} TO {user};"
            "ALTER TABLE orders ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY all_rows ON orders TO {user} USING (true) WITH CHECK (true)"
        )
        try:
            warehouse.load(SCHEMA, *rows(2, 3), sqlalchemy_url=changed(direct, username=user))
        finally:
            warehouse.sql(f"DROP OWNED BY {user} CASCADE; DROP ROLE {user}")
        assert said() == "2 rows read, 1 new, 1 updated, 0 removed, 0 rejected"

    def test_a_server_that_counts_nothing_does_not_say_which_rows_are_new(
        self, warehouse, direct, said
    ):
        url = changed(direct, query={"options": "-ctrack_counts=off"})
        warehouse.load(SCHEMA, *rows(1), sqlalchemy_url=url)
        warehouse.load(SCHEMA, *rows(1, 2), sqlalchemy_url=url)
        assert said() == "2 rows read, 2 new or updated, 0 removed, 0 rejected"
        # Rows of nothing but a key are never updated.
        for numbers, new in (((1,), 1), ((1, 2), 1)):
            keys = schema({"id": "integer"}, stream="keys")
            warehouse.load(keys, *rows(*numbers, stream="keys"), sqlalchemy_url=url)
            assert f"{new} new, 0 updated" in said("keys")


class TestSums:
    def test_batches_add_up(self):
        total = Counts(read=1, written=RowCounts(1, 2, 3), removed=4, rejected=5, seconds=0.5)
        total.add(Counts(10, RowCounts(10, 20, 30), removed=40, rejected=50, seconds=1.25))
        assert total == Counts(11, RowCounts(11, 22, 33), removed=44, rejected=55)
        assert total.seconds == 1.75

    def test_rows_that_are_replaced(self):
        total = Counts()
        for replaced, sum_ in ((None, None), (2, 2), (3, 5), (None, 5)):
            total.add(Counts(replaced=replaced))
            assert total.replaced == sum_

    def test_a_copy_does_not_change(self):
        total = Counts(read=1, written=RowCounts(new=1))
        copy = total.copy()
        total.add(Counts(read=1, written=RowCounts(new=1)))
        assert copy == Counts(read=1, written=RowCounts(new=1))


@pytest.mark.parametrize(
    ("counts", "sentence"),
    (
        (Counts(1, RowCounts(1)), "1 row read, 1 new, 0 updated, 0 removed, 0 rejected"),
        (
            Counts(3000, RowCounts(1000, 2000), removed=4000, rejected=5000),
            "3,000 rows read, 1,000 new, 2,000 updated, 4,000 removed, 5,000 rejected",
        ),
        (
            Counts(3, RowCounts(1, 0, 1000)),
            "3 rows read, 1 new, 0 updated, 1,000 new or updated, 0 removed, 0 rejected",
        ),
        (
            Counts(3, RowCounts(3), replaced=1000, removed=2),
            "3 rows read, replacing the 1,000 before, 2 removed, 0 rejected",
        ),
        (Counts(0, replaced=1), "0 rows read, replacing the 1 before, 0 rejected"),
    ),
)
def test_the_sentence(counts, sentence):
    assert counts.describe() == sentence


def changed(url, query=None, **parts):
    """A URL with other parts."""
    made = make_url(url).set(**parts).update_query_dict(query or {})
    return made.render_as_string(hide_password=False)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.integers(-3, 30), max_size=20), max_size=6), st.booleans())
def test_the_counts_are_those_of_the_table(server, address, loads, refuses):
    """Batch by batch, with rows that the table refuses, whatever came before."""
    with new_schema(server.libpq_url, address) as warehouse:
        check = "CHECK (id >= 0)" if refuses else ""
        warehouse.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, name text {check})")
        there: set[int] = set()
        for numbers in loads:
            counts = warehouse.counts(SCHEMA, *rows(*numbers), on_bad_record="quarantine")
            fit = {number for number in numbers if number >= 0 or not refuses}
            assert counts == Counts(
                read=len(numbers),
                written=RowCounts(new=len(fit - there), updated=len(fit & there)),
                rejected=len({*numbers} - fit),
            )
            there |= fit
