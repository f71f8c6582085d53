from __future__ import annotations

import pytest
from everflow_days import NEW_YORK, days_ago, keyed
from singer_sdk.exceptions import ConfigValidationError, RetriableAPIError

from signalroom_sandbox.everflow import AFFILIATE_KEY, LIMITED_KEY
from signalroom_singer import RequestRejectedError, TapError

PASSING = (
    ("http_500", {}),
    ("http_502", {}),
    ("http_503", {}),
    ("http_429", {}),
    ("http_429", {"retry_after": ""}),
    ("http_429", {"retry_after": "0"}),
    ("http_429", {"retry_after": "86400"}),
    ("connection_reset", {}),
    ("cut_body", {}),
    ("truncated_json", {}),
    ("html_200", {}),
    ("null_200", {}),
    ("error_200", {}),
    ("empty_200", {}),
    ("gzip", {}),
)


@pytest.mark.parametrize(("fault", "params"), PASSING, ids=str)
def test_a_passing_fault_changes_nothing(make_tap, sandbox, sync, fault, params):
    sandbox.control.fault(fault, times=2, match="entity/table", **params)
    sandbox.control.fault(fault, times=2, skip=1, match="reporting/conversions", **params)
    sandbox.control.fault(fault, times=2, match="networks/offers", **params)
    output = sync(make_tap(), "daily_stats", "conversions", "offers")
    totals = sandbox.control.everflow.totals(days_ago(5), days_ago(1), NEW_YORK)
    assert keyed(output.records["daily_stats"]) == keyed(totals["days"])
    expected = sandbox.control.everflow.conversions(days_ago(5), days_ago(1), NEW_YORK)
    assert {row["conversion_id"] for row in output.records["conversions"]} == {
        row["conversion_id"] for row in expected if not row["is_event"]
    }
    assert len(output.records["offers"]) == 20


def test_a_timeout_is_tried_again(make_tap, sandbox, sync):
    sandbox.control.fault("timeout", match="networks/offers", seconds=3)
    assert sync(make_tap(request_timeout=1), "offers").records["offers"]


def test_a_lasting_fault_keeps_the_days_before_it(make_tap, sandbox, sync):
    sandbox.control.fault("http_503", times=999, skip=3, match="reporting/conversions")
    tap = make_tap(max_concurrency=1)
    output = sync(tap, "conversions", fails=RetriableAPIError)
    assert "conversions: POST /networks/reporting/conversions answered 503" in str(output.error)
    assert output.bookmarks("conversions") == [days_ago(n).isoformat() for n in (5, 4, 3)]
    sandbox.control.clear_faults()
    resumed = sync(make_tap(output.state, conversions_lookback_days=0), "conversions")
    found = [row["conversion_id"] for o in (output, resumed) for row in o.records["conversions"]]
    expected = sandbox.control.everflow.conversions(days_ago(5), days_ago(1), NEW_YORK)
    assert sorted(found) == sorted(r["conversion_id"] for r in expected if not r["is_event"])


@pytest.mark.parametrize(
    ("key", "stream", "said"),
    (
        ("sandbox-everflow-revoked-key", "offers", "401 .*No Authentication Method Found.*api_key"),
        (AFFILIATE_KEY, "offers", "403 .*Out of realm.*must be a network key"),
        (LIMITED_KEY, "conversions", "403 .*Missing permission.*or deselect the stream"),
    ),
)
def test_a_refused_key_says_what_to_do(make_tap, sync, key, stream, said):
    with pytest.raises(RequestRejectedError, match=said) as caught:
        sync(make_tap(api_key=key), stream)
    assert str(caught.value).startswith(f"{stream}: ")
    assert key not in str(caught.value)


@pytest.mark.parametrize("ending", ("", "/", "/v1", "/v1/"))
def test_the_address_may_end_as_it_likes(make_tap, sandbox, sync, ending):
    tap = make_tap(api_url=sandbox.everflow_url + ending)
    assert sync(tap, "timezones").records["timezones"]


def test_the_eu_host_and_others(make_tap):
    assert (
        make_tap(api_url="api-eu.eflow.team", requests_per_second=29).api_url
        == "https://api-eu.eflow.team/v1"
    )
    with pytest.raises(ConfigValidationError, match="unencrypted"):
        _ = make_tap(api_url="http://api.eflow.team", requests_per_second=29).api_url


def test_a_redirect_takes_no_key_along(make_tap, sandbox, sync):
    sandbox.control.fault("redirect", match="networks/offers", location="http://127.0.0.1:9")
    output = sync(make_tap(), "offers", fails=RequestRejectedError)
    assert r"was redirected to http://127.0.0.1:9" in str(output.error)


def read_120_days(make_tap, sandbox, sync):
    """Read conversions with a response time of a tenth of a second; gives the request journal."""
    sandbox.control.everflow.limits(per_second=30, burst=50)
    sandbox.control.everflow.latency(0.1)
    tap = make_tap(start_date=days_ago(120).isoformat(), requests_per_second=29)
    sync(tap, "conversions")
    return sandbox.control.requests()


def test_the_limits_are_kept(make_tap, sandbox, sync):
    seen = read_120_days(make_tap, sandbox, sync)
    assert seen["refused"] == 0
    assert seen["max_concurrent"] <= 8


@pytest.mark.timing
def test_the_limits_are_used(make_tap, sandbox, sync):
    # Ten requests at once would take a hundred a second: the rate is what limits.
    seen = read_120_days(make_tap, sandbox, sync)
    assert seen["max_concurrent"] > 5
    moments = [r["at"] for r in seen["requests"] if "conversions" in r["path"]]
    assert len(moments) == 120
    assert len(moments) / (moments[-1] - moments[0]) >= 0.9 * 30


def test_fewer_at_once_where_asked_for(make_tap, sandbox, sync):
    sandbox.control.everflow.latency(0.05)
    sync(make_tap(max_concurrency=2, start_date=days_ago(10).isoformat()), "conversions")
    assert sandbox.control.requests()["max_concurrent"] == 2


@pytest.mark.parametrize(
    ("zones", "told"),
    (
        ([], "returned no time zones"),
        ([[1]], "a time zone without name or number"),
        ([{"timezone": "UTC"}], "a time zone without name or number"),
        ("soon", "without a list of timezones"),
    ),
)
def test_time_zones_that_are_none_are_not_the_settings_mistake(
    sandbox, make_tap, sync, zones, told
):
    answer = {"status": 200, "headers": {}, "body": {"timezones": zones}}
    sandbox.control.fault("answer", match="meta/timezones", times=9, **answer)
    error = sync(make_tap(), "daily_stats", fails=TapError).error
    assert told in str(error)
    assert "daily_stats" in str(error)
