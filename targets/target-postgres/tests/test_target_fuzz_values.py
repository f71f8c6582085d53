"""Values of every type arrive as they were sent, line by line or in files."""

from __future__ import annotations

import json
import uuid
from datetime import date, datetime, time, timedelta, timezone

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import given
from hypothesis import strategies as st
from warehouse import schema

from signalroom_target_postgres.values.arrow_json import to_python as json_values

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


ZONED = (None, "UTC", "Europe/Berlin")
#: Values of Arrow's types, as numbers where Python has none.
ODD = st.one_of(
    st.tuples(st.just(pa.int64()), BIG),
    st.tuples(st.just(pa.uint64()), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(pa.float64()), st.floats()),
    st.tuples(st.just(pa.float16()), st.floats(width=16)),
    st.tuples(st.just(pa.bool_()), st.booleans()),
    st.tuples(st.just(pa.decimal128(38, 9)), DECIMAL),
    st.tuples(st.just(pa.decimal64(10, 2)), st.decimals(-(10**7), 10**7, places=2)),
    st.tuples(
        st.sampled_from([pa.timestamp(unit, zone) for unit in ("s", "us", "ns") for zone in ZONED]),
        BIG,
    ),
    st.tuples(st.sampled_from((pa.date32(), pa.time32("s"))), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.sampled_from((pa.time64("ns"), pa.duration("ns"))), BIG),
    st.tuples(st.just(pa.list_(pa.float64())), st.lists(st.none() | st.floats(), max_size=2)),
    st.tuples(st.just(pa.list_(pa.int64())), st.lists(st.none() | BIG, max_size=2)),
    st.tuples(st.just(pa.struct([("a", pa.float32())])), st.just({"a": 0.5})),
)


def array_of(type_, value):
    """An array of the value."""
    if pa.types.is_temporal(type_):
        width = pa.int32() if type_.bit_width == 32 else pa.int64()
        return pa.array([value], width).cast(type_)
    return pa.array([value], type_)


@profile(12)
@given(st.sampled_from(NAMES), ODD, st.sampled_from(NAMES), ODD)
def test_a_files_value_is_loaded_as_the_records_would_be_or_neither_is(
    warehouse, tmp_path, name, odd, other, second
):
    """Whatever is refused, whatever is beside it: it is set aside, and the good row is loaded."""
    columns = {name: array_of(*odd)} | {other: array_of(*second)}
    row = pa.table({"id": [1]} | columns)
    good = pa.table({"id": [2]})
    path = tmp_path / "rows.arrow"
    table = pa.concat_tables([row, good], promote_options="default")
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table)
    found = []
    for messages in (
        [{"type": "BATCH", "stream": "orders", "encoding": {"format": "arrow"}}],
        [line_of(row), line_of(good)],
    ):
        warehouse.sql("DROP TABLE IF EXISTS orders, orders__rejected")
        if isinstance(messages[0], dict):
            messages[0]["manifest"] = [path.as_uri()]
        warehouse.load(SCHEMA, *messages, on_bad_record="quarantine")
        rows = warehouse.sql("SELECT to_jsonb(orders)::text AS row FROM orders ORDER BY id")
        found.append([row["row"] for row in rows])
    assert '"id": 2' in found[0][-1]
    assert found[0] == found[1]


def line_of(row):
    """The RECORD message of a row; a value that JSON does not have is one that is bad there."""
    fields = [f'"{name}":{json_of(row.column(name))}' for name in row.column_names]
    return f'{{"type":"RECORD","stream":"orders","record":{{{",".join(fields)}}}}}'


def json_of(column):
    """A value's JSON."""
    try:
        return encode(json_values(column.combine_chunks())[0]).decode()
    except ValueError:
        return "NaN"


#: What taps have sent, valid or not.
ANY_TEXT = st.sampled_from(
    (
        *('""', '"\ufeff"', r'"\ud800"', r'"\u0000"', '"now"', '"0000-01-01"', '"2024-W18-3"'),
        *('"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"', '"2024-05-01t00:00z"'),
        *('"23:59:60"', '"24:00"', '"2024-05-01-05:00"', '"7d4448409dc011d1b2455ffdce74fad2"'),
        *("NaN", "-Infinity", "-0.0", "1e400", "1e200000", f"1e{10**20}", "9007199254740993.0"),
        *("9" * 5000, f'["a", -1e-{10**20}]'),
        *("true", "[NaN]", "[1.5, null]", '{"a": 1, "a": 2}', f"{'[' * 990}{']' * 990}"),
    )
) | JSON.map(lambda value: encode(value).decode())


@profile(25)
@given(
    st.dictionaries(st.sampled_from(NAMES), ANY_TEXT, min_size=2, max_size=5),
    st.sampled_from(({}, {"stream_maps": {"orders": {"id": "id"}}}, {"validate_records": True})),
)
def test_a_record_is_loaded_or_set_aside_whatever_is_in_it(warehouse, fields, settings):
    warehouse.sql("DROP TABLE IF EXISTS orders, orders__rejected")
    texts = ",".join(f'"{name}":{text}' for name, text in fields.items())
    lines = [
        f'{{"type":"RECORD","stream":"orders","record":{{"id":{number}{more}}}}}'
        for number, more in ((1, ""), (2, f",{texts}"), (3, ""))
    ]
    warehouse.load(SCHEMA, *lines, on_bad_record="quarantine", **settings)
    loaded = [row["id"] for row in warehouse.sql("SELECT id FROM orders ORDER BY id")]
    if loaded == [1, 3]:
        assert warehouse.sql("SELECT count(*) FROM orders__rejected") == [{"count": 1}]
    else:
        assert loaded == [1, 2, 3]
