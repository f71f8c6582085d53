"""A stream's key that is another than its table's, and keys that could become one."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import make_url
from warehouse import lines, record, schema

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.warehouse.rejected import BadRecordError
from signalroom_target_postgres.warehouse.stream_loader import StreamLoader

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


def hidden_rows(warehouse, table):
    """A table of two rows that its owner does not see; only that of `uuid` "mine"."""
    warehouse.sql(
        f"{table}; INSERT INTO orders (uuid) VALUES ('a'), ('b');"
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY mine ON orders USING (uuid = 'mine')"
    )


@contextmanager
def as_owner(warehouse, url):
    """The warehouse as another user sees it, who has the table `orders`."""
    user = f"{warehouse.name}_owner"
    warehouse.sql(
        f"CREATE ROLE {user} LOGIN; GRANT ALL ON SCHEMA {warehouse.name} TO {user};"
        f"ALTER TABLE orders OWNER TO {user}"
    )
    owners = make_url(url).set(username=user).render_as_string(hide_password=False)
    try:
        yield replace(warehouse, sqlalchemy_url=owners)
    finally:
        warehouse.sql(
            f"ALTER TABLE orders OWNER TO CURRENT_USER; DROP OWNED BY {user}; DROP ROLE {user}"
        )


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

    def test_by_another_loader_during_a_run(self, warehouse, monkeypatch):
        warehouse.load(NARROW, record(uuid="a", project_id=1))
        prepare = StreamLoader.prepare

        def prepared(*given):
            notes = prepare(*given)
            monkeypatch.setattr(StreamLoader, "prepare", prepare)
            warehouse.load(WIDE, record(uuid="a", project_id=2))
            return notes

        monkeypatch.setattr(StreamLoader, "prepare", prepared)
        with pytest.raises(LoadError, match=r"primary key is no longer the one .* Run again"):
            warehouse.load(NARROW, record(uuid="a", project_id=1, name="new"))
        assert [row[:2] for row in pairs(warehouse)] == [(1, "a"), (2, "a")]

    def test_a_published_table_can_be_updated(self, warehouse):
        warehouse.load(NARROW, record(uuid="a", project_id=1))
        warehouse.sql(
            "ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_pkey, CLUSTER ON orders_pkey;"
            f"CREATE PUBLICATION {warehouse.name} FOR TABLE orders"
        )
        try:
            warehouse.load(WIDE, record(uuid="a", project_id=1, name="new"))
        finally:
            warehouse.sql(f"DROP PUBLICATION {warehouse.name}")
        assert pairs(warehouse) == [(1, "a", "new")]
        query = "SELECT indisreplident AND indisclustered AS still FROM pg_index WHERE indisprimary"
        assert warehouse.sql(f"{query} AND indrelid = 'orders'::regclass") == [{"still": True}]

    def test_rows_that_row_level_security_hides(self, warehouse, direct):
        hidden_rows(warehouse, "CREATE TABLE orders (uuid text PRIMARY KEY, project_id bigint)")
        with as_owner(warehouse, direct) as owner:
            with pytest.raises(LoadError, match="no value in project_id") as caught:
                owner.load(WIDE, record(uuid="mine", project_id=2))
            warehouse.sql(statements_of(str(caught.value), ["7"]))
            owner.load(WIDE, record(uuid="mine", project_id=2))
        assert [row[:2] for row in pairs(warehouse)] == [(7, "a"), (7, "b"), (2, "mine")]

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
        assert "is keyed by uuid, and the stream's key is project_id, uuid" in str(caught.value)
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

    def test_rows_that_row_level_security_hides(self, warehouse, direct):
        table = "CREATE TABLE orders (uuid text, project_id bigint DEFAULT 1, name text"
        hidden_rows(warehouse, f"{table}, PRIMARY KEY (project_id, uuid))")
        with (
            as_owner(warehouse, direct) as owner,
            pytest.raises(LoadError, match="differ only in project_id would become one"),
        ):
            owner.load(NARROW, record(uuid="mine", project_id=1))
        assert warehouse.key() == ["project_id", "uuid"]

    def test_an_empty_table_takes_any_key(self, warehouse):
        warehouse.load(WIDE)
        warehouse.load(NARROW, record(uuid="a", project_id=1))
        assert warehouse.key() == ["uuid"]


REASON = "expected a key without the character NUL, which PostgreSQL cannot store"
TEXT = {"type": "string"}
LIST = {"type": "array", "items": TEXT}
OBJECTS = {"type": "array", "items": {"type": "object"}}
#: What a key is declared as, a value with NUL, and the one that a replacement would make of it.
NULS = {
    "text": (TEXT, "a\0", "a\ufffd"),
    "short text": (TEXT | {"maxLength": 9}, "a\0", "a\ufffd"),
    "any": ({"type": ["integer", "string"]}, "a\0", "a\ufffd"),
    "texts": (LIST, ["a\0"], ["a\ufffd"]),
    "object": ({"type": "object"}, {"a": ["\0"]}, {"a": ["\ufffd"]}),
    "object's name": ({"type": "object"}, {"\0": 1}, {"\ufffd": 1}),
    "objects": (OBJECTS, [{"a": "\0"}], [{"a": "\ufffd"}]),
}


def keyed(declared):
    return schema({"key": declared, "text": "string"}, keys=("key",))


class TestKeyWithNul:
    """PostgreSQL has no such text, and what replaces NUL may be another record's key."""

    @pytest.mark.parametrize("filled", (False, True), ids=("empty", "filled"))
    @pytest.mark.parametrize(("declared", "bad", "good"), NULS.values(), ids=NULS)
    def test_it_is_a_bad_record(self, warehouse, declared, bad, good, filled):
        stream = keyed(declared)
        if filled:
            warehouse.load(stream, record(key=good, text="old"))
        run = (stream, record(key=good, text="a\0b"), record(key=bad, text="other"))
        with pytest.raises(BadRecordError, match=f"column 'key': {REASON}"):
            warehouse.load(*run)
        warehouse.load(*run, on_bad_record="quarantine")
        assert warehouse.rows() == [{"key": good, "text": "a\ufffdb"}]
        (refused,) = warehouse.rows("orders__rejected")
        assert refused["reason"] == f"column 'key': {REASON}"

    @pytest.mark.parametrize(
        "settings",
        (
            {"load_method": "append-only"},
            {"sanitize_null_text_characters": False},
            {"validate_records": True},
            {"stream_maps": {"orders": {"more": "'1'"}}},
        ),
        ids=lambda one: next(iter(one)),
    )
    def test_in_whatever_way_it_is_loaded(self, warehouse, settings):
        warehouse.load(
            keyed(TEXT),
            *(record(key="a\0"), record(key="a\ufffd")),
            on_bad_record="quarantine",
            **settings,
        )
        assert [row["key"] for row in warehouse.rows()] == ["a\ufffd"]
        (refused,) = warehouse.rows("orders__rejected")
        assert refused["reason"] == f"column 'key': {REASON}"

    @pytest.mark.parametrize("form", ("parquet", "jsonl"))
    def test_in_a_file(self, warehouse, tmp_path, form):
        rows = [{"key": "a\0", "text": "x"}, {"key": "b", "text": "c\0"}]
        path = tmp_path / f"rows.{form}"
        if form == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text(lines(*rows))
        message = {
            "type": "BATCH",
            "stream": "orders",
            "encoding": {"format": form, "compression": "none"},
            "manifest": [path.as_uri()],
        }
        warehouse.load(keyed(TEXT), message, on_bad_record="quarantine")
        assert warehouse.rows() == [{"key": "b", "text": "c\ufffd"}]
        (refused,) = warehouse.rows("orders__rejected")
        assert refused["reason"] == f"column 'key': {REASON}"

    def test_a_text_that_only_spells_it_is_a_key(self, warehouse):
        for declared, key in ((TEXT, "\\u0000"), ({"type": "object"}, {"a": "\\u0000"})):
            warehouse.load(keyed(declared) | {"stream": str(declared)})
            warehouse.load(keyed(declared), record(key=key))
            assert warehouse.rows() == [{"key": key, "text": None}]
            warehouse.sql("DROP TABLE orders")


