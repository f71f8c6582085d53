"""Everflow's mock server: its errors, limits and totals."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import requests

from signalroom_sandbox.everflow import AFFILIATE_KEY, LIMITED_KEY, NETWORK_KEY
from signalroom_sandbox.everflow.entities import LISTS
from signalroom_sandbox.server import ControlError, SandboxServer

UTC_ID, NEW_YORK, BERLIN = 67, 80, 56
DAY_LONG = timedelta(days=1)
ZONES = {UTC_ID: "UTC", NEW_YORK: "America/New_York", BERLIN: "Europe/Berlin"}
TODAY = datetime.now(UTC).date()
DAY = TODAY - timedelta(days=10)
TABLE = "/networks/reporting/entity/table"
SUMMARY = "/networks/reporting/entity/summary"
CONVERSIONS = "/networks/reporting/conversions"
CLICKS = "/networks/reporting/clicks/stream"
PAIRS = ("affiliate", "advertiser")


@pytest.fixture
def server(sandbox):
    return sandbox


@pytest.fixture
def control(server):
    return server.control


@pytest.fixture
def call(server):
    def ask(method, path, body=None, *, key=NETWORK_KEY, data=None, **params):
        return requests.request(
            method,
            f"{server.everflow_url}/v1{path}",
            json=body,
            data=data,
            params=params,
            headers={"X-Eflow-API-Key": key} if key else {},
            timeout=30,
        )

    return ask


@pytest.fixture
def read(call):
    """Read an answer that is no refusal; amounts are exact."""

    def ask(method, path, body=None, **params):
        response = call(method, path, body, **params)
        assert response.status_code == 200, response.text
        return response.json(parse_float=Decimal)

    return ask


def report(start=DAY, end=None, zone=NEW_YORK, columns=("date", *PAIRS), filters=(), **other):
    return {
        "from": f"{start}",
        "to": f"{end or start}",
        "timezone_id": zone,
        "currency_id": "USD",
        "columns": [{"column": name} for name in columns],
        "query": {
            "filters": [
                {"resource_type": name, "filter_id_value": value} for name, value in filters
            ]
        },
    } | other


def rows(start=DAY, end=None, zone=NEW_YORK, filters=(), **other):
    """The body for conversions or clicks."""
    flags = {"show_conversions": True, "show_events": True}
    return report(start, end, zone, ("date",), filters, **flags) | other


def without(body, name):
    return {key: value for key, value in body.items() if key != name}


def dst_days(zone, longest=363):
    """The zone's last days that have not 24 hours, two at most."""
    info = ZoneInfo(ZONES[zone])
    found = []
    for ago in range(2, longest):
        day = TODAY - timedelta(days=ago)
        midnights = [
            datetime(it.year, it.month, it.day, tzinfo=info) for it in (day, day + DAY_LONG)
        ]
        if midnights[0].utcoffset() != midnights[1].utcoffset():
            found.append(day)
    return found[:2]


# Refusals


