"""Fields that a schema does not have are kept with a rejected record, whoever refused it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warehouse import activate, record, schema

from signalroom_target_postgres.warehouse.rejected import BadRecordError

ID = {"type": "integer"}
PROPERTIES = {"id": ID, "total": "number"}
MORE = {"secret": "a", "more": {"b": [1.50, None]}, "_sdc_note": 7, "none": None}
PATHS = ("record", "map", "jsonl", "parquet", "arrow")


def messages(path, folder, records):
    """Records as messages, or in a file."""
    if path in {"record", "map"}:
        return [record(**one) for one in records]
    file = folder / f"a.{path}"
    if path == "jsonl":
        file.write_text("".join(f"{json.dumps(one)}\n" for one in records))
    else:
        table = pa.Table.from_pylist(records)
        if path == "parquet":
            pq.write_table(table, file)
        else:
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
    batch = {"encoding": {"format": path}, "manifest": [file.as_uri()]}
    return [{"type": "BATCH", "stream": "orders"} | batch]


def rejected(warehouse):
    query = (
        "SELECT record, reason, record_hash, times FROM orders__rejected ORDER BY record ->> 'id'"
    )
    return warehouse.sql(query)


@pytest.mark.parametrize("filled", (False, True), ids=("empty", "filled"))
@pytest.mark.parametrize("keys", ((), ("id",)), ids=("keyless", "keyed"))
@pytest.mark.parametrize("path", PATHS)
def test_a_row_that_the_server_refuses_has_them_too(warehouse, tmp_path, path, keys, filled):
    warehouse.sql("CREATE TABLE orders (id bigint, total numeric CHECK (total < 100))")
    if keys:
        warehouse.sql("ALTER TABLE orders ADD PRIMARY KEY (id)")
    if filled:
        warehouse.sql("INSERT INTO orders VALUES (0, 1)")
    stream = schema(PROPERTIES, keys)
    good, checked = {"id": 1, "total": 5}, {"id": 2, "total": 100}
    invalid = {"id": None, "total": 5} if keys else {"id": 3.5, "total": 5}
    # As a file has a type for a column, the one without a value is what is not valid there.
    records = [good | MORE, checked | MORE]
    records += [invalid | MORE] * (path in {"record", "map", "jsonl"} or bool(keys))
    settings = {"on_bad_record": "quarantine"}
    if path == "map":
        settings["stream_maps"] = {"orders": {"total": "total"}}
    warehouse.load(stream, *messages(path, tmp_path, records), **settings)
    assert [row["id"] for row in warehouse.rows()] == [0] * filled + [1]
    found = {row["record"]["total"]: row for row in rejected(warehouse)}
    assert found[100]["record"] == checked | MORE
    if len(records) > 2:
        assert found[5]["record"] == invalid | MORE
    # Once more it is the same record, and the error names it.
    failing = settings | {"on_bad_record": "fail"}
    with pytest.raises(BadRecordError, match=found[100]["record_hash"][:12]):
        warehouse.load(stream, *messages(path, tmp_path, records[1:2]), **failing)
    warehouse.load(stream, *messages(path, tmp_path, records[1:2]), **settings)
    assert {row["record"]["total"]: row["times"] for row in rejected(warehouse)}[100] == 2


def test_a_record_without_them_stays_the_same_one(warehouse):
    """Whether others of its batch have them, or of the run."""
    warehouse.sql("CREATE TABLE orders (id bigint, total numeric CHECK (total < 100))")
    bad = record(id=1, total=100)
    others = [record(id=2, total=1), record(id=3, total=1, more=1)]
    stream = schema(PROPERTIES, ())
    for sent in ([bad], [bad, *others], [*others, bad], [others[1]] * 300 + [bad]):
        warehouse.load(stream, *sent, on_bad_record="quarantine")
    (row,) = rejected(warehouse)
    assert (row["record"], row["times"]) == ({"id": 1, "total": 100}, 4)


@pytest.mark.parametrize("path", ("record", "arrow"))
def test_rows_that_wait_to_be_complete_have_them(warehouse, tmp_path, path):
    """And a column that becomes wider meanwhile."""
    warehouse.sql("CREATE TABLE orders (id integer, total numeric CHECK (total < 100))")
    settings = {
        "load_method": "overwrite",
        "add_record_metadata": True,
        "activate_version": True,
        "on_bad_record": "quarantine",
    }
    sent = messages(path, tmp_path, [{"id": 1, "total": 100} | MORE, {"id": 2, "total": 1}])
    big = record(id=2**40, total=100, more=3)
    warehouse.load(schema(PROPERTIES, ()), *sent, big, activate(1), **settings)
    assert [row["id"] for row in warehouse.rows()] == [2]
    found = [row["record"] for row in rejected(warehouse)]
    for one in found:
        assert one.pop("_sdc_deleted_at") is None
    extra = {} if path == "record" else dict.fromkeys(MORE)
    assert found[0] == {"id": 1, "total": 100} | extra | MORE
    assert found[1] == {"id": 2**40, "total": 100, "more": 3}


AT = datetime(2024, 5, 1, 12, tzinfo=UTC)
#: Columns of a file, and what a record of them has.
ARRAYS = {
    "dictionary": (pa.array(["a"] * 3).dictionary_encode(), "a"),
    "decimal": (pa.array([Decimal("1.10")] * 3), Decimal("1.10")),
    "moment": (pa.array([AT] * 3), "2024-05-01T12:00:00Z"),
    "duration": (pa.array([1500] * 3, pa.duration("ms")), "PT1.500S"),
    "interval": (pa.array([pa.MonthDayNano([1, 2, 3])] * 3), None),
    "view": (pa.array(["a"] * 3, pa.string_view()), "a"),
    "runs": (pa.RunEndEncodedArray.from_arrays([3], ["a"]), "a"),
    "bytes": (pa.array([b"\xff"] * 3), None),
    "list": (pa.array([[1, None]] * 3, pa.list_view(pa.int8())), [1, None]),
    "struct": (pa.array([{"a": [{"b": 1}]}] * 3), {"a": [{"b": 1}]}),
    "map": (pa.array([[("k", 1)]] * 3, pa.map_(pa.string(), pa.int8())), {"k": 1}),
    "nan": (pa.array([[float("nan")]] * 3), None),
    "null": (pa.nulls(3), None),
    "union": (
        pa.UnionArray.from_sparse(pa.array([0] * 3, pa.int8()), [pa.array([5] * 3)]),
        None,
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_files_column_of_any_type_that_is_not_loaded(warehouse, tmp_path, name):
    """It does not keep the others from being loaded, also where a key comes twice."""
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, total numeric CHECK (total < 100))")
    array, value = ARRAYS[name]
    table = pa.table({"id": [1, 1, 2], "total": [100, 5, 100], "more": array})
    path = tmp_path / "a.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    batch = {"encoding": {"format": "arrow"}, "manifest": [path.as_uri()]}
    settings = {"on_bad_record": "quarantine", "load_method": "upsert"}
    stream = schema(PROPERTIES)
    warehouse.load(stream, {"type": "BATCH", "stream": "orders"} | batch, **settings)
    assert warehouse.rows() == [{"id": 1, "total": 5}]
    (row,) = rejected(warehouse)
    assert row["record"].keys() == {"id", "total", "more"}
    assert (row["record"]["id"], row["record"]["total"]) == (2, 100)
    if value is not None:
        assert row["record"]["more"] == (float(value) if isinstance(value, Decimal) else value)


@pytest.mark.parametrize("path", ("jsonl", "parquet"))
def test_each_field_of_each_file_is_named_once(warehouse, tmp_path, caplog, path):
    """As a warning: they are not loaded, which nobody may have meant."""
    batches = []
    for name, fields in (("a", ["a", "b"]), ("b", ["b", "c"]), ("c", [])):
        (tmp_path / name).mkdir()
        rows = [{"id": 1, "total": 2} | dict.fromkeys(fields, "x")]
        batches += messages(path, tmp_path / name, rows)
    batches[0]["manifest"] += batches.pop(1)["manifest"]
    warehouse.load(schema(PROPERTIES), *batches)
    named = re.findall(r"have the field '(.*?)'", caplog.text)
    assert sorted(named) == (["a", "b", "c"] if path == "parquet" else ["a"])
    assert [row["id"] for row in warehouse.rows()] == [1]
