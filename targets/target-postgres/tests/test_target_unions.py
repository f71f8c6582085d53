"""Fields that may be of several types: `anyOf`, `oneOf`, `allOf`, `$ref`, `const` and `enum`."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations, product

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warehouse import activate, record, schema, state

from signalroom_target_postgres.warehouse.rejected import BadRecordError

ID = {"type": "integer"}
NULL = {"type": "null"}
MOMENT = {"type": "string", "format": "date-time"}
DAY = {"type": "string", "format": "date"}
TIMESTAMPTZ = "timestamp with time zone"
#: Kinds of values: what a schema says of them, one of them, the column's type when alone.
KINDS = {
    "integer": ({"type": "integer"}, 5, "bigint"),
    "small": ({"type": "integer", "minimum": 0, "maximum": 9}, 7, "smallint"),
    "number": ({"type": "number"}, 1.5, "numeric"),
    "boolean": ({"type": "boolean"}, True, "boolean"),
    "string": ({"type": "string"}, "a b", "text"),
    "moment": (MOMENT, "2024-05-01T12:00:00Z", TIMESTAMPTZ),
    "day": (DAY, "2024-02-29", "date"),
    "time": ({"type": "string", "format": "time"}, "12:34:56", "time without time zone"),
    "uuid": (
        {"type": "string", "format": "uuid"},
        "7d444840-9dc0-11d1-b245-5ffdce74fad2",
        "uuid",
    ),
    "decimal": ({"type": "string", "format": "x-singer.decimal"}, "2.50", "numeric"),
    "object": ({"type": "object"}, {"a": [1], "b": "c"}, "jsonb"),
    "list": ({"type": "array"}, [1, "a", None], "jsonb"),
    "texts": ({"type": "array", "items": {"type": "string"}}, ["a", None], "text[]"),
    "numbers": ({"type": "array", "items": {"type": "integer"}}, [1, 2], "bigint[]"),
    "objects": ({"type": "array", "items": {"type": "object"}}, [{"a": 1}], "jsonb[]"),
}
#: What two kinds have in common, where that is neither text nor jsonb.
TOGETHER = {
    ("integer", "small"): "bigint",
    ("integer", "number"): "numeric",
    ("small", "number"): "numeric",
    ("integer", "decimal"): "numeric",
    ("small", "decimal"): "numeric",
    ("number", "decimal"): "numeric",
    ("moment", "day"): TIMESTAMPTZ,
    ("texts", "numbers"): "text[]",
    ("texts", "objects"): "jsonb[]",
    ("numbers", "objects"): "jsonb[]",
}
#: As PostgreSQL gives it back, by the column's type; else as it was sent.
COMES_BACK = {
    TIMESTAMPTZ: {
        "2024-05-01T12:00:00Z": datetime(2024, 5, 1, 12, tzinfo=UTC),
        "2024-02-29": datetime(2024, 2, 29, tzinfo=UTC),
    },
    "numeric": {"2.50": Decimal("2.50")},
}


def expected(kind, type_):
    """A value of a kind as a column of a type gives it back."""
    value = KINDS[kind][1]
    if type_ == "text":
        return value if isinstance(value, str) else json.dumps(value)
    if type_ == "text[]":
        return [one if one is None or isinstance(one, str) else json.dumps(one) for one in value]
    if isinstance(value, str):
        return COMES_BACK.get(type_, {}).get(value, value)
    return value


def type_of(*kinds):
    """The type of a column for some kinds."""
    if kinds in TOGETHER:
        return TOGETHER[kinds]
    has_json = {*kinds} & {"object", "list", "texts", "numbers", "objects"}
    return "jsonb" if has_json else "text"


@pytest.mark.parametrize("form", ("anyOf", "oneOf", "nested", "allOf", "$ref"))
def test_a_column_holds_the_values_of_any_two_types(warehouse, form):
    pairs = {f"{one} {other}": (one, other) for one, other in combinations(KINDS, 2)}
    definitions = {name: definition for name, (definition, _, _) in KINDS.items()}
    forms = {
        "anyOf": lambda one, other: {"anyOf": [one, other, NULL]},
        "oneOf": lambda one, other: {"oneOf": [NULL, other, one]},
        "nested": lambda one, other: {"anyOf": [{"oneOf": [NULL, one]}, {"anyOf": [other]}]},
        "allOf": lambda one, other: {"allOf": [{"anyOf": [one, other, NULL]}, {"title": "x"}]},
    }
    properties = {
        name: {"anyOf": [{"$ref": f"#/definitions/{one}"}, {"$ref": f"#/definitions/{other}"}]}
        if form == "$ref"
        else forms[form](definitions[one], definitions[other])
        for name, (one, other) in pairs.items()
    }
    warehouse.load(
        schema({"id": ID} | properties, definitions=definitions),
        record(id=1, **{name: KINDS[one][1] for name, (one, _) in pairs.items()}),
        record(id=2, **{name: KINDS[other][1] for name, (_, other) in pairs.items()}),
        record(id=3),
    )
    types = {name: type_of(*pair) for name, pair in pairs.items()}
    assert warehouse.types() == {"id": "bigint"} | types
    assert warehouse.rows() == [
        {"id": 1} | {name: expected(one, types[name]) for name, (one, _) in pairs.items()},
        {"id": 2} | {name: expected(other, types[name]) for name, (_, other) in pairs.items()},
        {"id": 3} | dict.fromkeys(pairs),
    ]


@pytest.mark.parametrize(
    ("definition", "type_", "values", "rows"),
    (
        ({"type": ["boolean", "integer"]}, "text", [True, 5], ["true", "5"]),
        ({"type": ["number", "boolean", "null"]}, "text", [1.5, False], ["1.5", "false"]),
        ({"anyOf": [{"type": "boolean"}, {"type": "number"}]}, "text", [True, 1], ["true", "1"]),
        ({"type": ["integer", "number"]}, "numeric", [1, 1.5], [1, Decimal("1.5")]),
        ({"type": ["array", "string"]}, "jsonb", [["a"], "[1]"], [["a"], "[1]"]),
        ({"type": ["array", "object"]}, "jsonb", [["a"], {"a": 1}], [["a"], {"a": 1}]),
        (
            {"type": ["string", "integer"], "format": "date-time"},
            "text",
            ["2024-05-01T12:00:00Z", 17],
            ["2024-05-01T12:00:00Z", "17"],
        ),
        (
            {"type": ["string", "null"], "anyOf": [{"format": "date-time"}, {}]},
            "text",
            ["2024-05-01T12:00:00Z", ""],
            ["2024-05-01T12:00:00Z", ""],
        ),
        ({"const": "a"}, "text", ["a"], ["a"]),
        ({"const": 1.5}, "numeric", [1.5], [Decimal("1.5")]),
        ({"enum": [1, 2, None]}, "bigint", [1, 2], [1, 2]),
        ({"enum": [True, "all"]}, "text", [True, "all"], ["true", "all"]),
        ({"anyOf": [{"type": "integer"}, {"const": None}]}, "bigint", [1], [1]),
        ({"anyOf": [{"type": "integer"}, {"enum": ["all"]}]}, "text", [1, "all"], ["1", "all"]),
        ({"anyOf": [{"type": "integer"}, {}]}, "text", [1, {"a": 2}], ["1", '{"a": 2}']),
        ({"anyOf": [{"type": "object"}, True]}, "jsonb", [1, {"a": 2}], [1, {"a": 2}]),
        ({"anyOf": [{"type": "integer"}, False]}, "bigint", [1], [1]),
        ({"$ref": "#/definitions/gone"}, "text", [1, "a"], ["1", "a"]),
        ({"$ref": "other.json#/a"}, "text", [1, "a"], ["1", "a"]),
        ({"$ref": "#/$defs/broken"}, "text", [1, "a"], ["1", "a"]),
        ({"type": "array", "items": {"anyOf": 5, "type": 5}}, "jsonb[]", [[1]], [[1]]),
        ({"$ref": "#/$defs/itself"}, "jsonb", [{"a": 1}, 1], [{"a": 1}, 1]),
        (
            {"allOf": [{"type": ["integer", "string"]}, {"type": ["string", "null"]}]},
            "text",
            ["a"],
            ["a"],
        ),
        ({"type": "number", "allOf": [{"type": "integer"}]}, "bigint", [1], [1]),
        ({"type": "integer", "allOf": [{"type": "string"}]}, "text", ["a"], ["a"]),
        (
            {"type": "array", "items": {"anyOf": [{"type": "integer"}, NULL]}},
            "bigint[]",
            [[1, None]],
            [[1, None]],
        ),
        (
            {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
            "text[]",
            [[1, "a"]],
            [["1", "a"]],
        ),
        (
            {"type": "array", "items": {"type": ["boolean", "integer"]}},
            "text[]",
            [[1, True]],
            [["1", "true"]],
        ),
        (
            {"type": "array", "items": {"oneOf": [{"type": "object"}, {"type": "string"}]}},
            "jsonb[]",
            [[{"a": 1}, "a"]],
            [[{"a": 1}, "a"]],
        ),
        (
            {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
            "jsonb[]",
            [[[1], [2, 3]]],
            [[[1], [2, 3]]],
        ),
    ),
    ids=str,
)
def test_a_column_holds_what_its_schema_allows(warehouse, definition, type_, values, rows):
    itself = {"anyOf": [{"type": "object"}, {"$ref": "#/$defs/itself"}]}
    broken = {"type": "integer", "minimum": "0", "format": []}
    warehouse.load(
        schema({"id": ID, "value": definition}, **{"$defs": {"itself": itself, "broken": broken}}),
        *(record(id=number, value=value) for number, value in enumerate(values)),
    )
    assert warehouse.types()["value"] == type_
    assert [row["value"] for row in warehouse.rows()] == rows


#: What a column had before it became wider, where PostgreSQL writes it in another way.
CONVERTED = {
    ("moment", "text"): "2024-05-01 12:00:00+00",
    ("moment", "jsonb"): "2024-05-01T12:00:00+00:00",
    ("decimal", "jsonb"): 2.5,
}


def read(value):
    """A value, read as JSON where a text has some."""
    if isinstance(value, list):
        return [*map(read, value)]
    return json.loads(value) if isinstance(value, str) and value[:1] in {"{", "["} else value


@pytest.mark.parametrize(
    ("form", "one"),
    (
        *(("record", one) for one in KINDS),
        *product(("parquet",), ("integer", "boolean", "moment", "texts", "object")),
        *product(("arrow", "jsonl"), ("integer",)),
    ),
)
def test_a_column_becomes_wider_when_a_value_needs_it(warehouse, tmp_path, caplog, one, form):
    """Each column begins as one kind's; then its schema allows another's too."""
    definition, value, before = KINDS[one]
    # Arrow's columns hold values of one type.
    others = {name: [1, 2] if name == "list" else KINDS[name][1] for name in KINDS if name != one}
    both = schema(
        {"id": ID} | {name: {"anyOf": [definition, KINDS[name][0], NULL]} for name in others}
    )
    warehouse.load(
        schema({"id": ID} | dict.fromkeys(others, definition)),
        record(id=1, **dict.fromkeys(others, value)),
    )
    warehouse.load(both, record(id=2, **dict.fromkeys(others, value)))
    assert warehouse.types() == {"id": "bigint"} | dict.fromkeys(others, before)
    assert "becomes" not in caplog.text
    send(warehouse, tmp_path, form, both, [{"id": 3} | others])
    first, second, third = warehouse.rows()
    types = warehouse.types()
    for name in others:
        pair = tuple(kind for kind in KINDS if kind in {one, name})
        # What holds all that came is not changed.
        assert types[name] in {before, type_of(*pair), "numeric", "text", "jsonb"}, name
        held = CONVERTED.get((one, types[name]), expected(one, types[name]))
        assert (first[name], second[name]) == (held, held), name
        came = expected(name, types[name])
        if name == "list":
            came = ["1", "2"] if types[name] == "text[]" else [1, 2]
        assert read(third[name]) == read(came), name


def send(warehouse, folder, form, message, rows):
    """Load rows as records or as a file."""
    if form == "record":
        warehouse.load(message, *(record(**row) for row in rows))
        return
    path = folder / f"rows.{form}"
    if form == "jsonl":
        path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    else:
        table = pa.Table.from_pylist(rows)
        if form == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(str(path), table.schema) as file:
                file.write_table(table)
    warehouse.load(
        message,
        {
            "type": "BATCH",
            "stream": "orders",
            "encoding": {"format": form},
            "manifest": [path.as_uri()],
        },
    )


@pytest.mark.parametrize(
    "settings",
    (
        {"stream_maps": {"orders": {"copy": "value"}}},
        {"stream_maps": {"orders": {"__filter__": "id > 0"}}},
        {"validate_records": True},
        {"load_method": "append-only"},
        {"add_record_metadata": True},
    ),
    ids=str,
)
def test_a_field_of_several_types_with(warehouse, settings):
    both = {"anyOf": [MOMENT, {"type": ["string", "null"]}]}
    ref = {"$ref": "#/definitions/both"}
    warehouse.load(
        schema(
            {
                "id": ID,
                "value": both,
                "ref": ref,
                "any": {"oneOf": [ID, NULL]},
            },
            definitions={"both": {"type": ["integer", "string"]}},
        ),
        record(id=1, value="2024-05-01T12:00:00Z", ref=1, any=1),
        record(id=2, value="", ref="a", any=None),
        **settings,
    )
    types = warehouse.types()
    assert (types["value"], types["ref"], types["any"]) == ("text", "text", "bigint")
    assert [(row["value"], row["ref"], row["any"]) for row in warehouse.rows()] == [
        ("2024-05-01T12:00:00Z", "1", 1),
        ("", "a", None),
    ]


def test_flattening_keeps_fields_of_several_types(warehouse):
    values = {
        "moment": ({"anyOf": [MOMENT, {"type": ["string", "null"]}]}, "", "text", ""),
        "count": ({"anyOf": [ID, NULL]}, 5, "bigint", 5),
        "later": ({"oneOf": [NULL, {"type": "number"}]}, 1.5, "numeric", Decimal("1.5")),
        "any": ({"type": ["integer", "string"]}, 5, "text", "5"),
        "flag": ({"anyOf": [{"type": "boolean"}, {"type": "number"}]}, True, "text", "true"),
        "data": ({"anyOf": [ID, {"type": "object"}]}, {"a": 1}, "text", '{"a":1}'),
        "tags": ({"anyOf": [{"type": "array"}, NULL]}, [1, "a"], "text", '[1,"a"]'),
        "ref": ({"$ref": "#/definitions/day"}, "2024-05-01", "date", date(2024, 5, 1)),
    }
    inner = {"type": "object", "properties": {name: one for name, (one, *_) in values.items()}}
    sent = {name: value for name, (_, value, _, _) in values.items()}
    warehouse.load(
        schema({"id": ID, "deep": inner} | inner["properties"], definitions={"day": DAY}),
        record(id=1, deep=sent, **sent),
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    types, (row,) = warehouse.types(), warehouse.rows()
    for name, (_, _, type_, loaded) in values.items():
        assert (types[name], types[f"deep__{name}"]) == (type_, type_), name
        assert (row[name], row[f"deep__{name}"]) == (loaded, loaded), name


@pytest.mark.parametrize("order", (1, -1))
def test_flattening_takes_an_object_or_null_apart_in_either_order(warehouse, order):
    inner = {"type": "object", "properties": {"a": {"anyOf": [ID, {"type": "string"}]}}}
    warehouse.load(
        schema({"id": ID, "data": {"anyOf": [inner, NULL][::order]}}),
        record(id=1, data={"a": 1}),
        record(id=2, data={"a": "x"}),
        record(id=3, data=None),
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    assert [row["data__a"] for row in warehouse.rows()] == ["1", "x", None]


def test_keys_of_several_types(warehouse):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, value text)")
    warehouse.sql("INSERT INTO orders VALUES (5, 'old')")
    stream = schema({"id": {"type": ["integer", "string"]}, "value": "string"})
    warehouse.load(stream, record(id=5, value="new"), record(id=6, value="a"))
    assert warehouse.types()["id"] == "bigint"
    warehouse.load(
        stream, record(id=6, value="b"), record(id="x-7", value="c"), record(id=6, value="d")
    )
    assert warehouse.key() == ["id"]
    assert warehouse.rows() == [
        {"id": "5", "value": "new"},
        {"id": "6", "value": "d"},
        {"id": "x-7", "value": "c"},
    ]


@pytest.mark.parametrize("quarantine", (True, False))
def test_a_value_that_no_branch_allows_changes_no_column(warehouse, quarantine):
    stream = schema({"id": ID, "value": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}})
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, value bigint)")
    messages = [
        stream,
        record(id=1, value={"a": 1}),
        record(id=2, value=2),
        record(id=3, value=1.5),
    ]
    if quarantine:
        warehouse.load(*messages, on_bad_record="quarantine")
        assert len(warehouse.rows("orders__rejected")) == 2
    else:
        with pytest.raises(BadRecordError, match="column 'value': expected an integer, got object"):
            warehouse.load(*messages)
    assert warehouse.types()["value"] == "bigint"
    assert warehouse.rows() == [{"id": 2, "value": 2}]


@pytest.mark.parametrize("batch", (1, 1000))
@pytest.mark.parametrize(
    ("before", "definition", "first", "second", "type_", "rows"),
    (
        ("bigint", {"type": ["integer", "string"]}, 5, "soon", "text", ["5", "soon"]),
        ("bigint", {"type": ["integer", "object"]}, 5, {"a": 1}, "jsonb", [5, {"a": 1}]),
        ("boolean", {"type": ["boolean", "array"]}, True, [1], "jsonb", [True, [1]]),
        (
            "bigint[]",
            {"type": "array", "items": {"type": "integer"}},
            [1, None],
            [2**70],
            "numeric[]",
            [[1, None], [2**70]],
        ),
        (
            "numeric(10,2)",
            {"type": "number"},
            1.5,
            1.234,
            "numeric",
            [Decimal("1.5"), Decimal("1.234")],
        ),
    ),
    ids=str,
)
def test_a_table_that_is_replaced(warehouse, batch, before, definition, first, second, type_, rows):
    warehouse.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, value {before})")
    warehouse.load(
        schema({"id": ID, "value": definition}),
        record(id=1, value=first),
        record(id=2, value=second),
        activate(1),
        state(at=1),
        load_method="overwrite",
        activate_version=True,
        add_record_metadata=True,
        batch_size_rows=batch,
    )
    assert warehouse.types()["value"] == type_
    assert [row["value"] for row in warehouse.rows()] == rows
