from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
import requests

from signalroom_sandbox.redtrack import API_KEY
from signalroom_sandbox.redtrack.entities import SECRET
from signalroom_singer import TapError
from tap_redtrack.client import RedTrackClient

LISTS = ("campaigns", "offers", "sources", "networks", "landings", "streams", "domains")
DICTIONARIES = ("currencies", "countries", "timezones")


def test_entities_are_loaded_without_secrets(make_tap, sync):
    output = sync(make_tap(), *LISTS, *DICTIONARIES)
    counts = {name: len(output.records[name]) for name in (*LISTS, *DICTIONARIES)}
    assert counts == dict(
        zip((*LISTS, *DICTIONARIES), (13, 5, 7, 3, 3, 3, 2, 2, 2, 3), strict=True)
    )
    assert SECRET not in json.dumps(output.messages)
    (offer, *_) = output.records["offers"]
    assert offer["url"].startswith("https://offers.example.com/?oid=0&affid=7")
    assert offer["payment"]["amount"] == 42.5
    assert offer["created_at"] == "2024-03-01T09:55:55.759000Z"
    assert offer["updated_at"] is None
    assert {row["status"] for row in output.records["sources"]} == {"active"}
    assert output.records["campaigns"][0]["notes"] == ["first", "second"]
    assert "stat" not in output.records["campaigns"][0].get("_extra", {})
    assert {"value": "UTC"}.items() <= output.records["timezones"][2].items()


#: What has no column: lists of postbacks, pixels and payouts, and what belongs to them.
NESTED = {
    "campaigns": {
        *("click_postbacks", "creatives", "custom_geo_payouts", "impression_postbacks"),
        *("integration_postback", "integrations", "notifications", "pixels", "postbacks"),
        "publisher_details",
    },
    "offers": {"fingerprint_settings", "pixels", "pixels_relations"},
    "sources": {
        *("custom_rates", "integration_types", "integrations", "pixels", "pixels_relations"),
        "subs",
    },
    "networks": {
        *("customer_fields", "customer_subs", "custom_rates", "hints", "ip_whitelist", "sub1"),
        "subs",
    },
    "landings": set(),
    "streams": set(),
    "domains": {"acme", "ssl"},
}
#: The columns of earlier versions that RedTrack's Swagger does not have.
NEVER_SENT = {
    "campaigns": {"cost_type", "cost_value"},
    "landings": {"status"},
    "streams": {"serial_number", "status", "created_at", "updated_at"},
    "domains": {"serial_number", "title", "status", "updated_at"},
}


@pytest.mark.parametrize("stream", LISTS)
def test_columns_are_what_redtrack_sends(make_tap, sync, sandbox, stream):
    """No field of one value is without a column, and no column without a field but the old ones."""
    output = sync(make_tap(), stream)
    url = f"{sandbox.redtrack_url}/{stream}"
    answer = requests.get(url, {"api_key": API_KEY, "per": 500}, timeout=60).json()
    rows = answer["items"] if isinstance(answer, dict) else answer
    sent = {name for row in rows for name in row}
    columns = output.schemas[stream]["schema"]["properties"]
    known = {*columns} - {"_extra", "_loaded_at"}
    # Secrets are neither.
    secret = {"google_analytics_key", "postback_token"}
    assert sent - known - secret - {"stat"} == NESTED[stream]
    assert known - sent == NEVER_SENT.get(stream, set())
    for name in NEVER_SENT.get(stream, ()):
        assert columns[name]["description"].startswith("Always null")
    for row in output.records[stream]:
        assert {*row.get("_extra", {})} <= NESTED[stream]
        assert all(row[name] is None for name in NEVER_SENT.get(stream, ()) if name in row)


def test_cost_columns_of_campaigns(make_tap, sync):
    rows = sync(make_tap(), "campaigns").records["campaigns"]
    assert {row["cost_model"] for row in rows} == {"cpc", "auto"}
    assert [Decimal(str(row["cpc"])) for row in rows] == [
        Decimal("0.0125") * number for number in range(13)
    ]
    assert rows[0]["type"] == "redirect"


def test_offers_and_filters_of_streams(make_tap, sync):
    (row, *_) = sync(make_tap(), "streams").records["streams"]
    assert row["offers"][0]["name"] == "Keto Trial"
    assert row["filters"]["os"]["values"] == ["iOS"]
    assert row["template"] is False


@pytest.mark.parametrize("shape", ("array", "items"))
@pytest.mark.parametrize(
    "behaviour",
    (
        {"list_clamp": 10},
        {"page_ignored": "lists"},
        {"shuffled": True},
        {"total": "absent"},
        {"total": "high"},
    ),
    ids=str,
)
def test_lists_in_every_shape(make_tap, redtrack, sync, shape, behaviour):
    redtrack.switches(list_shape=shape, **behaviour)
    rows = sync(make_tap(), "campaigns").records["campaigns"]
    assert len(rows) == len({row["id"] for row in rows}) == 13


def test_a_clamp_of_any_size_is_noticed_by_the_total(make_tap, redtrack, sync):
    redtrack.switches(list_shape="items", list_clamp=4)
    assert len(sync(make_tap(), "campaigns").records["campaigns"]) == 13


def test_a_campaign_of_megabytes(make_tap, redtrack, sync):
    redtrack.switches(campaign_bytes=5_000_000)
    rows = sync(make_tap(), "campaigns").records["campaigns"]
    filters = rows[0]["streams"][0]["stream"]["filters"]
    assert len(filters["city"]["values"][0]) == 5_000_000


def test_nested_secrets_are_left_out(make_tap):
    campaigns = make_tap().streams["campaigns"]
    row = campaigns.post_process(
        {
            "id": "c1",
            "google_analytics_key": "1",
            "tiktok": {"pixel_token": "2", "pixel_id": "kept"},
            "integrations": [{"type": "kept", "params": {"login": "3"}}],
            "ssl": {"key": "4", "crt": "5", "days": 90},
            "trackback_url": "https://user:6@x.example.com/?a=1&token=7&pass=8&sig=9&b={clickid}",
            "keywords": ["kept"],
            "json_body": '{"access_token":"10","value":1.50}',
            "streams": [{"filters": {"ip": ["192.0.2.1"]}}],
        }
    )
    assert row["_extra"] == {
        "tiktok": {"pixel_id": "kept"},
        "integrations": [{"type": "kept"}],
        "ssl": {"days": 90},
        "keywords": ["kept"],
        "json_body": '{"value":1.50}',
    }
    assert row["trackback_url"] == (
        "https://<redacted>@x.example.com/"
        "?a=1&token=<redacted>&pass=<redacted>&sig=<redacted>&b={clickid}"
    )
    assert row["streams"] == [{"filters": {"ip": ["192.0.2.1"]}}]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    (
        (
            [[1]],
            "GET /timezones has a list of 1 in its list, which is neither",
        ),
        (["UTC", 7], "GET /timezones has a number in its list"),
        ([None], "GET /timezones has null in its list"),
        ({"items": ["UTC"], "total": 3}, "GET /timezones lists 1 of 3. Nothing was replaced"),
    ),
)
def test_a_malformed_list_replaces_nothing(make_tap, sync, monkeypatch, answer, complaint):
    monkeypatch.setattr(RedTrackClient, "get", lambda *_, **__: answer)
    output = sync(make_tap(), "timezones", fails=TapError)
    assert re.search(complaint, str(output.error))
    assert not [one for one in output.messages if one["type"] == "ACTIVATE_VERSION"]
