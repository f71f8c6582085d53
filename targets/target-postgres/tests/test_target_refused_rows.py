"""Rows that the table refuses: these are set aside or named, the others are loaded."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from warehouse import activate, lines, record, schema, state

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.messages.rejects import RejectedRecord
from signalroom_target_postgres.warehouse.bad_rows import find_rejected
from signalroom_target_postgres.warehouse.orphans import OrphanBuffer
from signalroom_target_postgres.warehouse.rejected import BadRecordError

PROPERTIES = {"id": {"type": "integer"}, "total": "integer", "name": "string"}
COLUMNS = "id bigint, total bigint, name text"
RAISES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.total = 666 THEN
        RAISE EXCEPTION 'total % of % is wrong', NEW.total, NEW.name USING ERRCODE = '{state}';
    END IF;
    RETURN NEW;
END $$;
CREATE {kind} TRIGGER refusing {time} INSERT OR UPDATE ON orders {late}
    FOR EACH ROW EXECUTE FUNCTION refuse()
"""


@dataclass(frozen=True)
class Refusal:
    """A table, and why it refuses the rows whose total is 666."""

    #: Makes the table, but for its key.
    table: str
    reason: str
    #: What the total of bad rows is; others have 1 to 3.
    total: int = 666


def raising(state="P0001", kind="", time="BEFORE", late=""):
    refuse = RAISES.format(state=state, kind=kind, time=time, late=late)
    return f"CREATE TABLE orders ({COLUMNS}); {refuse}"


BY_FUNCTION = "it is rejected by an exception raised by function refuse(), line 3 (SQLSTATE {})"
REFERRED = (
    "CREATE TABLE totals (total bigint PRIMARY KEY); INSERT INTO totals VALUES (1), (2), (3);"
)
BY_KEY = "the row that it refers to does not exist (foreign key orders_total_fkey)"
REFUSALS = {
    "partition": Refusal(
        f"CREATE TABLE orders ({COLUMNS}) PARTITION BY LIST (id);"
        "CREATE TABLE orders_known PARTITION OF orders"
        " FOR VALUES IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19)",
        "the table has no partition for it",
    ),
    "foreign key": Refusal(
        f"{REFERRED} CREATE TABLE orders (id bigint, total bigint REFERENCES totals, name text)",
        BY_KEY,
    ),
    "deferred foreign key": Refusal(
        f"{REFERRED} CREATE TABLE orders (id bigint, name text, total bigint"
        " REFERENCES totals DEFERRABLE INITIALLY DEFERRED)",
        BY_KEY,
    ),
    "unique index": Refusal(
        f"CREATE TABLE orders ({COLUMNS}, UNIQUE (name));"
        "INSERT INTO orders VALUES (99, 1, 'secret')",
        "another row has the same values (unique index orders_name_key)",
    ),
    "deferred unique constraint": Refusal(
        f"CREATE TABLE orders ({COLUMNS}, UNIQUE (name) DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO orders VALUES (99, 1, 'secret')",
        "another row has the same values (unique index orders_name_key)",
    ),
    "exclusion constraint": Refusal(
        f"CREATE TABLE orders ({COLUMNS}, EXCLUDE USING gist (int8range(total, NULL) WITH &&)"
        " WHERE (total > 9)); INSERT INTO orders VALUES (99, 600, 'a')",
        "it conflicts with another row (exclusion constraint orders_int8range_excl)",
    ),
    "check": Refusal(
        f"CREATE TABLE orders ({COLUMNS}, CHECK (total < 100))",
        "the table's constraint orders_total_check forbids it",
    ),
    "not null": Refusal(
        "CREATE TABLE orders (id bigint, total bigint NOT NULL, name text)",
        "column 'total': it is null, which the table does not allow",
        total=None,
    ),
    "domain": Refusal(
        "CREATE DOMAIN small AS bigint CHECK (VALUE < 100);"
        "CREATE TABLE orders (id bigint, total small, name text)",
        "column 'total': the domain small's constraint small_check forbids it",
    ),
    "enum": Refusal(
        "CREATE TYPE totals AS ENUM ('1', '2', '3');"
        "CREATE TABLE orders (id bigint, total totals, name text)",
        "column 'total': PostgreSQL rejected it: invalid input value for enum totals",
    ),
    "generated column": Refusal(
        f"CREATE TABLE orders ({COLUMNS},"
        " half numeric GENERATED ALWAYS AS (1 / (total - 666)) STORED)",
        "PostgreSQL rejected it: division by zero",
    ),
    "trigger": Refusal(raising(), BY_FUNCTION.format("P0001")),
    "trigger that follows": Refusal(raising(time="AFTER"), BY_FUNCTION.format("P0001")),
    "trigger with another code": Refusal(raising("42501"), BY_FUNCTION.format("42501")),
    "trigger with a code of its own": Refusal(raising("SR001"), BY_FUNCTION.format("SR001")),
    "deferred trigger": Refusal(
        raising(kind="CONSTRAINT", time="AFTER", late="DEFERRABLE INITIALLY DEFERRED"),
        BY_FUNCTION.format("P0001"),
    ),
    "index": Refusal(
        "CREATE FUNCTION long(bigint) RETURNS text IMMUTABLE LANGUAGE sql AS"
        " $$ SELECT string_agg(md5(n::text), '') FROM generate_series(1, $1) AS n $$;"
        f"CREATE TABLE orders ({COLUMNS}); CREATE INDEX ON orders (long(total))",
        "a value is longer than an index of the table takes (about 2,700 bytes)",
    ),
}
REPLACING = {"add_record_metadata": True, "activate_version": True, "hard_delete": True}
KEYS = {"keyed": ("id",), "keyless": ()}


