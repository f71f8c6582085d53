"""Arrays whose items change: the column's type follows, and keeps what is in it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from warehouse import record, schema

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.rows.json_types import JsonTypes
from signalroom_target_postgres.values.array_literals import integer_element
from signalroom_target_postgres.values.schema_types import DeclaredType

ID = {"type": "integer"}
#: By the items' type: the column's, what it has, and how jsonb has that.
ITEMS = {
    "integer": ("bigint[]", [1, None, -(2**62)], None),
    "number": ("numeric[]", [Decimal("1.5"), None], [1.5, None]),
    "boolean": ("boolean[]", [True, None, False], None),
    "string": ("text[]", ["a", None, 'b"\\,{}', "", "NULL"], None),
    "object": ("jsonb[]", [{"a": [1, "b"]}, None, {}], None),
}


def items(type_):
    """A column of arrays."""
    return {"type": ["array", "null"], "items": {"type": type_}}


def as_text(value):
    """An item as a column of texts has it."""
    return value if value is None or isinstance(value, str) else str(value).lower()


def together(before, after):
    """The type of a column that was made for one and holds the other too."""
    if before == "string":
        return "text[]"
    if "object" in {before, after}:
        return "jsonb[]"
    return "numeric[]" if {before, after} == {"integer", "number"} else "text[]"


def loaded(kind, type_):
    """What was loaded, as a column of a type gives it back."""
    _, value, as_json = ITEMS[kind]
    if type_ == "text[]":
        return [*map(as_text, value)]
    return as_json if as_json and type_ == "jsonb[]" else value


@pytest.mark.parametrize("filled", (True, False), ids=("filled", "empty"))
@pytest.mark.parametrize("before", ITEMS)
def test_a_column_of_arrays_follows_its_items(warehouse, caplog, before, filled):
    names = [name for name in ITEMS if name != before]
    value = ITEMS[before][1]
    rows = [value, [], None, [None]] if filled else []
    line = lambda number, one: record(id=number, **dict.fromkeys(names, as_sent(one)))  # noqa: E731
    warehouse.load(
        schema({"id": ID} | dict.fromkeys(names, items(before))),
        *(line(number, one) for number, one in enumerate(rows)),
    )
    warehouse.load(
        schema({"id": ID} | {name: items(name) for name in names}),
        record(id=9, **{name: as_sent(ITEMS[name][1]) for name in names}),
    )
    types = warehouse.types()
    for name in names:
        type_ = together(before, name)
        assert types[name] == type_, name
        found = [row[name] for row in warehouse.rows()]
        if name == "object" and type_ == "text[]":
            assert found.pop()[0] == '{"a": [1, "b"]}'
        else:
            assert found.pop() == loaded(name, type_), name
        assert found == ([loaded(before, type_), [], None, [None]] if filled else [])
        changes = type_ != ITEMS[before][0]
        said = f"Column {name} of {warehouse.name}.orders becomes {type_} (was {ITEMS[before][0]})"
        assert (said in caplog.text) == changes


def as_sent(value):
    """A value that JSON has."""
    return value and [float(one) if isinstance(one, Decimal) else one for one in value]


@pytest.mark.parametrize(
    ("type_", "held", "definition", "value", "wider", "rows"),
    (
        ("bigint[]", "{1,NULL}", items("integer"), [2**63], "numeric[]", [[1, None], [2**63]]),
        ("integer[]", "{1}", items("integer"), [2**31, None], "bigint[]", [[1], [2**31, None]]),
        ("smallint[]", "{1}", items("integer"), [2**70], "numeric[]", [[1], [2**70]]),
        (
            "numeric(10,2)[]",
            "{1.5}",
            items("number"),
            [1.5, 1.2345],
            "numeric[]",
            [[Decimal("1.50")], [Decimal("1.5"), Decimal("1.2345")]],
        ),
        (
            "real[]",
            "{0.1,NULL}",
            items("number"),
            [0.123456789],
            "numeric[]",
            [[Decimal("0.1"), None], [Decimal("0.123456789")]],
        ),
        (
            "double precision[]",
            "{0.30000000000000004}",
            items("integer"),
            [2**53 + 1],
            "numeric[]",
            [[Decimal("0.30000000000000004")], [2**53 + 1]],
        ),
        ("varchar(2)[]", '{"a,"}', items("string"), ['"a"'], "text[]", [["a,"], ['"a"']]),
        ("bigint[]", "{{1,2},{3,4}}", items("object"), [{}], "jsonb[]", [[[1, 2], [3, 4]], [{}]]),
        ("bigint[]", "{1}", {"type": "object"}, {"a": 1}, "jsonb", [[1], {"a": 1}]),
        ("bigint[]", "{1}", {"type": "array"}, [1, "a"], "jsonb", [[1], [1, "a"]]),
        ("bigint[]", "{1}", items("array"), [[1], []], "jsonb[]", [[1], [[1], []]]),
        ("bigint", "1", items("integer"), [2, None], "jsonb", [1, [2, None]]),
        ("text[]", "{a}", items("array"), [["b"]], "text[]", [["a"], ['["b"]']]),
        (
            "date[]",
            "{2024-05-01}",
            items("string"),
            ["soon"],
            "text[]",
            [["2024-05-01"], ["soon"]],
        ),
    ),
    ids=str,
)
def test_a_column_of_arrays_becomes_wider(
    warehouse, caplog, type_, held, definition, value, wider, rows
):
    warehouse.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, value {type_})")
    warehouse.sql(f"INSERT INTO orders VALUES (1, '{held}')")
    warehouse.load(schema({"id": ID, "value": definition}), record(id=2, value=value))
    assert warehouse.types()["value"] == wider
    assert [row["value"] for row in warehouse.rows()] == rows
    assert ("becomes" in caplog.text) == (wider != type_)


@pytest.mark.parametrize("keys", (("id",), ()), ids=("keyed", "keyless"))
def test_arrays_that_hold_what_comes_stay(warehouse, caplog, keys):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, value smallint[], text text)")
    stream = schema({"id": ID, "value": items("integer"), "text": items("integer")}, keys)
    warehouse.load(stream, record(id=1, value=[32767, 3.0, None], text=[1]))
    assert warehouse.types()["value"] == "smallint[]"
    assert warehouse.rows() == [{"id": 1, "value": [32767, 3, None], "text": "[1]"}]
    assert "becomes" not in caplog.text


def test_a_view_that_depends_on_arrays_is_named(warehouse):
    warehouse.load(schema({"id": ID, "tags": items("integer")}), record(id=1, tags=[1]))
    warehouse.sql("CREATE VIEW first AS SELECT tags[1] FROM orders")
    objects = schema({"id": ID, "tags": items("object")})
    with pytest.raises(LoadError, match=r"'tags' of .*has to become jsonb\[\].*view .*first"):
        warehouse.load(objects, record(id=2, tags=[{"a": 1}]))
    warehouse.load(
        objects,
        record(id=2, tags=[{"a": 1}]),
        record(id=3, tags=[]),
        on_bad_record="quarantine",
    )
    assert [row["id"] for row in warehouse.rows()] == [1, 3]
    (row,) = warehouse.sql("SELECT reason FROM orders__rejected")
    assert "expected an array of integers" in row["reason"]
    assert "first" in row["reason"]


def test_a_large_integer_in_an_array_under_a_view(warehouse):
    warehouse.load(schema({"id": ID, "tags": items("integer")}), record(id=1, tags=[1]))
    warehouse.sql("CREATE VIEW first AS SELECT tags[1] FROM orders")
    warehouse.load(
        schema({"id": ID, "tags": items("integer")}),
        *(record(id=number, tags=[number]) for number in range(2, 300)),
        record(id=300, tags=[2**70]),
        on_bad_record="quarantine",
    )
    assert len(warehouse.rows()) == 299
    (row,) = warehouse.sql("SELECT reason FROM orders__rejected")
    assert "a value that bigint[] holds exactly" in row["reason"]


def test_nul_within_arrays_of_objects_is_replaced_as_elsewhere(warehouse):
    stream = schema({"id": ID, "value": {"type": "array", "items": {"type": "object"}}})
    text = r'[{"a":"x\u0000"},{"b":"\\u0000"},{"c":"\\\u0000"}]'
    warehouse.load(
        stream, f'{{"type":"RECORD","stream":"orders","record":{{"id":1,"value":{text}}}}}'
    )
    (row,) = warehouse.rows()
    assert row["value"] == [{"a": "x\ufffd"}, {"b": r"\u0000"}, {"c": "\\\ufffd"}]


def test_an_integer_of_more_digits_than_numeric_has():
    with pytest.raises(ValueError, match="expected an integer, got one out of range"):
        integer_element(b"1e200000")


@pytest.mark.parametrize(("type_", "elements"), (("bigint[]", "integer"), ("text[]", "")))
def test_which_elements_are_checked(type_, elements):
    """A text of an array is anything: what is no text is written as JSON."""
    declared = DeclaredType(frozenset({("array", type_)}), nullable=False)
    assert JsonTypes.of(declared) == JsonTypes(frozenset({"array"}), elements)
