"""Names come from files and sheets that strangers fill in: they are names, whatever they say."""

from __future__ import annotations

import re
import warnings

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warehouse import activate, lines, record, schema, state

from signalroom_target_postgres.errors import InputError, LoadError
from signalroom_target_postgres.warehouse.naming import TableName, TableNaming, normalize

HOSTILE = {
    "ends an identifier": 'x"; DROP TABLE canary;',
    "ends a literal": "x'); DROP TABLE canary;",
    "ends a dollar quote": "x$$; DROP TABLE canary;",
    "ends COPY's list": 'x") FROM STDIN; DROP TABLE canary;',
    "a psql command": "\\! rm canary",
    "a backslash": "x\\",
    "a comment": "x /*",
    "a placeholder": "%s %(id)s $1",
    "a format": "{} {0} {id!r}",
    "another schema's": "pg_catalog.pg_class",
    "a keyword": "select",
    "lines": "x\ny\r\n\tz",
    "a blank": " ",
    "right to left": "x\u202ey",
    "wide": "поле 字段",
}
LOADS = {
    "upsert": {},
    "named by the last part": {"table_naming": "last-part"},
    "append": {"load_method": "append-only"},
    "overwrite": {"load_method": "overwrite"},
    "replaced": {"activate_version": True, "add_record_metadata": True},
}


def tables(warehouse):
    query = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
    return {row["tablename"] for row in warehouse.sql(query, warehouse.name)}


@pytest.fixture
def canary(warehouse):
    """A table that is none of what is loaded, which must be there afterwards with its row."""
    warehouse.sql("CREATE TABLE canary AS SELECT 1 AS alive")
    yield
    assert warehouse.rows("canary") == [{"alive": 1}]


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_streams_and_its_columns_names(warehouse, kind, load):
    name, keys = HOSTILE[kind], () if load == "append" else ("id",)
    rows = [{"id": 1, name: "a"}, {"id": 2, name: "b"}]
    sent = [{"type": "RECORD", "stream": name, "record": row, "version": 7} for row in rows]
    # The second time a column is added, and another becomes wider.
    for types in ({"id": "integer"}, {"id": "number", f"{name}2": "number"}):
        described = schema({name: "string"} | types, keys, stream=name)
        warehouse.load(described, *sent, activate(7, stream=name), state(at=2), **LOADS[load])
    table = name if "table_naming" in LOADS[load] else re.sub(r"\W", "_", name)
    assert tables(warehouse) == {"canary", table}
    loaded = [{"id": row["id"], name: row[name]} for row in warehouse.rows(_quotable(table))]
    assert sorted(loaded, key=repr) == sorted(rows * (1 + (load == "append")), key=repr)
    assert f"{name}2" in warehouse.types(_quotable(table))


@pytest.mark.parametrize(
    ("stream", "table"),
    (
        ("eu-orders", "eu_orders"),
        ("a-b-c-orders", "a_b_c_orders"),
        ("-orders-", "_orders_"),
        ("--", "__"),
        ("eu.orders", "eu_orders"),
        ("Orders", "Orders"),
        ("2024", "2024"),
        ("commandes d'été", "commandes_d_été"),
        ("हिन्दी", "हिन्दी"),
    ),
)
def test_a_table_has_its_streams_whole_name(warehouse, stream, table):
    described = schema({"id": "integer"}, stream=stream)
    for number in (1, 2):
        warehouse.load(described, record(stream, id=number))
    assert tables(warehouse) == {table}
    assert warehouse.rows(table) == [{"id": 1}, {"id": 2}]


def test_a_tables_name_in_messages():
    assert str(TableName("eu", "orders")) == "eu.orders"
    assert str(TableName(None, "orders")) == "orders"


def test_streams_with_the_same_last_part_have_a_table_each(warehouse):
    streams = ("eu-orders", "us-orders", "orders", "b-us-orders")
    for _ in range(2):
        warehouse.load(
            *(schema({"id": "integer"}, stream=name) for name in streams),
            *(record(name, id=number) for number, name in enumerate(streams)),
        )
    for number, name in enumerate(streams):
        assert warehouse.rows(name.replace("-", "_")) == [{"id": number}]
    assert len(tables(warehouse)) == len(streams)


