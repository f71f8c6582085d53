"""Rows that come again as they are: they are not written, and stay as they were loaded."""

from __future__ import annotations

import json
import logging
import random
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from warehouse import activate, record, schema

TIME = {"type": ["string", "null"], "format": "date-time"}
ORDERS = schema({"id": "integer", "name": "string", "_loaded_at": TIME})
VERSIONED = {"activate_version": True, "hard_delete": True, "add_record_metadata": True}
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def at(run):
    """The time at which a run reads its rows."""
    return (BEGAN + timedelta(hours=run)).isoformat()


def row(number, name="a", run=0, **values):
    return record(id=number, name=name, _loaded_at=at(run), **values)


@pytest.fixture
def said(caplog):
    """What the last line about the stream says of its rows."""
    caplog.set_level(logging.INFO)

    def said():
        lines = [one for one in caplog.messages if one.startswith("orders: ")]
        return re.sub(r" in [\d.]+ s.*", "", lines[-1].removeprefix("orders: "))

    return said


@pytest.fixture
def rows(warehouse):
    """The rows by id: when each was loaded, its name, and where it is."""

    def rows():
        found = warehouse.sql("SELECT id, name, _loaded_at, ctid::text FROM orders")
        return {one["id"]: (one["name"], one["_loaded_at"], one["ctid"]) for one in found}

    return rows


def test_only_what_changed_is_written(warehouse, said, rows):
    warehouse.load(ORDERS, *(row(number) for number in range(100)))
    before = rows()
    again = [row(number, "b" if number < 3 else "a", run=1) for number in range(98)]
    warehouse.load(ORDERS, *again, row(100, run=1))
    assert said() == ("99 rows read, 1 new, 3 updated, 95 unchanged, 0 removed, 0 rejected")
    after = rows()
    assert {number for number in before if after[number] != before[number]} == {0, 1, 2}
    assert {after[number][:2] for number in (0, 1, 2)} == {("b", BEGAN + timedelta(hours=1))}
    assert after[99] == before[99]
    assert after[100][:2] == ("a", BEGAN + timedelta(hours=1))


@pytest.mark.parametrize("unchanged", (0, 1, 20, 1980))
def test_a_large_batch_with_few_or_many_of_them(warehouse, said, rows, unchanged):
    """Whether a sample of the rows contains one or not, the same rows are written."""
    warehouse.load(ORDERS, *(row(number) for number in range(2000)))
    warehouse.sql("UPDATE orders SET _loaded_at = NULL WHERE id = 1999")
    before = rows()
    names = {number: "a" if number % 2000 < unchanged else "b" for number in range(2100)}
    names[1999] = "a"
    again = [row(number, name, run=1) for number, name in names.items()]
    random.Random(unchanged).shuffle(again)
    warehouse.load(ORDERS, *again)
    assert said() == (
        f"2,100 rows read, 100 new, {2000 - unchanged:,} updated, "
        + (f"{unchanged:,} unchanged, " if unchanged else "")
        + "0 removed, 0 rejected"
    )
    after = rows()
    assert sum(after[number] == before[number] for number in before) == unchanged
    assert {number: after[number][0] for number in after} == names
    assert after[1999][1] == BEGAN + timedelta(hours=1)


def test_a_run_in_which_nothing_changed_writes_nothing(warehouse, said, rows):
    warehouse.load(ORDERS, *(row(number) for number in range(500)))
    before = rows()
    warehouse.load(ORDERS, *(row(number, run=1) for number in range(500)))
    assert said() == "500 rows read, 0 new, 0 updated, 500 unchanged, 0 removed, 0 rejected"
    assert rows() == before


@pytest.mark.parametrize(
    ("type_", "value", "other"),
    (
        ("numeric", 1, 1.5),
        ("double precision", 0.1, 0.2),
        ("real", 0.1, 0.2),
        ("boolean", True, False),
        ("jsonb", {"b": [1, None], "a": 1}, {"b": [1], "a": 1}),
        # Types without an equality of their own.
        ("json", {"b": [1, None], "a": 1}, {"b": [1], "a": 1}),
        ("point", "(1,2)", "(1,3)"),
        ("text", "", None),
        ("varchar(5)", "abc", "abd"),
        ("char(5)", "abc", "abd"),
        ("bytea", "\\x00ff", "\\x00fe"),
        ("date", "2026-01-31", "2026-02-01"),
        ("timestamptz", "2026-01-31T12:00:00+02:00", "2026-01-31T12:00:00+01:00"),
        ("interval", "1 day", "2 days"),
        ("uuid", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"),
        ("inet", "127.0.0.1", "127.0.0.2"),
        ("text[]", ["a", None], ["a"]),
    ),
)
def test_values_of_each_type(warehouse, rows, type_, value, other):
    warehouse.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name text, _loaded_at timestamptz,"
        f" value {type_})"
    )
    kinds = ["string", "number", "boolean", "object", "array", "null"]
    kind = {"type": kinds} if not isinstance(value, str) else {"type": ["string", "null"]}
    if isinstance(value, list):
        kind = {"type": ["array", "null"], "items": {"type": ["string", "null"]}}
    described = schema({"id": "integer", "name": "string", "_loaded_at": TIME, "value": kind})
    warehouse.load(described, row(1, value=value), row(2, value=None))
    before = rows()
    assert len(before) == 2
    warehouse.load(described, row(1, run=1, value=value), row(2, run=1, value=None))
    assert rows() == before
    warehouse.load(described, row(1, run=2, value=other), row(2, run=2, value=value))
    assert {one[1] for one in rows().values()} == {BEGAN + timedelta(hours=2)}
    warehouse.load(described, row(1, run=3, value=None))
    assert rows()[1][1] == (BEGAN + timedelta(hours=3 if other is not None else 2))


