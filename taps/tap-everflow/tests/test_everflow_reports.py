from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import time_machine
from everflow_days import NEW_YORK, days_ago, keyed
from singer_sdk.exceptions import ConfigValidationError, RetriableAPIError

from signalroom_singer import DateWindow, TapError
from tap_everflow.streams._report_base import IncompleteReportError
from tap_everflow.streams.reports import DailyStats

BERLIN = "Europe/Berlin"


def truth(sandbox, start, end=None, zone=NEW_YORK):
    return sandbox.control.everflow.totals(start, end or days_ago(1, zone), zone)["days"]


def queries(sandbox, path="entity/table"):
    """The bodies of the report queries that the sandbox got."""
    requests = sandbox.control.requests()["requests"]
    return [json.loads(request["body"]) for request in requests if path in request["path"]]


def test_daily_stats_agree_with_the_vendor(make_tap, sandbox, sync):
    rows = sync(make_tap(), "daily_stats").records["daily_stats"]
    assert len(rows) > 500
    assert keyed(rows) == keyed(truth(sandbox, days_ago(5)))
    assert all(row["total_click"] == row["clicks"] for row in rows)
    assert all(row["cv"] == row["conversions"] for row in rows)


@pytest.mark.parametrize(
    "body", ({"surprise": [1]}, {"table": "x", "conversions": {}, "clicks": 7}, [], [[1]], "x")
)
@pytest.mark.parametrize(
    ("stream", "path"),
    (
        ("daily_stats", "entity/table"),
        ("conversions", "reporting/conversions"),
        ("clicks", "reporting/clicks"),
        ("adjustments", "adjustments"),
    ),
)
def test_an_answer_to_something_else_is_no_empty_day(make_tap, sandbox, sync, stream, path, body):
    sandbox.control.fault(
        "answer", vendor="everflow", match=path, times=99, status=200, headers={}, body=body
    )
    output = sync(make_tap(), stream, fails=TapError)
    assert re.search(f"{stream}: Everflow answered without a list of", str(output.error))
    assert not output.records[stream]
    assert not output.bookmarks(stream)


@pytest.mark.parametrize("local", (False, True), ids=("UTC midnights", "local midnights"))
@pytest.mark.parametrize("zone", (NEW_YORK, BERLIN, "Asia/Tokyo", "Pacific/Auckland", "UTC"))
def test_days_are_the_report_zones_however_their_ids_are_written(
    make_tap, sandbox, sync, zone, local
):
    sandbox.control.everflow.switches(local_midnight_ids=local)
    tap = make_tap(timezone=zone, start_date=days_ago(3, zone).isoformat())
    rows = sync(tap, "daily_stats").records["daily_stats"]
    assert keyed(rows) == keyed(truth(sandbox, days_ago(3, zone), zone=zone))


@pytest.mark.parametrize(
    ("zone", "identifier"), ((NEW_YORK, 80), (BERLIN, 56), ("America/Los_Angeles", 90))
)
def test_the_zones_number_is_looked_up(make_tap, sandbox, sync, zone, identifier):
    sync(make_tap(timezone=zone, start_date=days_ago(1, zone).isoformat()), "daily_stats")
    assert {query["timezone_id"] for query in queries(sandbox)} == {identifier}


def test_an_unknown_zone_is_named_with_what_there_is(make_tap, sync):
    with pytest.raises(ConfigValidationError, match="unknown time zone, use an IANA name"):
        sync(make_tap(timezone="New York"), "daily_stats")
    with pytest.raises(
        ConfigValidationError, match=r"'Asia/Kolkata': Everflow has no such.*America"
    ):
        sync(make_tap(timezone="Asia/Kolkata"), "daily_stats")


