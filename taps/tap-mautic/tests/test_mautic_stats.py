"""Statistics: tables whose rows change after they were written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from singer_sdk.exceptions import ConfigValidationError

from signalroom_singer import FULL_TABLE, Loading, TapError
from tap_mautic.streams._stats_base import StatsStream, stats_schema

EMAIL_STATS = "email_stats"
PAIRS = {
    "campaign_leads": ("campaign_id", "lead_id"),
    "channel_url_trackables": ("redirect_id", "channel_id", "channel"),
    "companies_leads": ("company_id", "lead_id"),
    "email_stat_replies": ("stat_id", "id"),
    "lead_lists_leads": ("leadlist_id", "lead_id"),
    "point_lead_action_log": ("point_id", "lead_id"),
    "point_lead_event_log": ("event_id", "lead_id"),
    "stage_lead_action_log": ("stage_id", "lead_id"),
}
#: With the columns that are something else than text.
MORE_TABLES = {
    "dynamic_content_lead_data": {"dynamic_content_id": int, "slot": str},
    "dynamic_content_stats": {"sent_count": int, "last_sent": str},
    "focus_stats": {"type_id": int, "type": str},
    "ip_addresses": {"id": int},
    "lead_categories": {"category_id": int, "manually_removed": bool, "manually_added": bool},
    "lead_companies_change_log": {"company_id": int, "action_name": str},
    "lead_frequencyrules": {"frequency_number": int, "preferred_channel": bool},
}

MERGED = "; rows of contacts that were merged"


def ago(**span):
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%d %H:%M:%S")


def table(key, *outputs):
    """The table after these runs."""
    return {row["id"]: row for output in outputs for row in output.records[key]}


def sent(number, **values):
    """An e-mail that was sent."""
    return {"id": number, "email_id": 1, "lead_id": 5, "is_read": 0, "is_failed": 0} | values


class TestEmailStats:
    def test_each_once_and_typed(self, make_tap, mautic, sync):
        output = sync(make_tap(page_size=70), EMAIL_STATS)
        rows = table(EMAIL_STATS, output)
        truth = {row["id"]: row for row in mautic.rows(table=EMAIL_STATS)}
        assert rows.keys() == truth.keys()
        assert len(output.records[EMAIL_STATS]) == len(truth)
        for number, row in rows.items():
            assert row["is_read"] is bool(truth[number]["is_read"])
            assert row["open_count"] == truth[number]["open_count"]
            assert row["date_sent"] == truth[number]["date_sent"].replace(" ", "T") + ".000000Z"
            assert row["email_address"] == truth[number]["email_address"]

    @pytest.mark.parametrize("days", (3, 13, 40))
    def test_opens_come_late(self, make_tap, mautic, sync, days):
        mautic.insert(table=EMAIL_STATS, rows=[sent(5001, date_sent=ago(days=days))])
        first = sync(make_tap(), EMAIL_STATS)
        assert table(EMAIL_STATS, first)[5001]["is_read"] is False
        opened = {"is_read": 1, "open_count": 1, "date_read": ago(), "last_opened": ago()}
        mautic.set(table=EMAIL_STATS, where={"id": 5001}, **opened)
        second = sync(make_tap(first.state), EMAIL_STATS)
        assert table(EMAIL_STATS, second)[5001]["is_read"] is True

    @pytest.mark.parametrize(("days", "found"), ((13, True), (40, False)))
    def test_bounces_have_no_date(self, make_tap, mautic, sync, days, found):
        mautic.insert(table=EMAIL_STATS, rows=[sent(5001, date_sent=ago(days=days))])
        first = sync(make_tap(), EMAIL_STATS)
        mautic.set(table=EMAIL_STATS, where={"id": 5001}, is_failed=1, retry_count=3)
        second = sync(make_tap(first.state), EMAIL_STATS)
        assert table(EMAIL_STATS, first, second)[5001]["is_failed"] is found
        longer = sync(make_tap(first.state, lookback_hours=24 * 45), EMAIL_STATS)
        assert table(EMAIL_STATS, longer)[5001]["is_failed"] is True

    def test_repeated_opens_where_they_are_asked_for(self, make_tap, mautic, sync):
        first_open = {"is_read": 1, "open_count": 1, "date_read": ago(days=39)}
        row = sent(5001, date_sent=ago(days=40)) | first_open
        mautic.insert(table=EMAIL_STATS, rows=[row])
        first = sync(make_tap(), EMAIL_STATS)
        mautic.set(table=EMAIL_STATS, where={"id": 5001}, open_count=2, last_opened=ago())
        assert 5001 not in table(EMAIL_STATS, sync(make_tap(first.state), EMAIL_STATS))
        asked_for = make_tap(first.state, email_stats_last_opened=True)
        assert table(EMAIL_STATS, sync(asked_for, EMAIL_STATS))[5001]["open_count"] == 2

    def test_a_second_run_reads_what_is_new(self, make_tap, mautic, sync):
        first = sync(make_tap(), EMAIL_STATS)
        recent = {
            row["id"] for row in mautic.rows(table=EMAIL_STATS) if row["date_sent"] > ago(days=13)
        }
        second = sync(make_tap(first.state), EMAIL_STATS)
        rows = {row["id"] for row in second.records[EMAIL_STATS]}
        assert recent <= rows
        assert len(rows) < 350

    def test_it_goes_on_where_it_was(self, make_tap, mautic, sync):
        first = sync(make_tap(), EMAIL_STATS)
        whole = sync(make_tap(first.state, page_size=40), EMAIL_STATS)
        expected = {row["id"] for row in whole.records[EMAIL_STATS]}
        stops = [n for n, one in enumerate(whole.messages) if one["type"] == "STATE"]
        for stop in stops[::3]:
            before = {
                one["record"]["id"] for one in whole.messages[:stop] if one["type"] == "RECORD"
            }
            rest = sync(make_tap(whole.messages[stop]["value"], page_size=40), EMAIL_STATS)
            assert before | {row["id"] for row in rest.records[EMAIL_STATS]} >= expected

    def test_addresses_and_devices_are_left_out(self, make_tap, sync):
        row = sync(make_tap(), "page_hits").records["page_hits"][0]
        assert row.get("user_agent") is None
        assert "_extra" not in row
        row = sync(make_tap(include_ip_addresses=True), "page_hits").records["page_hits"][0]
        assert row["user_agent"].startswith("user_agent")


class TestTables:
    @pytest.mark.parametrize("stream", MORE_TABLES)
    def test_each_row_once_and_typed(self, make_tap, mautic, sync, stream):
        output = sync(make_tap(page_size=70), stream)
        rows = table(stream, output)
        assert rows.keys() == {row["id"] for row in mautic.rows(table=stream)}
        assert len(output.records[stream]) == len(rows)
        for row in rows.values():
            assert "_extra" not in row
            for name, kind in MORE_TABLES[stream].items():
                assert type(row[name]) is kind

    @pytest.mark.parametrize(
        "stream", ("dynamic_content_stats", "focus_stats", "lead_companies_change_log")
    )
    def test_a_second_run_reads_rows_that_are_new(self, make_tap, mautic, sync, stream):
        first = sync(make_tap(), stream)
        dates = "date_sent" if stream == "dynamic_content_stats" else "date_added"
        mautic.insert(table=stream, rows=[{"id": 9001, "lead_id": 5, dates: ago(days=200)}])
        rows = table(stream, sync(make_tap(first.state), stream))
        assert 9001 in rows
        assert len(rows) < 100

    @pytest.mark.parametrize("stream", ("lead_categories", "lead_frequencyrules"))
    def test_rows_that_change_without_a_date(self, make_tap, mautic, sync, stream):
        first = sync(make_tap(), stream)
        mautic.remove(table=stream, where={"id": 7})
        second = table(stream, sync(make_tap(first.state), stream))
        assert second.keys() == table(stream, first).keys() - {7}

    def test_addresses_come_where_they_are_asked_for(self, make_tap, sync):
        row = sync(make_tap(), "ip_addresses").records["ip_addresses"][0]
        assert "198.51.100" not in str(row)
        row = sync(make_tap(include_ip_addresses=True), "ip_addresses").records["ip_addresses"][0]
        assert row["ip_address"].startswith("198.51.100.")
        assert "Sample City" in row["ip_details"]

    def test_columns_of_newer_versions(self, make_tap, mautic, sync):
        streams = ("asset_downloads", "email_stats", "lead_points_change_log")
        output = sync(make_tap(), *streams)
        rows = {stream: output.records[stream][3] for stream in streams}
        assert rows["asset_downloads"]["utm_source"].startswith("utm_source")
        assert rows["email_stats"]["copy_id"] == f"{4:032x}"
        assert rows["lead_points_change_log"]["group_id"] == 5
        mautic.switches(version=4)
        row = sync(make_tap(), "asset_downloads").records["asset_downloads"][3]
        assert row["utm_source"] is None

    def test_what_mautic_leaves_out_is_null(self, make_tap, sync):
        rows = sync(make_tap(), "email_stats", "companies_leads").records
        assert {row["date_read"] is None for row in rows["email_stats"]} == {True, False}
        assert rows["companies_leads"][0]["manually_added"] is None

    def test_from_a_day_on(self, make_tap, mautic, sync):
        start = (datetime.now(UTC) - timedelta(days=20)).date().isoformat()
        rows = sync(make_tap(start_date=start), "page_hits").records["page_hits"]
        expected = {row["id"] for row in mautic.rows(table="page_hits") if row["date_hit"] >= start}
        assert {row["id"] for row in rows} == expected
        assert 0 < len(rows) < 900

    @pytest.mark.parametrize("stream", PAIRS)
    @pytest.mark.parametrize("page_size", (1, 7, 179, 1000))
    def test_tables_without_an_id(self, make_tap, mautic, sync, stream, page_size):
        if page_size == 1:
            for row in mautic.rows(table=stream)[40:]:
                where = {name: row[name] for name in PAIRS[stream]}
                mautic.remove(table=stream, where=where)
        output = sync(make_tap(page_size=page_size), stream)
        found = [tuple(str(row[name]) for name in PAIRS[stream]) for row in output.records[stream]]
        truth = [
            tuple(str(row[name]) for name in PAIRS[stream]) for row in mautic.rows(table=stream)
        ]
        assert sorted(found) == sorted(truth)
        assert len(found) >= 40
        assert {one["stream"] for one in output.messages if one["type"] == "ACTIVATE_VERSION"} == {
            stream
        }

    @pytest.mark.parametrize("stream", PAIRS)
    def test_a_server_that_does_not_filter(self, make_tap, mautic, stream):
        tap = make_tap(page_size=7)
        _ = tap.streams
        mautic.switches(where_ignored=True)
        with pytest.raises(TapError, match=rf"{stream}: .* it ignores the filter"):
            list(tap.streams[stream].get_records(None))

    @pytest.mark.parametrize("day", ("yesterday", "2026-13-45", "2999-01-01"))
    def test_a_start_that_is_none(self, make_tap, day):
        with pytest.raises(ConfigValidationError, match="start_date"):
            make_tap(start_date=day)

    def test_who_subscribes_again_is_not_there(self, make_tap, mautic, sync):
        stream = "lead_donotcontact"
        first = sync(make_tap(), stream)
        mautic.remove(table=stream, where={"id": 5})
        second = sync(make_tap(first.state), stream)
        assert len(first.records[stream]) - len(second.records[stream]) == 1
        assert {one["stream"] for one in second.messages if one["type"] == "ACTIVATE_VERSION"} == {
            stream
        }

    def test_planned_events_are_there_and_change(self, make_tap, mautic, sync):
        stream = "campaign_lead_event_log"
        first = sync(make_tap(start_date="2026-01-01"), stream)
        assert any(row["date_triggered"] is None for row in first.records[stream])
        assert len(first.records[stream]) == 900
        mautic.set(table=stream, where={"id": 5}, date_triggered=ago(), is_scheduled=0)
        second = sync(make_tap(first.state), stream)
        assert table(stream, second)[5]["is_scheduled"] is False

    def test_columns_that_nobody_knew_are_kept(self, make_tap, mautic, sync):
        output = sync(make_tap(), "sms_message_stats")
        assert output.records["sms_message_stats"]
        tap = make_tap()
        row = {"id": "1", "brand_new": "x", "date_sent": "2026-01-01 00:00:00"}
        kept = tap.streams["sms_message_stats"].post_process(row)
        assert kept["_extra"] == {"brand_new": "x"}

    def test_a_table_that_this_mautic_has_not(self, make_tap, mautic, sync):
        mautic.switches(missing_table="video_hits")
        output = sync(make_tap(), "video_hits", "form_submissions", fails=TapError)
        assert "may not read video_hits" in str(output.error)
        assert len(output.records["form_submissions"]) == 900
        skipping = make_tap(on_missing_permission="skip")
        assert sync(skipping, "video_hits").records["video_hits"] == []


class TestDeclarations:
    """What follows from the declarations of a table."""

    def test_the_names_of_columns_tell_their_types(self):
        schema = stats_schema(
            "id name; old_id device_id copy_id is_read system_triggered date_sent trigger_date"
            " last_opened open_count hits delta created_by runtime note id_of_none",
            texts="old_id",
            dropped="note hits",
        )
        types = {name: column["type"][0] for name, column in schema["properties"].items()}
        times = {name for name, column in schema["properties"].items() if "format" in column}
        assert types == {
            "id": "integer",
            "name": "string",
            "old_id": "string",
            "device_id": "integer",
            "copy_id": "string",
            "is_read": "boolean",
            "system_triggered": "boolean",
            "date_sent": "string",
            "trigger_date": "string",
            "last_opened": "string",
            "open_count": "integer",
            "hits": "integer",
            "delta": "integer",
            "created_by": "integer",
            "runtime": "number",
            "note": "string",
            "id_of_none": "string",
        }
        assert times == {"date_sent", "trigger_date", "last_opened"}
        assert schema["required"] == ["id", "name"]
        descriptions = {
            name: column["description"]
            for name, column in schema["properties"].items()
            if column.get("description")
        }
        assert descriptions == {
            "copy_id": "Which text was sent, if Mautic keeps it",
            "hits": "Always empty: removed in Mautic 3",
            "note": "Always empty: removed in Mautic 3",
        }

    def test_the_first_date_is_the_replication_key(self):
        class Dated(StatsStream):
            dates = ("date_sent", "date_read")

        class Undated(StatsStream):
            dates = ()

        assert Dated.replication_key == "date_sent"
        assert Undated.replication_key is StatsStream.replication_key

    @pytest.mark.parametrize(
        ("stream", "days", "dates", "merged", "deleted"),
        (
            (
                *("email_stats", "14 days", "`date_sent` or `date_read`", MERGED),
                "Those of the last 14 days are removed; others stay",
            ),
            (
                *("email_stats_devices", "day", "`date_opened`", ""),
                "Those of the last day are removed; others stay",
            ),
            (
                *("lead_points_change_log", "day", "`date_added`", MERGED),
                "Those of the last day and those of deleted contacts are removed; others stay",
            ),
            (
                *("campaign_lead_event_log", "7 days", "`date_triggered` or `trigger_date`"),
                *(MERGED, "Those of deleted contacts are removed; others stay"),
            ),
            ("contact_deletions", "day", "`date_added`", "", "They stay in the table"),
        ),
    )
    def test_how_it_is_loaded(self, make_tap, stream, days, dates, merged, deleted):
        assert make_tap().streams[stream].loading == Loading(
            f"Incremental by `id`; rows of the last {days} are read again",
            f"Rows of the last {days}, by {dates}; changes of older rows have no date{merged}",
            deleted,
        )

    def test_how_a_table_without_dates_is_loaded(self, make_tap):
        assert make_tap().streams["lead_donotcontact"].loading == FULL_TABLE

    @pytest.mark.parametrize(
        ("stream", "columns"),
        (
            ("email_stats", ("id", "date_sent")),
            ("lead_points_change_log", ("id", "date_added", "lead_id")),
            # Its first date changes.
            ("campaign_lead_event_log", ("id", "lead_id")),
            ("contact_deletions", ()),
        ),
    )
    def test_which_columns_tell_what_was_read(self, make_tap, stream, columns):
        """Rows are removed only if the table has these columns."""
        assert make_tap().streams[stream].scope_columns == columns