LONG_AGO = TODAY - timedelta(days=400)
REFUSED = {
    "no timezone": (TABLE, without(report(), "timezone_id"), "Internal error"),
    "timezone null": (TABLE, report(timezone_id=None), "Internal error"),
    "unknown timezone": (TABLE, report(timezone_id=9999), "Unknown timezone_id 9999"),
    "timezone as text": (TABLE, report(timezone_id="80"), "Unknown timezone_id 80"),
    "timezone as list": (TABLE, report(timezone_id=[80]), "Unknown timezone_id [80]"),
    "no currency": (TABLE, without(report(), "currency_id"), "currency_id is required"),
    "text columns": (TABLE, report(columns=()) | {"columns": ["date"]}, "array of objects"),
    "no columns": (TABLE, report(columns=()), "between 1 and 10"),
    "11 columns": (TABLE, report(columns=["affiliate"] * 11), "between 1 and 10"),
    "two times": (TABLE, report(columns=("date", "hour")), "Only one time column"),
    "unknown column": (TABLE, report(columns=("nonsense",)), "Unknown column nonsense"),
    "a year and more": (TABLE, report(DAY - timedelta(days=367), DAY), "exceed one year"),
    "backwards": (TABLE, report(DAY, DAY - DAY_LONG), "from must be before to"),
    "malformed": (TABLE, report() | {"from": "01/02/2026"}, "from must be formatted as"),
    "impossible day": (TABLE, report() | {"to": "2026-02-30"}, "to must be formatted as"),
    "day as number": (TABLE, report() | {"from": 20260101}, "from must be formatted as"),
    "int filter": (TABLE, report(filters=[("advertiser", 1)]), "must be a string"),
    "filters as text": (TABLE, report(query={"filters": "advertiser"}), "array of objects"),
    "odd filter": (TABLE, report(filters=[("country", "Japan")]), "Cannot filter by country"),
    "odd filter of clicks": (CLICKS, rows(filters=[("country", "Japan")]), "Cannot filter"),
    "odd filter of rows": (CONVERSIONS, rows(filters=[("country", "x")]), "Cannot filter"),
    "list as body": (TABLE, [], "must be a JSON object"),
    "15 days of clicks": (CLICKS, rows(DAY - timedelta(days=14), DAY), "exceed 14 days"),
    "no flag": (CONVERSIONS, without(rows(), "show_events"), "show_events is required"),
    "old conversions": (CONVERSIONS, rows(LONG_AGO), "older than 365 days"),
    "bad moment": (CONVERSIONS, rows() | {"from": "2026-02-30 00:00:00"}, "is not a date"),
}


