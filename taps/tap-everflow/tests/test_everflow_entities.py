from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest

from signalroom_singer import RequestRejectedError
from tap_everflow.client import EverflowClient

COUNTS = {
    "advertisers": 9,
    "affiliates": 37,
    "campaigns": 7,
    "coupon_codes": 12,
    "creatives": 55,
    "offer_urls": 9,
    "offers": 20,
    "timezones": 10,
    "tracking_domains": 3,
}


def asked(sandbox, path):
    requests = sandbox.control.requests()["requests"]
    return [parse_qs(r["query"]) for r in requests if r["path"].endswith(path)]


@pytest.mark.parametrize("bare", (False, True), ids=("envelope", "bare list"))
@pytest.mark.parametrize("page_size", (2000, 10, 5))
def test_every_entity_comes_once(make_tap, sandbox, sync, bare, page_size):
    sandbox.control.everflow.switches(bare_lists=bare)
    output = sync(make_tap(page_size=page_size), *COUNTS)
    for stream, count in COUNTS.items():
        (key,) = output.schemas[stream]["key_properties"]
        assert len(output.records[stream]) == count, stream
        assert len({row[key] for row in output.records[stream]}) == count, stream


def test_a_clamped_page_size_loses_nothing(make_tap, sandbox, sync):
    sandbox.control.everflow.switches(page_clamp=4)
    output = sync(make_tap(), "affiliates", "creatives")
    assert len(output.records["affiliates"]) == COUNTS["affiliates"]
    assert len(output.records["creatives"]) == COUNTS["creatives"]


@pytest.fixture
def telling(monkeypatch):
    """Let answers tell something else of their pages: ``telling(change)`` gets what they tell."""
    get = EverflowClient.get

    def with_pages(change):
        def changed(client, path, params):
            payload = get(client, path, params)
            payload["paging"] = change(payload["paging"])
            return payload

        monkeypatch.setattr(EverflowClient, "get", changed)

    return with_pages


@pytest.mark.parametrize(
    "change",
    (
        lambda paging: None,
        lambda paging: {},
        lambda paging: paging | {"total_count": 0},
        lambda paging: paging | {"total_count": 7},
        lambda paging: [paging],
    ),
)
def test_a_full_page_is_followed_whatever_is_told_of_it(make_tap, sync, telling, change):
    telling(change)
    output = sync(make_tap(page_size=5), "affiliates")
    assert len(output.records["affiliates"]) == COUNTS["affiliates"]


def test_fewer_than_there_are_replace_nothing(make_tap, sync, telling, caplog):
    telling(lambda paging: paging | {"total_count": 40})
    output = sync(make_tap(), "affiliates", "offers")
    assert "GET /networks/affiliates reported 40 rows but returned 37" in caplog.text
    ended = {m["stream"] for m in output.messages if m["type"] == "ACTIVATE_VERSION"}
    assert "affiliates" not in ended
    telling(lambda paging: paging)
    output = sync(make_tap(), "affiliates")
    assert {m["stream"] for m in output.messages if m["type"] == "ACTIVATE_VERSION"} == {
        "affiliates"
    }


def test_credentials_of_entities_are_stripped(make_tap, sync):
    output = sync(make_tap(), "advertisers")
    assert "verification_token" not in output.schemas["advertisers"]["schema"]["properties"]
    assert "sandbox-token" not in json.dumps(output.messages)
    assert "sandbox-advertiser-key" not in json.dumps(output.messages)


def test_sentinels_are_null_and_fields_without_a_column_are_kept(make_tap, sync):
    output = sync(make_tap(), "offers", "coupon_codes", "affiliates")
    offers = {row["network_offer_id"]: row for row in output.records["offers"]}
    assert offers[101]["date_live_until"] is None
    assert offers[102]["date_live_until"] == "2030-12-31"
    assert offers[101]["_extra"] == {"daily_payout_cap": 10.3}
    assert {row["time_deleted"] for row in output.records["coupon_codes"]} == {None}
    affiliate = output.records["affiliates"][0]
    assert affiliate["_extra"]["adress_id"] == 0
    assert affiliate["time_saved"] == "2023-11-15T22:13:20.000000Z"


def test_entities_can_be_read_by_time_of_change(make_tap, sandbox, sync):
    first = sync(make_tap(incremental_entities=True), "affiliates", "offers", "advertisers")
    newest = max(row["time_saved"] for row in first.records["affiliates"])
    bookmark = first.state["bookmarks"]["affiliates"]
    assert (bookmark["replication_key"], bookmark["replication_key_value"]) == (
        "time_saved",
        newest,
    )
    sandbox.control.clear_requests()
    second = sync(make_tap(first.state, incremental_entities=True), "affiliates", "advertisers")
    (query,) = asked(sandbox, "/networks/affiliates")
    assert query["filter"][0].startswith("time_saved>")
    # The overlap of a day, its start excluded, holds the newest alone.
    assert len(second.records["affiliates"]) == 1
    assert len(second.records["advertisers"]) == COUNTS["advertisers"]


def test_an_undocumented_path_may_be_missing(make_tap, sandbox, sync, caplog):
    sandbox.control.everflow.switches(undocumented_missing=True)
    output = sync(make_tap(), "coupon_codes", "offers")
    assert output.records["coupon_codes"] == []
    assert len(output.records["offers"]) == COUNTS["offers"]
    assert "This account's API has no /networks/couponcodes" in caplog.text


def test_a_documented_path_must_be_there(make_tap, sandbox, sync):
    sandbox.control.fault("http_404", match="networks/offers")
    output = sync(make_tap(), "offers", fails=RequestRejectedError)
    assert "offers: GET /networks/offers answered 404" in str(output.error)
