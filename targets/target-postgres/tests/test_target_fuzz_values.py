"""Values of every type arrive as they were sent, line by line or in files."""

from __future__ import annotations

import json
import uuid
from datetime import date, datetime, time, timedelta, timezone

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz.profiles import TIMEOUT, profile
from hypothesis import given
from hypothesis import strategies as st
from warehouse import schema

pytestmark = pytest.mark.timeout(TIMEOUT)

encode = msgspec.json.Encoder(decimal_format="number").encode
#: All that a text may have; half of a surrogate pair is none.
TEXT = st.text(
    st.sampled_from("\\\n\r\t\"'{},N.\0\u2028\U0001f600")
    | st.characters(exclude_categories=["Cs"]),
    max_size=8,
)
BIG = st.integers(-(2**63), 2**63 - 1)
DECIMAL = st.decimals(
    allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28
)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda one: timezone(timedelta(minutes=one)))
# A day from the calendar's ends: in UTC it may be another.
MOMENT = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)
JSON = st.recursive(
    st.none() | st.booleans() | BIG | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)


def maybe(type_, **more):
    """A nullable column."""
    return {"type": [type_, "null"], **more}


#: By name: what the schema says; what it holds; its type in a file of Arrow's.
COLUMNS = {
    "text": (maybe("string"), TEXT, pa.string()),
    "small": (maybe("integer", minimum=0, maximum=100), st.integers(0, 100), pa.int8()),
    "big": (maybe("integer"), BIG, pa.int64()),
    "number": (maybe("number"), DECIMAL, pa.decimal128(38, 9)),
    "float": (maybe("number"), st.floats(allow_nan=False, allow_infinity=False), pa.float64()),
    "boolean": (maybe("boolean"), st.booleans(), pa.bool_()),
    "moment": (maybe("string", format="date-time"), MOMENT, pa.timestamp("us", "UTC")),
    "day": (maybe("string", format="date"), st.dates(), pa.date32()),
    "clock": (maybe("string", format="time"), st.times(), pa.time64("us")),
    "uuid": (maybe("string", format="uuid"), st.uuids(), pa.string()),
    "object": (maybe("object"), OBJECT, pa.string()),
    "array": (maybe("array"), st.lists(JSON, max_size=3), pa.string()),
    "texts": (
        maybe("array", items={"type": "string"}),
        st.lists(st.none() | TEXT, max_size=3),
        pa.list_(pa.string()),
    ),
    "numbers": (
        maybe("array", items={"type": "integer"}),
        st.lists(BIG, max_size=3),
        pa.list_(pa.int64()),
    ),
    "any": ({}, TEXT, pa.string()),
}
NAMES = [*COLUMNS]
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, values, _) in COLUMNS.items()}),
    min_size=1,
    max_size=20,
)
SCHEMA = schema(
    {"id": {"type": "integer"}} | {name: said for name, (said, _, _) in COLUMNS.items()}
)


def stored(value):
    """A value as PostgreSQL has it: without the character NUL."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [stored(one) for one in value]
    if isinstance(value, dict):
        return {stored(name): stored(one) for name, one in value.items()}
    if isinstance(value, float):
        # Within JSON all numbers are decimal: large ones come back as integers.
        return pytest.approx(value, rel=1e-15)
    return value


def as_sent(value):
    """A value as a tap writes it."""
    return str(value) if isinstance(value, (uuid.UUID, date, time)) else value


def in_file(name, value):
    """A value as a file has it."""
    if name in {"object", "array"} and value is not None:
        return json.dumps(value)
    return str(value) if isinstance(value, uuid.UUID) else value


def expected(rows):
    """What is in the table then."""
    return [
        {"id": number} | {name: stored(value) for name, value in row.items()}
        for number, row in enumerate(rows)
    ]


def loaded(warehouse):
    """What is in the table."""
    rows = warehouse.rows(order="id")
    warehouse.sql("TRUNCATE orders")
    for row in rows:
        if row["float"] is not None:
            row["float"] = float(row["float"])
    return rows


@profile(12)
@given(ROWS)
def test_any_value_comes_back_from_records(warehouse, rows):
    lines = [
        encode(
            {
                "type": "RECORD",
                "stream": "orders",
                "record": {"id": number} | {name: as_sent(row[name]) for name in row},
            }
        ).decode()
        for number, row in enumerate(rows)
    ]
    warehouse.load(SCHEMA, *lines)
    assert loaded(warehouse) == expected(rows)


@profile(12)
@given(ROWS, st.sampled_from(("arrow", "parquet")))
def test_any_value_comes_back_from_files(warehouse, tmp_path, rows, form):
    fields = [("id", pa.int64()), *[(name, kind) for name, (_, _, kind) in COLUMNS.items()]]
    columns = [pa.array(range(len(rows)), pa.int64())]
    columns += [
        pa.array([in_file(name, row[name]) for row in rows], kind)
        for name, (_, _, kind) in COLUMNS.items()
    ]
    table = pa.table(columns, schema=pa.schema(fields))
    path = tmp_path / f"rows.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as file:
            file.write_table(table)
    batch = {
        "type": "BATCH",
        "stream": "orders",
        "encoding": {"format": form},
        "manifest": [path.as_uri()],
    }
    warehouse.load(SCHEMA, batch)
    assert loaded(warehouse) == expected(rows)