@pytest.mark.parametrize(("path", "body", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_query_that_everflow_refuses(call, path, body, said):
    response = call("POST", path, body)
    assert response.status_code == 400
    assert set(response.json()) == {"error"}
    assert said in response.json()["error"]


def test_the_longest_spans_are_accepted(read):
    assert read("POST", SUMMARY, report(DAY - timedelta(days=366), DAY))["cv"] > 0
    assert read("POST", CLICKS, rows(DAY - timedelta(days=13), DAY))["clicks"]
    assert read("POST", CONVERSIONS, rows(TODAY - timedelta(days=364)))["conversions"]


@pytest.mark.parametrize(
    ("key", "path", "status", "said"),
    (
        (None, TABLE, 401, "No Authentication Method Found"),
        ("wrong", TABLE, 401, "No Authentication Method Found"),
        (AFFILIATE_KEY, TABLE, 403, "Out of realm"),
        (LIMITED_KEY, CONVERSIONS, 403, "Missing permission"),
        (LIMITED_KEY, CLICKS, 403, "Missing permission"),
    ),
)
def test_a_key_that_may_not(call, key, path, status, said):
    response = call("POST", path, rows(), key=key)
    assert (response.status_code, response.json()) == (status, {"error": said})


def test_a_limited_key_reads_reports(call):
    assert call("POST", TABLE, report(), key=LIMITED_KEY).ok


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    (
        ("GET", "/networks/nonsense", 404, "Not found"),
        ("GET", TABLE, 405, "Method not allowed"),
        ("POST", "/networks/offers", 405, "Method not allowed"),
    ),
)
def test_a_path_or_a_verb_that_is_not_there(call, method, path, status, said):
    response = call(method, path)
    assert (response.status_code, response.json()) == (status, {"error": said})


def test_a_body_that_is_no_json(call):
    response = call("POST", TABLE, data="{")
    assert (response.status_code, response.json()) == (400, {"error": "Invalid JSON body"})


# Reports


def test_a_filter_keeps_its_rows_and_the_legacy_shape_none(control, read):
    every = read("POST", TABLE, report())["table"]
    legacy = report() | {"query": {"filters": [{"advertiser_id": 1}]}}
    assert read("POST", TABLE, legacy)["table"] == every
    filtered = report(filters=[("advertiser", "1")])
    kept = read("POST", TABLE, filtered)["table"]
    assert kept == [row for row in every if row["columns"][2]["id"] == "1"]
    assert 0 < len(kept) < len(every)
    control.everflow.switches(filter_ignored=True)
    assert read("POST", TABLE, filtered)["table"] == every


@pytest.mark.parametrize("path", (CONVERSIONS, CLICKS))
@pytest.mark.parametrize("name", ("affiliate", "advertiser", "offer"))
def test_single_rows_are_filtered(read, control, path, name):
    kind = path.split("/")[3]
    start = DAY - timedelta(days=4)
    body = rows(
        start, DAY, filters=[(name, {"affiliate": "1", "advertiser": "1", "offer": "101"}[name])]
    )
    found = read("POST", path, body, page_size=2000)[kind]
    assert found
    ids = {row["relationship"][name][f"network_{name}_id"] for row in found}
    assert ids == {int(body["query"]["filters"][0]["filter_id_value"])}
    control.everflow.switches(filter_ignored=True)
    assert len(read("POST", path, body, page_size=2000)[kind]) > len(found)


@pytest.mark.parametrize("beyond", (0, 1))
@pytest.mark.parametrize("flagged", (True, False))
def test_a_table_is_cut_at_10000_rows(control, read, beyond, flagged):
    # 100 pairs of 100, or one more on a day of its own.
    control.everflow.crowd(DAY, ZONES[NEW_YORK], affiliates=100, offers=100)
    control.everflow.crowd(DAY + DAY_LONG, ZONES[NEW_YORK], affiliates=1, offers=1)
    control.everflow.switches(flag_missing=not flagged)
    answer = read("POST", TABLE, report(DAY, DAY + timedelta(days=beyond)))
    assert len(answer["table"]) == 10_000
    assert answer.get("incomplete_results", "absent") == (bool(beyond) if flagged else "absent")
    # The control total is not cut.
    totals = read("POST", SUMMARY, report(DAY, DAY + timedelta(days=beyond)))
    assert totals["total_click"] == 10_000 + beyond


def test_a_crowd_replaces_another(control, read):
    control.everflow.crowd(DAY, ZONES[NEW_YORK], affiliates=3, offers=3)
    control.everflow.crowd(DAY, ZONES[NEW_YORK], affiliates=2, offers=1, clicks=5)
    assert read("POST", SUMMARY, report())["total_click"] == 10
    assert control.everflow.clicks(DAY, DAY, ZONES[NEW_YORK])["count"] == 10


CASES = [(zone, DAY) for zone in (UTC_ID, NEW_YORK, BERLIN)] + [
    (zone, day) for zone in (NEW_YORK, BERLIN) for day in dst_days(zone)
]


@pytest.mark.parametrize(("zone", "day"), CASES)
def test_all_endpoints_agree_to_the_last_digit(control, read, zone, day):
    body = report(day, zone=zone)
    reported = [row["reporting"] for row in read("POST", TABLE, body)["table"]]
    told = control.everflow.totals(day, day, ZONES[zone])["totals"]
    answer = read("POST", CONVERSIONS, rows(day, zone=zone), page_size=2000)["conversions"]
    counted = [row for row in answer if row["status"] == "approved"]
    sums = {
        name: sum((Decimal(row[name]) for row in reported), Decimal(0))
        for name in ("payout", "revenue", "profit", "cv", "event", "total_click", "gross_sales")
    }
    whole = read("POST", SUMMARY, body)
    assert sums == {name: Decimal(whole[name]) for name in sums}
    assert sums["payout"] == Decimal(told["payout"]) == sum(row["payout"] for row in counted)
    assert sums["revenue"] == Decimal(told["revenue"]) == sum(row["revenue"] for row in counted)
    assert sums["profit"] == Decimal(told["profit"]) == sums["revenue"] - sums["payout"]
    assert sums["gross_sales"] == sum(row["sale_amount"] for row in counted)
    bases = sum(not row["is_event"] for row in counted)
    assert sums["cv"] == told["conversions"] == bases > 0
    assert sums["event"] == len(counted) - bases
    clicks = read("POST", CLICKS, rows(day, zone=zone))["clicks"] if day == DAY else None
    expected = control.everflow.clicks(day, day, ZONES[zone])["count"]
    assert sums["total_click"] == told["clicks"] == expected
    assert clicks is None or len(clicks) == told["clicks"]


@pytest.mark.parametrize("zone", (NEW_YORK, BERLIN))
def test_a_dst_day_has_23_or_25_hours(read, zone):
    counts = {
        len({row["columns"][0]["id"] for row in read("POST", TABLE, body)["table"]})
        for body in (report(day, zone=zone, columns=("hour",)) for day in dst_days(zone, 400))
    }
    assert counts == {23, 25}


def test_days_sum_to_their_span(control, read):
    start = DAY - timedelta(days=3)
    told = control.everflow.totals(start, DAY, ZONES[BERLIN])
    table = read("POST", TABLE, report(start, zone=BERLIN, end=DAY))["table"]
    assert len(table) == len(told["days"])
    by_key = {
        (row["date"], str(row["affiliate_id"]), str(row["advertiser_id"])): row
        for row in told["days"]
    }
    for row in table:
        day, affiliate, advertiser = row["columns"]
        expected = by_key[day["label"], affiliate["id"], advertiser["id"]]
        assert Decimal(row["reporting"]["payout"]) == Decimal(expected["payout"])
        assert affiliate["label"] == expected["affiliate_label"]
        assert advertiser["label"] == expected["advertiser_label"]


@pytest.mark.parametrize("local", (False, True))
def test_a_date_is_midnight_of_utc_or_of_the_zone(control, read, local):
    control.everflow.switches(local_midnight_ids=local)
    for zone in (NEW_YORK, BERLIN):
        row = read("POST", TABLE, report(zone=zone))["table"][0]
        midnight = ZoneInfo(ZONES[zone]) if local else UTC
        expected = datetime(DAY.year, DAY.month, DAY.day, tzinfo=midnight)
        assert row["columns"][0]["id"] == str(int(expected.timestamp()))


def test_switches_of_reports(control, read):
    control.everflow.switches(label_missing=True, new_metric=True)
    row = read("POST", TABLE, report())["table"][0]
    assert set(row["columns"][0]) == {"column_type", "id"}
    assert row["reporting"]["quality_score"] == row["reporting"]["total_click"] * 7
    control.everflow.switches(table_null=True)
    assert read("POST", TABLE, report())["table"] is None
    control.reset()
    row = read("POST", TABLE, report())["table"][0]
    assert "label" in row["columns"][0]
    assert "quality_score" not in row["reporting"]


@pytest.mark.parametrize("unit", ("hour", "date", "week", "month", "year", "unix_timestamp"))
def test_all_units_of_time_have_the_same_sum(read, unit):
    body = report(columns=(unit, "offer", "country", "platform", "sub1"))
    table = read("POST", TABLE, body)["table"]
    assert sum(row["reporting"]["payout"] for row in table) == read("POST", SUMMARY, body)["payout"]


def test_values_that_break_careless_readers(read):
    start = DAY - timedelta(days=60)
    table = read("POST", TABLE, report(start, DAY, columns=PAIRS))["table"]
    labels = {column["label"] for row in table for column in row["columns"]}
    assert {None, "", "Third\nLine, Inc.", "Zebra 🦓 Labs", "株式会社サンプル"} <= labels
    assert "0" in {row["columns"][0]["id"] for row in table}
    daily = read("POST", TABLE, report(start, DAY))["table"]
    assert min(row["reporting"]["payout"] for row in daily) < 0
    assert any(Decimal(row["reporting"]["payout"]).as_tuple().exponent == -4 for row in daily)


# Single rows


def ids_of(answer):
    return [row["conversion_id"] for row in answer["conversions"]]


def test_pages_of_conversions(control, read):
    whole = read("POST", CONVERSIONS, rows(), page_size=2000)
    total = whole["paging"]["total_count"]
    expected = control.everflow.conversions(DAY, DAY, ZONES[NEW_YORK])
    assert len(set(ids_of(whole))) == total == len(expected)
    first = read("POST", CONVERSIONS, rows())
    assert first["paging"] == {"page": 1, "page_size": 50, "total_count": total}
    second = read("POST", CONVERSIONS, rows(), page=2)
    assert ids_of(first) + ids_of(second) == ids_of(whole)[:100]
    assert ids_of(read("POST", CONVERSIONS, rows(), page=99)) == []
    moments = [row["conversion_unix_timestamp"] for row in whole["conversions"]]
    assert moments == sorted(moments, reverse=True)


def test_conversions_and_events_are_asked_for(read):
    kinds = {
        (base, event): {
            row["is_event"]
            for row in read(
                "POST", CONVERSIONS, rows(show_conversions=base, show_events=event), page_size=2000
            )["conversions"]
        }
        for base in (True, False)
        for event in (True, False)
    }
    assert kinds == {
        (True, True): {True, False},
        (True, False): {False},
        (False, True): {True},
        (False, False): set(),
    }


def test_a_page_size_is_clamped_and_told_or_not(control, read):
    assert read("POST", CONVERSIONS, rows(), page_size=9999)["paging"]["page_size"] == 2000
    control.everflow.switches(page_clamp=20)
    answer = read("POST", CONVERSIONS, rows(), page_size=2000)
    assert len(answer["conversions"]) == answer["paging"]["page_size"] == 20
    control.everflow.switches(page_size_told=False)
    assert "page_size" not in read("POST", CONVERSIONS, rows())["paging"]
    control.everflow.switches(total_count="absent")
    assert "paging" not in read("POST", CONVERSIONS, rows())


@pytest.mark.parametrize(
    ("behaviour", "off"),
    (("steady", (0, 0, 0)), ("growing", (-2, -1, 0)), ("shrinking", (2, 1, 0))),
)
def test_a_total_count_moves_while_pages_are_read(control, read, behaviour, off):
    control.everflow.switches(total_count=behaviour)
    total = len(control.everflow.conversions(DAY, DAY, ZONES[NEW_YORK]))
    pages = [read("POST", CONVERSIONS, rows(), page=page, page_size=20) for page in (1, 2, 3)]
    assert tuple(page["paging"]["total_count"] - total for page in pages) == off
    control.everflow.switches(total_count="absent")
    assert "total_count" not in read("POST", CONVERSIONS, rows())["paging"]


def test_a_lossy_page_size_is_cured_by_another(control, read):
    control.everflow.switches(lossy_page_size=20)
    expected = Counter(ids_of(read("POST", CONVERSIONS, rows(), page_size=2000)))

    def paged(size):
        last = -(-expected.total() // size)
        pages = [
            read("POST", CONVERSIONS, rows(), page=page, page_size=size)
            for page in range(1, last + 1)
        ]
        return Counter(identifier for page in pages for identifier in ids_of(page))

    assert paged(17) == expected
    lossy = paged(20)
    assert lossy.total() == expected.total()
    assert max(lossy.values()) == 2
    assert expected - lossy
    assert paged(20) == lossy


def test_rows_and_pages_are_repeated(control, read):
    whole = read("POST", CONVERSIONS, rows(), page_size=2000)
    control.everflow.switches(repeated_rows=3)
    more = read("POST", CONVERSIONS, rows(), page_size=2000)
    assert more["conversions"] == whole["conversions"] + whole["conversions"][:3]
    assert more["paging"]["total_count"] == whole["paging"]["total_count"] + 3
    control.everflow.switches(repeated_rows=0, repeated_pages=True)
    pages = [read("POST", CONVERSIONS, rows(), page=page, page_size=20) for page in (1, 2)]
    assert pages[0]["conversions"] == pages[1]["conversions"]


@pytest.mark.parametrize("params", ({"page": "0"}, {"page_size": "-1"}, {"page": "x"}))
def test_a_page_that_is_none(call, params):
    assert call("POST", CONVERSIONS, rows(), **params).status_code == 400
    assert call("GET", "/networks/affiliates", **params).status_code == 400


def test_clicks_come_newest_first_and_are_cut_without_a_word(control, read):
    control.everflow.crowd(DAY, ZONES[NEW_YORK], affiliates=1, offers=1, clicks=3500)
    control.everflow.crowd(DAY + DAY_LONG, ZONES[NEW_YORK], affiliates=1, offers=2, clicks=3500)
    answer = read("POST", CLICKS, rows(DAY, DAY + DAY_LONG))
    moments = [row["unix_timestamp"] for row in answer["clicks"]]
    assert set(answer) == {"clicks"}
    assert len(moments) == 10_000
    assert moments == sorted(moments, reverse=True)
    assert control.everflow.clicks(DAY, DAY + DAY_LONG, ZONES[NEW_YORK])["count"] == 10_500
    # All of the newer day, and not all of the older one.
    middle = min(
        row["unix_timestamp"] for row in read("POST", CLICKS, rows(DAY + DAY_LONG))["clicks"]
    )
    assert sum(moment >= middle for moment in moments) == 7000


def test_clicks_of_moments_and_of_long_ago(read):
    hour = rows() | {"from": f"{DAY} 03:00:00", "to": f"{DAY} 03:59:59"}
    day = read("POST", CLICKS, rows())["clicks"]
    begin = datetime(DAY.year, DAY.month, DAY.day, 3, tzinfo=ZoneInfo(ZONES[NEW_YORK])).timestamp()
    expected = [row for row in day if begin <= row["unix_timestamp"] < begin + 3600]
    assert read("POST", CLICKS, hour)["clicks"] == expected != []
    assert read("POST", CLICKS, rows(TODAY - timedelta(days=100)))["clicks"] == []


def test_adjustments(call, read):
    span = {"from": f"{DAY - timedelta(days=730)}", "to": f"{DAY}"}
    found = read("GET", "/networks/reportingadjustments", timezone_id=80, **span)["adjustments"]
    assert {row["deleted"] for row in found} == {True, False}
    assert all(span["from"] <= row["date_adjustment"] <= span["to"] for row in found)
    assert call("GET", "/networks/reportingadjustments", **span).json() == {
        "error": "Internal error"
    }
    bad = call("GET", "/networks/reportingadjustments", timezone_id=80, to="2026-01-01")
    assert bad.status_code == 400


# Limits


def test_a_token_bucket_for_all_requests(control, call):
    control.everflow.limits(per_second=0, burst=2)
    answers = [call("GET", "/networks") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers.get("X-RateLimit-Remaining") for answer in answers] == ["1", "0", None]
    assert answers[0].headers["X-RateLimit-Limit"] == "2"
    assert answers[2].json() == {"error": "Rate limit exceeded"}
    assert control.requests()["refused"] == 1


def test_the_documented_limits_are_what_is_not_set(control, call):
    control.everflow.limits()
    assert call("GET", "/networks").headers["X-RateLimit-Limit"] == "50"


def test_10_reports_at_a_time(control, call):
    # The latency is what lets them overlap; nothing else waits for it.
    control.everflow.latency(1)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: call("POST", SUMMARY, report()), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 2
    refused = next(answer for answer in answers if not answer.ok)
    assert refused.json() == {"error": "Too many concurrent reporting requests"}
    assert control.requests()["max_concurrent"] > 10
    control.everflow.latency(0)
    assert call("POST", SUMMARY, report()).ok


def test_limits_set_while_a_report_is_under_way_are_kept(control, call):
    control.everflow.latency(0.3)
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(call, "POST", SUMMARY, report())
        while not control.requests()["count"]:
            pass
        control.everflow.limits(concurrent_reports=0)
        assert under_way.result().ok
    assert call("POST", SUMMARY, report()).status_code == 429


def test_an_hourly_quota_of_bigquery(control, call):
    control.everflow.limits(bigquery_per_hour=2)
    body = report(columns=("sub1",))
    answers = [call("POST", path, body) for path in (TABLE, SUMMARY, TABLE)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {"error": "Big Query usage is above limit"}
    assert call("POST", TABLE, report()).ok


# Changes of the past


def seen(control, read, day=DAY):
    """Payout, conversions and clicks by every way there is."""
    counted = [
        row
        for row in read("POST", CONVERSIONS, rows(day), page_size=2000)["conversions"]
        if row["status"] == "approved"
    ]
    table = [row["reporting"] for row in read("POST", TABLE, report(day))["table"]]
    whole = read("POST", SUMMARY, report(day))
    told = control.everflow.totals(day, day, ZONES[NEW_YORK])["totals"]
    payouts = {
        Decimal(sum(row["payout"] for row in counted)),
        Decimal(sum(row["payout"] for row in table)),
        Decimal(whole["payout"]),
        Decimal(told["payout"]),
    }
    found = {
        sum(not row["is_event"] for row in counted),
        sum(row["cv"] for row in table),
        whole["cv"],
        told["conversions"],
    }
    clicks = {
        len(read("POST", CLICKS, rows(day))["clicks"]),
        sum(row["total_click"] for row in table),
        told["clicks"],
    }
    assert (len(payouts), len(found), len(clicks)) == (1, 1, 1)
    return payouts.pop(), len(counted), clicks.pop()


def test_restated_amounts_show_everywhere(control, read):
    payout, counted, clicks = seen(control, read)
    control.everflow.restate(DAY, ZONES[NEW_YORK], percent=150)
    assert seen(control, read) == (payout * 3 / 2, counted, clicks)


def test_rejected_conversions_show_everywhere(control, read):
    _, counted, clicks = seen(control, read)
    control.everflow.restate(DAY, ZONES[NEW_YORK], reject=4)
    assert seen(control, read)[1:] == (counted - 4, clicks)


def test_late_conversions_show_everywhere(control, read):
    def count():
        assert seen(control, read)
        found = ids_of(read("POST", CONVERSIONS, rows(), page_size=2000))
        assert len(found) == len(set(found))
        return len(found)

    before = count()
    # The same call again adds others.
    for expected in (before + 5, before + 10):
        control.everflow.restate(DAY, ZONES[NEW_YORK], add_conversions=5)
        assert count() == expected


def test_a_deleted_affiliate_is_nowhere(control, read):
    before = seen(control, read)
    control.everflow.restate(DAY, ZONES[NEW_YORK], delete_affiliate=1)
    after = seen(control, read)
    assert after[1] < before[1]
    assert after[2] < before[2]
    body = rows(filters=[("affiliate", "1")])
    assert read("POST", CONVERSIONS, body)["conversions"] == []
    assert read("POST", CLICKS, body)["clicks"] == []
    assert read("POST", TABLE, body)["table"] == []
    # The days around it are as they were.
    for day in (DAY - DAY_LONG, DAY + DAY_LONG):
        assert read("POST", TABLE, report(day, filters=[("affiliate", "1")]))["table"]


@pytest.mark.parametrize("change", ({"nonsense": 1}, {"percent": "x"}))
def test_a_change_that_is_none(control, change):
    with pytest.raises(ControlError, match="arguments of restate"):
        control.everflow.restate(DAY, ZONES[NEW_YORK], **change)


# Entities


@pytest.mark.parametrize("path", LISTS)
def test_pages_of_entities(control, read, path):
    key, _ = LISTS[path]
    whole = read("GET", f"/networks/{path}", page_size=2000)
    total = whole["paging"]["total_count"]
    assert len(whole[key]) == total
    identifier = next(iter(whole[key][0]))
    assert identifier.startswith("network_")
    pages = [read("GET", f"/networks/{path}", page=page)[key] for page in (1, 2)]
    assert pages[0] + pages[1] == whole[key]
    assert len(pages[0]) == min(total, 50)
    control.everflow.switches(bare_lists=True)
    assert read("GET", f"/networks/{path}", page_size=2000) == whole[key]


def test_entities_saved_since(call, read):
    offers = read("GET", "/networks/offers")["offers"]
    middle = sorted(row["time_saved"] for row in offers)[10]
    newer = [row for row in offers if row["time_saved"] > middle]
    assert read("GET", "/networks/offers", filter=f"time_saved>{middle}")["offers"] == newer != []
    older = read("GET", "/networks/offers", filter=f"time_saved<{middle}")["offers"]
    assert len(older) + len(newer) + 1 == len(offers)
    paused = read("GET", "/networks/offers", filter="offer_status=paused")["offers"]
    assert {row["offer_status"] for row in paused} == {"paused"}
    for wanted in ("time_saved>=1", "name=x", "time_saved>x"):
        assert call("GET", "/networks/offers", filter=wanted).status_code == 400


def test_advertisers_name_people(read):
    for row in read("GET", "/networks/advertisers")["advertisers"]:
        assert row["accounting_contact_email"].endswith("@example.com")
        assert row["platform_username"]
        for kind in ("account_manager", "sale_manager"):
            manager = row["relationship"][kind]
            assert {"first_name", "last_name", "email", "work_phone", "cell_phone"} <= {*manager}


def test_sentinels_of_entities(read):
    offers = read("GET", "/networks/offers")["offers"]
    assert {row["date_live_until"] for row in offers} == {"", "2030-12-31"}
    coupons = read("GET", "/networks/couponcodes")["coupon_codes"]
    assert {row["start_date"] for row in coupons} == {""}
    assert {row["time_deleted"] for row in coupons} == {0}
    assert "deleted" in {
        row["url_status"] for row in read("GET", "/networks/offerurls")["offer_urls"]
    }
    assert "adress_id" in read("GET", "/networks/affiliates")["affiliates"][0]
    advertisers = read("GET", "/networks/advertisers")["advertisers"]
    assert all(row["verification_token"] and row["api_key"] for row in advertisers)
    notes = read("POST", CONVERSIONS, rows())["conversions"][0]["notes"]
    assert notes == "null_value"


def test_undocumented_paths_may_be_missing(control, call):
    control.everflow.switches(undocumented_missing=True)
    missing = call("GET", "/networks/couponcodes")
    assert (missing.status_code, missing.json()) == (404, {"error": "Not found"})
    assert call("GET", "/networks/offers").ok


def test_the_network_and_its_timezones(read):
    assert read("GET", "/networks") == read("GET", "/networks/info")
    zones = {
        row["timezone_id"]: row["timezone"]
        for row in read("GET", "/meta/timezones", page=1)["timezones"]
    }
    assert zones.items() >= ZONES.items()


# Time and chance


def happened(read):
    """The newest moments that are told, around now."""
    span = (TODAY - DAY_LONG, TODAY + timedelta(days=5))
    hours = read("POST", TABLE, report(*span, zone=UTC_ID, columns=("hour",)))["table"]
    conversions = read("POST", CONVERSIONS, rows(*span, zone=UTC_ID), page_size=2000)["conversions"]
    clicks = read("POST", CLICKS, rows(*span, zone=UTC_ID))["clicks"]
    return (
        max(int(row["columns"][0]["id"]) for row in hours),
        max(row["conversion_unix_timestamp"] for row in conversions),
        max(row["unix_timestamp"] for row in clicks),
    )


def test_nothing_is_in_the_future_and_now_moves(control, read):
    found = happened(read)
    now = datetime.now(UTC).timestamp()
    assert max(found) <= now
    control.advance(2 * 86_400)
    later = happened(read)
    assert all(after > before for before, after in zip(found, later, strict=True))
    assert now < max(later) <= datetime.now(UTC).timestamp() + 2 * 86_400
    control.reset()
    assert max(happened(read)) <= datetime.now(UTC).timestamp()


def test_what_was_told_of_the_past_stays(control, read):
    before = seen(control, read)
    control.advance(86_400)
    assert seen(control, read) == before


def test_a_seed_is_a_network(server):
    def shown(url):
        return [
            requests.post(
                f"{url}/v1{path}",
                json=rows(DAY - DAY_LONG, DAY, columns=[{"column": "date"}, {"column": "sub1"}]),
                headers={"X-Eflow-API-Key": NETWORK_KEY},
                timeout=30,
            ).content
            for path in (TABLE, SUMMARY, CONVERSIONS, CLICKS)
        ]

    with SandboxServer() as same, SandboxServer(seed=7) as other:
        first = shown(server.everflow_url)
        assert shown(same.everflow_url) == first
        assert all(a != b for a, b in zip(shown(other.everflow_url), first, strict=True))


def test_a_scale_is_more_or_less(server):
    with SandboxServer(scale=0.1) as small:
        less = small.control.everflow.totals(DAY, DAY, "UTC")["totals"]
    more = server.control.everflow.totals(DAY, DAY, "UTC")["totals"]
    assert less["conversions"] < more["conversions"]
    assert less["clicks"] < more["clicks"]
