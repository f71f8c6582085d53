"""What a new table refuses, a table that is there already refuses too: the schema decides."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from warehouse import record, schema, state

from signalroom_target_postgres.warehouse.rejected import BadRecordError

ID = {"type": "integer"}
INTEGERS = {"type": ["array", "null"], "items": {"type": "integer"}}
#: By name: a field's schema; values that it does not allow; values that it allows.
FIELDS = {
    "whole": ({"type": ["integer", "null"]}, (1.5, "5", True, [1], {"a": 1}), (1, 2.0, None)),
    "number": ({"type": ["number", "null"]}, ("1.5", True, [1], {"a": 1}), (1.5, 2, None)),
    "text": ({"type": ["string", "null"]}, (5, 1.5, True, [1], {"a": 1}), ("5", "{}", None)),
    "truth": ({"type": ["boolean", "null"]}, (1, "true", [True], {"a": 1}), (True, None)),
    "either": ({"type": ["integer", "string"]}, (1.5, True, [1], {"a": 1}), (1, "a")),
    "any of": (
        {"anyOf": [{"type": "boolean"}, {"type": "integer"}]},
        (1.5, "a", [1], {"a": 1}),
        (1, True),
    ),
    "day": ({"type": ["string", "null"], "format": "date"}, (5, {"a": 1}), ("2024-05-01",)),
    "integers": (INTEGERS, ([1.5], ["a"], 1, "a", {"a": 1}), ([1, 2.0, None], [])),
    "numbers": (
        {"type": "array", "items": {"type": "number"}},
        (["1.5"], [True], 1.5, {"a": 1}),
        ([1.5],),
    ),
    "truths": ({"type": "array", "items": {"type": "boolean"}}, ([1],), ([True, None],)),
    "texts": ({"type": "array", "items": {"type": "string"}}, (1, "a", {"a": 1}), (["a"],)),
    # A column of jsonb takes any JSON.
    "object": ({"type": ["object", "null"]}, (), ({"a": 1}, [1], 5, "a", None)),
    "anything": ({}, (), ({"a": 1}, [1], 5, "a", None)),
}
COLUMNS = (
    *(None, "numeric", "double precision", "text", "varchar(90)", "citext", "jsonb", "json"),
    *("numeric[]", "text[]", "jsonb[]", "timestamp", "bigint", "boolean"),
)


def existing(warehouse, column, key="PRIMARY KEY", rows=0):
    """A table with a column of a type for each field; with rows, if these are wanted."""
    if column is None:
        return
    if column == "citext":
        warehouse.sql("CREATE DOMAIN citext AS text")
    fields = ", ".join(f'"{name}" {column}' for name in FIELDS)
    warehouse.sql(f"CREATE TABLE orders (id bigint {key}, {fields})")
    warehouse.sql(f"INSERT INTO orders (id) SELECT -n FROM generate_series(1, {rows}) AS n")


def stream(keys=("id",)):
    """The stream of all fields."""
    return schema({"id": ID} | {name: field for name, (field, _, _) in FIELDS.items()}, keys)


def values(which):
    """Records that are not allowed (1) or allowed (2)."""
    cases = [(name, value) for name, field in FIELDS.items() for value in field[which]]
    return [{"id": number, name: value} for number, (name, value) in enumerate(cases, 1000 * which)]


def of_rejected(warehouse):
    """The records that were set aside, by their ids."""
    found = warehouse.sql("SELECT record, reason FROM orders__rejected")
    return {row["record"]["id"]: row for row in found}


@pytest.mark.parametrize("rows", (0, 1), ids=("empty", "filled"))
@pytest.mark.parametrize("path", ("record", "map", "jsonl"))
@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_could_hold_it_does_not_make_a_record_valid(
    warehouse, tmp_path, column, path, rows
):
    existing(warehouse, column, rows=rows)
    bad, good = values(1), values(2)
    records = [*bad, *good]
    settings = {"on_bad_record": "quarantine"}
    if path == "map":
        settings["stream_maps"] = {"orders": {"id": "id"}}
    if path == "jsonl":
        file = tmp_path / "a.jsonl"
        file.write_text("".join(f"{json.dumps(one)}\n" for one in records))
        messages = [
            {
                "type": "BATCH",
                "stream": "orders",
                "encoding": {"format": "jsonl", "compression": "none"},
                "manifest": [file.as_uri()],
            }
        ]
    else:
        messages = [record(**one) for one in records]
    assert warehouse.load(stream(), *messages, state(at=1), **settings) == [{"at": 1}]
    found = of_rejected(warehouse)
    assert [one for one in bad if one["id"] not in found] == []
    assert [found[one["id"]] for one in good if one["id"] in found] == []
    assert len(warehouse.rows()) == len(good) + (rows if column else 0)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_files_column_that_could_hold_it_does_not_make_a_row_valid(warehouse, tmp_path, column):
    existing(warehouse, column, key="")
    bad = values(1)
    files = []
    for number, one in enumerate(bad):
        # A text in a file may be the JSON of an array.
        table = pa.table({name: pa.array([value]) for name, value in one.items()})
        files.append(tmp_path / f"{number}.arrow")
        with pa.ipc.new_file(files[-1], table.schema) as writer:
            writer.write_table(table)
    batch = {
        "type": "BATCH",
        "stream": "orders",
        "encoding": {"format": "arrow"},
        "manifest": [file.as_uri() for file in files],
    }
    warehouse.load(stream(()), batch, on_bad_record="quarantine")
    found = of_rejected(warehouse)
    assert [one for one in bad if one["id"] not in found] == []
    assert warehouse.rows() == []


@pytest.mark.parametrize("keys", ((), ("id",)), ids=("keyless", "keyed"))
@pytest.mark.parametrize(
    ("column", "field", "value", "reason"),
    (
        ("numeric", ID, 1.5, "expected an integer, got a fraction"),
        ("numeric", ID, "5", "expected an integer, got str"),
        ("text", ID, 1.5, "expected an integer, got a fraction"),
        ("jsonb", {"type": "string"}, {"a": "secret"}, "expected a text, got object"),
        ("text", {"type": "string"}, {"a": "secret"}, "expected a text, got object"),
        (None, {"type": "string"}, {"a": "secret"}, "expected a text, got object"),
        (None, {"type": ["string", "integer"]}, 1.5, "an integer or a text, got a fraction"),
        ("jsonb", {"type": ["string", "integer"]}, True, "an integer or a text, got bool"),
        ("jsonb", {"type": "number"}, [1], "expected a number, got array"),
        ("numeric[]", INTEGERS, [1, 1.5], "expected an integer, got a fraction"),
        ("text[]", INTEGERS, ["secret"], "expected an array of integers, got another type in it"),
    ),
)
def test_the_error_says_what_the_schema_allows(warehouse, keys, column, field, value, reason):
    if column:
        warehouse.sql(f"CREATE TABLE orders (id bigint, x {column})")
    messages = schema({"id": ID, "x": field}, keys), record(id=1, x=value), record(id=2)
    with pytest.raises(BadRecordError, match=f"column 'x': .*{reason}") as caught:
        warehouse.load(*messages)
    assert "secret" not in str(caught.value)
    warehouse.load(*messages, on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()][-1:] == [2]
    (row,) = of_rejected(warehouse).values()
    assert row["reason"].endswith(reason)


def test_whole_numbers_are_integers_however_they_are_written(warehouse):
    """Also for a column that holds fractions, or becomes wider."""
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, x numeric, y text, z integer)")
    line = '{{"type":"RECORD","stream":"orders","record":{{"id":{0},"x":{1},"y":{1},"z":{1}}}}}'
    numbers = ("1e2", "3.0", "-4.00", "12345678901234567890.0", "1E3", "0.0", "-0")
    lines = [line.format(place, number) for place, number in enumerate(numbers)]
    warehouse.load(schema({"id": ID, "x": ID, "y": ID, "z": ID}), *lines)
    rows = warehouse.rows()
    assert [row["x"] for row in rows] == [row["z"] for row in rows]
    assert [row["z"] for row in rows] == [100, 3, -4, 12345678901234567890, 1000, 0, 0]
    assert [row["y"] for row in rows] == [*numbers]