MOMENT = {"type": "string", "format": "date-time"}
#: The same value, whatever it is written as; and others that are not to become one.
SAME = {
    "moments": (MOMENT, ("2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00")),
    "numbers": ({"type": "number"}, ("0", "-0", "0.0", "0e5")),
    "integers": ({"type": "integer"}, ("1", "1.0", "1e0")),
}
OTHERS = {
    "texts": (TEXT, ('"a"', '"A"', '"a "', '"a\\t"', '"1"', '"1.0"', '"e\\u0301"', '"\u00e9"')),
    "moments": (MOMENT, ("2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000002Z")),
    "numbers": ({"type": "number"}, ("9007199254740993.0", "9007199254740992", "0.1", "1e-20")),
}


@pytest.mark.parametrize("filled", (False, True), ids=("empty", "filled"))
@pytest.mark.parametrize(
    ("declared", "keys", "count"),
    (
        *((declared, keys, 1) for declared, keys in SAME.values()),
        *((declared, keys, len(keys)) for declared, keys in OTHERS.values()),
    ),
    ids=(*(f"same {name}" for name in SAME), *(f"other {name}" for name in OTHERS)),
)
def test_only_keys_that_are_the_same_value_are_one(warehouse, declared, keys, count, filled):
    quoted = [key if key[0] in '0123456789-"' and ":" not in key else f'"{key}"' for key in keys]
    sent = [f'{{"type":"RECORD","stream":"orders","record":{{"key":{key}}}}}' for key in quoted]
    for _ in range(1 + filled):
        warehouse.load(keyed(declared), *sent)
    assert len(warehouse.rows()) == count


