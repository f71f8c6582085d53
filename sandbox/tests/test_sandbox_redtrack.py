from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests

from signalroom_sandbox.redtrack import API_KEY
from signalroom_sandbox.redtrack.entities import HIDDEN
from signalroom_sandbox.server import ControlError

NEW_YORK = "America/New_York"
YESTERDAY = datetime.now(ZoneInfo(NEW_YORK)).date() - timedelta(days=1)
DAY = {"date_from": str(YESTERDAY), "date_to": str(YESTERDAY)}


@pytest.fixture
def redtrack(sandbox):
    sandbox.control.redtrack.limits(per_window=100_000)
    return sandbox.control.redtrack


@pytest.fixture
def ask(sandbox, redtrack):
    """Ask as a client does; gives status and body."""

    def get(path, *, method="GET", key=API_KEY, headers=None, **params):
        given = {"api_key": key} if key else {}
        answer = requests.request(
            method,
            sandbox.redtrack_url + path,
            params=given | params,
            headers=headers,
            timeout=60,
        )
        return answer.status_code, answer.json()

    return get


def rows(ask, **params):
    status, body = ask("/report", **(DAY | {"group": "date,source", "per": 1000} | params))
    assert status == 200, body
    return body


@pytest.mark.parametrize(
    ("given", "status"),
    (
        ({"key": None}, 401),
        ({"key": "wrong"}, 401),
        ({"key": None, "headers": {"X-API-KEY": API_KEY}}, 401),
        ({"key": None, "headers": {"Authorization": f"Bearer {API_KEY}"}}, 401),
        ({"group": ""}, 400),
        ({"group": "date,planet"}, 400),
        ({"group": "hour"}, 400),
        ({"date_from": ""}, 400),
        ({"date_from": "20260101"}, 400),
        ({"date_to": "2020-01-01"}, 400),
        ({"timezone": "New York"}, 400),
        ({"per": "many"}, 400),
        ({"method": "POST"}, 404),
    ),
)
def test_what_redtrack_refuses_is_refused(ask, given, status):
    got, body = ask("/report", **({"group": "date"} | DAY | given))
    assert got == status
    assert list(body) == ["error"]


def test_other_paths_are_not_there(ask):
    for path in ("/v1/report", "/rest/v1/campaigns", "/nothing"):
        assert ask(path)[0] == 404