@pytest.mark.parametrize(
    ("streams", "settings"),
    (
        (("eu-orders", "eu_orders"), {}),
        (("eu.orders", "eu orders"), {}),
        (("eu-orders", "us-orders"), {"table_naming": "last-part"}),
        (("eu", "us"), {"stream_maps": {name: {"__alias__": "all"} for name in ("eu", "us")}}),
        (("eu", "us"), {"stream_maps": {"us": {"__alias__": "eu"}}}),
        (
            ("us", "eu"),
            {"stream_maps": {"copy-1": {"__source__": "us"}, "eu": {"__alias__": "copy_1"}}},
        ),
        (("eu-x", "eu"), {"stream_maps": {"eu_x": {"__source__": "eu"}}}),
        (("orders", "orders__rejected"), {"on_bad_record": "quarantine"}),
        (("orders__rejected", "orders"), {"on_bad_record": "quarantine"}),
    ),
)
def test_two_streams_of_one_table_are_refused(warehouse, streams, settings):
    first, second = streams
    described = [schema({"id": "integer"}, stream=name) for name in streams]
    with pytest.raises(InputError, match=r"table .*stream_maps") as caught:
        warehouse.load(
            described[0], record(first, id=1), described[1], record(second, id=2), **settings
        )
    assert repr(first) in caught.value.message
    assert repr(second) in caught.value.message
    found = [row for table in tables(warehouse) for row in warehouse.rows(table)]
    assert {"id": 2} not in found


@pytest.mark.parametrize("settings", ({}, {"on_bad_record": "quarantine"}))
def test_a_streams_own_schema_may_come_again(warehouse, settings):
    described = [schema({"id": kind}, stream="eu-orders") for kind in ("integer", "number")]
    maps = {"copy": {"__source__": "eu-orders"}}
    warehouse.load(*described, record("eu-orders", id=1), *described, stream_maps=maps, **settings)
    assert tables(warehouse) == {"eu_orders", "copy"}


class TestTablesOfAnEarlierVersion:
    """They have the last part of their stream's name, as those of the stock target."""

    STREAM = schema({"id": "integer", "value": "string"}, stream="eu-orders")

    @pytest.fixture(autouse=True)
    def earlier(self, warehouse):
        warehouse.load(
            self.STREAM, record("eu-orders", id=1, value="old"), table_naming="last-part"
        )
        assert tables(warehouse) == {"orders"}

    @pytest.mark.parametrize("keys", (("id",), ()))
    def test_no_second_table_is_started(self, warehouse, keys):
        with pytest.raises(LoadError, match=r"'eu-orders' is .*table_naming.* last-part") as caught:
            warehouse.load(self.STREAM | {"key_properties": keys}, record("eu-orders", id=2))
        assert tables(warehouse) == {"orders"}
        (rename,) = re.findall(r"ALTER TABLE \S+ RENAME TO \S+(?=;)", caught.value.message)
        warehouse.sql(rename)
        warehouse.load(self.STREAM, record("eu-orders", id=2))
        assert [row["id"] for row in warehouse.rows("eu_orders")] == [1, 2]

    def test_it_is_kept_by_a_setting(self, warehouse):
        warehouse.load(self.STREAM, record("eu-orders", id=2), table_naming="last-part")
        assert [row["id"] for row in warehouse.rows()] == [1, 2]

    def test_a_table_that_is_anothers(self, warehouse):
        with pytest.raises(LoadError) as caught:
            warehouse.load(self.STREAM, record("eu-orders", id=2))
        (create,) = re.findall(r"create an empty table: (.*?)\. ", caught.value.message)
        warehouse.sql(create)
        warehouse.load(self.STREAM, record("eu-orders", id=2))
        assert warehouse.rows("eu_orders") == [{"id": 2, "value": None}]
        assert warehouse.key("eu_orders") == ["id"]

    def test_a_table_of_another_key_is_anothers(self, warehouse):
        described = schema({"day": "string", "value": "string"}, keys=["day"], stream="eu-orders")
        warehouse.load(described, record("eu-orders", day="x"))
        assert warehouse.rows("eu_orders") == [{"day": "x", "value": None}]

    def test_a_table_that_a_stream_of_the_run_has(self, warehouse, caplog):
        warehouse.load(
            schema({"id": "integer"}), record(id=3), self.STREAM, record("eu-orders", id=2)
        )
        assert [row["id"] for row in warehouse.rows()] == [1, 3]
        assert warehouse.rows("eu_orders") == [{"id": 2, "value": None}]
        assert "Stream eu-orders starts with a new table" in caplog.text


