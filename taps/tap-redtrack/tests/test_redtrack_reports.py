from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import ceil
from urllib.parse import parse_qs

import pytest
from redtrack_days import NEW_YORK, by_key, days_ago, expected
from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import DateWindow, RateLimiter, RequestRejectedError
from tap_redtrack.client import Page, RedTrackClient, RedTrackRetryPolicy
from tap_redtrack.streams._report_base import ReportError, ReportStream, parse_amount


def spans(queries):
    """The days of each query, and how many they are."""
    return [
        (query["date_from"][0], query["date_to"][0])
        for query in map(parse_qs, queries)
        if query["group"][0] == "date,source"
    ]


def lengths(queries):
    """The number of days of each query."""
    return [
        (date.fromisoformat(end) - date.fromisoformat(start)).days + 1
        for start, end in spans(queries)
    ]


def test_daily_spend_agrees_to_the_cent(make_tap, redtrack, sync):
    output = sync(make_tap(), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack)
    assert len(output.records["daily_spend"]) == 5 * 7
    first = output.records["daily_spend"][0]
    assert first["report_timezone"] == NEW_YORK
    assert output.state["bookmarks"]["daily_spend"]["replication_key_value"] == str(days_ago(1))


def test_a_year_takes_the_fewest_requests_that_the_clamp_allows(make_tap, redtrack, sync, queries):
    redtrack.people(sources=30)
    tap = make_tap(start_date=days_ago(365).isoformat(), requests_per_minute=18)
    output = sync(tap, "daily_spend")
    assert len(output.records["daily_spend"]) == 365 * 30
    # An answer of 1,000 rows may have been cut: 999 rows are 33 whole days.
    assert len(queries("/report")) == ceil(365 / (999 // 30)) == 12
    assert by_key(output.records["daily_spend"]) == expected(redtrack, 365)
    assert output.bookmarks("daily_spend") == sorted(output.bookmarks("daily_spend"))
    assert len(set(output.bookmarks("daily_spend"))) == 12


def read_27_days(make_tap, redtrack, sandbox, sync, monkeypatch):
    """Read 27 days, one a request, nine a second; gives the request journal."""
    # A minute of two seconds.
    redtrack.limits(per_window=20, window=2.0, scope="account")
    limit = RateLimiter(per_second=9, concurrency=1)
    monkeypatch.setattr(RedTrackClient, "rate_limiter", lambda *_: limit)
    sync(make_tap(report_window_days=1, start_date=str(days_ago(27))), "daily_spend")
    return sandbox.control.requests()


def test_the_rate_limit_is_not_exceeded(make_tap, redtrack, sandbox, sync, monkeypatch):
    seen = read_27_days(make_tap, redtrack, sandbox, sync, monkeypatch)
    assert len(seen["requests"]) == 27
    assert seen["refused"] == 0
    assert seen["max_concurrent"] == 1


@pytest.mark.timing
def test_the_rate_limit_is_used_up(make_tap, redtrack, sandbox, sync, monkeypatch):
    seen = read_27_days(make_tap, redtrack, sandbox, sync, monkeypatch)
    moments = [request["at"] for request in seen["requests"]]
    # The first nine go at once.
    assert moments[-1] - moments[0] < 27 / 9


def test_a_429_is_retried_after_the_window(make_tap, redtrack, sandbox, sync, monkeypatch):
    redtrack.limits(per_window=2, window=0.4)
    monkeypatch.setattr(RedTrackRetryPolicy, "rate_window", 0.4)
    output = sync(make_tap(report_window_days=1, max_retry_wait=300), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack)
    # Once each time: the wait is longer than the window.
    assert sandbox.control.requests()["refused"] == 2


@pytest.mark.parametrize("attempt", (0, 3))
def test_the_wait_after_a_429_is_longer_than_the_window(make_tap, attempt):
    retry = make_tap(max_retry_wait=300).client.retry
    answer = type("Answer", (), {"status_code": 429, "headers": {}, "content": b""})()
    assert retry.wait(RetriableAPIError("", answer), attempt) > 60
    answer.headers = {"Retry-After": "90"}
    assert retry.wait(RetriableAPIError("", answer), attempt) > 90
    answer.status_code = 503
    answer.headers = {}
    assert retry.wait(RetriableAPIError("", answer), attempt) < 60


@pytest.mark.parametrize("shape", ("array", "items"))
@pytest.mark.parametrize("total", ("right", "absent", "low", "high", "growing"))
def test_either_envelope_with_any_total(make_tap, redtrack, sync, shape, total):
    redtrack.switches(report_shape=shape, total=total)
    output = sync(make_tap(), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack)


def test_empty_reports_and_lists(make_tap, redtrack, sync):
    redtrack.switches(report_shape="null", list_shape="null")
    output = sync(make_tap(), "daily_spend", "offers")
    assert not output.records
    assert output.state["bookmarks"]["daily_spend"]["replication_key_value"] == str(days_ago(1))


@pytest.mark.parametrize("rows", (999, 1000, 1001, 2000))
@pytest.mark.parametrize("behaviour", ({}, {"shuffled": True}, {"sortby_refused": True}), ids=str)
def test_a_day_with_more_rows_than_a_response(make_tap, redtrack, sync, rows, behaviour):
    redtrack.switches(**behaviour)
    day = days_ago(3)
    redtrack.crowd(day=str(day), timezone=NEW_YORK, campaigns=rows)
    output = sync(make_tap(), "daily_spend")
    found = output.records["daily_spend"]
    assert by_key(found) == expected(redtrack)
    assert len(found) == len(by_key(found)) == rows + 4 * 7


@pytest.mark.parametrize("order", ("asc", "desc"))
@pytest.mark.parametrize("typed", (False, True))
def test_pages_are_sorted_in_a_form_that_redtrack_declares(
    make_tap, redtrack, sync, queries, order, typed
):
    """Its Swagger has an integer as direction, and clients send asc and desc: neither is sent."""
    redtrack.switches(shuffled=True, order=order, typed_parameters=typed)
    redtrack.crowd(day=str(days_ago(3)), timezone=NEW_YORK, campaigns=2501)
    output = sync(make_tap(), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack)
    pages = [query for query in queries("/report") if "sortby=source_id" in query]
    # Each once: rows that are sorted do not move.
    assert len(pages) == 3
    assert not any("direction" in query for query in queries("/report"))


def test_different_totals_stop_the_bookmark(make_tap, redtrack, sync, monkeypatch):
    day = days_ago(3)
    redtrack.crowd(day=str(day), timezone=NEW_YORK, campaigns=1500)
    parse_row = ReportStream.parse_row

    def lose_clicks(stream, row, window):
        # As if RedTrack had shown some rows otherwise than it counted them.
        record = parse_row(stream, row, window)
        return record | {"clicks": 0} if row["clicks"] == 7 else record

    monkeypatch.setattr(ReportStream, "parse_row", lose_clicks)
    output = sync(make_tap(), "daily_spend", fails=ReportError)
    assert "do not add up to RedTrack's own report of the day: clicks" in str(output.error)
    assert output.bookmarks("daily_spend")[-1] == str(days_ago(4))


def test_repeated_pages_never_lose_rows_silently(make_tap, redtrack, sync):
    redtrack.switches(page_ignored="reports")
    day = days_ago(3)
    redtrack.crowd(day=str(day), timezone=NEW_YORK, campaigns=1500)
    output = sync(make_tap(), "daily_spend", fails=ReportError)
    assert f"daily_spend: {day}: the rows do not add up to RedTrack's own report" in str(
        output.error
    )
    assert output.bookmarks("daily_spend")[-1] == str(days_ago(4))


def test_repeated_pages_are_read_by_ids(make_tap, redtrack, sync, queries):
    redtrack.people(sources=1100)
    redtrack.switches(page_ignored="reports")
    output = sync(make_tap(start_date=str(days_ago(1))), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack, 1)
    assert len(output.records["daily_spend"]) == 1100
    assert sum("source_id=" in query for query in queries("/report")) == 11


def test_a_smaller_clamp_is_noticed(make_tap, redtrack, sync):
    redtrack.switches(clamp=50)
    redtrack.people(sources=35)
    output = sync(make_tap(), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack)


@pytest.mark.parametrize("days", (5, 1))
@pytest.mark.parametrize("behaviour", ("refused", "first"))
def test_an_account_without_groups_of_several(make_tap, redtrack, sync, queries, behaviour, days):
    redtrack.switches(many_groups=behaviour)
    output = sync(make_tap(start_date=str(days_ago(days))), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack, days)
    assert len(queries("/report")) <= days + 2
    assert output.state["bookmarks"]["daily_spend"]["replication_key_value"] == str(days_ago(1))


@pytest.mark.parametrize(
    ("status", "said"), ((404, "answered 404.*api_url"), (400, "answered 400.*no such filter"))
)
def test_a_rejection_for_another_reason_is_reported(make_tap, sandbox, sync, status, said):
    rejection = {"status": status, "headers": {}, "body": {"error": "no such filter"}}
    sandbox.control.fault("answer", vendor="redtrack", match="report", times=9, **rejection)
    with pytest.raises(RequestRejectedError, match=f"daily_spend: GET /report {said}"):
        sync(make_tap(), "daily_spend")


def test_a_group_that_redtrack_ignores_is_an_error(make_tap, redtrack, sync):
    redtrack.switches(many_groups="first")
    custom = [{"name": "by_ad", "group": ["source", "sub1"]}]
    output = sync(make_tap(custom_reports=custom), "by_ad", fails=ReportError)
    assert "RedTrack ignores a part of group=source,sub1" in str(output.error)
    assert output.bookmarks("by_ad") == []


@pytest.mark.parametrize(
    ("change", "said"),
    (
        ({"date": "2001-01-01"}, "answered with a row of another day"),
        ({"clicks": 10**9}, "returned two different rows for"),
    ),
)
def test_rows_that_contradict_the_request_or_each_other(make_tap, sync, monkeypatch, change, said):
    get_page = RedTrackClient.get_page

    def add_a_row(client, path, *arguments, **options):
        page = get_page(client, path, *arguments, **options)
        return replace(page, rows=[*page.rows, page.rows[0] | change])

    monkeypatch.setattr(RedTrackClient, "get_page", add_a_row)
    output = sync(make_tap(), "daily_spend", fails=ReportError)
    assert said in str(output.error)
    assert output.bookmarks("daily_spend") == []


class TestIds:
    """Rows of a day that is read in parts, by the ids of one dimension."""

    @pytest.fixture
    def read(self, make_tap, monkeypatch):
        """Read the rows of sources that have these numbers of rows each."""

        def read(rows):
            def request_rows(stream, window, *, source_id):
                ids = source_id.split(",")
                found = [{"source_id": id_} for id_ in ids for _ in range(rows[id_])]
                return Page(found[:1000])

            monkeypatch.setattr(ReportStream, "_request_rows", request_rows)
            tap = make_tap(source_ids=[*rows])
            stream, day = tap.streams["daily_spend"], days_ago(1)
            parts = stream._read_by_ids(DateWindow(day, day, stream.report_zone))
            return Counter(row["source_id"] for part in parts for row in part)

        return read

    def test_parts_that_are_cut_are_halved(self, read):
        rows = {"a": 999, "b": 400, "c": 400, "d": 1}
        assert read(rows) == rows

    def test_one_that_is_too_large_is_an_error(self, read):
        with pytest.raises(ReportError, match="source b alone has 1000 rows or more"):
            read({"a": 1, "b": 1000})

    def test_a_report_without_ids_says_what_to_add(self, make_tap):
        custom = [{"name": "by_country", "group": ["country"]}]
        stream, day = make_tap(custom_reports=custom).streams["by_country"], days_ago(1)
        with pytest.raises(ReportError, match="Add campaign or source to the group"):
            next(stream._read_by_ids(DateWindow(day, day, stream.report_zone)))


def test_what_is_still_counted_may_differ(make_tap, caplog):
    stream = make_tap().streams["daily_spend"]
    today, yesterday = (DateWindow(day, day, stream.report_zone) for day in map(days_ago, (0, 1)))
    stream._mismatch(today, "clicks 1 in rows, 2 in the day's report")
    assert f"{today}: rows and the day's report differ: clicks 1" in caplog.text
    with pytest.raises(ReportError, match="do not add up"):
        stream._mismatch(yesterday, "clicks 1 in rows, 2 in the day's report")


@pytest.mark.parametrize(
    ("value", "amount"), (("1.50", "1.5"), (2, 2), ("", 0), (None, 0), ("n/a", 0))
)
def test_what_is_no_number_adds_nothing(value, amount):
    assert parse_amount(value) == Decimal(amount)


def test_restated_costs_are_read_again(make_tap, redtrack, sync):
    first = sync(make_tap(start_date=str(days_ago(20))), "daily_spend")
    for number in (3, 7, 12):
        redtrack.restate(day=str(days_ago(number)), timezone=NEW_YORK, cost_percent=90)
    second = sync(make_tap(first.state, start_date=str(days_ago(20))), "daily_spend")
    merged = by_key(first.records["daily_spend"]) | by_key(second.records["daily_spend"])
    now = expected(redtrack, 20)
    assert {key[0] for key in now if merged[key] != now[key]} == {str(days_ago(12))}
    assert min(row["date"] for row in second.records["daily_spend"]) == str(days_ago(7))


def test_the_bookmark_follows_the_window_not_the_rows(make_tap, redtrack, sync):
    for source in range(7):
        for number in (1, 2):
            redtrack.vanish(day=str(days_ago(number)), timezone=NEW_YORK, source=source)
    output = sync(make_tap(), "daily_spend")
    assert max(row["date"] for row in output.records["daily_spend"]) == str(days_ago(3))
    assert output.state["bookmarks"]["daily_spend"]["replication_key_value"] == str(days_ago(1))


def test_today_is_read_with_the_setting_and_not_bookmarked(make_tap, sync, queries):
    output = sync(make_tap(include_today=True), "daily_spend")
    assert spans(queries("/report"))[-1][1] == str(days_ago(0))
    assert output.state["bookmarks"]["daily_spend"]["replication_key_value"] == str(days_ago(1))


def test_traffic_without_a_source_is_loaded_with_the_setting(make_tap, redtrack, sync):
    output = sync(make_tap(include_unattributed=True), "daily_spend")
    rows = output.records["daily_spend"]
    without = [row for row in rows if row["source_id"] == "(none)"]
    assert len(without) == 5
    start, end = str(days_ago(5)), str(days_ago(1))
    all_rows = redtrack.totals(start=start, end=end, timezone=NEW_YORK)
    assert sum(row["clicks"] for row in rows) == sum(row["clicks"] for row in all_rows)


def test_metrics_of_every_format_are_exact(make_tap, redtrack, sync):
    plain = sync(make_tap(), "daily_spend").records["daily_spend"]
    redtrack.switches(metrics="texts", new_metrics=True)
    texts = sync(make_tap(), "daily_spend").records["daily_spend"]
    assert by_key(plain) == by_key(texts)
    row = texts[0]
    assert row["conversion_types"]["41"] == {"conversions": 2}
    assert row["_extra"] == {"quality_score": "0.75"}
    types = row["conversion_types"].values()
    total = sum(Decimal(str(kind.get("revenue", 0))) for kind in types)
    assert total == Decimal(str(row["total_revenue"]))
    assert Decimal(str(row["baddevice_rate"])) == Decimal("1E-7")
    assert isinstance(row["clicks"], int)


def test_custom_reports_have_a_key_for_empty_dimensions(make_tap, sync):
    custom = [{"name": "by_ad", "group": ["source", "sub1", "hour_of_day", "date"]}]
    rows = sync(make_tap(custom_reports=custom), "by_ad").records["by_ad"]
    keys = {(row["date"], row["_dimensions_key"]) for row in rows}
    assert len(keys) == len(rows) > 100
    assert {row["sub1"] for row in rows} >= {"", "sub1-0"}
    assert {row["hour_of_day"] for row in rows} <= {str(hour) for hour in range(24)}


def test_the_other_reports_and_their_names(make_tap, sync):
    streams = ("campaign_daily", "offer_daily", "landing_daily", "network_daily")
    output = sync(make_tap(), *streams)
    clicks = {name: sum(row["clicks"] for row in output.records[name]) for name in streams}
    assert len(set(clicks.values())) == 1
    assert "Sleep\nAid" in {row["offer_name"] for row in output.records["offer_daily"]}


def test_filters_are_sent(make_tap, sync, queries):
    ids = [row["id"] for row in sync(make_tap(), "sources").records["sources"]][:2]
    rows = sync(make_tap(source_ids=ids), "daily_spend").records["daily_spend"]
    assert {row["source_id"] for row in rows} == set(ids)


def test_days_when_the_clocks_change(make_tap, redtrack, sync):
    # Both changes of a year are within these days.
    output = sync(
        make_tap(start_date=str(days_ago(370, "Europe/Berlin")), timezone="Europe/Berlin"),
        "daily_spend",
    )
    assert by_key(output.records["daily_spend"]) == expected(redtrack, 370, 1, "Europe/Berlin")


def test_a_window_that_is_too_slow_is_shortened(make_tap, redtrack, sandbox, sync):
    sandbox.control.fault("http_503", vendor="redtrack", match="report", times=2)
    output = sync(make_tap(max_tries=2), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack)


def test_the_client_comes_first_in_the_key(make_tap, sync):
    output = sync(make_tap(client_id="713"), "daily_spend")
    assert output.schemas["daily_spend"]["key_properties"] == ["_client_id", "date", "source_id"]
    assert {row["_client_id"] for row in output.records["daily_spend"]} == {"713"}


def test_a_day_that_is_too_slow_is_an_error(make_tap, sandbox, sync, queries):
    sandbox.control.fault("http_503", vendor="redtrack", match="report", times=9)
    output = sync(
        make_tap(max_tries=2, start_date=str(days_ago(1))), "daily_spend", fails=RetriableAPIError
    )
    assert "503" in str(output.error)
    assert len(queries("/report")) == 2


def test_a_window_without_a_response_is_shortened(make_tap, redtrack, sandbox, sync, queries):
    sandbox.control.fault("connection_reset", vendor="redtrack", match="report", times=2)
    output = sync(make_tap(max_tries=2), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack)
    assert lengths(queries("/report")) == [5, 5, 2, 3]


def test_windows_grow_and_shrink_with_the_rows_of_a_day(make_tap, redtrack, sync, queries):
    sync(make_tap(start_date=str(days_ago(300)), report_window_days=100), "daily_spend")
    assert lengths(queries("/report")) == [30, 60, 100, 100, 10]


def test_windows_are_as_long_as_a_response_can_hold(make_tap, sync, queries):
    # Eight rows a day: 124 days have 992 rows, of at most 999. Before that, twice as many days.
    sync(make_tap(start_date=str(days_ago(500)), report_window_days=365), "daily_spend")
    assert lengths(queries("/report")) == [30, 60, 120, 124, 124, 42]


def test_an_empty_window_is_one_request(make_tap, redtrack, sync, queries):
    redtrack.switches(report_shape="null")
    sync(make_tap(), "daily_spend")
    assert lengths(queries("/report")) == [5]


def test_two_days_are_shortened_to_one(make_tap, redtrack, sandbox, sync, queries):
    sandbox.control.fault("http_503", vendor="redtrack", match="report", times=2)
    output = sync(make_tap(max_tries=2, start_date=str(days_ago(2))), "daily_spend")
    assert by_key(output.records["daily_spend"]) == expected(redtrack, 2)
    assert lengths(queries("/report")) == [2, 2, 1, 1]
