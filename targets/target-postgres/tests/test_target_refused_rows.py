"""Rows that the table refuses: these are set aside or named, the others are loaded."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from warehouse import record, schema, state

from signalroom_target_postgres.rejected import BadRecordError

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


BY_FUNCTION = "it is refused by an exception raised by function refuse(), line 3 (SQLSTATE {})"
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
        "column 'total': PostgreSQL refused it: invalid input value for enum totals",
    ),
    "generated column": Refusal(
        f"CREATE TABLE orders ({COLUMNS},"
        " half numeric GENERATED ALWAYS AS (1 / (total - 666)) STORED)",
        "PostgreSQL refused it: division by zero",
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


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("filled", (False, True), ids=("empty", "filled"))
@pytest.mark.parametrize("on_bad_record", ("quarantine", "fail"))
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
        assert f"stream orders ({'id=10' if keys else 'without key'}) does not fit" in said
        assert refusal.reason in said
    else:
        assert warehouse.load(*run, on_bad_record="quarantine") == [{"at": 1}]
        assert set_aside(warehouse) == {10: refusal.reason}
        said = ""
    assert loaded(warehouse) == [1] * filled + [n for n in range(2, 20) if n != 10]
    assert f"Loaded 17 records into {warehouse.name}.orders" in caplog.text
    assert "secret" not in said + caplog.text