def test_a_table_of_an_earlier_version_in_another_schema(warehouse):
    """It had the part before the last as its schema, where none was set."""
    other = f"{warehouse.name}_eu"
    stream = f"{warehouse.name}-{other}-orders"
    warehouse.sql(
        f"CREATE SCHEMA {other}; CREATE TABLE {other}.orders (id bigint PRIMARY KEY);"
        f"INSERT INTO {other}.orders VALUES (1)"
    )
    messages = schema({"id": "integer"}, stream=stream), record(stream, id=2)
    with pytest.raises(LoadError) as caught:
        warehouse.load(*messages, default_target_schema="")
    (statements,) = re.findall(r"rename it: (.*?); or set", caught.value.message)
    warehouse.sql(statements)
    warehouse.sql(f"DROP SCHEMA {other}")
    warehouse.load(*messages, default_target_schema="")
    assert [row["id"] for row in warehouse.rows(f"{other}_orders")] == [1, 2]


@pytest.mark.parametrize(
    ("stream", "table"),
    (
        ("{}-orders", "orders"),
        ("{}-eu-orders", "eu_orders"),
        ("orders", "orders"),
        ("-orders", "_orders"),
        ("orders-", "orders_"),
    ),
)
def test_without_a_schema_that_is_set_the_streams_name_has_it(warehouse, direct, stream, table):
    name = stream.format(warehouse.name)
    path = f"{direct}&options=-csearch_path%3D{warehouse.name}"
    warehouse.load(
        schema({"id": "integer"}, stream=name),
        record(name, id=1),
        default_target_schema="",
        sqlalchemy_url=path,
    )
    assert warehouse.rows(table) == [{"id": 1}]
    same = (table, f"{warehouse.name}-{table}")
    with pytest.raises(InputError, match="both load into the table"):
        warehouse.load(
            *(schema({"id": "integer"}, stream=one) for one in same),
            default_target_schema="",
            sqlalchemy_url=path,
        )


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_keys_name(warehouse, kind):
    name = HOSTILE[kind]
    described = schema({name: "string", "value": "integer"}, keys=[name])
    warehouse.load(described, record(**{name: "k", "value": 1}))
    warehouse.load(described, record(**{name: "k", "value": 2}))
    assert warehouse.rows() == [{name: "k", "value": 2}]
    assert warehouse.key() == [name]


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_value(warehouse, kind):
    value = HOSTILE[kind]
    described = schema({"id": "string", "text": "string", "data": "object"})
    warehouse.load(described, record(id=value, text=value, data={value: [value]}))
    assert warehouse.rows() == [{"id": value, "text": value, "data": {value: [value]}}]


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize(
    "declared",
    (
        {"x-sql-datatype": "integer); DROP TABLE canary; --"},
        {"format": "date); DROP TABLE canary; --"},
        {"maxLength": "1); DROP TABLE canary; --"},
        {"contentEncoding": "x'); DROP TABLE canary; --"},
        {"description": "'; DROP TABLE canary; --", "title": '"; DROP TABLE canary; --'},
        {"enum": ["'; DROP TABLE canary; --"], "default": "'); DROP TABLE canary; --"},
    ),
    ids=lambda declared: next(iter(declared)),
)
def test_what_a_schema_declares(warehouse, declared):
    described = {"type": ["string", "null"]} | declared
    with warnings.catch_warnings():
        # The SDK's, of a type that it does not know.
        warnings.filterwarnings("ignore", "This target does not support the x-sql-datatype")
        warehouse.load(schema({"id": "integer", "text": described}), record(id=1, text="a"))
    assert warehouse.types()["text"] in {"text", "character varying"}
    assert warehouse.rows() == [{"id": 1, "text": "a"}]