def test_yesterday_is_the_report_zones(make_tap):
    # In UTC it is the 11th already; in New York still the 10th, in Tokyo the 11th, 11 o'clock.
    with time_machine.travel(datetime(2026, 3, 11, 2, tzinfo=UTC)):
        for zone, last in ((NEW_YORK, "2026-03-09"), ("Asia/Tokyo", "2026-03-10")):
            stream = make_tap(timezone=zone, start_date="2026-03-01").streams["daily_stats"]
            assert stream.plan(None)[-1].end.isoformat() == last


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    (
        (NEW_YORK, "2026-03-08", 23),
        (NEW_YORK, "2026-11-01", 25),
        (BERLIN, "2026-03-29", 23),
        (BERLIN, "2026-10-25", 25),
    ),
)
def test_days_on_which_the_clocks_change_are_whole(make_tap, sandbox, sync, zone, day, hours):
    date = datetime.fromisoformat(day).date()
    window = DateWindow(date, date, ZoneInfo(zone))
    assert window.end_utc - window.start_utc == timedelta(hours=hours)
    output = sync(
        make_tap(start_date=day, end_date=day, timezone=zone), "daily_stats", "conversions"
    )
    assert keyed(output.records["daily_stats"]) == keyed(truth(sandbox, date, date, zone))
    expected = sandbox.control.everflow.conversions(date, date, zone)
    found = {row["conversion_id"] for row in output.records["conversions"]}
    assert found == {row["conversion_id"] for row in expected if not row["is_event"]}


class TestCutReports:
    """Everflow cuts a report at 10,000 rows."""

    def crowd(self, sandbox, affiliates, offers):
        sandbox.control.everflow.crowd(days_ago(2), NEW_YORK, affiliates=affiliates, offers=offers)

    @pytest.mark.parametrize(
        ("affiliates", "offers", "told"),
        ((20, 500, True), (20, 500, False), (73, 137, True), (20, 600, False)),
        ids=("10,000 rows", "10,000 rows untold", "10,001 rows", "12,000 rows untold"),
    )
    def test_a_cut_day_is_read_by_affiliate(
        self, make_tap, sandbox, sync, affiliates, offers, told
    ):
        self.crowd(sandbox, affiliates, offers)
        sandbox.control.everflow.switches(flag_missing=not told)
        output = sync(make_tap(start_date=days_ago(4).isoformat()), "daily_stats")
        rows = output.records["daily_stats"]
        assert len(rows) > affiliates * offers
        assert keyed(rows) == keyed(truth(sandbox, days_ago(4)))
        assert output.bookmarks("daily_stats") == [days_ago(1).isoformat()]
        filters = [query["query"]["filters"] for query in queries(sandbox)]
        filters = [one for one in filters if one]
        assert len(filters) == affiliates
        assert all(isinstance(one["filter_id_value"], str) for (one,) in filters)

    def test_a_window_is_halved_before_days_are_split(self, make_tap, sandbox, sync):
        for number in range(2, 25):
            sandbox.control.everflow.crowd(days_ago(number), NEW_YORK, affiliates=60, offers=20)
        start = days_ago(28)
        rows = sync(make_tap(start_date=start.isoformat()), "daily_stats").records["daily_stats"]
        assert len(rows) > 20_000
        assert keyed(rows) == keyed(truth(sandbox, start))
        assert not any(query["query"]["filters"] for query in queries(sandbox))

    def test_what_no_split_can_hold_fails_loudly(self, make_tap, sandbox, sync):
        # One affiliate with more than 10,000 offers a day.
        self.crowd(sandbox, 1, 10_050)
        day = days_ago(2).isoformat()
        tap = make_tap(start_date=day, end_date=day)
        output = sync(tap, "daily_offer_stats", fails=IncompleteReportError)
        assert "even its list of offer ids is cut" in str(output.error)
        assert "Nothing was bookmarked" in str(output.error)
        assert output.bookmarks("daily_offer_stats") == []

    def test_it_fails_at_once_where_that_is_asked_for(self, make_tap, sandbox, sync):
        self.crowd(sandbox, 101, 100)
        output = sync(make_tap(on_incomplete="fail"), "daily_stats", fails=IncompleteReportError)
        assert "on_incomplete is set to fail" in str(output.error)

    def test_an_ignored_filter_is_not_taken_for_an_answer(self, make_tap, sandbox, sync):
        self.crowd(sandbox, 101, 100)
        sandbox.control.everflow.switches(filter_ignored=True)
        output = sync(make_tap(), "daily_stats", fails=IncompleteReportError)
        assert "Everflow ignored the filter" in str(output.error)
        assert output.bookmarks("daily_stats") == []