@pytest.mark.parametrize(
    ("type_", "keys"),
    (
        ("char(3)", ("a", "a ")),
        ("varchar(2)", ("ab", "abc")),
        ("name", ("a" * 63, "a" * 64)),
        ('"char"', ("a", "ab")),
        ("timestamp(0)", ("2026-01-01T00:00:00.1", "2026-01-01T00:00:00.2")),
    ),
)
def test_a_key_column_that_would_take_two_for_one_is_widened(warehouse, type_, keys):
    warehouse.sql(f"CREATE TABLE orders (key {type_} PRIMARY KEY, text text)")
    declared = MOMENT if type_.startswith("time") else TEXT
    warehouse.load(keyed(declared), record(key=keys[0]))
    warehouse.load(keyed(declared), *(record(key=key) for key in keys))
    assert len(warehouse.rows()) == 2


@pytest.mark.parametrize(
    ("statements", "told"),
    (
        ("CREATE TABLE orders (key interval PRIMARY KEY, text text)", "of the type interval"),
        (
            "CREATE DOMAIN span AS interval; CREATE TABLE orders (key span PRIMARY KEY, text text)",
            "of the type span",
        ),
        ("CREATE TABLE orders (key bpchar PRIMARY KEY, text text)", "of the type bpchar"),
    ),
    ids=("interval", "domain", "blanks at the end"),
)
def test_a_key_column_that_takes_different_values_for_equal_is_named(
    warehouse, caplog, statements, told
):
    warehouse.sql(statements)
    keys = "1 day", "24 HOURS", "1 DAY", "1 day "
    warehouse.load(keyed(TEXT), *(record(key=key) for key in keys))
    said = f"The key column key of {warehouse.name}.orders is {told}"
    assert said in caplog.text.replace(f"the type {warehouse.name}.", "the type ")
    assert len(warehouse.rows()) < len(keys)


def test_a_key_column_of_a_collation_that_folds_case_is_named(warehouse, caplog):
    """Only servers with ICU have such collations; the embedded one refuses to make them."""
    warehouse.sql("CREATE TABLE orders (key text PRIMARY KEY, text text)")
    try:
        warehouse.sql(
            "CREATE COLLATION folded"
            " (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
            "ALTER TABLE orders ALTER COLUMN key TYPE text COLLATE folded"
        )
    except psycopg.errors.FeatureNotSupported:
        folds = False
    else:
        folds = True
    warehouse.load(keyed(TEXT), record(key="a"), record(key="A"))
    assert ("is of the collation folded" in caplog.text) == folds
    assert len(warehouse.rows()) == (1 if folds else 2)


def test_nothing_is_said_of_other_key_columns(warehouse, caplog):
    for _ in range(2):
        warehouse.load(keyed(TEXT), record(key="a"))
    assert "key column" not in caplog.text


def test_a_key_that_the_stream_does_not_have(warehouse):
    with pytest.raises(LoadError, match=r"key columns tenant of .*\.orders are not .* Select them"):
        warehouse.load(schema(FIELDS, keys=("uuid", "tenant")), record(uuid="a"))