def _quotable(name):
    """As the warehouse's queries have it between quotes."""
    return name.replace('"', '""')


@pytest.mark.parametrize(
    "stream",
    (
        "o" * 53,
        "o" * 54,
        "o" * 63,
        f"{'ü' * 31}o",
        "字" * 21,
        f"x{'😀' * 15}",
    ),
)
def test_the_table_of_rejected_records_of_a_long_name(warehouse, stream, caplog):
    others = [f"{stream[:-1]}{letter}" for letter in "ab"]
    for name in (stream, *others):
        described = schema({"id": "integer"}, stream=name)
        for _ in range(2):
            warehouse.load(
                described, record(name, id="x"), record(name, id=1), on_bad_record="quarantine"
            )
    made = tables(warehouse) - {normalize(name) for name in (stream, *others)}
    assert len(made) == 3
    for table in made:
        assert table.endswith("__rejected")
        assert len(table.encode()) <= 63
        assert f"in {warehouse.name}.{table};" in caplog.text
        assert [row["times"] for row in warehouse.rows(table)] == [2]


@pytest.mark.parametrize("name", ("o" * 64, "ü" * 32, f"eu-{'o' * 61}"))
def test_a_name_that_is_too_long_is_refused(warehouse, name):
    with pytest.raises(LoadError, match=r"too long for PostgreSQL.*63 bytes.*stream_maps"):
        warehouse.load(schema({"id": "integer"}, stream=name))
    with pytest.raises(LoadError, match=r"too long for PostgreSQL.*63 bytes.*stream_maps"):
        warehouse.load(schema({"id": "integer", name: "integer"}))
    assert tables(warehouse) == set()


def test_a_name_with_nul_is_refused(warehouse):
    bad = schema({"id": "integer", "a\0b": "string"})
    other = schema({"id": "integer"}, stream="lines")
    with pytest.raises(LoadError, match=r"'orders' is not loaded: .*column 'a\\x00b' has .*NUL"):
        warehouse.load(bad, record(id=1), other, record(stream="lines", id=1))
    assert tables(warehouse) == {"lines"}


def test_a_schema_that_is_too_long_is_named_by_its_setting(warehouse):
    with pytest.raises(LoadError, match=r"name of its schema .* default_target_schema"):
        warehouse.load(schema({"id": "integer"}), default_target_schema="s" * 64)


def test_a_percent_sign_in_a_tables_name(warehouse):
    stream = schema({"id": "integer", "%s": "string"}, stream="o%s%d")
    messages = record(stream="o%s%d", id=1, **{"%s": "a"}), record(stream="o%s%d", id="no")
    warehouse.load(stream, *messages, table_naming="last-part", on_bad_record="quarantine")
    assert [row["%s"] for row in warehouse.rows("o%s%d")] == ["a"]
    assert len(warehouse.rows("o%s%d__rejected")) == 1


SYSTEM_COLUMNS = ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")


@pytest.mark.parametrize("load", LOADS)
def test_a_field_named_as_a_system_column(warehouse, caplog, load):
    field = "ctid"
    described = schema({"id": "integer", field: "string"})
    for value in ("a", "b"):
        warehouse.load(
            described,
            schema({"id": "number", field: "string"}),
            {"type": "RECORD", "stream": "orders", "record": {"id": 1, field: value}, "version": 7},
            activate(7),
            state(at=1),
            **LOADS[load],
        )
    rows = [(row["id"], row[f"{field}_field"]) for row in warehouse.rows(order="2")]
    assert rows == ([(1, "a"), (1, "b")] if load == "append" else [(1, "b")])
    said = (
        "The field ctid of stream orders is loaded into the column ctid_field, as ctid is a system "
        "column of PostgreSQL"
    )
    assert [one for one in caplog.messages if "system column" in one] == [said] * 2


@pytest.mark.parametrize("field", SYSTEM_COLUMNS)
def test_a_key_named_as_a_system_column(warehouse, field):
    described = schema({field: "string", "value": "integer"}, keys=[field])
    for value in (1, 2):
        warehouse.load(described, record(**{field: "k", "value": value}))
    assert warehouse.rows() == [{f"{field}_field": "k", "value": 2}]
    assert warehouse.key() == [f"{field}_field"]


