"""Stream maps and flattening, as every SDK target has them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from warehouse import activate, record, schema

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.warehouse.rejected import BadRecordError


def test_stream_maps(warehouse):
    maps = {
        "orders": {"name": "__NULL__", "total": "total * 2", "__filter__": "id != 2"},
        "copies": {"__source__": "orders", "id": "id", "__else__": None},
    }
    line = '{"type":"RECORD","stream":"orders","record":{"id":1,"name":"a","total":10.05}}'
    warehouse.load(
        schema({"id": {"type": "integer"}, "name": "string", "total": "number"}),
        line,
        record(id=2, name="b", total=1),
        stream_maps=maps,
    )
    assert warehouse.rows() == [{"id": 1, "total": Decimal("20.10")}]
    assert [row["id"] for row in warehouse.rows("copies")] == [1, 2]


def test_flattening(warehouse):
    nested = {"type": "object", "properties": {"city": {"type": "string"}}}
    warehouse.load(
        schema({"id": {"type": "integer"}, "address": nested}),
        record(id=1, address={"city": "Bonn"}),
        flattening_enabled=True,
        flattening_max_depth=2,
    )
    assert warehouse.rows() == [{"id": 1, "address__city": "Bonn"}]


def test_a_mapped_number_keeps_every_digit(warehouse):
    digits = "12345678901234567.891234"
    line = f'{{"type":"RECORD","stream":"orders","record":{{"id":1,"total":{digits}}}}}'
    stream = schema({"id": {"type": "integer"}, "total": "number"})
    warehouse.load(stream, line, stream_maps={"orders": {"id": "id"}})
    assert warehouse.rows() == [{"id": 1, "total": Decimal(digits)}]


@pytest.mark.parametrize(
    ("text", "told"),
    (
        ("[1]", "it is not an object"),
        ("7", "it is not an object"),
        (f'{{"id":{"9" * 5000}}}', "nteger"),
    ),
    ids=("list", "number", "digits"),
)
def test_a_record_that_no_map_can_read_is_a_bad_one(warehouse, text, told):
    line = f'{{"type":"RECORD","stream":"orders","record":{text}}}'
    stream = schema({"id": {"type": "integer"}})
    with pytest.raises(BadRecordError, match=f"stream orders .*{told}"):
        warehouse.load(stream, record(id=1), line, stream_maps={"orders": {"id": "id"}})
    assert warehouse.rows() == [{"id": 1}]


def test_a_map_that_cannot_be_applied_names_its_stream(warehouse):
    stream = schema({"id": {"type": "integer"}})
    with pytest.raises(InputError, match="stream map of orders cannot be applied"):
        warehouse.load(stream, record(id=1), stream_maps={"orders": {"id": "id / 0"}})


@pytest.mark.parametrize(
    ("maps", "reason"),
    (
        ({"orders": {"id": None}}, "Removing key property 'id' is not permitted"),
        ({"orders": {"id": "__NULL__"}}, "Removing key property 'id' is not permitted"),
        ({"orders": {"__alias__": "other", "id": None}}, "Removing key property 'id'"),
        ({"orders": {"name": "name", "__else__": None}}, "Property 'id' was not detected"),
        ({"copies": {"__source__": "orders", "id": None}}, "Removing key property 'id'"),
        ({"orders": {"__key_properties__": ["uid"]}}, "Property 'uid' was not detected"),
        ({"orders": {"name": "name +"}}, "Failed to parse expression name +"),
        ({"orders": {"__filter__": "id >"}}, "Failed to parse expression id >"),
    ),
)
def test_a_map_that_does_not_fit_its_stream_is_named(warehouse, maps, reason):
    with pytest.raises(InputError) as caught:
        warehouse.load(
            schema({"id": {"type": "integer"}, "name": "string"}), record(id=1), stream_maps=maps
        )
    said = caught.value.message
    assert said.startswith("Invalid stream map for stream 'orders' (setting stream_maps): ")
    assert reason in said
    assert "__key_properties__" in said


@pytest.mark.parametrize(
    ("maps", "left"),
    (
        ({"eu_orders": None}, 1),
        ({"eu_orders": "__NULL__"}, 1),
        ({"eu-orders": {}, "__else__": None}, 1),
        ({"copy": {"__source__": "eu_orders"}, "eu_orders": None}, 1),
        ({"eu-orders": {"__alias__": "eu_orders"}, "eu_orders": None}, 1),
        ({"eu-orders": None}, 2),
    ),
)
def test_a_stream_that_is_left_out_takes_no_table(warehouse, maps, left):
    streams = [schema({"id": "integer"}, stream=name) for name in ("eu-orders", "eu_orders")]
    records = [record("eu-orders", id=1), record("eu_orders", id=2)]
    activations = [activate(3, name) for name in ("eu-orders", "eu_orders")]
    for order in ([*streams, *records], [*streams[::-1], *records[::-1]]):
        warehouse.load(*order, *activations, stream_maps=dict(maps))
    assert warehouse.rows("eu_orders") == [{"id": left}]
    query = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
    tables = {row["tablename"] for row in warehouse.sql(query, warehouse.name)}
    assert tables == {"eu_orders"} | ({"copy"} & maps.keys())
