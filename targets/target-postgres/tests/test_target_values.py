"""Values of all kinds: loaded exactly, or set aside; from records and from files alike."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warehouse import record, schema, state

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.values.timestamps import (
    to_times,
    to_times_with_zone,
    to_timestamps,
)
from signalroom_target_postgres.warehouse.rejected import BadRecordError

ID = {"type": "integer"}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
DAY = {"type": ["string", "null"], "format": "date"}
CLOCK = {"type": ["string", "null"], "format": "time"}
UNIQUE = {"type": ["string", "null"], "format": "uuid"}


def items(type_):
    """An array's schema."""
    return {"type": ["array", "null"], "items": {"type": type_}}


#: How records get into the table.
WAYS = {
    "records": {},
    "mapped": {"stream_maps": {"orders": {"id": "id"}}},
    "validated": {"validate_records": True},
    "files": {},
    "mapped files": {"stream_maps": {"orders": {"id": "id"}}},
}


@pytest.fixture(params=WAYS)
def load(request, warehouse, tmp_path):
    """Loads the texts of records, one way or the other."""

    def loaded(properties, *texts, **settings):
        stream = schema({"id": ID} | properties)
        messages = [
            f'{{"type":"RECORD","stream":"orders","record":{text}}}'
            for text in texts
            if "files" not in request.param
        ]
        if "files" in request.param:
            path = tmp_path / "rows.jsonl"
            path.write_text("".join(f"{text}\n" for text in texts))
            messages = [batch(path, "jsonl")]
        return warehouse.load(stream, *messages, **WAYS[request.param], **settings)

    return loaded


def batch(path, form="arrow"):
    """A BATCH message of one file."""
    encoding = {"format": form}
    return {"type": "BATCH", "stream": "orders", "encoding": encoding, "manifest": [path.as_uri()]}


def arrow(path, table):
    """Write an Arrow file; its message."""
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table)
    return batch(path)


def raw(text):
    """The RECORD message of a record's JSON."""
    return f'{{"type":"RECORD","stream":"orders","record":{text}}}'


def texts_of(warehouse, names, table="orders"):
    """Values as PostgreSQL writes them; by row, without nulls."""
    columns = ", ".join(f'"{name}"::text' for name in names)
    rows = warehouse.sql(f'SELECT id, {columns} FROM "{table}" ORDER BY id')
    return [{name: row[name] for name in names if row[name] is not None} for row in rows]


def rejected(warehouse):
    """What was set aside: reasons and records, in the order of ids."""
    rows = warehouse.sql("SELECT reason, record FROM orders__rejected")
    return sorted(
        ((row["record"]["id"], row["reason"]) for row in rows), key=lambda one: str(one[0])
    )


