"""Descriptions of the streams' schemas as comments on tables and columns."""

from __future__ import annotations

import psycopg
import pytest
from warehouse import record, schema

MINE = "somebody's own words"


def described(table="Orders of the shop", total="Including VAT", **more):
    """A SCHEMA with descriptions; None for none."""
    message = schema(
        {
            "id": {"type": "integer", "description": "Given by the shop"},
            "total": {"type": ["number", "null"], "description": total},
            "ctid": {"type": ["string", "null"], "description": "The click's id"},
        },
        description=table,
        **more,
    )
    for part in (message["schema"], *message["schema"]["properties"].values()):
        if part["description"] is None:
            del part["description"]
    return message


COMMENTS = {
    "": "Orders of the shop",
    "id": "Given by the shop",
    "total": "Including VAT",
    "ctid_field": "The click's id",
}


def comments(warehouse, table="orders"):
    found = warehouse.sql(
        "SELECT coalesce(attname, '') AS name, description FROM pg_description LEFT JOIN "
        "pg_attribute ON attrelid = objoid AND attnum = objsubid WHERE objoid = %s::regclass",
        table,
    )
    return {row["name"]: row["description"] for row in found}


@pytest.mark.parametrize("made_before", (False, True))
@pytest.mark.parametrize("keys", (("id",), ()))
def test_descriptions_become_comments(warehouse, made_before, keys):
    if made_before:
        warehouse.load(schema({"id": "integer"}, keys), add_comments=False)
    for _ in range(2):
        warehouse.load(described(keys=keys), record(id=1, total=1))
    assert comments(warehouse) == COMMENTS


def test_they_follow_the_descriptions(warehouse):
    warehouse.load(described())
    warehouse.load(described(table="Sales", total="Without VAT"))
    assert comments(warehouse) == COMMENTS | {"": "Sales", "total": "Without VAT"}
    warehouse.load(described(table=None, total=None))
    assert comments(warehouse) == {name: COMMENTS[name] for name in ("id", "ctid_field")}
    warehouse.load(described())
    assert comments(warehouse) == COMMENTS
    warehouse.load(schema({"id": "integer", "total": "number", "ctid": "string"}))
    assert comments(warehouse) == {}


@pytest.mark.parametrize("when", ("before", "after"))
def test_a_comment_that_somebody_wrote_stays(warehouse, when):
    if when == "after":
        warehouse.load(described())
    else:
        warehouse.load(described(), add_comments=False)
        assert comments(warehouse) == {}
    warehouse.sql(f"COMMENT ON COLUMN orders.total IS $${MINE}$$")
    warehouse.sql(f"COMMENT ON TABLE orders IS $${MINE}$$")
    for total in ("Including VAT", "Without VAT", None):
        warehouse.load(described(table=total, total=total))
        assert comments(warehouse) == COMMENTS | {"": MINE, "total": MINE}


def test_a_comment_that_somebody_removed_comes_back_with_a_new_description(warehouse):
    warehouse.load(described())
    warehouse.sql("COMMENT ON COLUMN orders.total IS NULL")
    warehouse.load(described())
    assert "total" not in comments(warehouse)
    warehouse.load(described(total="Without VAT"))
    assert comments(warehouse)["total"] == "Without VAT"


def test_a_setting_turns_them_off(warehouse):
    warehouse.load(described(), add_comments=False)
    assert comments(warehouse) == {}
    warehouse.load(described())
    warehouse.load(described(total="Without VAT"), add_comments=False)
    assert comments(warehouse) == COMMENTS


def test_those_of_a_restored_dump_are_recognised(warehouse):
    warehouse.load(described())
    # pg_dump leaves out comments on the types of tables' rows.
    warehouse.sql("COMMENT ON TYPE orders IS NULL")
    warehouse.load(described())
    warehouse.load(described(total="Without VAT"))
    assert comments(warehouse) == COMMENTS | {"total": "Without VAT"}


def test_somebodys_comment_on_the_rows_type_stays(warehouse):
    warehouse.load(schema({"id": "integer"}))
    warehouse.sql(f"COMMENT ON TYPE orders IS $${MINE}$$")
    warehouse.load(described())
    query = "SELECT obj_description('orders'::regtype, 'pg_type') AS text"
    assert warehouse.sql(query) == [{"text": MINE}]


@pytest.mark.parametrize(
    "text",
    (
        "it's",
        'a "name"',
        "back\\slash",
        "two\nlines",
        "100 % {of} it; DROP TABLE orders",
        "字",
        "\t",
    ),
)
def test_any_text(warehouse, text):
    for _ in range(2):
        warehouse.load(described(table=text, total=text), record(id=1))
    assert comments(warehouse) == COMMENTS | {"": text, "total": text}


@pytest.mark.parametrize("text", (7, [], {}, True, ""))
def test_a_description_that_is_no_text_is_none(warehouse, text):
    warehouse.load(described(table=text, total=text))
    assert comments(warehouse) == {name: COMMENTS[name] for name in ("id", "ctid_field")}


def test_a_nul_is_replaced(warehouse):
    warehouse.load(described(total="a\0b"))
    assert comments(warehouse)["total"] == "a\ufffdb"


def test_by_way_of_a_map(warehouse):
    maps = {"orders": {"copy": "str(id)"}}
    warehouse.load(described(), record(id=1, total=1), stream_maps=maps)
    assert comments(warehouse) == COMMENTS


def test_who_does_not_own_the_table_loads_without_them(warehouse, direct):
    role = f"{warehouse.name}_loader"
    warehouse.load(schema({"id": "integer", "total": "number", "ctid": "string"}))
    warehouse.sql(f'CREATE ROLE "{role}" LOGIN')
    try:
        warehouse.sql(f'GRANT ALL ON SCHEMA "{warehouse.name}" TO "{role}"')
        warehouse.sql(f'GRANT ALL ON orders TO "{role}"')
        url = f"{direct}&options=-crole%3D{role}"
        warehouse.load(described(), record(id=1, total=1), sqlalchemy_url=url)
        assert [row["id"] for row in warehouse.rows()] == [1]
        assert comments(warehouse) == {}
    finally:
        warehouse.sql(f'DROP OWNED BY "{role}"')
        warehouse.sql(f'DROP ROLE "{role}"')


def test_a_table_that_something_else_holds_is_not_waited_for(warehouse, caplog):
    warehouse.load(described())
    with psycopg.connect(warehouse.libpq_url) as other:
        # As VACUUM and CREATE INDEX CONCURRENTLY do.
        other.execute(f'LOCK TABLE "{warehouse.name}".orders IN SHARE UPDATE EXCLUSIVE MODE')
        with caplog.at_level("INFO"):
            warehouse.load(described(total="Without VAT"), record(id=1, total=1))
    assert [row["id"] for row in warehouse.rows()] == [1]
    assert comments(warehouse) == COMMENTS
    assert "No comments were written on" in caplog.text
    warehouse.load(described(total="Without VAT"))
    assert comments(warehouse)["total"] == "Without VAT"
