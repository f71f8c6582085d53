"""A tap with made-up records, to measure writing them: ``writer.py kit|sdk COUNT``."""

from __future__ import annotations

import sys
from decimal import Decimal

from singer_sdk import Stream, Tap
from singer_sdk import typing as th

from signalroom_singer import SignalRoomStream, SignalRoomTap

NAMES = [f"text_{number}" for number in range(12)]
SCHEMA = th.PropertiesList(
    th.Property("id", th.IntegerType, required=True),
    th.Property("payout", th.NumberType),
    th.Property("revenue", th.NumberType),
    th.Property("approved", th.BooleanType),
    th.Property("updated_at", th.DateTimeType),
    th.Property("relationship", th.ObjectType(additional_properties=True)),
    *(th.Property(name, th.StringType) for name in NAMES),
).to_dict()


def records(count: int):
    """Records as a parser of JSON returns them."""
    for number in range(count):
        yield {
            "id": number,
            "payout": Decimal("12.35"),
            "revenue": Decimal("20.1"),
            "approved": True,
            "updated_at": "2026-01-31T12:00:00Z",
            "relationship": {"offer": {"network_offer_id": 1, "name": "An offer"}},
            **dict.fromkeys(NAMES, "some text of a usual length"),
        }


class MadeUp:
    """What both streams share."""

    name = "made_up"
    primary_keys = ("id",)
    schema = SCHEMA

    def get_records(self, context):  # noqa: ARG002
        """The records."""
        return records(int(sys.argv[2]))


class KitStream(MadeUp, SignalRoomStream):
    """Built on the kit."""


class SDKStream(MadeUp, Stream):
    """Built on the SDK alone."""


class KitTap(SignalRoomTap):
    """Built on the kit."""

    name = "tap-made-up"

    def discover_streams(self):
        """The only stream."""
        return [KitStream(self)]


class SDKTap(Tap):
    """Built on the SDK alone."""

    name = "tap-made-up"

    def discover_streams(self):
        """The only stream."""
        return [SDKStream(self)]


{"kit": KitTap, "sdk": SDKTap}[sys.argv[1]]().sync_all()