DIGITS = "1.005000000000000000123"
#: What a schema says, a value as a tap writes it, and as PostgreSQL does.
EXACT = (
    ("number", DIGITS, DIGITS),
    ("number", "1E+2", "100"),
    ("number", "-0", "0"),
    ("number", "1e400", f"1{'0' * 400}"),
    ("integer", "9007199254740993.0", "9007199254740993"),
    ("integer", "1E+2", "100"),
    ("integer", "-0.0", "0"),
    ("object", f'{{"a": [{DIGITS}, {{"b": 9007199254740993.0}}]}}', None),
    ("array", f"[{DIGITS}]", None),
    (items("number"), f"[{DIGITS}, 1E+2]", f"{{{DIGITS},100}}"),
    (items("integer"), "[9007199254740993.0, 3.0]", "{9007199254740993,3}"),
    (items("object"), f'[{{"a": {DIGITS}}}]', f'{{"{{\\"a\\": {DIGITS}}}"}}'),
    (items("array"), f"[[{DIGITS}]]", f"{{[{DIGITS}]}}"),
    (MOMENT, '"2024-05-01t12:00:00z"', "2024-05-01 12:00:00+00"),
    (MOMENT, '"2024-05-01T12:00:00.1234569+02:00"', "2024-05-01 10:00:00.123456+00"),
    (MOMENT, '"1969-12-31T23:59:59.9999999Z"', "1969-12-31 23:59:59.999999+00"),
    (MOMENT, '"0001-01-01T00:00:00Z"', "0001-01-01 00:00:00+00"),
    (MOMENT, '"9999-12-31T23:59:59-05:00"', "10000-01-01 04:59:59+00"),
    (MOMENT, '"2024-05-01T12:00:00+23:59"', "2024-04-30 12:01:00+00"),
    (MOMENT, '"2024-05-01 12:00:00.5"', "2024-05-01 12:00:00.5+00"),
    (MOMENT, '"20240501T120000Z"', "2024-05-01 12:00:00+00"),
    (DAY, '"2024-W18-3"', "2024-05-01"),
    (DAY, '"2024-05-01T00:00:00Z"', "2024-05-01"),
    (CLOCK, '"12:30z"', "12:30:00"),
    (CLOCK, '"00:30:00+02:00"', "22:30:00"),
    (CLOCK, '"23:59:59.9999999"', "23:59:59.999999"),
)


def test_every_digit_arrives(load, warehouse):
    names = [f"c{number}" for number in range(len(EXACT))]
    properties = {name: said for name, (said, _, _) in zip(names, EXACT, strict=True)}
    fields = [f'"{name}": {text}' for name, (_, text, _) in zip(names, EXACT, strict=True)]
    load(properties, f'{{"id": 1, {", ".join(fields)}}}')
    expected = {
        name: text if stored is None else stored
        for name, (_, text, stored) in zip(names, EXACT, strict=True)
    }
    assert texts_of(warehouse, names) == [expected]


def test_keys_that_differ_in_the_last_digit_stay_two(load, warehouse):
    load({"id": ID}, '{"id": 9007199254740992.0}', '{"id": 9007199254740993.0}')
    assert [row["id"] for row in warehouse.rows()] == [9007199254740992, 9007199254740993]


#: What a schema says, and values that are not such.
REFUSED = {
    "integer": ("1.5", "1.0000000000000000000001", "1e400", '"5"', "true", "9" * 5000),
    "number": ('"5"', "NaN", "-Infinity", '"NaN"', "1e200000"),
    "boolean": ("1", '"true"'),
    "string": ("5", r'"\ud800"'),
    "object": ('{"a": 1e200000}', r'{"a": "\ud800"}', f"{'[' * 20_000}{']' * 20_000}"),
    "moment": (
        '""',
        '"0000-01-01T00:00:00Z"',
        '"0001-01-01T00:00:00+01:00"',
        '"2024-05-01T23:59:60Z"',
        '"2024-05-01T24:00:00Z"',
        '"2024-05-01T12:00:00+24:00"',
        '"2024-05-01T12:00:00+02:99"',
        '"2024-05-01+02:00"',
        '"2024-05-01-05:00"',
        '"2024-05-01x12:00:00"',
        '"2024-02-30T00:00:00Z"',
        '"10000-01-01T00:00:00Z"',
        '"now"',
        "1714564800",
    ),
    "day": ('""', '"0000-01-01"', '"2024-123"', '"2024-05-01T00:00:01Z"', '"today"', "20240501"),
    "clock": ('""', '"24:00:00"', '"12:00:60"', '"12"', '"noon"'),
    "uuid": ('""', '"{7d444840-9dc0-11d1-b245-5ffdce74fad2"'),
    "integers": ("[1.5]", '["5"]', "[true]", '{"a": 1}', "5"),
    "booleans": ("[1]", '["yes"]'),
}
DECLARED = {
    "moment": MOMENT,
    "day": DAY,
    "clock": CLOCK,
    "uuid": UNIQUE,
    "integers": items("integer"),
    "booleans": items("boolean"),
}


