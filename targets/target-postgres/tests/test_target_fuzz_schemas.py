"""What a schema calls valid is loaded as it was sent, into new tables and into existing ones."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker
from warehouse import record, schema

pytestmark = pytest.mark.timeout(TIMEOUT)

UUID_TEXT = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
#: Values that look like those of other types, and those that are at the types' ends.
VALUES = (
    *(0, 5, -1, 3.0, 2**15, 2**31, 2**53 + 1, 2**63, -(2**70), 1.5, 0.1, 1e22, -0.25),
    *(True, False, "", "a", "5", "007", "1.50", "true", "null", "{", "[1]", '{"a": 1}'),
    *("2024-05-01", "2024-05-01T12:00:00Z", "2024-05-01T12:00:00.25+02:00", "12:34:56", UUID_TEXT),
    *({}, {"a": 1}, {"a": ["b"]}, [], [1], [2**64], [1.5, None], ["a", None], [True], [{"a": 1}]),
    *([[1], []], ["a,", '"', "\\"]),
)
FORMATS = {
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"\d\d:\d\d:\d\d",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
CHECKER = FormatChecker(())
for name, pattern in FORMATS.items():
    CHECKER.checks(name)(
        lambda value, pattern=pattern: (
            not isinstance(value, str) or re.fullmatch(pattern, value) is not None
        )
    )
TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
DEFINITIONS = {
    "moment": {"type": "string", "format": "date-time"},
    "loop": {"anyOf": [{"type": "integer"}, {"$ref": "#/definitions/loop"}]},
    "maybe": {"oneOf": [{"type": "null"}, {"type": "object"}]},
}
LEAF = st.one_of(
    st.builds(lambda one: {"type": one}, st.sampled_from(TYPES)),
    st.builds(
        lambda some: {"type": some},
        st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
    ),
    st.builds(lambda form: {"type": "string", "format": form}, st.sampled_from([*FORMATS])),
    st.builds(
        lambda form: {"type": ["null", "string"], "format": form}, st.sampled_from([*FORMATS])
    ),
    st.just({"type": "integer", "minimum": 0, "maximum": 100}),
    st.just({}),
    st.booleans(),
    st.builds(lambda value: {"const": value}, st.sampled_from(VALUES)),
    st.builds(
        lambda some: {"enum": some}, st.lists(st.sampled_from(VALUES), min_size=1, max_size=3)
    ),
    st.builds(lambda one: {"$ref": f"#/definitions/{one}"}, st.sampled_from(("moment", "maybe"))),
)
SCHEMA = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds(lambda some: {"anyOf": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: {"oneOf": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: {"allOf": some}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(
            lambda types, some: {"type": types, "anyOf": some},
            st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
            st.lists(inner, min_size=1, max_size=2),
        ),
        st.builds(lambda items: {"type": ["array", "null"], "items": items}, inner),
    ),
    max_leaves=4,
)
COLUMNS = st.lists(SCHEMA, min_size=8, max_size=8)


def valid(definition):
    """Those of the values that a schema allows."""
    whole = {"definitions": DEFINITIONS, "allOf": [definition]}
    validator = Draft7Validator(whole, format_checker=CHECKER)
    return [value for value in VALUES if validator.is_valid(value)]


def is_there(value, found):
    """Whether a value is what a column has."""
    if isinstance(found, str) and not isinstance(value, str):
        result = json.loads(found) == value
    elif isinstance(found, list) and isinstance(value, list):
        result = len(found) == len(value) and all(map(is_there, value, found))
    elif isinstance(found, datetime):
        sent = datetime.fromisoformat(value)
        result = (sent if sent.tzinfo else sent.replace(tzinfo=UTC)) == found
    elif isinstance(found, (date, time, UUID)):
        result = str(found) == value
    elif isinstance(value, float) and isinstance(found, Decimal):
        result = Decimal(str(value)) == found
    else:
        # True is 1 to Python.
        result = value == found and isinstance(value, bool) == isinstance(found, bool)
    return result


def load(warehouse, columns, first):
    """Load all valid values of some columns' schemas."""
    values = {f"c{number}": valid(one) for number, one in enumerate(columns)}
    properties = {f"c{number}": one for number, one in enumerate(columns)}
    rows = [
        {name: some[number] for name, some in values.items() if number < len(some)}
        for number in range(max(map(len, values.values())))
    ]
    warehouse.load(
        schema({"id": {"type": "integer"}} | properties, definitions=DEFINITIONS),
        *(record(id=first + number, **row) for number, row in enumerate(rows)),
    )
    loaded = {row["id"]: row for row in warehouse.rows(order="id")}
    for number, row in enumerate(rows):
        for name, value in row.items():
            found = loaded[first + number][name]
            assert is_there(value, found), (properties[name], warehouse.types()[name], value, found)


@profile(12)
@given(COLUMNS, COLUMNS)
def test_what_a_schema_allows_is_loaded_as_it_was_sent(warehouse, before, after):
    warehouse.sql("DROP TABLE IF EXISTS orders")
    load(warehouse, before, 0)
    counts = {name: f"count({name}) AS {name}" for name in warehouse.types()}
    had = warehouse.sql(f"SELECT {', '.join(counts.values())} FROM orders")
    load(warehouse, after, 100)
    assert warehouse.sql(f"SELECT {', '.join(counts.values())} FROM orders WHERE id < 100") == had