def test_all_digits_count(warehouse):
    numbers = schema({"id": "integer", "cost": "number", "_loaded_at": TIME})
    for text in ("1.0", "1.00"):
        line = record(id=1, cost=0, _loaded_at=at(0))
        warehouse.load(numbers, json.dumps(line).replace('"cost": 0', f'"cost": {text}'))
        assert warehouse.sql("SELECT cost::text AS cost FROM orders") == [{"cost": text}]


def test_the_last_row_of_a_key_counts(warehouse, rows):
    warehouse.load(ORDERS, row(1, "a"))
    before = rows()
    warehouse.load(ORDERS, row(1, "b", run=1), row(1, "a", run=1))
    assert rows() == before


FOLDED = (
    "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
    "ALTER TABLE orders ALTER COLUMN id TYPE text COLLATE folded"
)


@pytest.mark.parametrize(
    ("type_", "kind", "keys"),
    (
        ("numeric", "number", ("1.0", "1")),
        ("interval", "string", ('"1 day"', '"24 hours"')),
        ("text", "string", ('"a"', '"A"')),
    ),
)
def test_keys_that_only_the_server_holds_for_equal(warehouse, type_, kind, keys):
    """The last one wins, also where the table has it as it is."""
    warehouse.sql(
        f"CREATE TABLE orders (id {type_} PRIMARY KEY, name text, _loaded_at timestamptz)"
    )
    folds = True
    if type_ == "text":
        try:
            warehouse.sql(FOLDED)
        except psycopg.errors.FeatureNotSupported:
            # Only servers with ICU have such collations: to others these are two keys.
            folds = False
    described = schema({"id": kind, "name": "string", "_loaded_at": TIME})

    def one(key, name):
        return json.dumps(row(0, name)).replace('"id": 0', f'"id": {key}')

    first, second = keys
    warehouse.load(described, one(second, "kept"))
    warehouse.load(described, one(first, "changed"), one(second, "kept"))
    names = [found["name"] for found in warehouse.sql("SELECT name FROM orders ORDER BY name")]
    assert names == (["kept"] if folds else ["changed", "kept"])


def test_rows_of_another_loader_become_ours(warehouse, rows):
    warehouse.load(ORDERS, row(1), row(2))
    warehouse.sql("UPDATE orders SET _loaded_at = NULL WHERE id = 1")
    before = rows()
    warehouse.load(ORDERS, row(1, run=1), row(2, run=1))
    assert rows()[1][1] == BEGAN + timedelta(hours=1)
    assert rows()[2] == before[2]


def test_columns_of_others_do_not_count(warehouse, rows):
    warehouse.load(ORDERS, row(1))
    warehouse.sql("ALTER TABLE orders ADD COLUMN note text DEFAULT 'checked'")
    before = rows()
    warehouse.load(ORDERS, row(1, run=1))
    assert rows() == before


def test_a_trigger_that_changes_rows_is_obeyed(warehouse, rows):
    warehouse.load(ORDERS, row(1))
    warehouse.sql(
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$"
    )
    warehouse.sql(
        "CREATE TRIGGER shout BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION shout()"
    )
    warehouse.load(ORDERS, row(1, "b", run=1))
    warehouse.load(ORDERS, row(1, "b", run=2))
    assert rows()[1][:2] == ("B", BEGAN + timedelta(hours=2))


def test_rows_are_written_again_where_their_run_decides_what_is_outdated(warehouse, said):
    """ACTIVATE_VERSION removes what this run did not load: an unchanged row has to be of it."""
    replaced = schema(
        {"id": "integer", "name": "string", "_loaded_at": TIME}, **{"x-replace-on-activate": True}
    )
    plain = schema({"id": "integer", "name": "string"})
    for described in (replaced, plain):
        for version in (1, 2):
            lines = [{**record(id=number, name="a"), "version": version} for number in (1, 2)]
            warehouse.load(described, *lines, activate(version), **VERSIONED)
            assert len(warehouse.sql("SELECT id FROM orders")) == 2
            assert "unchanged" not in said()


def test_streams_of_taps_that_do_not_say_when_they_read_a_row(warehouse, said):
    plain = schema({"id": "integer", "name": "string"})
    for _ in range(2):
        warehouse.load(plain, record(id=1, name="a"))
    assert said() == "1 row read, 0 new, 1 updated, 0 removed, 0 rejected"


def test_a_row_that_was_marked_as_gone_is_back(warehouse):
    described = schema(
        {"id": "integer", "name": "string", "_loaded_at": TIME}, **{"x-complete-scopes": True}
    )
    everything = {"x-complete-scopes": [{"stream": "orders", "where": {}}]}

    def run(*numbers):
        state = {"type": "STATE", "value": {}} | everything
        warehouse.load(described, *(row(number) for number in numbers), state, removed_rows="mark")
        return [
            one["id"]
            for one in warehouse.sql(
                "SELECT id FROM orders WHERE _sdc_deleted_at IS NULL ORDER BY id"
            )
        ]

    assert run(1, 2) == [1, 2]
    assert run(1) == [1]
    assert run(1, 2) == [1, 2]


@pytest.mark.parametrize("seed", range(6))
def test_after_any_runs_the_rows_are_the_last_ones(warehouse, rows, seed):
    chance = random.Random(seed)
    last = {}
    for run in range(8):
        sent = []
        for _ in range(chance.randrange(1, 40)):
            number, name = chance.randrange(25), chance.choice("abc")
            sent.append((number, name))
        warehouse.load(ORDERS, *(row(number, name, run) for number, name in sent))
        for number, name in dict(sent).items():
            if number not in last or last[number][0] != name:
                last[number] = (name, BEGAN + timedelta(hours=run))
        assert {number: one[:2] for number, one in rows().items()} == last
