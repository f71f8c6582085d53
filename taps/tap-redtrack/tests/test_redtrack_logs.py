from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from urllib.parse import parse_qs

import pytest
from redtrack_days import NEW_YORK, days_ago

from signalroom_singer import RequestRejectedError
from tap_redtrack.paging import PagingError


def expected(redtrack, first=5, last=1):
    rows = redtrack.conversions(
        start=str(days_ago(first)), end=str(days_ago(last)), timezone=NEW_YORK
    )
    return {row["id"]: row for row in rows}


def moment(text):
    return datetime.fromisoformat(text).replace(microsecond=0)


def test_conversions_with_every_format_of_times(make_tap, redtrack, sync):
    rows = sync(make_tap(), "conversions").records["conversions"]
    wanted = expected(redtrack)
    assert len(rows) == len(wanted) > 200
    for row in rows:
        at = moment(wanted[row["id"]]["at"])
        if row["created_at"]:
            assert moment(row["created_at"]) == at
        else:
            assert row["created_at_raw"] == ""
        assert moment(row["conv_time"]) == at
        assert Decimal(str(row["payout"])) == Decimal(wanted[row["id"]]["payout"])
        assert str(days_ago(5)) <= row["date"] <= str(days_ago(1))
    assert {wanted[row["id"]]["way"] for row in rows} == set(range(6))
    assert {tuple(row["types"]) for row in rows} == {(1,), (2,), (3,), (4,)}
    assert not [row for row in rows if {"ip", "user_agent", "fingerprint"} & row.keys()]


@pytest.mark.parametrize("text", ("yesterday, about noon", "9999-12-31T23:59:59-05:00"))
def test_an_unreadable_time_is_null_and_counted(make_tap, redtrack, sync, caplog, text):
    redtrack.switches(unreadable_times=10, unreadable_time=text)
    rows = sync(make_tap(), "conversions").records["conversions"]
    odd = [row for row in rows if row["created_at_raw"] == text]
    assert odd
    assert all(row["created_at"] is None for row in odd)
    assert all(row["_extra"]["created_at"] == text for row in odd)
    assert all(row["date"] for row in odd)
    assert f"{len(odd)} values could not be read" in caplog.text


def test_a_time_after_the_last_year_does_not_end_the_run(make_tap, redtrack, sync):
    """By New York's clock, the account's, it is in no year; by Tokyo's, its day is not."""
    redtrack.switches(unreadable_times=10, unreadable_time="9999-12-31 23:59:59")
    for zones in ({"account_timezone": NEW_YORK}, {"timezone": "Asia/Tokyo"}):
        rows = sync(make_tap(**zones), "conversions").records["conversions"]
        assert {row["created_at_raw"] for row in rows} > {"9999-12-31 23:59:59"}
        assert all(row["date"] for row in rows)


def test_times_without_a_zone_are_in_the_accounts_zone(make_tap, redtrack, sync):
    redtrack.switches(account_zone="Europe/Berlin")
    tap = make_tap(account_timezone="Europe/Berlin")
    rows = sync(tap, "conversions").records["conversions"]
    wanted = expected(redtrack, 8, 0)
    naive = [row for row in rows if len(row["created_at_raw"]) == len("2026-01-01 00:00:00")]
    assert naive
    for row in naive:
        assert moment(row["created_at"]) == moment(wanted[row["id"]]["at"])


def test_edited_conversions_are_read_again(make_tap, redtrack, sync):
    first = sync(make_tap(start_date=str(days_ago(40))), "conversions")
    declined = redtrack.decline(day=str(days_ago(20)), timezone=NEW_YORK, count=3)
    redtrack.restate(day=str(days_ago(25)), timezone=NEW_YORK, payout_percent=150)
    tap = make_tap(first.state, start_date=str(days_ago(40)))
    second = sync(tap, "conversions").records["conversions"]
    merged = {row["id"]: row for row in [*first.records["conversions"], *second]}
    assert len(declined) == 3
    assert {merged[identifier]["status"] for identifier in declined} == {"declined"}
    for identifier, row in expected(redtrack, 40).items():
        assert Decimal(str(merged[identifier]["payout"])) == Decimal(row["payout"])
    assert set(merged) == set(expected(redtrack, 40))