def test_what_does_not_fit_is_set_aside_and_the_others_are_loaded(load, warehouse):
    properties = {name: DECLARED.get(name, name) for name in REFUSED}
    values = [(name, value) for name, found in REFUSED.items() for value in found]
    # Past 9999 in UTC, which Python's dates are not: it must not hinder that others are described.
    late = '"late": "9999-12-31T23:59:59-01:00"'
    texts = [
        f'{{"id": {number}, {late}, "{name}": {value}}}'
        for number, (name, value) in enumerate(values)
    ]
    good = [f'{{"id": {number}, {late}}}' for number in (-1, len(texts))]
    load(
        properties | {"late": MOMENT},
        *(good[0], *texts, good[1]),
        on_bad_record="quarantine",
    )
    assert [row["id"] for row in warehouse.sql("SELECT id FROM orders ORDER BY id")] == [
        -1,
        len(texts),
    ]
    rows = warehouse.sql("SELECT reason, jsonb_typeof(record) AS kept FROM orders__rejected")
    assert len(rows) == len(texts)
    for row in rows:
        # All but the one that is too deep are kept as they are.
        assert row["kept"] == "object" or "nested too deeply" in row["reason"]


def test_a_record_that_is_set_aside_keeps_every_digit(load, warehouse):
    load(
        {"total": "number", "more": "object"},
        f'{{"id": 1, "total": "x", "more": {{"a": {DIGITS}, "b": 9007199254740993.0}}}}',
        f'{{"id": 2, "total": NaN, "more": {{"a": {DIGITS}}}}}',
        on_bad_record="quarantine",
    )
    rows = warehouse.sql("SELECT record::text AS text FROM orders__rejected ORDER BY text")
    kept = [row["text"] for row in rows]
    assert all(f'"a": {DIGITS}' in text for text in kept)
    assert "9007199254740993.0" in kept[0]
    assert '"total": "NaN"' in kept[1]


@pytest.mark.parametrize("said", (MOMENT, CLOCK))
def test_a_key_is_never_cut(warehouse, said):
    """What PostgreSQL has no digits for makes two keys one."""
    stream = schema({"at": dict(said, type="string")}, keys=("at",))
    day = "2024-05-01T" if said is MOMENT else ""
    exact = [record(at=f"{day}12:00:00.12345{digits}") for digits in ("6", "7000")]
    with pytest.raises(BadRecordError, match="at most 6 digits of a second in a key, got more"):
        warehouse.load(stream, *exact, record(at=f"{day}12:00:00.1234567"))
    assert len(warehouse.rows()) == 2


def test_times_keep_their_zone_where_the_column_does(warehouse, direct):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, at time with time zone)")
    warehouse.load(
        schema({"id": ID, "at": CLOCK}),
        record(id=1, at="12:00:00.1234569+02:00"),
        record(id=2, at="12:00"),
        sqlalchemy_url=f"{direct}&options=-c timezone%3DAmerica/New_York",
    )
    assert texts_of(warehouse, ["at"]) == [{"at": "12:00:00.123456+02"}, {"at": "12:00:00+00"}]


SECRET = "jane-secret@example.com"