def test_names_that_only_look_like_a_system_columns(warehouse, caplog):
    row = {"id": 1, "CTID": "a", "Ctid": "b", "oid": "c", "ctid_": "d", "xmin_": "e"}
    types = dict.fromkeys(row, "string") | {"id": "integer"}
    warehouse.load(schema(types), record(**row))
    assert warehouse.rows() == [row]
    assert "system column" not in caplog.text


EARLIER = "CREATE TABLE orders (id bigint PRIMARY KEY, {} text); INSERT INTO orders VALUES (1, '1')"
SETS = {
    "another field comes": (("ctid",), ("ctid", "ctid_")),
    "it comes to another field": (("ctid_",), ("ctid", "ctid_")),
    "both at once": (("ctid_", "ctid"), ("ctid", "ctid_")),
    "one goes, another comes": (("ctid",), ("ctid_",)),
    "by case": (("ctid",), ("CTID", "ctid", "Ctid_")),
    "more underscores": (("ctid", "ctid_"), ("ctid__", "ctid_", "ctid")),
    "several": (("xmin", "ctid_"), ("cmin", "xmin_", "xmin", "ctid", "ctid_")),
}


@pytest.mark.parametrize("within", (False, True), ids=("two runs", "one run"))
@pytest.mark.parametrize("fields", SETS.values(), ids=SETS)
def test_a_fields_column_stays_whichever_fields_come_later(warehouse, fields, within):
    runs = [
        (
            schema({"id": "integer"} | dict.fromkeys(names, "string")),
            record(id=number, **{name: f"{name} {number}" for name in names}),
        )
        for number, names in enumerate(fields)
    ]
    for messages in [[*runs[0], *runs[1]]] if within else runs:
        warehouse.load(*messages)
    found = {
        column: {value.split()[0] for row in warehouse.rows() if (value := row[column])}
        for column in warehouse.types()
        if column != "id"
    }
    assert all(len(sources) == 1 for sources in found.values())
    assert sum(map(len, found.values())) == len({*fields[0], *fields[1]})
    assert all(found[name] == {name} for name in found.keys() & {*fields[0], *fields[1]})


@pytest.mark.parametrize(
    ("columns", "fields", "values"),
    (
        ("ctid_", {"ctid": "a"}, {"ctid_": "a"}),
        ("ctid_", {"ctid_": "a"}, {"ctid_": "a"}),
        (
            "ctid_ text, ctid__",
            {"ctid": "a", "ctid_": "b"},
            {"ctid_": "b", "ctid__": "a"},
        ),
        ("ctid_ text, ctid__", {"ctid": "a"}, {"ctid_": "1", "ctid__": "a"}),
        (
            "ctid_field text, ctid_",
            {"ctid": "a", "ctid_field": "b"},
            {"ctid_field": "b", "ctid_": "a"},
        ),
    ),
    ids=("the system column's", "a plain field's", "both", "one of both", "a field of that name"),
)
def test_columns_of_an_earlier_version_go_on(warehouse, columns, fields, values):
    warehouse.sql(EARLIER.format(columns))
    types = {"id": {"type": "integer"}} | dict.fromkeys(fields, "string")
    warehouse.load(schema(types), record(id=1, **fields))
    assert warehouse.rows() == [{"id": 1} | values]


def test_a_column_that_may_have_been_anothers_is_named(warehouse, caplog):
    warehouse.sql(EARLIER.format("ctid_"))
    types = {"id": {"type": "integer"}, "ctid": "string", "ctid_": "string"}
    for _ in range(2):
        warehouse.load(schema(types), record(id=1, ctid="a", ctid_="b"))
    assert warehouse.rows() == [{"id": 1, "ctid_": "b", "ctid_field": "a"}]
    said = "ctid_field. If earlier values are in ctid_, copy them"
    assert caplog.text.count(said) == 1


def test_a_field_of_the_name_that_a_system_column_gets(warehouse):
    both = schema({"id": "integer", "ctid": "string", "ctid_field": "string"})
    other = schema({"id": "integer", "ctid_field": "string"}, stream="lines")
    with pytest.raises(LoadError, match=r"'ctid' and 'ctid_field' would both .*stream_maps"):
        warehouse.load(both, record(id=1), other, record("lines", id=1, ctid_field="a"))
    assert tables(warehouse) == {"lines"}
    assert warehouse.rows("lines") == [{"id": 1, "ctid_field": "a"}]


