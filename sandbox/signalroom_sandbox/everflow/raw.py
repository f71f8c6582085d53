"""Conversions, clicks and adjustments, row by row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.everflow.reports import COUNTRIES, filters_of, label, passes
from signalroom_sandbox.everflow.validation import conversion_query, moment_query, paging
from signalroom_sandbox.made_up import HOUR, midnight, seeded_random

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from signalroom_sandbox.everflow.switches import Switches
    from signalroom_sandbox.everflow.world import CellKey, Conversion, World

CLICK_CAP = 10_000
_RETENTION = timedelta(days=92)


def conversions(
    world: World, body: Any, params: Mapping[str, str], switches: Switches
) -> dict[str, Any]:
    """A page of conversions, the newest first."""
    query, base, events = conversion_query(body, world.now())
    page, size = paging(params, switches.page_clamp)
    filters = () if switches.filter_ignored else filters_of(query)
    matches = [
        item
        for item in world.conversions(query.begin, query.end)
        if (events if item.is_event else base)
        and passes(filters, world, item.affiliate, item.offer)
    ]
    matches.sort(key=lambda item: (-item.at, item.conversion_id))
    matches += matches[: switches.repeated_rows]
    total = len(matches)
    start = 0 if switches.repeated_pages else (page - 1) * size
    rows = matches[start : start + size]
    if size == switches.lossy_page_size and start and rows:
        # Repeat the row before the boundary instead of the row after it.
        rows[0] = matches[start - 1]
    paging_object: dict[str, Any] = {"page": page, "page_size": size, "total_count": total}
    if switches.total_count == "absent":
        del paging_object["total_count"]
    elif switches.total_count != "steady":
        sign = -1 if switches.total_count == "growing" else 1
        paging_object["total_count"] = total + sign * max(0, 3 - page)
    if not switches.page_size_told:
        del paging_object["page_size"]
    answer: dict[str, Any] = {"conversions": [_conversion(world, item) for item in rows]}
    if switches.total_count != "absent" or switches.page_size_told:
        answer["paging"] = paging_object
    return answer


def clicks(world: World, body: Any, switches: Switches) -> dict[str, Any]:
    """Clicks, the newest first; the oldest are dropped silently."""
    query = moment_query(body, longest=timedelta(days=14))
    oldest = int((world.now() - _RETENTION).timestamp())
    filters = () if switches.filter_ignored else filters_of(query)
    matches = [
        (key, number, at)
        for key, number, at in world.clicks(max(query.begin, oldest), query.end)
        if passes(filters, world, key[1], key[2])
    ]
    matches.sort(key=lambda click: -click[2])
    return {"clicks": [_click(world, *click) for click in matches[:CLICK_CAP]]}


def adjustments(world: World, start: date, end: date) -> dict[str, Any]:
    """Manual corrections of a range of days, of which one in ten was deleted."""
    rows = []
    day = start
    while day <= end and day < world.now().date():
        source = seeded_random(world.seed, "adjustment", day)
        if source.random() < 0.2:  # noqa: PLR2004
            created = midnight(day) + 2 * HOUR
            rows.append(
                {
                    "network_reporting_adjustment_id": day.toordinal(),
                    "network_id": 1,
                    "network_affiliate_id": source.randrange(1, 38),
                    "network_offer_id": source.randrange(101, 121),
                    **dict.fromkeys(("network_employee_id", "total_clicks", "unique_clicks"), 0),
                    "conversions": source.randrange(-5, 6),
                    "payout": source.randrange(-10_000, 10_000) / 100,
                    "revenue": source.randrange(-10_000, 10_000) / 100,
                    "date_adjustment": day.isoformat(),
                    "notes": "Checked with the advertiser",
                    **dict.fromkeys(("gross_sales", "impressions", "media_buying_cost"), 0),
                    "time_created": created,
                    "time_saved": created,
                    "deleted": source.random() < 0.1,  # noqa: PLR2004
                    "relationship": {"snapshot": {"total_clicks": 0}},
                }
            )
        day += timedelta(days=1)
    return {"adjustments": rows}


def _conversion(world: World, item: Conversion) -> dict[str, Any]:
    number = item.at % 997
    return {
        "conversion_id": item.conversion_id,
        "conversion_unix_timestamp": item.at,
        "transaction_id": f"t-{item.conversion_id}",
        "click_unix_timestamp": item.clicked_at,
        **{f"sub{index}": f"sub{index}-{number}" if index < 3 else "" for index in range(1, 6)},  # noqa: PLR2004
        "source_id": "",
        "status": item.status,
        "payout_type": "cpa",
        "revenue_type": "rpa",
        "payout": item.payout,
        "revenue": item.revenue,
        "sale_amount": item.sale_amount,
        "session_user_ip": f"192.0.2.{number % 250}",
        "conversion_user_ip": f"198.51.100.{number % 250}",
        "country": COUNTRIES[number % len(COUNTRIES)],
        "region": "",
        "city": "Springfield",
        "dma": number,
        "carrier": "",
        "platform": "Android",
        "os_version": "14",
        "device_type": "Phone",
        "device_model": "Pixel 🐙",
        "brand": "Google",
        "browser": "Chrome",
        "language": "English",
        "http_user_agent": "Mozilla/5.0 (sandbox)",
        **{f"adv{index}": "" for index in range(1, 6)},
        "is_event": item.is_event,
        "event": "purchase" if item.is_event else "Base",
        "notes": "null_value",
        "is_scrub": item.status == "invalid",
        "is_view_through": False,
        "error_code": 0,
        "error_message": "",
        "coupon_code": "",
        "order_id": f"order {number}",
        "url": "https://shop.example.com/",
        "isp": "Example Net",
        "referer": 'https://news.example.com/?q="1"',
        "app_id": "",
        **{
            name: ""
            for kind in ("idfa", "google_ad_id", "android_id")
            for name in (kind, f"{kind}_md5", f"{kind}_sha1")
        },
        "currency_id": "USD",
        "email": f"person{number}@example.com",
        "previous_network_offer_id": 0,
        "network_offer_payout_revenue_id": 1,
        "relationship": _relationship(world, item.affiliate, item.offer)
        | {"query_parameters": {"gclid": f"g{number}"}, "usm_data": None},
    }


def _relationship(world: World, affiliate: int, offer: int) -> dict[str, Any]:
    ids = {"offer": offer, "advertiser": world.offers[offer], "affiliate": affiliate}
    return {
        kind: {f"network_{kind}_id": number, "name": label(kind, str(number))}
        for kind, number in ids.items()
    }


def _click(world: World, key: CellKey, number: int, at: int) -> dict[str, Any]:
    _, affiliate, offer = key
    return {
        "transaction_id": f"{key[0]:x}-{affiliate}-{offer}-{number}",
        "unix_timestamp": at,
        "is_unique": int(number % 10 != 0),
        **dict.fromkeys(("has_conversion", "payout", "revenue"), 0),
        "currency_id": "USD",
        "tracking_url": f"https://track.example.com/{affiliate}/{offer}",
        "source_id": "",
        **{f"sub{index}": "" for index in range(1, 6)},
        "payout_type": "cpa",
        "revenue_type": "rpa",
        "error_code": 0,
        "user_ip": f"203.0.113.{number % 250}",
        "referer": "",
        "relationship": _relationship(world, affiliate, offer),
    }
