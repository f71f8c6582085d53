"""Lists of affiliates, advertisers, offers and related entities, in pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.everflow.reports import label
from signalroom_sandbox.everflow.validation import paging
from signalroom_sandbox.everflow.world import ADVERTISERS, AFFILIATES, OFFERS
from signalroom_sandbox.vendor import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from signalroom_sandbox.everflow.switches import Switches

_FIRST_SAVED = 1_700_000_000
_FILTER = re.compile(r"(time_created|time_saved|account_status|offer_status)([=<>])(.+)")


def _times(number: int) -> dict[str, int]:
    return {"time_created": _FIRST_SAVED, "time_saved": _FIRST_SAVED + number * 86_400}


def _affiliates() -> list[dict[str, Any]]:
    return [
        {
            "network_affiliate_id": number,
            "network_id": 1,
            "name": name,
            "account_status": "active",
            "account_manager_id": 2,
            "account_manager_name": "Robin Example",
            "default_currency_id": "USD",
            # Everflow spells it so.
            "adress_id": 0,
            "internal_notes": "",
            "has_notifications": True,
            "labels": [],
            **_times(number),
        }
        for number, name in AFFILIATES.items()
    ]


def _advertisers() -> list[dict[str, Any]]:
    return [
        {
            "network_advertiser_id": number,
            "network_id": 1,
            "name": name,
            "account_status": "active",
            "default_currency_id": "USD",
            "reporting_timezone_id": 80,
            "attribution_method": "last_touch",
            "attribution_priority": "click",
            "email_attribution_method": "last_affiliate_attribution",
            "network_employee_id": 2,
            "sales_manager_id": 3,
            "internal_notes": "",
            "address_id": 0,
            "is_contact_address_enabled": False,
            "is_expose_publisher_reporting_data": None,
            "platform_name": "Shop",
            "platform_url": "https://platform.example.com/",
            "platform_username": f"sample.advertiser{number}",
            "accounting_contact_email": f"books{number}@example.com",
            "offer_id_macro": "oid",
            "affiliate_id_macro": "affid",
            "verification_token": f"sandbox-token-{number}",
            "api_key": f"sandbox-advertiser-key-{number}",
            "labels": [],
            "settings": {"exposed_variables": {"affiliate_id": True}},
            "relationship": {
                "labels": {"total": 0, "entries": []},
                "account_manager": _employee("Robin", 2),
                "sale_manager": _employee("Alex", 3),
            },
            **_times(number),
        }
        for number, name in ADVERTISERS.items()
    ]


def _employee(name: str, number: int) -> dict[str, Any]:
    """An employee of the network, as advertisers name them."""
    return {
        "first_name": name,
        "last_name": "Example",
        "email": f"{name.lower()}@example.com",
        "work_phone": f"+1 202 555 01{number:02}",
        "cell_phone": f"+1 202 555 02{number:02}",
        "instant_messaging_id": 1,
        "instant_messaging_identifier": f"live:{name.lower()}",
    }


def _offers() -> list[dict[str, Any]]:
    return [
        {
            "network_offer_id": number,
            "network_id": 1,
            "network_advertiser_id": owner,
            "name": label("offer", str(number)),
            "offer_status": "active" if number % 5 else "paused",
            "currency_id": "USD",
            "network_category_id": 0,
            "visibility": "public",
            "destination_url": f"https://shop.example.com/{number}",
            "preview_url": "",
            "project_id": "",
            "date_live_until": "" if number % 2 else "2030-12-31",
            "daily_payout_cap": 10.3,
            "internal_notes": "",
            **_times(number),
        }
        for number, owner in OFFERS.items()
    ]


def _simple_rows(
    key: str, count: int, **fields: Callable[[int], Any]
) -> Callable[[], list[dict[str, Any]]]:
    def make() -> list[dict[str, Any]]:
        return [
            {
                key: number,
                "network_id": 1,
                **{name: value(number) for name, value in fields.items()},
                **_times(number),
            }
            for number in range(1, count + 1)
        ]

    return make


#: By path below ``/networks``: the envelope's key, and the rows.
LISTS: dict[str, tuple[str, Callable[[], list[dict[str, Any]]]]] = {
    "affiliates": ("affiliates", _affiliates),
    "advertisers": ("advertisers", _advertisers),
    "offers": ("offers", _offers),
    "campaigns": (
        "campaigns",
        _simple_rows(
            "network_campaign_id",
            7,
            campaign_name=lambda number: f"Smart link {number}",
            campaign_status=lambda _: "active",
        ),
    ),
    "creatives": (
        "creatives",
        _simple_rows(
            "network_offer_creative_id",
            55,
            network_offer_id=lambda number: 101 + number % 20,
            name=lambda number: f"Banner {number}",
            creative_type=lambda _: "image",
            creative_status=lambda _: "active",
        ),
    ),
    "couponcodes": (
        "coupon_codes",
        _simple_rows(
            "network_coupon_code_id",
            12,
            network_affiliate_id=lambda number: number,
            network_offer_id=lambda number: 100 + number,
            coupon_code=lambda number: f"SAVE{number}",
            coupon_status=lambda _: "active",
            description=lambda _: "",
            start_date=lambda _: "",
            end_date=lambda number: "" if number % 3 else "2030-01-31",
            time_deleted=lambda _: 0,
        ),
    ),
    "domains/tracking": (
        "domains",
        _simple_rows(
            "network_tracking_domain_id", 3, url=lambda number: f"https://t{number}.example.com"
        ),
    ),
    "offerurls": (
        "offer_urls",
        _simple_rows(
            "network_offer_url_id",
            9,
            network_offer_id=lambda number: 100 + number,
            name=lambda number: f"Landing page {number}",
            destination_url=lambda number: f"https://shop.example.com/lp/{number}",
            preview_url=lambda _: "",
            url_status=lambda number: "deleted" if number == 4 else "active",  # noqa: PLR2004
        ),
    ),
}
UNDOCUMENTED = "couponcodes"


def list_page(path: str, params: Mapping[str, str], switches: Switches) -> Any:
    """A page of a list.

    Args:
        path: The path below ``/networks``.
        params: The query string.
        switches: Behaviours that a test changed.
    """
    key, make = LISTS[path]
    if switches.undocumented_missing and path == UNDOCUMENTED:
        raise ApiError(404, "Not found")
    rows = make()
    if expression := params.get("filter"):
        rows = [row for row in rows if _passes_filter(row, expression)]
    page, size = paging(params, switches.page_clamp)
    page_rows = rows[(page - 1) * size : page * size]
    if switches.bare_lists:
        return page_rows
    return {key: page_rows, "paging": {"page": page, "page_size": size, "total_count": len(rows)}}


def _passes_filter(row: dict[str, Any], expression: str) -> bool:
    match = _FILTER.fullmatch(expression)
    if not match:
        raise ApiError(400, f"Invalid filter {expression}")
    name, operator, value = match.groups()
    if operator == "=":
        return str(row.get(name)) == value
    if not value.isdigit():
        raise ApiError(400, f"Invalid filter {expression}")
    saved = int(row.get(name, 0))
    return saved > int(value) if operator == ">" else saved < int(value)