def test_no_message_quotes_a_value(warehouse, caplog, tmp_path):
    """Keys are values too, and those of people in many streams."""
    warehouse.sql(
        "CREATE TABLE orders (email text PRIMARY KEY, n bigint, name varchar(3), x numeric"
        " CHECK (x < 9), day date)"
    )
    properties = {
        "email": {"type": "string"},
        "n": "integer",
        "name": "string",
        "x": "number",
        "day": DAY,
        "more": "object",
    }
    stream = schema(properties, keys=("email",))
    bad = (
        {"n": SECRET},
        {"x": SECRET},
        {"x": 10},
        {"day": SECRET},
        {"more": {SECRET: {"a": SECRET}}, "n": 1.5},
    )
    path = tmp_path / "a.arrow"
    file = arrow(path, pa.table({"email": [SECRET], "n": [SECRET]}))
    said = []
    for fields in bad:
        message = record(email=SECRET, **fields)
        with pytest.raises(BadRecordError) as failed:
            warehouse.load(stream, message)
        said.append(str(failed.value))
        warehouse.load(stream, message, on_bad_record="quarantine")
    with pytest.raises(BadRecordError) as failed:
        warehouse.load(stream, file)
    said.append(str(failed.value))
    maps = {"orders": {"n": "int(name)"}}
    with pytest.raises(InputError) as failed:
        warehouse.load(stream, record(email=SECRET, name=SECRET), stream_maps=maps)
    said.append(str(failed.value))
    strict = schema(
        properties | {"more": {"type": "object", "additionalProperties": {"type": "integer"}}},
        keys=("email",),
    )
    with pytest.raises(BadRecordError, match=r"at \$.more it breaks the schema's `type`") as failed:
        warehouse.load(strict, record(email=SECRET, more={SECRET: SECRET}), validate_records=True)
    said.append(str(failed.value))
    reasons = [row["reason"] for row in warehouse.sql("SELECT reason FROM orders__rejected")]
    for text in (*said, *reasons, caplog.text):
        assert "secret" not in text
    assert all("orders" in text for text in said)


def test_a_record_is_found_by_the_hash_that_the_error_names(warehouse):
    stream = schema({"id": ID, "total": "number"})
    with pytest.raises(BadRecordError, match="record_hash that begins with ") as failed:
        warehouse.load(stream, record(id=7, total="x"))
    begin = str(failed.value).partition("begins with ")[2][:12]
    warehouse.load(stream, record(id=7, total="x"), on_bad_record="quarantine")
    (row,) = warehouse.sql("SELECT record_hash, record FROM orders__rejected")
    assert row["record_hash"].startswith(begin)
    assert row["record"] == {"id": 7, "total": "x"}


def test_validation_is_of_the_numbers_that_were_written(warehouse):
    cents = {"type": "number", "multipleOf": 0.01}
    stream = schema({"id": ID, "total": cents, "count": "integer"})
    states = warehouse.load(
        stream,
        record(id=1, total=0.07, count=3.0),
        record(id=2, total=0.071),
        state(at=1),
        validate_records=True,
        on_bad_record="quarantine",
    )
    assert states == [{"at": 1}]
    assert texts_of(warehouse, ["total", "count"]) == [{"total": "0.07", "count": "3"}]
    assert rejected(warehouse) == [(2, "at $.total it breaks the schema's `multipleOf`: 0.01")]


def test_validation_is_of_what_a_map_makes(warehouse):
    halves = {"orders": {"count": "count / 2"}}
    warehouse.load(
        schema({"id": ID, "count": "integer"}),
        *(record(id=1, count=6), record(id=2, count=7)),
        stream_maps=halves,
        validate_records=True,
        on_bad_record="quarantine",
    )
    assert [(row["id"], row["count"]) for row in warehouse.rows()] == [(1, 3)]
    assert [number for number, _ in rejected(warehouse)] == [2]


def test_numbers_of_any_length_are_validated(warehouse):
    total = {"type": ["number", "null"], "multipleOf": 0.01}
    stream = schema({"id": ID, "total": total})
    texts = (
        "123456789012345678901234567890.12",
        f"{'9' * 30}.123",
        "1e1000",
        "1e-1000",
        "1e300000",
        "null",
    )
    warehouse.load(
        stream,
        *(raw(f'{{"id":{number},"total":{text}}}') for number, text in enumerate(texts)),
        validate_records=True,
        on_bad_record="quarantine",
    )
    assert [row["id"] for row in warehouse.rows()] == [0, 2, 5]
    assert [number for number, _ in rejected(warehouse)] == [1, 3, 4]