def good(number):
    return record(id=number, total=1 + number % 3, name=f"n{number}")


def bad(number, total=666):
    return record(id=number, total=total, name="secret")


def made(warehouse, refusal, keys, rows=()):
    """The refusal's table, with a key if the stream has one, and rows of its own."""
    warehouse.sql(refusal.table)
    if keys:
        warehouse.sql("ALTER TABLE orders ADD PRIMARY KEY (id)")
    for number in rows:
        warehouse.sql(f"INSERT INTO orders (id, total, name) VALUES ({number}, '1', 'old')")


def loaded(warehouse):
    return [row["id"] for row in warehouse.sql("SELECT id FROM orders WHERE id <> 99 ORDER BY id")]


def set_aside(warehouse):
    query = "SELECT record->'id' AS id, reason FROM orders__rejected ORDER BY 1"
    found = warehouse.sql(query)
    return {row["id"]: row["reason"].replace(f"{warehouse.name}.", "") for row in found}


@pytest.mark.parametrize(
    ("on_bad_record", "filled", "keys"),
    (
        ("quarantine", False, ("id",)),
        ("quarantine", True, ("id",)),
        ("quarantine", False, ()),
        ("fail", True, ("id",)),
        ("fail", True, ()),
    ),
    ids=("empty-keyed", "filled-keyed", "keyless", "fail-keyed", "fail-keyless"),
)
@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_others_are_loaded_around_a_row_that_the_table_refuses(
    warehouse, caplog, refusal, on_bad_record, filled, keys
):
    caplog.set_level("INFO")
    made(warehouse, refusal, keys, rows=(1,) if filled else ())
    messages = [bad(10, refusal.total) if n == 10 else good(n) for n in range(2, 20)]
    run = (schema(PROPERTIES, keys), *messages, state(at=1))
    if on_bad_record == "fail":
        with pytest.raises(BadRecordError) as caught:
            warehouse.load(*run)
        said = str(caught.value).replace(f"{warehouse.name}.", "")
        assert "A record of stream orders does not fit its table orders" in said
        assert refusal.reason in said
    else:
        assert warehouse.load(*run, on_bad_record="quarantine") == [{"at": 1}]
        reason = set_aside(warehouse)[10]
        assert reason.startswith(refusal.reason)
        # What is not updated can be: the advice has to fit.
        assert ("`load_method` to upsert" in reason) == ("unique" in reason and not keys)
        said = ""
    assert loaded(warehouse) == [1] * filled + [n for n in range(2, 20) if n != 10]
    assert "orders: 18 rows read, 17 new, 0 updated, 0 removed" in caplog.text
    assert "secret" not in said + caplog.text


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_a_row_that_is_refused_by_each_run_is_one_record(warehouse, keys):
    """The loader's own columns differ with each run."""
    made(warehouse, REFUSALS["check"], keys)
    run = (schema(PROPERTIES, keys), bad(10))
    with pytest.raises(BadRecordError) as caught:
        warehouse.load(*run, add_record_metadata=True)
    for _ in range(3):
        warehouse.load(*run, add_record_metadata=True, on_bad_record="quarantine")
    (row,) = warehouse.rows("orders__rejected")
    assert row["times"] == 3
    assert row["record"].items() >= {"id": 10, "name": "secret"}.items()
    assert f"begins with {row['record_hash'][:12]})" in str(caught.value)