def test_the_21st_report_within_a_minute_is_refused(ask, sandbox, redtrack):
    redtrack.limits()
    found = [ask("/report", group="date", **DAY)[0] for _ in range(21)]
    assert found == [200] * 20 + [429]
    # Documented for reports alone.
    assert ask("/offers")[0] == 200
    redtrack.limits(per_window=1, retry_after="7", scope="account")
    assert [ask("/offers")[0] for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("per", (1000, 10_000))
def test_a_report_is_clamped_without_a_word(ask, redtrack, per):
    redtrack.crowd(day=str(YESTERDAY), timezone=NEW_YORK, campaigns=1001)
    first = rows(ask, per=per)
    second = rows(ask, per=per, page=2)
    assert (len(first), len(second)) == (1000, 1)
    assert rows(ask, page=3) == []
    assert len({row["source_id"] for row in first + second}) == 1001


def test_parameters_of_the_declared_types(ask, redtrack):
    ordered = {"group": "source", "sortby": "source", "direction": "desc"} | DAY
    names = [row["source"] for row in ask("/report", **ordered)[1]]
    assert names == sorted(names, reverse=True)
    redtrack.switches(typed_parameters=True)
    assert ask("/report", **ordered)[0] == 400
    assert ask("/report", **ordered | {"direction": "1"})[0] == 200


def test_unknown_parameters_are_ignored(ask):
    assert rows(ask, group_by="campaign", tz="UTC", limit=1) == rows(ask)


def test_reports_agree_with_each_other_and_with_the_logs(ask, redtrack):
    by_source = rows(ask)
    (by_day,) = rows(ask, group="date")
    for name in ("clicks", "conversions", "cost", "revenue"):
        assert sum(row[name] for row in by_source) == pytest.approx(by_day[name])
    status, log = ask("/conversions", per=10_000, **DAY)
    assert status == 200
    assert log["total"] == len(log["items"])
    assert sum(item["default_type"] for item in log["items"]) == by_day["conversions"]
    totals = redtrack.totals(start=str(YESTERDAY), end=str(YESTERDAY), timezone=NEW_YORK)
    assert sum(row["clicks"] for row in totals) == by_day["clicks"]
    clicks = ask("/tracks", per=1, **DAY)[1]["total"]
    assert clicks == by_day["clicks"]


def test_a_zone_moves_reports_and_not_logs(ask):
    here, there = rows(ask, timezone=NEW_YORK), rows(ask, timezone="Asia/Tokyo")
    assert here != there
    logs = [ask("/conversions", per=10_000, timezone=zone, **DAY) for zone in ("UTC", NEW_YORK)]
    assert logs[0] == logs[1]


def test_days_are_the_same_on_every_machine_and_never_of_the_future(ask, sandbox):
    before = rows(ask)
    sandbox.control.reset()
    sandbox.control.redtrack.limits(per_window=1000)
    assert rows(ask) == before
    tomorrow = str(datetime.now(UTC).date() + timedelta(days=2))
    assert rows(ask, date_from=tomorrow, date_to=tomorrow) == []


def test_restated_declined_and_vanished(ask, redtrack):
    before = rows(ask)
    day = {"day": str(YESTERDAY), "timezone": NEW_YORK}
    redtrack.restate(**day, cost_percent=50)
    halved = rows(ask)
    assert sum(row["cost"] for row in halved) == pytest.approx(
        sum(row["cost"] for row in before) / 2
    )
    declined = redtrack.decline(**day, count=2)
    log = ask("/conversions", per=10_000, **DAY)[1]["items"]
    assert {item["status"] for item in log if item["id"] in declined} == {"declined"}
    redtrack.vanish(**day, source=0)
    assert len(rows(ask)) == len(before) - 1


@pytest.mark.parametrize("shape", ("array", "items", "null"))
def test_envelopes(ask, redtrack, shape):
    redtrack.switches(list_shape=shape, report_shape=shape)
    _, body = ask("/offers")
    if shape == "array":
        assert len(body) == 5
    else:
        assert set(body) == {"items", "total"}
    # These are always wrapped.
    assert set(ask("/domains")[1]) == {"items", "total"}


def test_a_list_has_fifty_rows_unless_asked_for_more(ask, redtrack):
    redtrack.people(sources=60)
    assert len(ask("/sources")[1]) == 50
    assert len(ask("/sources", page=2)[1]) == 10
    assert len(ask("/sources", per=500)[1]) == 60


def test_dictionaries_ask_for_no_key(ask):
    assert ask("/timezones", key=None) == (200, ["America/New_York", "Europe/Berlin", "UTC"])


def test_times_come_in_every_form(ask):
    items = ask("/conversions", per=10_000, **DAY)[1]["items"]
    lengths = {len(item["created_at"]) for item in items}
    assert lengths == {0, 19, 20, 29, 30}
    assert "0001-01-01T00:00:00Z" in {item["track_time"] for item in items}


def test_a_switch_that_is_none_is_refused(redtrack):
    with pytest.raises(ControlError, match="`planet`; arguments of switches: account_zone"):
        redtrack.switches(planet=True)


def test_campaigns_have_secrets_where_no_name_tells(ask):
    """In texts of postbacks, in users and parameters of addresses, and in a path."""
    _, (campaign, *_) = ask("/campaigns")
    hidden = [
        campaign["postbacks"][0]["json_body"],
        campaign["pixels"][0]["url"],
        campaign["integration_postback"]["url"],
        campaign["click_postbacks"][0]["url"],
        campaign["impression_postbacks"][0]["url"],
    ]
    assert all(HIDDEN in text for text in hidden)