def test_a_number_that_python_cannot_count_is_a_bad_record(warehouse):
    huge = raw(f'{{"id":2,"total":"x","more":1e{10**20}}}')
    for maps in ({}, {"stream_maps": {"orders": {"id": "id"}}}):
        warehouse.load(
            schema({"id": ID, "total": "number"}), huge, on_bad_record="quarantine", **maps
        )
    found = warehouse.sql("SELECT record, times FROM orders__rejected")
    assert found == [{"record": {"id": 2, "total": "x", "more": f"1e{10**20}"}, "times": 2}]


def test_a_number_that_a_map_makes_and_json_does_not_have(warehouse):
    maps = {"orders": {"id": "id", "total": "float(total)"}}
    stream = schema({"id": ID, "total": "string"})
    warehouse.load(stream, record(id=1, total="inf"), stream_maps=maps, on_bad_record="quarantine")
    reason = "column 'total': expected a number, got NaN or an infinity, from the stream map's "
    assert rejected(warehouse) == [(1, f"{reason}expression `float(total)`")]


# Files: a column of each of Arrow's types into a column of each of ours.

FAMILIES = {
    "text": "string",
    "any": {},
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "moment": MOMENT,
    "day": DAY,
    "clock": CLOCK,
    "uuid": UNIQUE,
    "object": "object",
    "texts": items("string"),
    "numbers": items("number"),
}
UID = UUID("7d444840-9dc0-11d1-b245-5ffdce74fad2")
AT = datetime(2024, 5, 1, 12, 0, 0, 123456)
MIDNIGHT = datetime(2024, 5, 1)
NANOSECONDS = 1714564800123456789


def same(text, *families):
    """The same text in each."""
    return dict.fromkeys(families, text)


def moment(text, **more):
    """What becomes of a moment; JSON has a text."""
    return same(text, "text", "any") | {"object": f'"{text}"'} | more