COUNTED = """
CREATE SEQUENCE attempts;
CREATE FUNCTION count_attempt() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM nextval('attempts'); RETURN NULL; END $$;
CREATE TRIGGER counting BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION count_attempt()
"""


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(
    ("bad_ones", "most"),
    (({700}, 25), ({0, 511, 999}, 75), (range(100, 130), 120), (range(1000), 1015)),
    ids=("one", "three", "neighbours", "all"),
)
def test_attempts_are_few(warehouse, keys, bad_ones, most):
    """About 2 log n for a bad row among good ones, one for a bad row among bad ones."""
    made(warehouse, REFUSALS["check"], keys)
    warehouse.sql(COUNTED.replace("'attempts'", f"'{warehouse.name}.attempts'"))
    messages = [bad(n) if n in bad_ones else good(n) for n in range(1000)]
    warehouse.load(schema(PROPERTIES, keys), *messages, on_bad_record="quarantine")
    assert len(loaded(warehouse)) + 1 * (99 not in bad_ones) == 1000 - len(bad_ones)
    assert len(set_aside(warehouse)) == len(bad_ones)
    (count,) = warehouse.sql("SELECT last_value FROM attempts")
    assert count["last_value"] <= most


def test_rows_that_are_refused_at_once_and_at_the_end(warehouse):
    """Of two batches: rows that others could have made possible are the last to be refused."""
    warehouse.sql(
        "CREATE TABLE parents (id bigint PRIMARY KEY); INSERT INTO parents VALUES (1);"
        "CREATE TABLE orders (id bigint PRIMARY KEY, total bigint REFERENCES parents,"
        " name text CHECK (name <> 'bad'))"
    )
    rows = [
        *(record(id=1, total=1, name="a"), record(id=2, total=1, name="bad")),
        *(record(id=3, total=2, name="c"), record(id=4, total=3, name="d")),
        *(record(id=5, total=1, name="bad"), record(id=6, total=1, name="f")),
    ]
    counts = warehouse.counts(schema(PROPERTIES), *rows, on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [1, 6]
    found = warehouse.sql("SELECT record->'id' AS id FROM orders__rejected ORDER BY 1")
    assert [row["id"] for row in found] == [2, 3, 4, 5]
    assert (counts.read, counts.written.new, counts.rejected) == (6, 2, 4)


def test_each_of_several_deferred_constraints_is_checked(warehouse):
    unique = "UNIQUE DEFERRABLE INITIALLY DEFERRED"
    warehouse.sql(
        f"CREATE TABLE orders (id bigint PRIMARY KEY, total bigint {unique}, name text {unique})"
    )
    rows = [
        record(id=1, total=1, name="a"),
        record(id=2, total=2, name="a"),
        record(id=3, total=1, name="c"),
        record(id=4, total=4, name="d"),
    ]
    warehouse.load(schema(PROPERTIES), *rows, on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [1, 4]
    assert len(warehouse.rows("orders__rejected")) == 2


def test_orphans_are_kept_in_memory_up_to_a_size():
    """Others stay in quarantine, where they are by then."""
    rows = pa.table({"id": [1]})
    orphans = rows, [RejectedRecord(b'{"id": 1}', "it has no parent")]
    buffer = OrphanBuffer(2 * (rows.nbytes + len(b'{"id": 1}')))
    buffer.add([orphans])
    buffer.add([orphans, orphans])
    assert buffer.drain() == [orphans, orphans]
    assert buffer.drain() == []


@given(st.sets(st.integers(0, 199)), st.integers(1, 200))
def test_exactly_the_bad_rows_are_found(bad_ones, count):
    taken = []

    def attempt(start, stop):
        if bad_ones & {*range(start, stop)}:
            return psycopg.errors.CheckViolation()
        taken.extend(range(start, stop))
        return None

    found = [number for number, _ in find_rejected(count, attempt)]
    assert found == sorted(number for number in bad_ones if number < count)
    assert taken == [number for number in range(count) if number not in bad_ones]


def test_rows_that_conflict_only_with_each_other(warehouse):
    """The first is loaded, as its own statement would have it."""
    made(warehouse, REFUSALS["unique index"], ("id",), rows=(1,))
    twins = [record(id=n, total=1, name="twin") for n in (5, 6)]
    messages = [good(2), *twins, good(7)]
    warehouse.load(schema(PROPERTIES), *messages, on_bad_record="quarantine")
    assert loaded(warehouse) == [1, 2, 5, 7]
    assert [*set_aside(warehouse)] == [6]
    warehouse.load(schema(PROPERTIES), *messages, on_bad_record="quarantine")
    assert loaded(warehouse) == [1, 2, 5, 7]


FAMILIES = {"": "", "deferred": " DEFERRABLE INITIALLY DEFERRED"}


def type_family(warehouse, when):
    warehouse.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name text,"
        f" total bigint REFERENCES orders{when})"
    )
    warehouse.sql("INSERT INTO orders VALUES (0, 'root', NULL)")


@pytest.mark.parametrize("when", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("parent", (lambda n: n + 1, lambda n: n - 1), ids=("after", "before"))
def test_children_are_not_refused_for_where_their_parents_are(warehouse, when, parent):
    """Other rows of the batch are refused, so that it is loaded in parts."""
    type_family(warehouse, when)
    messages = [
        record(id=n, total=None if parent(n) in {0, 60} else parent(n), name=str(n))
        for n in range(1, 60)
    ]
    orphans = [record(id=n, total=n + 1000, name="orphan") for n in (201, 202, 203)]
    messages = [*messages[:30], orphans[0], *messages[30:], *orphans[1:]]
    warehouse.load(schema(PROPERTIES), *messages, on_bad_record="quarantine")
    assert loaded(warehouse) == [*range(60)]
    assert [*set_aside(warehouse)] == [201, 202, 203]


def test_deferred_constraints_may_be_broken_until_the_end_of_the_transaction(warehouse, tmp_path):
    """A message's files are one transaction: what the first refers to comes with the second."""
    type_family(warehouse, FAMILIES["deferred"])
    warehouse.load(
        schema(PROPERTIES),
        batch(tmp_path, [{"id": 1, "total": 2}], [{"id": 2, "total": 0}]),
    )
    assert loaded(warehouse) == [0, 1, 2]
    files = batch(tmp_path, [{"id": 3, "total": 4}], [{"id": 4, "total": 0}, {"id": 5, "total": 9}])
    with pytest.raises(BadRecordError, match="foreign key orders_total_fkey"):
        warehouse.load(schema(PROPERTIES), files)
    assert loaded(warehouse) == [0, 1, 2]
    warehouse.load(schema(PROPERTIES), files, on_bad_record="quarantine")
    assert loaded(warehouse) == [0, 1, 2, 3, 4]
    assert [*set_aside(warehouse)] == [5]


def batch(folder, *files):
    """A BATCH message of JSONL files."""
    manifest = []
    for number, rows in enumerate(files):
        path = folder / f"{number}.jsonl.gz"
        path.write_bytes(gzip.compress(lines(*rows).encode()))
        manifest.append(path.as_uri())
    encoding = {"format": "jsonl", "compression": "gzip"}
    return {"type": "BATCH", "stream": "orders", "encoding": encoding, "manifest": manifest}


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("name", ("foreign key", "deferred foreign key", "trigger"))
def test_a_batch_is_loaded_but_for_its_refused_rows_or_not_at_all(warehouse, tmp_path, name, keys):
    refusal = REFUSALS[name]
    made(warehouse, refusal, keys, rows=(1,))
    message = batch(tmp_path, [one["record"] for one in (good(2), bad(3), good(4))])
    with pytest.raises(BadRecordError, match=re.escape(refusal.reason[-15:])):
        warehouse.load(schema(PROPERTIES, keys), message)
    assert loaded(warehouse) == [1]
    warehouse.load(schema(PROPERTIES, keys), message, on_bad_record="quarantine")
    assert loaded(warehouse) == [1, 2, 4]
    assert [*set_aside(warehouse)] == [3]


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("name", ("foreign key", "deferred foreign key", "trigger"))
def test_a_table_is_replaced_but_for_refused_rows_or_not_at_all(warehouse, name, keys):
    made(warehouse, REFUSALS[name], keys, rows=(1,))
    run = (
        schema(PROPERTIES, keys, **{"x-replace-on-activate": True}),
        *(good(2), bad(3), good(4)),
        activate(1),
    )
    with pytest.raises(BadRecordError):
        warehouse.load(*run, **REPLACING)
    assert loaded(warehouse) == [1]
    warehouse.load(*run, on_bad_record="quarantine", **REPLACING)
    assert loaded(warehouse) == [2, 4]
    assert [*set_aside(warehouse)] == [3]


def test_rows_that_others_refer_to_can_be_replaced_where_that_is_checked_late(warehouse):
    """Also with a deferred constraint of the table's own, and a row that it refuses."""
    made(warehouse, REFUSALS["deferred foreign key"], ("id",), rows=(1,))
    warehouse.sql(
        "CREATE TABLE items (orders bigint REFERENCES orders DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO items VALUES (1)"
    )
    warehouse.load(
        schema(PROPERTIES, **{"x-replace-on-activate": True}),
        *(good(1), bad(3), activate(1)),
        on_bad_record="quarantine",
        **REPLACING,
    )
    assert loaded(warehouse) == [1]
    assert [*set_aside(warehouse)] == [3]


def test_what_triggers_and_identity_columns_do_is_the_same_in_a_filled_table(warehouse):
    """COPY goes into an empty table, and by way of a temporary one into a filled one."""
    warehouse.sql(
        "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " total bigint NOT NULL, name text);"
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.name = 'skipped' THEN RETURN NULL; END IF;"
        " NEW.total := coalesce(NEW.total, 7); RETURN NEW; END $$;"
        "CREATE TRIGGER filling BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION fill()"
    )
    for first in (1, 11):
        warehouse.load(
            schema(PROPERTIES),
            record(id=first, name="a"),
            record(id=first + 1, name="skipped"),
            record(id=first + 2, total=8, name="b"),
        )
    assert [(row["id"], row["total"]) for row in warehouse.rows()] == [
        *((1, 7), (3, 8)),
        *((11, 7), (13, 8)),
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    (
        ("PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(9)", "canceled"),
        ("INSERT INTO missing VALUES (1)", 'relation "missing" does not exist'),
    ),
    ids=("canceled", "a table that is missing"),
)
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_what_is_no_fault_of_a_row_ends_the_run(warehouse, body, told, keys):
    warehouse.sql(
        f"CREATE TABLE orders ({COLUMNS}); CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql"
        f" AS $$ BEGIN {body}; END $$;"
        "CREATE TRIGGER failing BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    with pytest.raises(LoadError, match=told):
        warehouse.load(schema(PROPERTIES, keys), good(1), good(2), on_bad_record="quarantine")
    assert loaded(warehouse) == []
    assert warehouse.sql("SELECT to_regclass('orders__rejected') AS there") == [{"there": None}]


def test_the_record_of_a_row_that_the_table_refuses_is_as_it_came(warehouse):
    fields = {
        "id": {"type": "integer"},
        "total": "number",
        "both": {"type": ["number", "string"]},
        "texts": {"type": "array", "items": {"type": "string"}},
        "numbers": {"type": "array", "items": {"type": "number"}},
        "flags": {"type": "array", "items": {"type": "boolean"}},
        "objects": {"type": "array", "items": {"type": "object"}},
        "data": "object",
    }
    sent = (
        '{"id": 1, "both": "5", "data": {"a": 1.10}, "flags": [true, null], '
        '"texts": ["NULL", "", null, "a\\"\\\\,{}", "5"], "total": -1.10, '
        '"numbers": [1.10, null], "objects": [{"a": "\\"}"}, null, {}]}'
    )
    warehouse.load(schema(fields))
    warehouse.sql("ALTER TABLE orders ADD CHECK (id > 1)")
    line = f'{{"type":"RECORD","stream":"orders","record":{sent}}}'
    warehouse.load(schema(fields), line, on_bad_record="quarantine")
    (row,) = warehouse.sql(
        "SELECT record = %s::jsonb AS same, record::text FROM orders__rejected", sent
    )
    assert row["same"], row["record"]
    assert '"total": -1.10' in row["record"]


@pytest.mark.parametrize(
    ("declared", "value"),
    (
        ("integer", 5),
        ("number", 1.5),
        ("boolean", True),
        ("object", {"a": 1}),
        ({"type": ["array", "null"], "items": {"type": "integer"}}, [1, None]),
        ("string", "5"),
        ({"type": ["integer", "string", "null"]}, "5"),
        ({}, "a"),
    ),
    ids=str,
)
def test_the_record_of_a_row_in_a_table_of_texts_is_as_it_came(warehouse, declared, value):
    """Numbers, booleans, objects and arrays were kept as texts."""
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY CHECK (id > 1), value text)")
    stream = schema({"id": "integer", "value": declared})
    warehouse.load(stream, record(id=1, value=value), on_bad_record="quarantine")
    (row,) = warehouse.sql("SELECT record FROM orders__rejected")
    assert row["record"] == {"id": 1, "value": value}


def test_a_text_that_is_read_as_another_language_is_a_bad_row(warehouse, caplog):
    warehouse.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name text CHECK (name::tsquery IS NOT NULL))"
    )
    stream = schema({"id": {"type": "integer"}, "name": "string"})
    records = [record(id=1, name="a"), record(id=2, name="secret & &")]
    warehouse.load(stream, *records, on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [1]
    (row,) = warehouse.sql("SELECT reason FROM orders__rejected")
    assert "secret" not in row["reason"] + caplog.text


LINES = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, total bigint, name text);"
    "CREATE TABLE lines (id bigint{}, orders bigint REFERENCES orders{}, text text);"
)
ITEM = {"id": {"type": "integer"}, "orders": "integer", "text": "string"}


