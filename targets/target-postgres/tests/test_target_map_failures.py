"""A record on which a stream map fails is a bad record like any other."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warehouse import record, schema, state

from signalroom_target_postgres.warehouse.rejected import BadRecordError

ID = {"type": "integer"}
STREAM = schema({"id": ID, "name": "string", "total": "number"})
UPPER = {"orders": {"name": "name.upper()"}}
FAILED = "column 'name': the stream map's expression `name.upper()` failed: "
NO_UPPER = f"{FAILED}a value, which may be null, has no `upper`"


def rejected(warehouse, table="orders__rejected"):
    return warehouse.sql(
        f"SELECT reason, record, record_hash FROM {table} ORDER BY record ->> 'id'"
    )


def messages(path, tmp_path, records):
    """The records, as messages or in a file."""
    if path == "record":
        return [record(**one) for one in records]
    file = tmp_path / f"a.{path}"
    if path == "jsonl":
        file.write_text("".join(f"{json.dumps(one)}\n" for one in records))
    else:
        pq.write_table(pa.Table.from_pylist(records), file)
    batch = {"encoding": {"format": path}, "manifest": [file.as_uri()]}
    return [{"type": "BATCH", "stream": "orders"} | batch]


@pytest.mark.parametrize("filled", (False, True), ids=("empty", "filled"))
@pytest.mark.parametrize("keys", ((), ("id",)), ids=("keyless", "keyed"))
@pytest.mark.parametrize("path", ("record", "jsonl", "parquet"))
def test_a_record_on_which_a_map_fails_is_set_aside(warehouse, tmp_path, path, keys, filled):
    stream = schema({"id": ID, "name": "string", "total": "number"}, keys)
    if filled:
        warehouse.load(stream, record(id=0))
    records = [{"id": number, "name": name} for number, name in enumerate(("a", None, "c"), 1)]
    sent = messages(path, tmp_path, records)
    settings = {"stream_maps": UPPER, "on_bad_record": "quarantine"}
    assert warehouse.load(stream, *sent, state(at=1), **settings) == [{"at": 1}]
    loaded = {row["id"]: row["name"] for row in warehouse.rows()}
    assert loaded == {1: "A", 3: "C"} | ({0: None} if filled else {})
    (row,) = rejected(warehouse)
    assert row["reason"] == NO_UPPER
    assert row["record"] == {"id": 2, "name": None}
    with pytest.raises(BadRecordError) as caught:
        warehouse.load(stream, *messages(path, tmp_path, records), stream_maps=UPPER)
    said = caught.value.message
    start = "The stream map of orders cannot be applied to a record"
    assert said.startswith(
        f"{start}: {NO_UPPER}. Correct the expression in the setting stream_maps"
    )
    assert f"record_hash that begins with {row['record_hash'][:12]}" in said


@pytest.mark.parametrize(
    ("expression", "reason"),
    (
        ("int(name)", "ValueError"),
        ("total / 0", "ZeroDivisionError"),
        ("total + name", "unsupported operand type(s) for +: 'int' and 'str'"),
        ("naem", "the record has no field `naem`"),
        ("upper(name)", "there is no function `upper`"),
        ("record[name]", "KeyError"),
        ("json.loads(name)", "JSONDecodeError"),
        ("int(name, 99)", "ValueError"),
        ("'a' * 10 ** 9", "IterableTooLong"),
        ("lambda: name", "FeatureNotAvailable"),
    ),
)
def test_how_an_expression_failed_is_said_without_values(warehouse, caplog, expression, reason):
    settings = {"on_bad_record": "quarantine", "stream_maps": {"orders": {"more": expression}}}
    warehouse.load(STREAM, record(id=1, name="secret", total=1), record(id=2), **settings)
    row, _ = rejected(warehouse)
    said = row["reason"]
    assert said.startswith(f"column 'more': the stream map's expression `{expression}` failed: ")
    assert said.endswith(reason)
    assert "secret" not in caplog.text
    assert row["record"] == {"id": 1, "name": "secret", "total": 1}


def test_a_fraction_times_a_fraction(warehouse):
    """The SDK reads decimals, which Python does not mix with the floats of an expression."""
    settings = {"on_bad_record": "quarantine", "stream_maps": {"orders": {"total": "total * 0.5"}}}
    warehouse.load(STREAM, record(id=1, total=1.5), **settings)
    (row,) = rejected(warehouse)
    hint = "'decimal.Decimal' and 'float'; write float(...) around the field"
    assert row["reason"].endswith(hint)
    settings["stream_maps"] = {"orders": {"total": "float(total) * 0.5"}}
    warehouse.load(STREAM, record(id=1, total=1.5), **settings)
    assert [row["total"] for row in warehouse.rows()] == [Decimal("0.75")]


def test_what_a_map_removes_is_not_set_aside(warehouse):
    """Nor what it hashes: the record is what the map could make of it."""
    rules = {"name": "__NULL__", "total": "md5('' + total)", "more": "str(id)", "z": "1 / 0"}
    maps = {"orders": rules}
    settings = {"on_bad_record": "quarantine", "stream_maps": maps}
    warehouse.load(STREAM, record(id=1, name="secret", total=1), **settings)
    (row,) = rejected(warehouse)
    assert row["record"] == {"id": 1, "more": "1"}
    of_total, of_z = row["reason"].split("; column 'z': ")
    assert of_total.startswith(
        "column 'total': the stream map's expression `md5('' + total)` failed"
    )
    assert of_total.endswith('can only concatenate str (not "int") to str')
    assert of_z.startswith("the stream map's expression `1 / 0` failed")
    maps = {"orders": {"__else__": None, "id": "id", "more": "name.upper()"}}
    warehouse.load(
        STREAM, record(id=2, name=None, total=2), on_bad_record="quarantine", stream_maps=maps
    )
    assert rejected(warehouse)[1]["record"] == {"id": 2}


def test_a_filter_that_fails(warehouse):
    maps = {"orders": {"__filter__": "total > 5", "name": "__NULL__"}}
    sent = [record(id=1, name="secret"), record(id=2, total=9), record(id=3, total=1)]
    warehouse.load(STREAM, *sent, stream_maps=dict(maps), on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [2]
    (row,) = rejected(warehouse)
    assert row["record"] == {"id": 1}
    assert row["reason"].startswith("the stream map's `__filter__` expression `total > 5` failed: ")
    with pytest.raises(
        BadRecordError, match=r"stream map of orders .*`__filter__` expression `total > 5`"
    ):
        warehouse.load(STREAM, *sent, stream_maps=dict(maps))


def test_only_the_map_that_fails_sets_a_record_aside(warehouse):
    maps = UPPER | {"copies": {"__source__": "orders", "name": "name"}}
    sent = [record(id=1, name=None), record(id=2, name="b")]
    warehouse.load(STREAM, *sent, stream_maps=dict(maps), on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [2]
    assert [row["id"] for row in warehouse.rows("copies")] == [1, 2]
    assert [row["record"] for row in rejected(warehouse)] == [{"id": 1, "name": None}]


def test_a_map_that_fails_on_a_schema_that_came_again(warehouse):
    wider = schema({"id": ID, "name": "string", "total": "number", "more": "string"})
    sent = [STREAM, record(id=1), STREAM, record(id=2), wider, record(id=3), record(id=4, name="d")]
    warehouse.load(*sent, stream_maps=UPPER, on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [4]
    assert [row["record"]["id"] for row in rejected(warehouse)] == [1, 2, 3]


def test_a_map_that_fails_where_records_are_flattened(warehouse):
    stream = schema({"id": ID, "name": "string", "at": {"type": "object", "properties": {"a": ID}}})
    flat = {"flattening_enabled": True, "flattening_max_depth": 2}
    sent = [record(id=1, name=None, at={"a": 1}), record(id=2, name="b", at={"a": 2})]
    warehouse.load(stream, *sent, stream_maps=UPPER, on_bad_record="quarantine", **flat)
    assert warehouse.rows() == [{"id": 2, "name": "B", "at__a": 2}]
    (row,) = rejected(warehouse)
    assert (row["reason"], row["record"]) == (NO_UPPER, {"id": 1, "name": None, "at__a": 1})


UNTYPED = "expected a text, got float, from the stream map's expression `id * 2.5`. A property"


@pytest.mark.parametrize("on_bad_record", ("fail", "quarantine"))
def test_a_map_whose_result_has_another_type_says_how_to_give_it(warehouse, on_bad_record):
    maps = {"orders": {"total": "float(total)", "double": "id * 2.5"}}
    sent = [STREAM, record(id=1, total=1.5)]
    if on_bad_record == "fail":
        with pytest.raises(BadRecordError) as caught:
            warehouse.load(*sent, stream_maps=maps)
        said = caught.value.message
        assert f"stream orders does not fit its table {warehouse.name}.orders: column 'dou" in said
        assert "Correct it in the setting stream_maps; or set `on_bad_record`" in said
        assert "or in the tap" not in said
    else:
        warehouse.load(*sent, stream_maps=maps, on_bad_record=on_bad_record)
        (row,) = rejected(warehouse)
        said = row["reason"]
        assert row["record"] == {"id": 1, "total": 1.5, "double": 2.5}
    assert f"column 'double': {UNTYPED} of a map is a text" in said
    assert "float(...), int(...), bool(...) or str(...)" in said
    # And it is so.
    maps["orders"]["double"] = "float(id * 2.5)"
    warehouse.sql("DROP TABLE orders")
    warehouse.load(*sent, stream_maps=maps)
    assert [row["double"] for row in warehouse.rows()] == [Decimal("2.5")]


def test_a_map_that_only_copies_does_not_need_to_be_typed(warehouse):
    maps = {"orders": {"more": "total"}}
    with pytest.raises(
        BadRecordError, match=r"expected a number, got another type\. Correct it at"
    ):
        warehouse.load(STREAM, record(id=1, total="x"), stream_maps=maps)


@pytest.mark.parametrize(
    ("expression", "reason"),
    (
        ("float('nan')", "expected a number, got NaN or an infinity"),
        ("10 ** 5000", "expected a value that JSON has, got another"),
    ),
)
def test_a_result_that_json_does_not_have(warehouse, expression, reason):
    settings = {"on_bad_record": "quarantine", "stream_maps": {"orders": {"more": expression}}}
    line = '{"type":"RECORD","stream":"orders","record":{"id":1,"total":1.000000000000000000001}}'
    warehouse.load(STREAM, line, **settings)
    (row,) = warehouse.sql("SELECT reason, record ->> 'total' AS total FROM orders__rejected")
    said = f"column 'more': {reason}, from the stream map's expression `{expression}`"
    assert row == {"reason": said, "total": "1.000000000000000000001"}


NAN = '"total": NaN'
#: What is within a record, and around it in its message.
UNREADABLE = {
    "NaN": (NAN, ""),
    "infinity": ('"total": -Infinity', ""),
    "half a surrogate": ('"name": "\\ud800"', ""),
    "too deep": (f'"name": {"[" * 5_000}{"]" * 5_000}', ""),
    "exponent": ('"total": 1e999999999999999999999', ""),
    "version": ('"name": "a"', ', "version": "a"'),
    "time": ('"name": "a"', ', "time_extracted": 5'),
}
MAIL = schema({"id": ID, "total": "number", "name": "string", "mail": "string"})
REMOVING = {
    "hash": {"mail": "md5(mail)"},
    "remove": {"mail": "__NULL__"},
    "only others": {"id": "id", "name": "name", "__else__": "__NULL__"},
    "alias": {"mail": "md5(mail)", "__alias__": "clients"},
}


@pytest.mark.parametrize(("within", "around"), UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("rules", REMOVING.values(), ids=REMOVING)
def test_what_a_map_removes_is_kept_of_no_record_that_cannot_be_read(
    warehouse, rules, within, around
):
    line = '{"type": "RECORD", "stream": "orders"%s, "record": {"id": %d, "mail": "secret", %s}}'
    bad = [line % (around, number, within) for number in (1, 2)]
    settings = {"stream_maps": {"orders": rules}, "on_bad_record": "quarantine"}
    warehouse.load(MAIL, *bad, record(id=3, name="b", mail="secret"), **settings)
    table = rules.get("__alias__", "orders")
    assert [row["id"] for row in warehouse.rows(table)] == [3]
    kept = [row["record"] for row in rejected(warehouse, f"{table}__rejected")]
    if '": [' in within:
        assert kept == [{}]
        return
    assert [one["id"] for one in kept] == [1, 2]
    assert all("mail" not in one for one in kept)


@pytest.mark.parametrize(
    "text", ('"secret"', '["secret"]', "null", '{"mail": "secret", }', "secret")
)
def test_nothing_is_kept_of_what_is_no_record(warehouse, tmp_path, text):
    file = tmp_path / "a.jsonl"
    file.write_text(f'{text}\n{{"id": 1, "mail": "b"}}\n')
    batch = {"encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}
    settings = {"stream_maps": {"orders": REMOVING["hash"]}, "on_bad_record": "quarantine"}
    warehouse.load(MAIL, {"type": "BATCH", "stream": "orders"} | batch, **settings)
    assert [row["id"] for row in warehouse.rows()] == [1]
    (row,) = rejected(warehouse)
    assert row["record"] == {}


def test_what_a_map_removes_is_not_kept_of_a_files_row_that_json_does_not_have(warehouse, tmp_path):
    columns = {"id": [1, 2], "total": [float("nan"), 1.0], "mail": ["secret", "b"]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    batch = {"encoding": {"format": "parquet"}, "manifest": [(tmp_path / "a.parquet").as_uri()]}
    sent = MAIL, {"type": "BATCH", "stream": "orders"} | batch
    settings = {"stream_maps": {"orders": REMOVING["hash"]}}
    warehouse.load(*sent, **settings, on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [2]
    (row,) = rejected(warehouse)
    assert row["record"] == {"id": 1, "total": "nan"}
    with pytest.raises(BadRecordError) as caught:
        warehouse.load(*sent, **settings)
    assert f"record_hash that begins with {row['record_hash'][:12]}" in caught.value.message