TEXT = same("x", "text", "any")
CASES = {
    "bool": (pa.array([True]), same("true", "any", "boolean", "object")),
    "int8": (pa.array([5], pa.int8()), same("5", "any", "integer", "number", "object")),
    "uint64": (
        pa.array([2**63], pa.uint64()),
        same(str(2**63), "any", "integer", "number", "object"),
    ),
    "half": (pa.array([1.5], pa.float16()), same("1.5", "any", "number", "object")),
    "whole double": (
        pa.array([3.0]),
        {"any": "3.0", "integer": "3", "number": "3", "object": "3.0"},
    ),
    "huge double": (
        pa.array([1e19]),
        same(str(10**19), "integer", "number", "object") | {"any": "1e19"},
    ),
    "nan": (pa.array([float("nan")]), {}),
    "infinity": (pa.array([float("inf")]), {}),
    "decimal": (pa.array([Decimal("1.10")]), same("1.10", "any", "number", "object")),
    "decimal256": (
        pa.array([Decimal("1.10")], pa.decimal256(60, 2)),
        same("1.10", "any", "number", "object"),
    ),
    "whole decimal": (
        pa.array([Decimal("5.00")]),
        same("5.00", "any", "number", "object") | {"integer": "5"},
    ),
    "large text": (pa.array(["x"], pa.large_string()), TEXT),
    "dictionary": (pa.array(["x"]).dictionary_encode(), TEXT),
    "bytes": (pa.array([b"x"]), TEXT),
    "bytes that are no text": (pa.array([b"\xff"]), {}),
    "16 bytes": (pa.array([UID.bytes], pa.binary(16)), {"uuid": str(UID)}),
    "uuid": (pa.array([UID.bytes], pa.uuid()), same(str(UID), "text", "any", "uuid")),
    "json": (
        pa.array(['{"a": 1.50}'], pa.json_()),
        same('{"a": 1.50}', "text", "any", "object"),
    ),
    "seconds": (
        pa.array([MIDNIGHT], pa.timestamp("s")),
        moment("2024-05-01T00:00:00", moment="2024-05-01 00:00:00+00", day="2024-05-01"),
    ),
    "another zone": (
        pa.array([AT], pa.timestamp("us", "Europe/Berlin")),
        moment("2024-05-01T12:00:00.123456Z", moment="2024-05-01 12:00:00.123456+00"),
    ),
    "nanoseconds": (
        pa.array([NANOSECONDS], pa.timestamp("ns", "UTC")),
        moment("2024-05-01T12:00:00.123456789Z", moment="2024-05-01 12:00:00.123456+00"),
    ),
    "before 1970": (
        pa.array([-1], pa.timestamp("ns")),
        moment("1969-12-31T23:59:59.999999999", moment="1969-12-31 23:59:59.999999+00"),
    ),
    "before 1": (pa.array([-62135596800000001], pa.timestamp("us")), {}),
    "year 148108": (pa.array([2**62], pa.timestamp("us")), {}),
    "year 36 billion": (pa.array([2**60], pa.timestamp("s")), {}),
    "date32": (
        pa.array([date(2024, 5, 1)]),
        moment("2024-05-01", moment="2024-05-01 00:00:00+00", day="2024-05-01"),
    ),
    "date64": (
        pa.array([date(2024, 5, 1)], pa.date64()),
        moment("2024-05-01", moment="2024-05-01 00:00:00+00", day="2024-05-01"),
    ),
    "a day far off": (pa.array([3_000_000], pa.int32()).cast(pa.date32()), {}),
    "time": (pa.array([time(12, 30)], pa.time32("s")), moment("12:30:00", clock="12:30:00")),
    "time in nanoseconds": (
        pa.array([43_200_000_000_001], pa.time64("ns")),
        moment("12:00:00.000000001", clock="12:00:00"),
    ),
    "duration": (pa.array([timedelta(seconds=1.5)], pa.duration("ms")), moment("PT1.500S")),
    "interval": (pa.array([pa.MonthDayNano([1, 2, 3])]), {}),
    "list": (
        pa.array([["a", None]]),
        {"any": '["a",null]', "object": '["a", null]', "texts": "{a,NULL}"},
    ),
    "large list": (
        pa.array([["a"]], pa.large_list(pa.string())),
        {"any": '["a"]', "object": '["a"]', "texts": "{a}"},
    ),
    "list of fixed size": (
        pa.array([[1, 2]], pa.list_(pa.int8(), 2)),
        {"any": "[1,2]", "object": "[1, 2]", "texts": "{1,2}", "numbers": "{1,2}"},
    ),
    "list of decimals": (
        pa.array([[Decimal("1.10")]]),
        same("[1.10]", "any", "object") | same("{1.10}", "texts", "numbers"),
    ),
    "list of NaN": (pa.array([[float("nan")]]), {}),
    "struct": (
        pa.array([{"a": Decimal("1.10"), "at": AT}]),
        {
            "any": '{"a":1.10,"at":"2024-05-01T12:00:00.123456"}',
            "object": '{"a": 1.10, "at": "2024-05-01T12:00:00.123456"}',
        },
    ),
    "map": (
        pa.array([[("k", Decimal("1.50"))]], pa.map_(pa.string(), pa.decimal128(3, 2))),
        {"any": '{"k":1.50}', "object": '{"k": 1.50}'},
    ),
    "map with a key twice": (pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int8())), {}),
    "null": (pa.nulls(1), {}),
    "text of a number": (pa.array(["12.50"]), same("12.50", "text", "any", "object")),
    "text of an integer": (pa.array(["12"]), same("12", "text", "any", "object")),
    "no text": (pa.array([""]), same("", "text", "any")),
}


