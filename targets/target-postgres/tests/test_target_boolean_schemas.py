"""JSON Schema's `true` and `false`: any value is valid, or none is."""

from __future__ import annotations

import pyarrow as pa
import pytest
from warehouse import record, schema, state

from signalroom_target_postgres.dlt_adoption.catalog import read_stream
from signalroom_target_postgres.errors import InputError, LoadError
from signalroom_target_postgres.warehouse.rejected import BadRecordError

ID = {"type": "integer"}
VALUES = [{"a": [1.50]}, [1, "a"], "a", 1.5, True, None]
FORBIDDEN = "column 'x': expected no value, as the schema forbids the field, got"


@pytest.mark.parametrize("keys", ((), ("id",)), ids=("keyless", "keyed"))
@pytest.mark.parametrize("column", (None, "jsonb", "text"))
@pytest.mark.parametrize(
    "settings",
    ({}, {"validate_records": True}, {"stream_maps": {"orders": {"id": "id"}}}),
    ids=("plain", "validated", "mapped"),
)
def test_true_is_as_an_empty_schema(warehouse, column, keys, settings):
    found = []
    for any_schema in ({}, True):
        if column:
            warehouse.sql(f"CREATE TABLE orders (id bigint, x {column})")
        records = [record(id=number, x=value) for number, value in enumerate(VALUES)]
        warehouse.load(schema({"id": ID, "x": any_schema}, keys), *records, **settings)
        found.append((warehouse.types(), warehouse.rows()))
        warehouse.sql("DROP TABLE orders")
    assert found[0] == found[1]
    assert len(found[0][1]) == len(VALUES)


@pytest.mark.parametrize("flatten", (False, True))
@pytest.mark.parametrize(
    "field",
    (
        {"type": "array", "items": True},
        {"type": "array", "items": False},
        {"type": "array", "items": {"type": "array", "items": True}},
        {"type": "object", "properties": {"a": True, "b": {"type": "integer"}}},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "additionalProperties": False, "properties": {"a": {"type": "object"}}},
        {"type": "object", "patternProperties": {"^a": True}, "properties": {"a": {"items": True}}},
        {"anyOf": [True, {"type": "integer"}]},
        {"allOf": [True]},
        {"anyOf": [{"type": "integer"}, True]},
        {"oneOf": [False, {"type": ["object", "array"]}]},
        {"$ref": "#/$defs/any"},
    ),
    ids=str,
)
def test_true_and_false_within_a_fields_schema(warehouse, field, flatten):
    value = [[]] if "items" in field else {"a": [1]}
    stream = schema({"id": ID, "x": field}, **{"$defs": {"any": True}})
    settings = {"flattening_enabled": flatten, "flattening_max_depth": 2 if flatten else 0}
    warehouse.load(stream, record(id=1, x=value), **settings)
    (row,) = warehouse.rows()
    assert row["id"] == 1
    loaded = "".join(map(str, row.values()))
    assert ("[[]]" if "items" in field else "[1]") in loaded


def arrow(path, **columns):
    """A BATCH message of an Arrow file."""
    table = pa.table(columns)
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table)
    encoding = {"format": "arrow"}
    return {
        "type": "BATCH",
        "stream": "orders",
        "encoding": encoding,
        "manifest": [path.as_uri()],
    }


@pytest.mark.parametrize("existing", (False, True), ids=("new", "existing"))
@pytest.mark.parametrize("path", ("record", "map", "file"))
@pytest.mark.parametrize("schema_of", (False, {"not": {}}), ids=str)
def test_false_allows_no_value(warehouse, caplog, tmp_path, path, existing, schema_of):
    if existing:
        warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, x text, y text)")
    stream = schema({"id": ID, "x": schema_of, "y": "string"})
    maps = {"stream_maps": {"orders": {"id": "id"}}} if path == "map" else {}
    if path == "file":
        sent = [arrow(tmp_path / "a.arrow", id=[1, 2, 3], x=[None, 5, None], y=["a", "b", "c"])]
    else:
        sent = [record(id=1, y="a"), record(id=2, x=5, y="b"), record(id=3, x=None, y="c")]
    given = {"on_bad_record": "quarantine"} | maps
    assert warehouse.load(stream, *sent, state(at=1), **given) == [{"at": 1}]
    rows = [{"id": 1, "y": "a"}, {"id": 3, "y": "c"}]
    assert warehouse.rows() == [row | ({"x": None} if existing else {}) for row in rows]
    (row,) = warehouse.sql("SELECT reason, record FROM orders__rejected")
    assert row["reason"].startswith(FORBIDDEN)
    assert row["record"] == {"id": 2, "x": 5, "y": "b"}
    assert "which its schema does not have" not in caplog.text
    with pytest.raises(BadRecordError, match=f"stream orders .*{FORBIDDEN}"):
        warehouse.load(stream, record(id=2, x=5, y="b"), **maps)


def test_a_field_that_becomes_forbidden_and_allowed_again(warehouse):
    sent = []
    for number, field in enumerate(({"type": "string"}, False, {"type": "string"})):
        sent += [schema({"id": ID, "x": field}), record(id=number, x="a")]
    warehouse.load(*sent, on_bad_record="quarantine")
    assert warehouse.rows() == [{"id": 0, "x": "a"}, {"id": 2, "x": "a"}]


@pytest.mark.parametrize("fields", ({}, {"a": False}), ids=("none", "forbidden"))
def test_a_stream_without_fields_is_named(warehouse, fields):
    warehouse.load(schema(fields, ()))
    with pytest.raises(LoadError, match="orders has records, and its schema has no fields"):
        warehouse.load(schema(fields, ()), record(id=1))
    warehouse.load(schema(fields, ()), record(id=1), add_record_metadata=True)
    assert len(warehouse.rows()) == 1


def test_a_key_cannot_be_forbidden(warehouse):
    with pytest.raises(InputError, match=r"SCHEMA .*'orders': column 'id' is a key"):
        warehouse.load(schema({"id": False}), record(id=1))


def test_a_catalog_with_true(tmp_path):
    path = tmp_path / "catalog.json"
    path.write_text(
        '{"streams": [{"stream": "orders", "tap_stream_id": "orders", "schema": {"properties": '
        '{"id": {"type": "integer"}, "_client_id": true}}, "key_properties": ["id"]}]}'
    )
    assert read_stream(path, "orders").client_id is None


@pytest.mark.parametrize(
    "field",
    (True, {}, {"examples": [1]}, {"anyOf": [{"type": "integer"}, {}]}, {"description": "any"}),
    ids=str,
)
def test_any_value_is_valid_where_records_are_flattened(warehouse, field):
    inner = {"type": "object", "properties": {"any": field, "none": False}}
    flat = {"flattening_enabled": True, "flattening_max_depth": 2}
    values = [1, 1.50, "a", True, [1], {"a": 1}, None]
    records = [record(id=number, x={"any": value}) for number, value in enumerate(values)]
    stream = schema({"id": ID, "x": inner})
    warehouse.load(stream, *records, **flat)
    texts = ["1", "1.5", "a", "true", "[1]", '{"a":1}', None]
    assert [row["x__any"] for row in warehouse.rows()] == texts
    with pytest.raises(BadRecordError, match="column 'x__none': expected no value"):
        warehouse.load(stream, record(id=8, x={"none": 1}), **flat)
