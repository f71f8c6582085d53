"""Conversions and clicks, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.made_up import span
from signalroom_sandbox.redtrack.reports import matches
from signalroom_sandbox.redtrack.world import click_id, object_id

if TYPE_CHECKING:
    from signalroom_sandbox.redtrack.query import Query
    from signalroom_sandbox.redtrack.switches import Switches
    from signalroom_sandbox.redtrack.world import Campaign, Clicks, Conversion, World

_MOSCOW = timezone(timedelta(hours=3))
_UNSET = "0001-01-01T00:00:00Z"


def conversions(world: World, query: Query, switches: Switches) -> list[dict[str, Any]]:
    """The conversions of whole days of the account's zone, newest first."""
    rows = [
        item
        for item in world.conversions(*span(query.start, query.end, query.zone))
        if matches(item, query)
    ]
    rows.sort(key=lambda item: (-item.at, item.id))
    return [_conversion(world, item, query, switches) for item in rows]


def clicks(world: World, query: Query) -> list[dict[str, Any]]:
    """The clicks of such days, newest first."""
    rows = [
        (item, number)
        for item in world.clicks(*span(query.start, query.end, query.zone))
        if matches(item, query)
        for number in range(item.count)
    ]
    rows.sort(key=lambda pair: (-pair[0].at, pair[1]))
    return [_click(world, item, number, query) for item, number in rows]


def _dimensions(world: World, campaign: Campaign, offer: int) -> dict[str, Any]:
    source = campaign.source
    return {
        "campaign": campaign.title,
        "campaign_id": campaign.id,
        "source": "" if source is None else world.name("source", source),
        "source_id": "" if source is None else object_id("source", source),
        "offer": world.name("offer", offer),
        "offer_id": object_id("offer", offer),
        "network": world.name("network", campaign.network),
        "landing": world.name("landing", campaign.landing),
        "landing_id": object_id("landing", campaign.landing),
        "country": "US",
        "os": "iOS",
        "browser": "Mobile Safari",
        "ip": "192.0.2.7",
        "user_agent": "Sandbox/1.0 (synthetic)",
        "fingerprint": "sandbox-fingerprint",
        "sub1": f"ad-{offer}",
        "rt_source": "example",
    }


def _conversion(world: World, item: Conversion, query: Query, switches: Switches) -> dict[str, Any]:
    # The conversion's id chooses one of the formats that were observed.
    way = item.number % 6
    created = format_time(item.at, way, query)
    every = switches.unreadable_times
    if every and item.number % every == 0:
        created = switches.unreadable_time
    return {
        "id": item.id,
        "clickid": item.clickid,
        **_dimensions(world, item.campaign, item.offer),
        "type": {1: "Purchase"}.get(item.type, f"Event {item.type}"),
        "event": f"event{item.type}",
        "status": item.status,
        "currency": "USD",
        "payout": item.payout,
        "payout_default": item.payout,
        "cost": 0,
        "pub_revenue": item.payout,
        "default_type": int(item.type == 1),
        "duplicate_status": 0,
        "is_transaction": 1,
        **{f"type{number}": int(number == item.type) for number in (1, 2, 3, 4, 40)},
        "external_id": f"order-{item.id[:8]}",
        "order": "",
        "postback_ip": "192.0.2.9",
        "track_time": _UNSET if way == 1 else format_time(item.clicked_at, 0, query),
        "conv_time": format_time(item.at, 0, query),
        "created_at": created,
    }


def _click(world: World, item: Clicks, number: int, query: Query) -> dict[str, Any]:
    return {
        "id": click_id(item, number),
        **_dimensions(world, item.campaign, item.offer),
        "track_time": format_time(item.at, number % 6, query),
        "type": "",
        "ref_id": f"ad-{item.offer}",
        "external_id": f"external-{number}",
        "cost": item.cpc,
        "cost_default": item.cpc,
        "cost_source": item.cpc,
        "uniq": 1,
        "is_ok": 1,
        "is_baddevice": 0,
        "user_id": "visitor",
    }


def format_time(at: int, way: int, query: Query) -> str:
    """Format a moment in one of the ways observed at RedTrack, of which one is empty."""
    moment = datetime.fromtimestamp(at, UTC)
    if way == 1:
        return f"{moment:%Y-%m-%dT%H:%M:%S}.123456789Z"
    if way == 2:  # noqa: PLR2004
        return f"{moment.astimezone(_MOSCOW):%Y-%m-%dT%H:%M:%S}.759+03:00"
    if way == 3:  # noqa: PLR2004
        return f"{moment.astimezone(query.zone):%Y-%m-%d %H:%M:%S}"
    if way == 4:  # noqa: PLR2004
        return ""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