@pytest.mark.parametrize("case", CASES)
def test_a_files_column_of_any_type(warehouse, tmp_path, case):
    """It is what a record's value would be, or refused: never read as something else."""
    array, expected = CASES[case]
    places = range(len(FAMILIES))
    columns = [
        array.take(pa.array([0 if row == place else None for row in places], pa.int64()))
        for place in places
    ]
    table = pa.table(dict(zip(("id", *FAMILIES), (pa.array(places), *columns), strict=True)))
    warehouse.load(
        schema({"id": ID} | FAMILIES),
        arrow(tmp_path / "a.arrow", table),
        on_bad_record="quarantine",
    )
    loaded = {name: value for row in texts_of(warehouse, FAMILIES) for name, value in row.items()}
    assert loaded == expected
    if array.null_count:
        assert len(warehouse.rows()) == len(FAMILIES)
        return
    found = warehouse.sql("SELECT reason, record FROM orders__rejected")
    others = [row["record"]["id"] for row in found]
    assert sorted(others) == [place for place, name in enumerate(FAMILIES) if name not in expected]


def test_rows_of_parquet_through_a_map_are_as_records(warehouse, tmp_path):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, raw bytea)")
    table = pa.table(
        {
            "id": [1, 2, 3],
            "total": [1.5, float("nan"), 2.5],
            "at": pa.array([NANOSECONDS] * 3, pa.timestamp("ns")),
            "raw": [b"\xff", b"a", b"b"],
            "name": [b"a", b"b", b"\xff"],
            "more": [{"a": Decimal("1.10")}] * 3,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    properties = {"total": "number", "at": MOMENT, "raw": "string", "name": "string"}
    warehouse.load(
        schema({"id": ID, "more": "object"} | properties),
        batch(tmp_path / "a.parquet", "parquet"),
        stream_maps={"orders": {"at": "at[:10]"}},
        on_bad_record="quarantine",
    )
    (row,) = texts_of(warehouse, ["total", "at", "raw", "name", "more"])
    assert row["more"] == '{"a": 1.10}'
    assert (row["total"], row["raw"], row["name"]) == ("1.5", "\\xff", "a")
    assert row["at"].startswith("2024-05-01")
    assert rejected(warehouse) == [
        (2, "column 'total': expected a number, got NaN or an infinity"),
        (3, "column 'name': expected a value that JSON has, got something else"),
    ]


@pytest.mark.parametrize("maps", ({}, {"stream_maps": {"orders": {"id": "id"}}}))
def test_a_line_of_a_file_that_is_not_utf_8_is_a_bad_record(warehouse, tmp_path, maps):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id":1}\n{"id":2,"name":"\xe9"}\n{"id":3}\n')
    stream = schema({"id": ID, "name": "string"})
    warehouse.load(stream, batch(path, "jsonl"), on_bad_record="quarantine", **maps)
    assert [row["id"] for row in warehouse.rows()] == [1, 3]
    assert rejected(warehouse) == [(2, "its text is not UTF-8")]


def test_a_file_of_records_may_begin_with_a_byte_order_mark(warehouse, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\ufeff" + json.dumps({"id": 1}) + "\n" + json.dumps({"id": 2}) + "\n")
    warehouse.load(schema({"id": ID}), batch(path, "jsonl"))
    assert [row["id"] for row in warehouse.rows()] == [1, 2]


NANOSECOND = {"time": pa.array([1], pa.time64("ns")), "at": pa.array([1], pa.timestamp("ns"))}


@pytest.mark.parametrize(("kind", "convert"), (("time", to_times), ("at", to_timestamps)))
def test_keys_of_files_lose_no_digits_of_a_second(kind, convert):
    assert len(convert(NANOSECOND[kind])) == 1
    with pytest.raises(ValueError, match="at most 6 digits of a second"):
        convert(NANOSECOND[kind], exact=True)


def test_times_of_files_are_in_utc():
    assert to_times_with_zone(pa.array([3600], pa.time32("s"))).to_pylist() == ["01:00:00.000000Z"]
