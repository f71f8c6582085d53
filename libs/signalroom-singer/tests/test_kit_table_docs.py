"""Descriptions of tables and columns: in the catalog, and in what a loader gets."""

from __future__ import annotations

import json

import pytest
from singer_sdk import typing as th
from singer_sdk.streams import Stream

from signalroom_singer import COMMON_SETTINGS, Descriptions, SignalRoomStream, SignalRoomTap

_SAID = Descriptions(
    tables={"orders": "Orders"},
    columns={
        "id": "The vendor's id",
        "status": "Said of all streams",
        "orders.status": "Said of orders",
        "total": "Said of all streams",
    },
)


class Rows(SignalRoomStream, Stream):
    """A stream whose schema describes one of its columns itself."""

    descriptions = _SAID
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("status", th.StringType),
        th.Property("total", th.NumberType, description="Said by the schema"),
        th.Property("note", th.StringType),
    ).to_dict()

    def get_records(self, context):
        yield {"id": 1}


def rows(name, **config):
    class Tap(SignalRoomTap):
        name = "tap-rows"
        config_jsonschema = th.PropertiesList(*COMMON_SETTINGS).to_dict()

        def discover_streams(self):
            return [Rows(self, name=name)]

    return Tap(config=config).streams[name]


def described(properties):
    return {name: column.get("description") for name, column in properties.items()}


@pytest.mark.parametrize(
    ("stream", "status"), (("orders", "Said of orders"), ("refunds", "Said of all streams"))
)
def test_what_is_said_of_the_stream_counts_then_the_schema_then_what_is_said_of_all(stream, status):
    found = described(rows(stream).schema["properties"])
    assert found["id"] == "The vendor's id"
    assert found["status"] == status
    assert found["total"] == "Said by the schema"
    assert found["note"] is None
    # The schema is a class's: what one stream says must not get into another's.
    assert described(Rows.schema["properties"])["status"] is None


def test_catalog_and_messages_have_them(capsys):
    stream = rows("orders", client_id="acme", hash_columns=["orders.total"], hash_salt="s" * 32)
    entry = stream._singer_catalog_entry.to_dict()
    assert entry["schema"]["description"] == "Orders"
    stream.sync()
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    (schema,) = [line["schema"] for line in lines if line["type"] == "SCHEMA"]
    assert schema["description"] == "Orders"
    found = described(schema["properties"])
    assert found["status"] == "Said of orders"
    # Hashed, it is a text, and described as before.
    assert schema["properties"]["total"]["type"] == ["string", "null"]
    assert found["total"] == "Said by the schema"
    assert found["_client_id"].startswith("Whose row this is")