@pytest.mark.parametrize("shape", ("items", "array"))
@pytest.mark.parametrize("total", ("right", "absent", "low", "high", "growing"))
def test_a_crowded_day_is_read_in_pages(make_tap, redtrack, sync, shape, total):
    redtrack.switches(log_shape=shape, total=total)
    tap = make_tap(start_date=str(days_ago(2)), page_size=7)
    rows = sync(tap, "conversions").records["conversions"]
    assert sorted(row["id"] for row in rows) == sorted(expected(redtrack, 2))


def test_pages_in_another_order_each_time(make_tap, redtrack, sync):
    redtrack.switches(shuffled=True)
    tap = make_tap(start_date=str(days_ago(1)), page_size=30)
    ids = [row["id"] for row in sync(tap, "conversions").records["conversions"]]
    assert sorted(ids) == sorted(expected(redtrack, 1))


def test_repeated_pages_of_logs_are_read_in_one_request(make_tap, redtrack, sync):
    redtrack.switches(page_ignored="logs")
    tap = make_tap(start_date=str(days_ago(1)), page_size=7)
    ids = [row["id"] for row in sync(tap, "conversions").records["conversions"]]
    assert sorted(ids) == sorted(expected(redtrack, 1))


def test_a_repeated_page_is_an_error_that_says_what_to_do(make_tap, redtrack, sync):
    redtrack.switches(page_ignored="logs")
    redtrack.crowd(day=str(days_ago(1)), timezone=NEW_YORK, campaigns=1, conversions=10_001)
    tap = make_tap(start_date=str(days_ago(1)), page_size=2000)
    output = sync(tap, "conversions", fails=PagingError)
    assert f"conversions: {days_ago(1)}: RedTrack repeats a page" in str(output.error)
    assert "page_size" in str(output.error)
    assert not output.bookmarks("conversions")


def test_logs_are_requested_without_a_time_zone(make_tap, sync, queries):
    sync(make_tap(), "conversions")
    (query,) = map(parse_qs, queries("/conversions"))
    assert set(query) == {"api_key", "date_from", "date_to", "page", "per"}


def test_clicks(make_tap, redtrack, sync):
    output = sync(make_tap(start_date=str(days_ago(2))), "clicks")
    rows = output.records["clicks"]
    wanted = redtrack.clicks(start=str(days_ago(2)), end=str(days_ago(1)), timezone=NEW_YORK)
    assert len({row["id"] for row in rows}) == len(rows) == wanted
    assert "user_id" not in rows[0]
    with_persons = sync(make_tap(include_personal_data=True), "clicks").records["clicks"]
    assert with_persons[0]["ip"] == "192.0.2.7"


def test_a_killed_run_resumes_where_it_stopped(make_tap, redtrack, sandbox, sync):
    sandbox.control.fault("http_401", vendor="redtrack", match="conversions", times=99, skip=2)
    begun = make_tap(start_date=str(days_ago(60)))
    first = sync(begun, "conversions", fails=RequestRejectedError)
    assert first.bookmarks("conversions")
    sandbox.control.clear_faults()
    tap = make_tap(first.state, conversions_lookback_days=1, start_date=str(days_ago(60)))
    second = sync(tap, "conversions")
    ids = {row["id"] for part in (first, second) for row in part.records["conversions"]}
    assert ids == set(expected(redtrack, 60))


def test_columns_of_clicks_are_what_redtrack_sends(make_tap, sync):
    start = str(days_ago(1))
    output = sync(make_tap(start_date=start), "clicks")
    rows = output.records["clicks"]
    assert all(row["ref_id"].startswith("ad-") for row in rows)
    assert all(row["external_id"].startswith("external-") for row in rows)
    assert {row["type"] for row in rows} == {""}
    assert not any("_extra" in row for row in rows)
    columns = output.schemas["clicks"]["schema"]["properties"]
    for name in ("clickid", "currency", "page_url"):
        assert columns[name]["description"].startswith("Always null")
        assert not any(row.get(name) for row in rows)