def test_two_fields_of_one_name_by_flattening(warehouse):
    nested = {"type": "object", "properties": {"b": {"type": "string"}}}
    with pytest.raises(InputError, match="the column 'a__b' once its objects are flattened"):
        warehouse.load(
            schema({"id": "integer", "a__b": "string", "a": nested}),
            flattening_enabled=True,
            flattening_max_depth=2,
        )


@pytest.mark.parametrize("mapped", ({"value": "value"}, {"ctid": "'mapped'"}))
def test_a_system_column_by_way_of_a_map(warehouse, mapped):
    described = schema({"id": "integer", "ctid": "string", "value": "string"}, keys=["id", "ctid"])
    warehouse.load(described, record(id=1, ctid="c", value="v"), stream_maps={"orders": mapped})
    assert warehouse.rows() == [
        {"id": 1, "ctid_field": mapped.get("ctid", "'c'")[1:-1], "value": "v"}
    ]


@pytest.mark.parametrize("validate", (False, True))
def test_a_bad_record_with_a_system_column_is_kept_as_it_came(warehouse, validate):
    described = schema({"id": "integer", "ctid": "integer", "due": "string"}, keys=["ctid"])
    warehouse.load(described)
    warehouse.sql("ALTER TABLE orders ADD CHECK (due <> 'never')")
    warehouse.load(
        described,
        record(ctid="x", id=1),
        record(ctid=2, id=2, due="never"),
        record(ctid=3, id=3),
        on_bad_record="quarantine",
        validate_records=validate,
    )
    assert [row["ctid_field"] for row in warehouse.rows()] == [3]
    kept = [row["record"] for row in warehouse.rows("orders__rejected")]
    assert sorted(record["ctid"] for record in kept if record["id"] == 2) == [2]
    assert len(kept) == 2


def test_a_system_column_that_pins_a_replaced_streams_rows(warehouse):
    for account, number in (("a", 1), ("b", 2), ("a", 3)):
        described = schema({"ctid": {"const": account, "type": "string"}, "id": "integer"})
        warehouse.load(
            described,
            record(ctid=account, id=number),
            activate(number),
            load_method="overwrite",
            activate_version=True,
            add_record_metadata=True,
        )
    rows = [(row["ctid_field"], row["id"]) for row in warehouse.rows(order="2")]
    assert rows == [("b", 2), ("a", 3)]


@pytest.mark.parametrize("form", ("arrow", "parquet", "jsonl"))
def test_a_system_column_in_a_file(warehouse, tmp_path, form):
    table = pa.table({"id": [1, 2], "ctid": ["a", "b"], "xmin": [7, None]})
    path = tmp_path / f"rows.{form}"
    if form == "arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    elif form == "parquet":
        pq.write_table(table, path)
    else:
        path.write_text(lines(*table.to_pylist()))
    message = {
        "type": "BATCH",
        "stream": "orders",
        "encoding": {"format": form, "compression": "none"},
        "manifest": [f"file://{path}"],
    }
    described = schema({"id": "integer", "ctid": "string", "xmin": "integer"})
    for _ in range(2):
        warehouse.load(described, message)
    assert warehouse.rows() == [
        {"id": 1, "ctid_field": "a", "xmin_field": 7},
        {"id": 2, "ctid_field": "b", "xmin_field": None},
    ]


@pytest.mark.parametrize(("stream", "naming"), (("", "stream"), ("orders-", "last-part")))
def test_a_table_without_a_name_is_refused(warehouse, stream, naming):
    described = schema({"id": "integer"}, stream=stream)
    with pytest.raises(LoadError, match="would have no name"):
        warehouse.load(described, record(stream, id=1), table_naming=naming)


def test_a_table_is_new_if_this_run_created_it():
    naming = TableNaming("s")
    naming.note_created(TableName("s", "orders"))
    assert naming.is_new(naming.of("orders"))
    assert not naming.is_new(naming.of("clicks"))