class TestFilter:
    """The legacy setting advertiser_id."""

    def test_rows_are_the_advertisers(self, make_tap, sandbox, sync):
        output = sync(make_tap(advertiser_id=1), "daily_stats", "conversions")
        expected = [row for row in truth(sandbox, days_ago(5)) if row["advertiser_id"] == 1]
        assert keyed(output.records["daily_stats"]) == keyed(expected)
        assert {row["advertiser_id"] for row in output.records["conversions"]} == {1}
        (filters,) = {json.dumps(query["query"]["filters"]) for query in queries(sandbox)}
        assert json.loads(filters) == [{"resource_type": "advertiser", "filter_id_value": "1"}]

    def test_rows_of_others_are_dropped_with_a_warning(self, make_tap, sandbox, sync, caplog):
        sandbox.control.everflow.switches(filter_ignored=True)
        tap = make_tap(advertiser_id=1, control_totals="off")
        output = sync(tap, "daily_stats", "conversions")
        expected = [row for row in truth(sandbox, days_ago(5)) if row["advertiser_id"] == 1]
        assert keyed(output.records["daily_stats"]) == keyed(expected)
        assert {row["advertiser_id"] for row in output.records["conversions"]} == {1}
        assert "Everflow ignored the filter" in caplog.text


class TestControlTotals:
    """The rows must add up to the summary."""

    def test_a_lasting_difference_stops_the_run(self, make_tap, sandbox, sync, monkeypatch):
        self.lose_a_row(monkeypatch)
        output = sync(make_tap(), "daily_stats", fails=IncompleteReportError)
        assert "the rows do not add up to Everflow's summary: total_click" in str(output.error)
        assert "set control_totals to warn" in str(output.error)
        assert output.bookmarks("daily_stats") == []
        assert len(queries(sandbox)) == 3

    def test_or_is_a_warning(self, make_tap, sync, monkeypatch, caplog):
        self.lose_a_row(monkeypatch)
        output = sync(make_tap(control_totals="warn"), "daily_stats")
        assert "rows and summary differ" in caplog.text
        assert output.bookmarks("daily_stats") == [days_ago(1).isoformat()]

    def test_a_difference_that_passes_is_read_again(self, make_tap, sandbox, sync, monkeypatch):
        self.lose_a_row(monkeypatch, times=1)
        rows = sync(make_tap(), "daily_stats").records["daily_stats"]
        assert keyed(rows) == keyed(truth(sandbox, days_ago(5)))

    @staticmethod
    def lose_a_row(monkeypatch, times=99):
        """Let the tap's view of the table miss its busiest row, as if Everflow had dropped it."""
        whole = DailyStats._request_table
        left = [times]

        def cut(self, *args):
            rows, capped = whole(self, *args)
            left[0] -= 1
            if left[0] >= 0:
                rows.remove(max(rows, key=lambda row: row["reporting"]["total_click"]))
            return rows, capped

        monkeypatch.setattr(DailyStats, "_request_table", cut)


def test_labels_may_be_missing_null_or_anything(make_tap, sandbox, sync):
    rows = sync(make_tap(), "daily_stats").records["daily_stats"]
    labels = {row["advertiser_id"]: row["advertiser_label"] for row in rows}
    assert labels[1] == "CCW"
    assert labels[12] is None
    assert labels[8] == "شركة الواحة"
    assert labels[10] == "Third\nLine, Inc."
    assert {row["affiliate_id"] for row in rows} >= {0, 1}
    sandbox.control.everflow.switches(label_missing=True)
    rows = sync(make_tap(), "daily_stats").records["daily_stats"]
    assert {row["advertiser_label"] for row in rows} == {None}


def test_an_unknown_metric_is_kept(make_tap, sandbox, sync):
    sandbox.control.everflow.switches(new_metric=True)
    rows = sync(make_tap(), "daily_stats").records["daily_stats"]
    assert all(row["_extra"] == {"quality_score": row["clicks"] * 7} for row in rows)


