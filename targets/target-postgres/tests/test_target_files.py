"""BATCH messages: files into tables, all or nothing."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath
from warehouse import activate, record, schema, state

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.messages.batch_files import TEMP_DIR_PREFIX
from signalroom_target_postgres.warehouse.rejected import BadRecordError
from signalroom_target_postgres.warehouse.writer import TableWriter

MOMENT = {"type": ["string", "null"], "format": "date-time"}
PROPERTIES = {"id": {"type": "integer"}, "name": "string"}


def batch(*urls, kind="parquet", compression=None, stream="orders"):
    encoding = {"format": kind, "compression": compression}
    manifest = [str(url) for url in urls]
    return {"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": manifest}


def parquet(path, **columns):
    """A Parquet file of small row groups; its URL."""
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=100)
    return path.as_uri()


def arrow(path, **columns):
    """An Arrow file of small batches; its URL."""
    path.parent.mkdir(exist_ok=True)
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    return path.as_uri()


@pytest.mark.parametrize("rows", (0, 1, 250, 10_000))
def test_files_of_arrow_columns(warehouse, tmp_path, rows):
    url = arrow(
        tmp_path / f"{TEMP_DIR_PREFIX}x" / "a.arrow",
        id=pa.array(range(rows), pa.int64()),
        name=pa.array([f"n{number}" for number in range(rows)], pa.string()),
    )
    warehouse.load(schema(PROPERTIES), batch(url, kind="arrow"))
    assert warehouse.rows() == [{"id": n, "name": f"n{n}"} for n in range(rows)]
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_arrow_file(warehouse, tmp_path):
    path = tmp_path / "a.arrow"
    for content in (b"", b"ARROW1\0\0", b"nonsense" * 10):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.arrow cannot be read"):
            warehouse.load(schema(PROPERTIES), batch(path.as_uri(), kind="arrow"))
    with pytest.raises(InputError, match="does not exist"):
        warehouse.load(schema(PROPERTIES), batch((tmp_path / "b").as_uri(), kind="arrow"))


def test_every_type_of_file_column(warehouse, tmp_path):
    properties = {
        "id": {"type": "integer"},
        "text": "string",
        "float": "number",
        "decimal": "number",
        "whole": "integer",
        "flag": "boolean",
        "at": MOMENT,
        "naive": MOMENT,
        "day": {"type": ["string", "null"], "format": "date"},
        "json": "object",
        "struct": "object",
        "tags": {"type": "array", "items": {"type": "string"}},
        "dictionary": "string",
        "large": "string",
        "anything": {},
        "absent": "string",
    }
    moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
    url = parquet(
        tmp_path / "a.parquet",
        id=pa.array([1, 2], pa.int32()),
        text=['a,"b"\n', None],
        float=[0.1, None],
        decimal=pa.array([Decimal("1.10"), None], pa.decimal128(20, 2)),
        whole=pa.array([2.0, None]),
        flag=[True, None],
        at=pa.array([moment, None], pa.timestamp("ns", "Europe/Berlin")),
        naive=["2024-05-01T12:00:00", None],
        day=pa.array([date(2024, 5, 1), None]),
        json=['{"a": "\\u0000"}', None],
        struct=[{"a": [1], "b": moment}, None],
        tags=[["a", None, 'b"'], None],
        dictionary=pa.array(["x", None]).dictionary_encode(),
        large=pa.array(["y\0", None], pa.large_string()),
        anything=[7, None],
        surplus=[1, 2],
    )
    warehouse.load(schema(properties), batch(url))
    first, second = warehouse.rows()
    assert first == {
        "id": 1,
        "text": 'a,"b"\n',
        "float": Decimal("0.1"),
        "decimal": Decimal("1.10"),
        "whole": 2,
        "flag": True,
        "at": moment,
        "naive": moment,
        "day": date(2024, 5, 1),
        "json": {"a": "\ufffd"},
        "struct": {"a": [1], "b": "2024-05-01T12:00:00Z"},
        "tags": ["a", None, 'b"'],
        "dictionary": "x",
        "large": "y\ufffd",
        "anything": "7",
        "absent": None,
    }
    assert {name: value for name, value in second.items() if value is not None} == {"id": 2}


# singer-sdk 0.54.9 packs its files also where it declares no compression.
@pytest.mark.parametrize("compression", (None, "none", "gzip"))
@pytest.mark.parametrize("is_packed", (False, True))
def test_files_of_records(warehouse, tmp_path, compression, is_packed):
    path = tmp_path / "a.json"
    text = "\n".join(json.dumps({"id": n, "name": f"n{n}"}) for n in range(1000)).encode()
    path.write_bytes(gzip.compress(text) if is_packed else text)
    warehouse.load(schema(PROPERTIES), batch(path.as_uri(), kind="jsonl", compression=compression))
    assert [row["name"] for row in warehouse.rows()] == [f"n{n}" for n in range(1000)]


@pytest.mark.parametrize("end", (-20, 40))
def test_a_compressed_file_that_is_cut_off_or_damaged(warehouse, tmp_path, end):
    path = tmp_path / "a.json.gz"
    packed = gzip.compress(b"".join(b'{"id":%d,"name":"a"}\n' % n for n in range(1000)))
    path.write_bytes(packed[:end] + b"x" * 500 if end > 0 else packed[:end])
    with pytest.raises(InputError, match=r"a\.json\.gz cannot be read"):
        warehouse.load(schema(PROPERTIES), batch(path.as_uri(), kind="jsonl", compression="gzip"))
    assert warehouse.rows() == []


def test_order_among_records_and_files(warehouse, tmp_path):
    url = parquet(tmp_path / "a.parquet", id=[1, 2, 2], name=["file", "file", "file, later"])
    states = warehouse.load(
        schema(PROPERTIES),
        record(id=1, name="before"),
        record(id=2, name="before"),
        batch(url),
        state(at=1),
        record(id=1, name="after"),
        state(at=2),
    )
    assert states == [{"at": 1}, {"at": 2}]
    assert [row["name"] for row in warehouse.rows()] == ["after", "file, later"]


def test_few_records_of_another_stream_do_not_hold_back_the_states_between_files(
    warehouse, tmp_path
):
    """A tap of many files tells of each in another stream: killed, it must go on, not begin."""
    messages = [schema(PROPERTIES), schema(PROPERTIES, stream="files")]
    for number in range(3):
        url = parquet(tmp_path / f"{number}.parquet", id=[number], name=["x"])
        messages += [batch(url), record("files", id=number), state(at=number)]
    assert warehouse.load(*messages) == [{"at": 0}, {"at": 1}, {"at": 2}]


def test_metadata_is_filled(warehouse, tmp_path):
    url = parquet(tmp_path / "a.parquet", id=[1], name=["a"])
    warehouse.load(schema(PROPERTIES), batch(url), add_record_metadata=True)
    (row,) = warehouse.rows()
    filled = {name for name, value in row.items() if value is not None}
    assert filled == {
        "id",
        "name",
        "_sdc_extracted_at",
        "_sdc_received_at",
        "_sdc_batched_at",
        "_sdc_sequence",
        "_sdc_sync_started_at",
    }


def test_small_files_of_a_message_are_sent_together(warehouse, tmp_path, monkeypatch):
    written = []
    write = TableWriter.write

    def note(self, cursor, rows):
        written.append(rows.num_rows)
        write(self, cursor, rows)

    monkeypatch.setattr(TableWriter, "write", note)
    urls = [parquet(tmp_path / f"{n}.parquet", id=[2 * n, 2 * n + 1]) for n in range(5)]
    warehouse.load(schema({"id": "integer"}), batch(*urls))
    assert written == [10]
    assert [row["id"] for row in warehouse.rows()] == [*range(10)]


def test_only_files_made_for_us_are_removed(warehouse, tmp_path):
    theirs = tmp_path / "exports" / "a.parquet"
    ours = [tmp_path / f"{TEMP_DIR_PREFIX}1" / name for name in ("a.parquet", "b.parquet")]
    kept = tmp_path / f"{TEMP_DIR_PREFIX}2" / "other"
    kept.parent.mkdir()
    kept.touch()
    ours.append(kept.with_name("c.parquet"))
    urls = [parquet(path, id=[n], name=["x"]) for n, path in enumerate((theirs, *ours))]
    warehouse.load(schema(PROPERTIES), batch(*urls))
    assert len(warehouse.rows()) == 4
    assert theirs.exists()
    assert not ours[0].parent.exists()
    assert [path.name for path in kept.parent.iterdir()] == ["other"]


def test_a_bad_row_loads_nothing_of_the_message_and_keeps_the_files(warehouse, tmp_path):
    path = tmp_path / f"{TEMP_DIR_PREFIX}1" / "a.parquet"
    good = parquet(path.with_name("good.parquet"), id=[1, 2], name=["a", "b"])
    bad = parquet(path, id=[3, None, 4], name=["c", "secret", "d"])
    with pytest.raises(BadRecordError) as error:
        warehouse.load(schema(PROPERTIES), batch(good, bad), state(at=1))
    assert "column 'id': expected an integer, got null" in str(error.value)
    assert "secret" not in str(error.value)
    assert warehouse.rows() == []
    assert path.exists()


def test_bad_rows_of_a_file_are_set_aside(warehouse, tmp_path):
    url = parquet(
        tmp_path / "a.parquet",
        id=list(range(1000)),
        name=["a"] * 1000,
        total=[float("nan") if n in {5, 500, 999} else n for n in range(1000)],
    )
    warehouse.load(schema(PROPERTIES | {"total": "number"}), batch(url), on_bad_record="quarantine")
    assert len(warehouse.rows()) == 997
    found = warehouse.sql("SELECT reason, record FROM orders__rejected ORDER BY record -> 'id'")
    assert [row["record"]["id"] for row in found] == [5, 500, 999]
    assert {row["reason"] for row in found} == {
        "column 'total': expected a number, got NaN or an infinity"
    }


@pytest.mark.parametrize("kind", ("arrow", "parquet", "jsonl"))
@pytest.mark.parametrize("way", ("overwrite", "promised", "keyless"))
def test_bad_rows_of_a_file_that_waits_are_set_aside(warehouse, tmp_path, kind, way):
    """They were lost, with exit code 0."""
    more = {"x-replace-on-activate": True} if way == "promised" else {}
    stream = schema(
        PROPERTIES | {"total": "number"}, keys=() if way == "keyless" else ("id",), **more
    )
    settings = {"activate_version": True, "hard_delete": True, "add_record_metadata": True}
    if way == "overwrite":
        settings["load_method"] = "overwrite"
    warehouse.load(stream, record(id=1) | {"version": 1}, activate(1), **settings)
    path = tmp_path / f"a.{kind}"
    if kind == "jsonl":
        path.write_text('{"id": 2, "total": 1}\n{"id": 3, "total": "two"}\n')
    else:
        {"arrow": arrow, "parquet": parquet}[kind](path, id=[2, 3], total=[1.0, float("nan")])
    messages = batch(path.as_uri(), kind=kind) | {"version": 2}, activate(2), state(at=1)
    before = [activate(2)] if way == "keyless" else []
    states = warehouse.load(stream, *before, *messages, on_bad_record="quarantine", **settings)
    assert [row["id"] for row in warehouse.rows()] == [2]
    assert [row["times"] for row in warehouse.rows("orders__rejected")] == [1]
    assert states == [{"at": 1}]


def test_a_part_of_a_file_in_which_a_column_has_no_value(warehouse, tmp_path):
    """Row groups are loaded together, whatever the first of them has."""
    columns = {"id": [*range(250)], "name": [None] * 100 + ["a"] * 150}
    url = parquet(tmp_path / "a.parquet", **columns, total=[None] * 200 + [1.5] * 50)
    warehouse.load(schema(PROPERTIES | {"total": "number"}), batch(url))
    rows = [(row["id"], row["name"], row["total"]) for row in warehouse.rows()]
    totals = [None] * 200 + [Decimal("1.5")] * 50
    assert rows == [*zip(columns["id"], columns["name"], totals, strict=True)]


def test_fractions_in_a_column_of_integers_are_rejected(warehouse, tmp_path):
    totals = pa.array([Decimal("1.00"), Decimal("1.50")], pa.decimal128(5, 2))
    url = parquet(tmp_path / "a.parquet", id=[1, 2], total=totals)
    stream = schema({"id": {"type": "integer"}, "total": "integer"})
    warehouse.load(stream, batch(url), on_bad_record="quarantine")
    assert warehouse.rows() == [{"id": 1, "total": 1}]
    (rejected,) = warehouse.sql("SELECT reason FROM orders__rejected")
    assert rejected["reason"] == "column 'total': expected an integer, got a fraction"


def test_json_of_another_type_in_a_texts_column(warehouse, tmp_path):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name text)")
    url = parquet(tmp_path / "a.parquet", id=[1, 2], name=[" [1, 2]", ' {"a": 1}'])
    items = {"type": ["array", "null"], "items": {"type": "integer"}}
    stream = schema(PROPERTIES | {"name": items})
    warehouse.load(stream, batch(url), on_bad_record="quarantine")
    assert warehouse.rows() == [{"id": 1, "name": " [1, 2]"}]
    (rejected,) = warehouse.sql("SELECT reason FROM orders__rejected")
    assert rejected["reason"] == "column 'name': expected an array, got object"


def test_texts_of_a_file_in_a_json_column(warehouse, tmp_path):
    """Where the schema says object, a text is JSON; where it says string, it is a string."""
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, a jsonb, b jsonb)")
    url = parquet(tmp_path / "a.parquet", id=[1], a=['{"x": 1}'], b=['{"x": 1}'])
    warehouse.load(schema({"id": {"type": "integer"}, "a": "object", "b": "string"}), batch(url))
    assert warehouse.rows() == [{"id": 1, "a": {"x": 1}, "b": '{"x": 1}'}]


@pytest.mark.parametrize("load_method", ("upsert", "overwrite"))
def test_a_file_whose_integers_need_a_wider_column(warehouse, tmp_path, load_method):
    numbers = pa.array([1] * 300 + [2**63 + 1], pa.uint64())
    url = parquet(tmp_path / "a.parquet", id=[*range(301)], number=numbers)
    stream = schema({"id": {"type": "integer"}, "number": "integer"}, keys=())
    warehouse.load(stream, batch(url), activate(1), state(at=1), load_method=load_method)
    rows = warehouse.rows()
    assert len(rows) == 301
    assert rows[-1]["number"] == 2**63 + 1


def test_replacing_by_files(warehouse, tmp_path):
    warehouse.load(schema(PROPERTIES), record(id=9, name="old"))
    url = parquet(tmp_path / "a.parquet", id=[1, 2], name=["a", "b"])
    stream = schema(PROPERTIES)
    messages = (stream, batch(url), record(id=3, name="c"), activate(1))
    warehouse.load(*messages, load_method="overwrite")
    assert [row["id"] for row in warehouse.rows()] == [1, 2, 3]


def test_files_elsewhere(warehouse):
    path = UPath("memory://bucket/a.parquet")
    with path.open("wb") as file:
        pq.write_table(pa.table({"id": [1], "name": ["a"]}), file)
    warehouse.load(schema(PROPERTIES), batch(path.as_uri()))
    assert len(warehouse.rows()) == 1


def test_stream_maps_apply_to_files(warehouse, tmp_path):
    url = parquet(tmp_path / "a.parquet", id=[1, 2], name=["secret", "public"])
    maps = {"orders": {"name": "md5(name)", "__filter__": "id == 1"}}
    warehouse.load(schema(PROPERTIES), batch(url), stream_maps=maps)
    (row,) = warehouse.rows()
    assert row["id"] == 1
    assert "secret" not in str(row)


@pytest.mark.parametrize("maps", ({}, {"stream_maps": {"orders": {"id": "id"}}}))
def test_a_file_is_read_the_same_with_a_map_and_without(warehouse, tmp_path, maps):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, mixed jsonb)")
    url = arrow(
        tmp_path / "a.arrow",
        id=[1, 2],
        data=['{"a": 1.10}', "null"],
        tags=['["a"]', None],
        mixed=['{"a": 1}', "a"],
        uid=pa.array([b"a" * 16, None], pa.binary(16)),
        short=pa.array([0.1, 2.5], pa.float32()),
        round=pa.array([Decimal(12300), None], pa.decimal128(5, -2)),
    )
    properties = {
        "id": {"type": "integer"},
        "data": {"type": ["object", "null"]},
        "tags": {"type": ["array", "null"], "items": {"type": "string"}},
        "mixed": {"type": ["object", "string"]},
        "uid": {"type": ["string", "null"], "format": "uuid"},
        "short": "number",
        "round": {"type": ["integer", "null"]},
    }
    warehouse.load(schema(properties), batch(url, kind="arrow"), **maps)
    first, second = warehouse.sql("SELECT to_jsonb(orders)::text AS row FROM orders ORDER BY id")
    assert json.loads(first["row"], parse_float=str) == {
        "id": 1,
        "data": {"a": "1.10"},
        "tags": ["a"],
        "mixed": {"a": 1},
        "uid": "61616161-6161-6161-6161-616161616161",
        "short": "0.1",
        "round": 12300,
    }
    filled = {name: value for name, value in json.loads(second["row"]).items() if value is not None}
    assert filled == {"id": 2, "mixed": "a", "short": 2.5}


def test_a_text_that_is_not_json_changes_nothing_else_of_its_record(warehouse, tmp_path):
    url = parquet(tmp_path / "a.parquet", id=[1, 2], data=['{"a": 1}, "id": 9', '{"a": 1}'])
    warehouse.load(
        schema({"id": {"type": "integer"}, "data": {"type": "object"}}),
        batch(url),
        stream_maps={"orders": {"id": "id"}},
        on_bad_record="quarantine",
    )
    assert [row["id"] for row in warehouse.rows()] == [2]
    (row,) = warehouse.sql("SELECT reason FROM orders__rejected")
    assert row["reason"] == "column 'data': expected JSON, got another text"


@pytest.mark.parametrize("maps", ({}, {"stream_maps": {"orders": {"id": "id"}}}))
def test_a_file_with_columns_of_the_same_name(warehouse, tmp_path, maps):
    table = pa.table([pa.array([1]), pa.array(["a"]), pa.array(["b"])], ["id", "name", "name"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet has columns of the same name: name"):
        warehouse.load(schema(PROPERTIES), batch((tmp_path / "a.parquet").as_uri()), **maps)


def test_mapped_files_stay_until_their_rows_are_committed(warehouse, tmp_path):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name text CHECK (name <> 'bad'))")
    path = tmp_path / f"{TEMP_DIR_PREFIX}1" / "a.parquet"
    url = parquet(path, id=[1, 2], name=["good", "bad"])
    maps = {"orders": {"name": "name"}}
    with pytest.raises(BadRecordError):
        warehouse.load(schema(PROPERTIES), batch(url), stream_maps=maps, batch_size_rows=1)
    assert path.exists()


@pytest.mark.parametrize(
    ("message", "told"),
    (
        (batch("file:///nowhere/a.parquet"), "/nowhere/a.parquet does not exist"),
        (batch("dropbox://a/b.parquet"), "b.parquet cannot be read: .* loader's environment"),
        (batch("file:///a", kind="avro"), "format 'avro' cannot be loaded"),
    ),
)
def test_files_that_cannot_be_read(warehouse, message, told):
    with pytest.raises(InputError, match=told):
        warehouse.load(schema(PROPERTIES), message)


def test_a_file_that_is_no_parquet(warehouse, tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"a\.parquet cannot be read"):
        warehouse.load(schema(PROPERTIES), batch((tmp_path / "a.parquet").as_uri()))


@pytest.mark.parametrize("load_method", ("upsert", "overwrite"))
def test_a_file_that_is_larger_than_a_batch(warehouse, tmp_path, load_method):
    rows = 5000
    names = [f"{number:0100}" for number in range(rows)]
    url = parquet(tmp_path / "a.parquet", id=list(range(rows)), name=names)
    settings = {"load_method": load_method, "batch_size_bytes": 100_000}
    complete = [activate(1)] * (load_method == "overwrite")
    warehouse.load(
        schema(PROPERTIES),
        batch(url),
        *complete,
        **settings,
        activate_version=True,
        add_record_metadata=True,
    )
    assert [row["name"] for row in warehouse.rows()] == names


def test_a_bad_row_of_a_file_that_waits_ends_the_run(warehouse, tmp_path):
    warehouse.load(schema(PROPERTIES), record(id=1, name="a"))
    bad = parquet(tmp_path / "a.parquet", id=[3, None], name=["c", "d"])
    with pytest.raises(BadRecordError, match="column 'id': expected an integer, got null"):
        warehouse.load(schema(PROPERTIES), batch(bad), load_method="overwrite")
    assert warehouse.rows() == [{"id": 1, "name": "a"}]
