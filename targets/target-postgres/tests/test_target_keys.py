"""A stream's key that is another than its table's."""

from __future__ import annotations

import re

import pytest
from warehouse import record, schema

from signalroom_target_postgres.errors import LoadError

FIELDS = {"uuid": "string", "project_id": "integer", "name": "string"}
NARROW = schema(FIELDS, keys=("uuid",))
WIDE = schema(FIELDS, keys=("project_id", "uuid"))


def pairs(warehouse, table="orders"):
    rows = warehouse.rows(table, order="uuid, project_id")
    return [(row["project_id"], row["uuid"], row["name"]) for row in rows]


def statements_of(error, values):
    """The statements that an error advises, with values for their dots."""
    (found,) = re.findall(r"ALTER TABLE .*?PRIMARY KEY \([^)]*\)", error)
    for value in values:
        found = found.replace("...", value, 1)
    return found


class TestKeyThatGrows:
    def test_it_is_widened_in_place(self, warehouse, caplog):
        warehouse.load(NARROW, record(uuid="a", project_id=1), record(uuid="b", project_id=2))
        for _ in range(2):
            warehouse.load(
                WIDE,
                record(uuid="a", project_id=1, name="same"),
                record(uuid="a", project_id=2, name="other"),
            )
        assert warehouse.key() == ["project_id", "uuid"]
        assert pairs(warehouse) == [(1, "a", "same"), (2, "a", "other"), (2, "b", None)]
        said = f"{warehouse.name}.orders was keyed by uuid; it is now keyed by project_id, uuid"
        assert [one for one in caplog.messages if "keyed" in one] == [said]

    def test_the_constraint_keeps_its_name(self, warehouse):
        warehouse.sql(
            "CREATE TABLE orders (uuid text, project_id bigint, name text,"
            ' CONSTRAINT "my key" PRIMARY KEY (uuid) INCLUDE (name))'
        )
        warehouse.sql("INSERT INTO orders VALUES ('a', 1)")
        warehouse.load(WIDE, record(uuid="a", project_id=2))
        found = warehouse.sql("SELECT conname FROM pg_constraint WHERE contype = 'p'")
        assert {"conname": "my key"} in found
        assert len(pairs(warehouse)) == 2

    def test_within_a_run(self, warehouse):
        warehouse.load(
            *(NARROW, record(uuid="a", project_id=1)),
            *(WIDE, record(uuid="a", project_id=2)),
        )
        assert warehouse.key() == ["project_id", "uuid"]
        assert [row[:2] for row in pairs(warehouse)] == [(1, "a"), (2, "a")]

    @pytest.mark.parametrize("there", (True, False), ids=("column", "no column"))
    def test_rows_without_a_value_are_filled_by_the_statements_of_the_error(self, warehouse, there):
        before = NARROW if there else schema({"uuid": "string", "name": "string"}, keys=("uuid",))
        warehouse.load(before, record(uuid="a", name="secret"), record(uuid="b"))
        run = WIDE, record(uuid="a", project_id=7, name="new"), record(uuid="a", project_id=8)
        with pytest.raises(LoadError, match=r"no value in project_id") as caught:
            warehouse.load(*run, on_bad_record="quarantine")
        assert "keyed by uuid, and the stream's key is project_id, uuid" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert warehouse.key() == ["uuid"]
        assert ("project_id" in warehouse.types()) == there
        warehouse.sql(statements_of(str(caught.value), ["7"]))
        warehouse.load(*run)
        assert warehouse.key() == ["project_id", "uuid"]
        assert pairs(warehouse) == [(7, "a", "new"), (8, "a", None), (7, "b", None)]

    def test_several_columns_and_strange_names(self, warehouse):
        old = schema({'i"d': "string"}, keys=('i"d',), stream="o s")
        new = schema(
            {'i"d': "string", "a b": "string", "Day": {"type": "string", "format": "date"}},
            keys=("Day", 'i"d', "a b"),
            stream="o s",
        )
        sent = record("o s", **{'i"d': "x", "a b": "y", "Day": "2026-01-01"})
        warehouse.load(old, record("o s", **{'i"d': "x"}))
        with pytest.raises(LoadError, match="no value in Day, a b") as caught:
            warehouse.load(new, sent)
        warehouse.sql(statements_of(str(caught.value), ["'2026-01-01'", "'y'"]))
        warehouse.load(new, sent)
        assert warehouse.key("o_s") == ["Day", 'i"d', "a b"]
        assert len(warehouse.rows("o_s")) == 1

    def test_an_empty_table_needs_no_values(self, warehouse):
        warehouse.load(schema({"uuid": "string"}, keys=("uuid",)))
        warehouse.load(WIDE, record(uuid="a", project_id=1))
        assert warehouse.key() == ["project_id", "uuid"]

    @pytest.mark.parametrize(
        ("dependent", "named"),
        (
            ("TABLE items (n text CONSTRAINT parent REFERENCES orders)", "parent on table items"),
            ("VIEW named AS SELECT uuid, name FROM orders GROUP BY uuid", "view named"),
        ),
        ids=("foreign key", "view"),
    )
    def test_what_depends_on_the_key_is_named(self, warehouse, dependent, named):
        warehouse.load(NARROW, record(uuid="a", project_id=1))
        warehouse.sql(f"CREATE {dependent}")
        with pytest.raises(LoadError) as caught:
            warehouse.load(WIDE, record(uuid="a", project_id=2))
        assert named in str(caught.value).replace(f"{warehouse.name}.", "")
        assert "Drop what depends on it, run again, and create it again" in str(caught.value)
        assert warehouse.key() == ["uuid"]

    def test_a_partitioned_table(self, warehouse):
        warehouse.sql(
            "CREATE TABLE orders (uuid text, project_id bigint, name text, PRIMARY KEY (uuid))"
            " PARTITION BY HASH (uuid);"
            "CREATE TABLE part PARTITION OF orders FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
            "INSERT INTO orders VALUES ('a', 1)"
        )
        warehouse.load(WIDE, record(uuid="a", project_id=2))
        assert warehouse.key() == warehouse.key("part") == ["project_id", "uuid"]
        assert len(pairs(warehouse, "part")) == 2

    def test_a_partition_has_the_key_of_its_table(self, warehouse):
        warehouse.sql(
            "CREATE TABLE parts (uuid text, project_id bigint, name text, PRIMARY KEY (uuid))"
            " PARTITION BY HASH (uuid);"
            "CREATE TABLE orders PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
            "INSERT INTO orders VALUES ('a', 1)"
        )
        with pytest.raises(LoadError, match="Change the key of the table that it comes from"):
            warehouse.load(WIDE, record(uuid="a", project_id=2))

    def test_a_stream_map_can_keep_the_old_key(self, warehouse):
        warehouse.load(NARROW, record(uuid="a", project_id=1))
        maps = {"orders": {"__key_properties__": ["uuid"]}}
        warehouse.load(WIDE, record(uuid="a", project_id=2), stream_maps=maps)
        assert warehouse.key() == ["uuid"]
        assert [row[:2] for row in pairs(warehouse)] == [(2, "a")]


class TestKeyThatShrinks:
    def test_rows_are_not_joined_unasked(self, warehouse):
        warehouse.load(WIDE, record(uuid="a", project_id=1), record(uuid="b", project_id=2))
        with pytest.raises(LoadError, match="that differ only in project_id would become one") as e:
            warehouse.load(NARROW, record(uuid="a", project_id=3))
        assert "keyed by project_id, uuid, and the stream's key is uuid" in str(e.value)
        assert warehouse.key() == ["project_id", "uuid"]
        warehouse.sql(statements_of(str(e.value), []))
        warehouse.load(NARROW, record(uuid="a", project_id=3))
        assert [row[:2] for row in pairs(warehouse)] == [(3, "a"), (2, "b")]

    def test_an_empty_table_takes_any_key(self, warehouse):
        warehouse.load(WIDE)
        warehouse.load(NARROW, record(uuid="a", project_id=1))
        assert warehouse.key() == ["uuid"]