def item(number, order, text=None):
    return record("lines", id=number, orders=order, text=text)


def items(warehouse):
    rows = warehouse.rows("lines")
    return [(row["id"], row["orders"], row["text"]) for row in rows]


class TestParentsThatComeLater:
    """With another stream or a later batch: the children are tried again at the end."""

    @pytest.mark.parametrize("when", FAMILIES.values(), ids=FAMILIES)
    @pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
    @pytest.mark.parametrize("filled", (False, True), ids=("empty", "filled"))
    def test_children_are_loaded_at_the_end(self, warehouse, caplog, keys, filled, when):
        caplog.set_level("INFO")
        warehouse.sql(LINES.format(" PRIMARY KEY" if keys else "", when))
        if filled:
            warehouse.sql("INSERT INTO orders VALUES (1); INSERT INTO lines VALUES (1, 1, 'old')")
        messages = (
            schema(ITEM, keys, stream="lines"),
            schema(PROPERTIES),
            *(item(2, 5, "a"), item(3, 6, "b"), item(4, 99, "never")),
            state(at=1),
            *(record(id=5), record(id=6)),
        )
        for run in (1, 2):
            states = warehouse.load(*messages, on_bad_record="quarantine", batch_size_rows=1)
            assert states == [{"at": 1}]
            old = [(1, 1, "old")] * filled
            assert items(warehouse) == sorted(
                old + [(2, 5, "a"), (3, 6, "b")] * (1 if keys else run)
            )
            (left,) = warehouse.rows("lines__rejected")
            assert left["record"]["id"] == 4
            assert left["times"] == run
        said = f"Loaded 2 records into {warehouse.name}.lines that had been quarantined before"
        assert caplog.text.count(said) == 1

    def test_children_of_children(self, warehouse):
        warehouse.sql(
            LINES.format(" PRIMARY KEY", "")
            + "CREATE TABLE notes (id bigint PRIMARY KEY, orders bigint REFERENCES lines)"
        )
        warehouse.load(
            *(schema(ITEM, stream="notes"), record("notes", id=1, orders=2)),
            *(schema(ITEM, stream="lines"), item(2, 3)),
            *(schema(PROPERTIES), record(id=3)),
            on_bad_record="quarantine",
        )
        assert [row["orders"] for row in warehouse.rows("notes")] == [2]
        assert items(warehouse) == [(2, 3, None)]
        assert warehouse.rows("notes__rejected") == warehouse.rows("lines__rejected") == []

    def test_the_last_record_of_a_key_wins(self, warehouse):
        warehouse.sql(LINES.format(" PRIMARY KEY", "") + "INSERT INTO orders VALUES (1)")
        warehouse.load(
            *(schema(ITEM, stream="lines"), item(2, 5, "first"), item(3, 5, "only")),
            *(item(2, 1, "last"), schema(PROPERTIES), record(id=5)),
            on_bad_record="quarantine",
            batch_size_rows=1,
        )
        assert items(warehouse) == [(2, 1, "last"), (3, 5, "only")]

    def test_the_last_of_a_message_wins(self, warehouse, tmp_path):
        """Rows of the first file wait for those of the second, and are not to replace them."""
        type_family(warehouse, "")
        first = [{"id": 1, "total": 2, "name": "first"}]
        second = [{"id": 1, "total": 0, "name": "last"}, {"id": 2, "total": 0}]
        warehouse.load(schema(PROPERTIES), batch(tmp_path, first, second))
        assert [row["name"] for row in warehouse.rows()] == ["root", "last", None]

    def test_files_come_before_their_parents(self, warehouse, tmp_path):
        warehouse.sql(LINES.format(" PRIMARY KEY", ""))
        files = batch(tmp_path, [{"id": 1, "orders": 5}], [{"id": 2, "orders": 6}])
        warehouse.load(
            *(schema(ITEM, stream="lines"), files | {"stream": "lines"}),
            *(schema(PROPERTIES), record(id=5), record(id=6)),
            on_bad_record="quarantine",
        )
        assert items(warehouse) == [(1, 5, None), (2, 6, None)]
        assert warehouse.rows("lines__rejected") == []

    @pytest.mark.parametrize("form", ("record", "file"))
    def test_records_have_fields_that_the_schema_does_not_have(self, warehouse, tmp_path, form):
        warehouse.sql(LINES.format(" PRIMARY KEY", ""))
        child = {"id": 1, "orders": 5, "more": "unknown"}
        sent = record("lines", **child)
        if form == "file":
            sent = batch(tmp_path, [child]) | {"stream": "lines"}
        messages = schema(ITEM, stream="lines"), sent, schema(PROPERTIES), record(id=5)
        warehouse.load(*messages, on_bad_record="quarantine")
        assert items(warehouse) == [(1, 5, None)]
        assert warehouse.rows("lines__rejected") == []

    @pytest.mark.parametrize(
        ("later", "loaded"),
        (
            (schema(ITEM | {"more": "integer"}, stream="lines"), [1, 2]),
            (schema(ITEM | {"text": "object"}, stream="lines"), [1, 2]),
            (schema({"id": {"type": "integer"}, "orders": "integer"}, stream="lines"), [2]),
            (schema(ITEM, ("id", "orders"), stream="lines"), [2]),
        ),
        ids=("new column", "other type", "column gone", "other key"),
    )
    def test_the_schema_changes_meanwhile(self, warehouse, later, loaded):
        """Rows that were read for another key or for other columns stay in quarantine."""
        warehouse.sql(LINES.format(" PRIMARY KEY", ""))
        warehouse.load(
            *(schema(ITEM, stream="lines"), item(1, 5), later, record("lines", id=2, orders=5)),
            *(schema(PROPERTIES), record(id=5)),
            on_bad_record="quarantine",
        )
        assert [row["id"] for row in warehouse.rows("lines")] == loaded
        left = [row["record"]["id"] for row in warehouse.rows("lines__rejected")]
        assert sorted([*left, *loaded]) == [1, 2]

    def test_versions_that_are_outdated_are_not_loaded(self, warehouse):
        warehouse.sql(LINES.format(" PRIMARY KEY", ""))
        versions = [item(number, 5) | {"version": number} for number in (1, 2)]
        warehouse.load(
            *(schema(ITEM, stream="lines"), versions[0], versions[1], activate(2, "lines")),
            *(schema(PROPERTIES), record(id=5)),
            on_bad_record="quarantine",
            **REPLACING,
        )
        assert [row["id"] for row in warehouse.rows("lines")] == [2]

    def test_without_quarantine_the_run_ends_at_the_child(self, warehouse):
        warehouse.sql(LINES.format(" PRIMARY KEY", ""))
        with pytest.raises(BadRecordError, match="foreign key lines_orders_fkey"):
            warehouse.load(
                *(schema(ITEM, stream="lines"), item(1, 5), schema(PROPERTIES), record(id=5)),
                batch_size_rows=1,
            )
