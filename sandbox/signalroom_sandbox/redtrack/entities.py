"""Entities, with the secrets that RedTrack leaves in them, and dictionaries."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.redtrack.world import object_id

if TYPE_CHECKING:
    from signalroom_sandbox.redtrack.switches import Switches
    from signalroom_sandbox.redtrack.world import World

#: What every made-up secret begins with: a test looks for it.
SECRET = "sandbox-vendor-secret"  # noqa: S105
_TIMES = {"created_at": "2024-03-01T12:55:55.759+03:00", "updated_at": "0001-01-01T00:00:00Z"}
#: Lists that always come as ``{items, total}``.
WRAPPED = ("streams", "domains")
DICTIONARIES: dict[str, list[Any]] = {
    "timezones": ["America/New_York", "Europe/Berlin", "UTC"],
    "countries": [
        {"id": 1, "iso": "US", "title": "United States"},
        {"id": 2, "iso": "DE", "title": "Germany"},
    ],
    "currencies": [
        {
            "letter_code": code,
            "aliases": [code.lower()],
            "exchange_rate": {
                "source": "sandbox",
                "updated_at": "2026-01-01T00:00:00.123456789Z",
                "value": Decimal(value),
            },
        }
        for code, value in (("USD", "1"), ("EUR", "1.0837"))
    ],
}


def listed(world: World, kind: str, switches: Switches) -> list[dict[str, Any]]:
    """All entities of a kind."""
    return _KINDS[kind](world, switches)


def _base(kind: str, number: int, **more: Any) -> dict[str, Any]:
    return {"id": object_id(kind, number), "serial_number": number + 1, **_TIMES, **more}


def _campaigns(world: World, switches: Switches) -> list[dict[str, Any]]:
    listed = [
        _base(
            "campaign",
            item.number,
            title=item.title,
            status=1 + item.number % 2,
            source_id="" if item.source is None else object_id("source", item.source),
            source_title="" if item.source is None else world.name("source", item.source),
            notes=["first", "second"],
            tags=["a"],
            trackback_url=f"https://t.example.com/{item.id}?key={SECRET}-url",
            data_quality_token=f"{SECRET}-quality",
            streams=[{"id": object_id("stream", 0), "weight": 100, "filters": [{"os": ["iOS"]}]}],
            pixels=[{"facebook": {"conversions_apikey": f"{SECRET}-facebook", "id": "1"}}],
            tiktok={"pixel_token": f"{SECRET}-tiktok"},
            stat={"clicks": 1, "cost": 0.1},
        )
        for item in world.campaigns
    ]
    if switches.campaign_bytes:
        listed[0]["streams"][0]["filters"] = [{"ids": "x" * switches.campaign_bytes}]
    return listed


def _offers(world: World, _: Switches) -> list[dict[str, Any]]:
    return [
        _base(
            "offer",
            number,
            title=world.name("offer", number),
            status=1,
            notes="one text",
            url=f"https://offers.example.com/?oid={number}&affid=7&clickid={{clickid}}",
            payment={"amount": Decimal("42.50"), "currency": "USD"},
            network_title=world.name("network", 0),
            tags=[],
        )
        for number in world.numbers("offer")
    ]


def _sources(world: World, _: Switches) -> list[dict[str, Any]]:
    return [
        _base(
            "source",
            number,
            title=world.name("source", number),
            alias=f"src{number}",
            status="active",
            integrations=[{"type": "api", "params": {"login": f"{SECRET}-login"}}],
            google_analytics_key=f"{SECRET}-analytics",
        )
        for number in world.numbers("source")
    ]


def _networks(world: World, _: Switches) -> list[dict[str, Any]]:
    return [
        _base(
            "network",
            number,
            title=world.name("network", number),
            status=1,
            offer_count=2,
            postback_token=f"{SECRET}-postback",
        )
        for number in world.numbers("network")
    ]


def _landings(world: World, _: Switches) -> list[dict[str, Any]]:
    return [
        _base(
            "landing",
            number,
            title=world.name("landing", number),
            type="landing" if number else "prelanding",
            url=f"https://l.example.com/{number}",
            status=1,
        )
        for number in world.numbers("landing")
    ]


def _streams(_: World, __: Switches) -> list[dict[str, Any]]:
    return [_base("stream", number, title=f"Funnel {number}", status=1) for number in range(3)]


def _domains(_: World, __: Switches) -> list[dict[str, Any]]:
    return [
        _base(
            "domain",
            number,
            url=f"t{number}.example.com",
            status=1,
            ssl={"key": f"{SECRET}-ssl-key", "crt": f"{SECRET}-ssl-crt", "expires": "2027-01-01"},
            acme={"key": f"{SECRET}-acme", "crt": f"{SECRET}-acme-crt"},
        )
        for number in range(2)
    ]


_KINDS = {
    "campaigns": _campaigns,
    "offers": _offers,
    "sources": _sources,
    "networks": _networks,
    "landings": _landings,
    "streams": _streams,
    "domains": _domains,
}
KINDS = tuple(_KINDS)
