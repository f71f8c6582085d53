"""Entities, with the secrets that RedTrack leaves in them, and dictionaries.

They have the fields of RedTrack's own Swagger, https://api.redtrack.io/docs/index.html, and no
others. Of the many lists of payouts by country, sub id and the like there is one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.redtrack.world import object_id

if TYPE_CHECKING:
    from signalroom_sandbox.redtrack.switches import Switches
    from signalroom_sandbox.redtrack.world import World

#: Begins all made-up secrets, so that tests can search for them.
SECRET = "sandbox-vendor-secret"  # noqa: S105
#: The same, for secrets within texts and URLs.
HIDDEN = "sandbox-redtrack-notasecret"
_TIMES = {"created_at": "2024-03-01T12:55:55.759+03:00", "updated_at": "0001-01-01T00:00:00Z"}
#: Lists that always come as ``{items, total}``.
WRAPPED = ("streams", "domains")
DICTIONARIES: dict[str, list[Any]] = {
    "timezones": ["America/New_York", "Europe/Berlin", "UTC"],
    "countries": [
        {"id": "1", "iso": "US", "title": "United States"},
        {"id": "2", "iso": "DE", "title": "Germany"},
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


def list_rows(world: World, kind: str, switches: Switches) -> list[dict[str, Any]]:
    """All entities of a kind.

    Args:
        world: The account that has them.
        kind: Name of the list, as in its path.
        switches: Behaviours that a test changed.
    """
    rows = [_MAKERS[kind](world, number) for number in world.numbers(kind.removesuffix("s"))]
    if kind == "campaigns" and switches.campaign_bytes:
        filters = rows[0]["streams"][0]["stream"]["filters"]
        filters["city"]["values"] = ["x" * switches.campaign_bytes]
    return rows


def _base(kind: str, number: int, **more: Any) -> dict[str, Any]:
    """Properties that all kinds have."""
    return {
        "id": object_id(kind, number),
        "user_id": object_id("user", 0),
        "workspace_ids": [object_id("workspace", 0)],
        **more,
    }


def _with_number(kind: str, number: int, **more: Any) -> dict[str, Any]:
    """Properties of the kinds that have a serial number."""
    # These sums are not of the requested days.
    stat = {"clicks": 1, "cost": 0.1}
    return _base(kind, number, serial_number=number + 1, stat=stat, **_TIMES, **more)


def _campaign(world: World, number: int) -> dict[str, Any]:
    item = world.campaigns[number]
    return _with_number(
        "campaign",
        number,
        title=item.title,
        status=1 + number % 2,
        type="redirect",
        source_id="" if item.source is None else object_id("source", item.source),
        source_title="" if item.source is None else world.name("source", item.source),
        domain_id=object_id("domain", 0),
        cost_model=("cpc", "auto")[number % 2],
        cpc=Decimal("0.0125") * number,
        coupon="",
        expires_at="",
        impression_url=f"https://t.example.com/imp/{item.id}",
        postback_url="https://t.example.com/postback?clickid=REPLACE&sum=REPLACE",
        trackback_url=f"https://t.example.com/{item.id}?key={SECRET}-url",
        redirect_type=302,
        rev_share=Decimal("0.5"),
        rsoc_enabled=False,
        cache_buster_enabled=True,
        source_campaign_id=f"{number:06}",
        source_campaigns=[f"{number:06}"],
        notes=["first", "second"],
        tags=["a"],
        streams=[_campaign_stream(world)],
        pixels=[_postback(f"https://pixel.example.com/fire?pass={HIDDEN}-pass&s=1")],
        postbacks=[_postback(f"https://hooks.example.com/in?token={SECRET}-hook")],
        click_postbacks=[
            {
                "enabled": True,
                "http_method": "POST",
                "json_body": '{"click": "{clickid}"}',
                "url": f"https://reader:{HIDDEN}-user@clicks.example.com/",
            }
        ],
        # The path of Slack's webhooks is the secret.
        impression_postbacks=[{"url": f"https://hooks.slack.com/services/T0/B0/{HIDDEN}"}],
        integration_postback=_postback(f"https://i.example.com/?sig={HIDDEN}-sig&id=1"),
        integrations={"cost_update": True, "fraudscore": False},
        notifications={"enabled": False, "clicks": 0, "conversions": 0, "roi": 0},
        creatives=[],
        custom_geo_payouts=[],
        publisher_details={"description": "", "countries": ["US"], "coupon": ""},
    )


def _postback(url: str) -> dict[str, Any]:
    return {
        "url": url,
        # Users write this text.
        "json_body": '{"payout": "{payout}", "api_secret": "%s-json"}' % HIDDEN,  # noqa: UP031
        "request_method": 1,
        "events": [],
        "goals": [],
        "statuses": ["approved"],
        "payout_conditions": [],
        "match_event": False,
        "not_send_update": False,
        "custom_payout": 0,
        "payment_percent": 100,
    }


def _campaign_stream(world: World) -> dict[str, Any]:
    return {
        "id": object_id("stream", 0),
        "weight": 100,
        "optimization": {"is_enabled": False, "metric": "roi"},
        "stream": _stream(world, 0),
    }


def _filter(*values: str) -> dict[str, Any]:
    return {"active": bool(values), "exclude": False, "kind": 0, "values": [*values]}


def _stream(_: World, number: int) -> dict[str, Any]:
    """A stream, which has no status, no serial number, and no times except its end."""
    part = {"filters": {"country": _filter("US")}, "weight": 100}
    return _base(
        "stream",
        number,
        title=f"Funnel {number}",
        template=number > 0,
        expires_at="",
        filters={"os": _filter("iOS"), "city": _filter()},
        offers=[{**part, "id": object_id("offer", 0), "name": "Keto Trial"}],
        landings=[{**part, "id": object_id("landing", 1), "name": "Quiz B"}],
        prelandings=[],
    )


def _pixels(name: str) -> list[dict[str, Any]]:
    """Pixels of ad platforms, with the credentials for sending to them."""
    return [
        {
            "id": object_id("pixel", 0),
            "title": name,
            "integration_alias": name,
            "facebook": {
                "pixel_id": "1",
                "conversions_apikey": f"{SECRET}-facebook",
                "data_quality_token": f"{SECRET}-quality",
                "settings": {"event_name": "Purchase"},
            },
            "tiktok": {"pixel_id": "2", "pixel_token": f"{SECRET}-tiktok"},
            "snapchat": {"pixel_id": "3", "pixel_token": f"{SECRET}-snapchat"},
            "user_id": object_id("user", 0),
            **_TIMES,
        }
    ]


def _offer(world: World, number: int) -> dict[str, Any]:
    return _with_number(
        "offer",
        number,
        title=world.name("offer", number),
        status=1,
        notes="one text",
        url=f"https://offers.example.com/?oid={number}&affid=7&clickid={{clickid}}",
        payment={"amount": Decimal("42.50")},
        network_title=world.name("network", 0),
        tags=[],
        cap=100,
        cap_alert=False,
        clcap=0,
        clcap_alert=False,
        click_cap=0,
        click_cap_period="day",
        click_cap_type="all",
        category="Health",
        subcategory="",
        country_codes=["US", "CA"],
        default_conversion_status="approved",
        expires_at="",
        postback_url="https://t.example.com/postback?clickid=REPLACE",
        program_id="",
        script_id="",
        fingerprint_settings={"first_click_weight": 0, "last_click_weight": 100},
        pixels=_pixels("offer"),
        pixels_relations=[{"id": object_id("pixel", 0), "created_at": _TIMES["created_at"]}],
    )


def _source(world: World, number: int) -> dict[str, Any]:
    return _with_number(
        "source",
        number,
        title=world.name("source", number),
        alias=f"src{number}",
        status="active",
        type="social",
        currency="USD",
        campaign_count=2,
        cost_id="{cost}",
        cost_level="campaign",
        cost_models=["cpc", "auto"],
        formats=["native"],
        enable_direct_traffic=True,
        enable_impressions=False,
        enable_parallel_tracking=False,
        external_id="{external_id}",
        external_id_alias="external_id",
        ref_id="{ad_id}",
        ref_id_alias="ref_id",
        imp_id="",
        imp_cost_id="",
        integration_id="",
        integration_types={"cost_update": True, "pause_campaign": False},
        integrations={
            "fraudscore": False,
            "source_name": "ads",
            "params": {"login": f"{SECRET}-login"},
        },
        google_analytics_key=f"{SECRET}-analytics",
        postback_pixel="",
        postback_url="https://ads.example.com/postback",
        preset_id="",
        subs=[{"alias": "ad", "hint": "ad", "role": "", "value": "{ad_id}"}],
        custom_rates={"is_enabled": False, "rates": {}},
        pixels=_pixels("source"),
        pixels_relations=[],
    )


def _network(world: World, number: int) -> dict[str, Any]:
    return _with_number(
        "network",
        number,
        title=world.name("network", number),
        alias=f"net{number}",
        status="active",
        offer_count=2,
        currency="USD",
        clickid="clickid",
        click_expiration=0,
        offer_url="https://network.example.com/offer",
        postback_url="https://t.example.com/postback?clickid={clickid}&sum={payout}",
        postback_mode="",
        postback_protected=True,
        postback_status="",
        postback_token=f"{SECRET}-postback",
        preset_id="",
        sum="payout",
        notes="",
        event_tracking=False,
        enable_ip_whitelist=False,
        ip_whitelist="",
        cdp_hashing_personal_data_enabled=False,
        customer_fields=[],
        customer_subs=[],
        custom_rates={"is_enabled": False, "rates": {}},
        hints={"sub1": "the ad"},
        sub1="ad",
        subs=[],
    )


def _landing_page(world: World, number: int) -> dict[str, Any]:
    return _with_number(
        "landing",
        number,
        title=world.name("landing", number),
        type="landing" if number else "prelanding",
        url=f"https://l.example.com/{number}",
        domain_id=object_id("domain", 0),
        listicle=False,
        tags=["advertorial"],
    )


def _domain(_: World, number: int) -> dict[str, Any]:
    return _base(
        "domain",
        number,
        created_at=_TIMES["created_at"],
        url=f"t{number}.example.com",
        type="tracking",
        fallback_url="",
        registry_expiry_date="2027-06-01T00:00:00Z",
        use_auto_generated_ssl=True,
        ssl={
            "active": True,
            "key": f"{SECRET}-ssl-key",
            "crt": f"{SECRET}-ssl-crt",
            "expires": "2027-01-01",
        },
        acme={"active": False, "key": f"{SECRET}-acme", "crt": f"{SECRET}-acme-crt"},
    )


_MAKERS = {
    "campaigns": _campaign,
    "offers": _offer,
    "sources": _source,
    "networks": _network,
    "landings": _landing_page,
    "streams": _stream,
    "domains": _domain,
}
KINDS = tuple(_MAKERS)