def test_an_empty_report_is_no_error(make_tap, sandbox, sync):
    sandbox.control.everflow.switches(table_null=True)
    output = sync(make_tap(control_totals="off"), "daily_stats")
    assert output.records["daily_stats"] == []
    assert output.bookmarks("daily_stats") == [days_ago(1).isoformat()]


class TestCustomReports:
    """Dimensions of the user's own."""

    def test_entities_are_the_key(self, make_tap, sandbox, sync):
        report = {"name": "by_offer", "columns": ["offer", "affiliate"]}
        output = sync(make_tap(custom_reports=[report]), "by_offer")
        assert output.schemas["by_offer"]["key_properties"] == ["date", "offer_id", "affiliate_id"]
        rows = output.records["by_offer"]
        keys = {(row["date"], row["offer_id"], row["affiliate_id"]) for row in rows}
        assert len(keys) == len(rows)
        total = sandbox.control.everflow.totals(days_ago(5), days_ago(1), NEW_YORK)["totals"]
        assert sum(Decimal(str(row["revenue"])) for row in rows) == Decimal(total["revenue"])

    def test_free_text_is_keyed_by_a_hash(self, make_tap, sandbox, sync):
        report = {"name": "by_sub", "columns": ["sub1", "sub2", "country"]}
        tap = make_tap(custom_reports=[report], client_id="713")
        output = sync(tap, "by_sub")
        keys = ["_client_id", "date", "_dimensions_key"]
        assert output.schemas["by_sub"]["key_properties"] == keys
        rows = output.records["by_sub"]
        assert len({(row["date"], row["_dimensions_key"]) for row in rows}) == len(rows)
        assert "" in {row["sub1_id"] for row in rows}
        totals = sandbox.control.everflow.totals(days_ago(5), days_ago(1), NEW_YORK)["totals"]
        assert sum(row["clicks"] for row in rows) == totals["clicks"]

    def test_hours_are_utc_and_days_are_local(self, make_tap, sync):
        report = {"name": "by_hour", "columns": ["hour", "advertiser"]}
        output = sync(make_tap(custom_reports=[report]), "by_hour")
        keys = ["date", "hour", "advertiser_id"]
        assert output.schemas["by_hour"]["key_properties"] == keys
        assert output.records["by_hour"]
        for row in output.records["by_hour"]:
            local = datetime.fromisoformat(row["hour"]).astimezone(ZoneInfo(NEW_YORK))
            assert local.date().isoformat() == row["date"]

    @pytest.mark.parametrize(
        ("columns", "said"),
        (
            (["date", "hour", "offer"], "one time column"),
            (["month", "offer"], "GROUP BY"),
            (["offer", "offer"], "each column once"),
            ([], "1 to 9 columns"),
            ([f"sub{number}" for number in range(1, 11)], "1 to 9 columns"),
        ),
    )
    def test_what_everflow_would_refuse_is_refused_before(self, make_tap, columns, said):
        with pytest.raises(ConfigValidationError, match=said):
            make_tap(custom_reports=[{"name": "odd", "columns": columns}])

    def test_a_spent_bigquery_quota_is_waited_out(self, make_tap, sandbox, sync, caplog):
        sandbox.control.fault("bigquery_429", times=10, match="entity")
        report = {"name": "by_sub", "columns": ["sub1"]}
        output = sync(make_tap(custom_reports=[report]), "by_sub")
        assert output.records["by_sub"]
        assert "Big Query usage is above limit" in caplog.text

    def test_an_exhausted_quota_ends_the_run_with_its_name(self, make_tap, sandbox, sync):
        sandbox.control.everflow.limits(per_second=10_000, burst=10_000, bigquery_per_hour=0)
        report = {"name": "by_sub", "columns": ["sub1"]}
        output = sync(make_tap(custom_reports=[report]), "by_sub", fails=RetriableAPIError)
        assert "Big Query usage is above limit" in str(output.error)
