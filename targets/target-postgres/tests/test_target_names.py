"""Names come from files and sheets that strangers fill in: they are names, whatever they say."""

from __future__ import annotations

import warnings

import pytest
from warehouse import activate, record, schema, state

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
    assert tables(warehouse) == {"canary", name}
    loaded = [{"id": row["id"], name: row[name]} for row in warehouse.rows(_quotable(name))]
    assert sorted(loaded, key=repr) == sorted(rows * (1 + (load == "append")), key=repr)
    assert f"{name}2" in warehouse.types(_quotable(name))


@pytest.mark.usefixtures("canary")
def test_a_streams_name_chooses_no_other_schema(warehouse):
    """The SDK takes what stands before a dash for one; the one that is set comes first."""
    warehouse.load(schema({"id": "integer"}, stream="public-orders"))
    assert tables(warehouse) == {"canary", "orders"}
    assert warehouse.sql("SELECT to_regclass('public.orders') AS public") == [{"public": None}]


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
