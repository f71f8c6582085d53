"""PostHog's mock server: its errors, queries and lists."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests

from signalroom_sandbox.posthog import (
    LIMITED_KEY,
    PERSONAL_KEY,
    PROJECT,
    PROJECT_KEY,
    SCOPED_KEY,
    SECOND_PROJECT,
)
from signalroom_sandbox.posthog.world import World

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
YESTERDAY = TODAY - timedelta(days=1)
DAY = 86_400


@pytest.fixture
def posthog(sandbox):
    return sandbox.control.posthog


@pytest.fixture
def ask(sandbox):
    """Ask an endpoint; gives the answer."""

    def ask(path, key=PERSONAL_KEY, method="GET", **more):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = sandbox.posthog_url + path
        return requests.request(method, url, headers=headers, timeout=30, **more)

    return ask


@pytest.fixture
def query(ask):
    """Run HogQL; gives the answer."""

    def query(text, refresh="force_blocking", key=PERSONAL_KEY, project=PROJECT, **values):
        body = {
            "query": {"kind": "HogQLQuery", "query": text, "values": values},
            "refresh": refresh,
        }
        return ask(f"/api/projects/{project}/query/", key, "POST", json=body)

    return query


def rows(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


class TestWhoMayRead:
    @pytest.mark.parametrize(
        ("key", "code"),
        (
            (None, "not_authenticated"),
            ("phx_nobody", "authentication_failed"),
            (PROJECT_KEY, "authentication_failed"),
        ),
    )
    def test_keys(self, ask, key, code):
        answer = ask(f"/api/projects/{PROJECT}/cohorts/", key)
        assert answer.status_code == 401
        assert answer.json()["type"] == "authentication_error"
        assert answer.json()["code"] == code
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    def test_scopes(self, ask, query):
        answer = ask(f"/api/projects/{PROJECT}/cohorts/", LIMITED_KEY)
        assert answer.status_code == 403
        assert answer.json()["detail"] == "API key missing required scope 'cohort:read'"
        # Who may write may read.
        assert ask(f"/api/projects/{PROJECT}/feature_flags/", LIMITED_KEY).status_code == 200
        assert query("SELECT uuid FROM events LIMIT 1", key=LIMITED_KEY).status_code == 200

    def test_projects(self, ask):
        assert ask(f"/api/projects/{PROJECT}/cohorts/", SCOPED_KEY).status_code == 200
        assert ask(f"/api/projects/{SECOND_PROJECT}/cohorts/", SCOPED_KEY).status_code == 403
        assert ask("/api/projects/", SCOPED_KEY).status_code == 403
        own = ask("/api/personal_api_keys/@current/", SCOPED_KEY).json()
        assert own["scoped_teams"] == [PROJECT]
        assert ask("/api/projects/99/cohorts/").status_code == 404

    def test_paths(self, ask):
        assert ask("/api/environments/4711/query/", allow_redirects=False).status_code == 308
        assert ask("/api/projects/4711/nothing/").json()["code"] == "not_found"
        assert ask("/api/projects/4711/query/").status_code == 405


class TestQueries:
    def test_rows_are_lists_in_the_order_of_the_columns(self, query):
        answer = query("SELECT event, uuid, timestamp FROM events LIMIT 3").json()
        assert answer["columns"] == ["event", "uuid", "timestamp"]
        assert len(answer["results"]) == 3
        assert answer["results"][0][2].endswith("Z")
        assert answer["types"][2] == ["timestamp", "DateTime64(6, 'UTC')"]

    def test_limits_of_rows(self, query, posthog):
        without = query("SELECT uuid FROM events").json()
        assert (len(without["results"]), without["hasMore"], without["limit"]) == (100, True, 100)
        given = query("SELECT uuid FROM events LIMIT 7").json()
        assert (len(given["results"]), given["hasMore"], given["limit"]) == (7, None, None)
        assert query("SELECT uuid FROM events LIMIT 0").json()["columns"] == ["uuid"]
        posthog.make_events(begin=(TODAY - timedelta(days=400)).isoformat(), days=2, count=60_000)
        assert len(rows(query("SELECT uuid FROM events LIMIT 1000000"))) == 50_000

    @pytest.mark.parametrize(
        ("text", "detail"),
        (
            ("SELECT uuid FROM events LIMIT 5 OFFSET 5", "OFFSET is not supported on queries"),
            ("SELECT nothing FROM events", "Unable to resolve field: nothing"),
            ("SELECT team_id FROM events", "Unable to resolve field: team_id"),
            ("SELECT uuid FROM secrets", "Unknown table"),
            ("SELECT parseDateTime64BestEffort(uuid) FROM events", "Unsupported function call"),
            ("SELECT uuid FROM events WHERE timestamp > {at}", "Placeholder {at}"),
            ("SELECT uuid FRM events", "Syntax error"),
            ("DROP TABLE events", "Only a SELECT"),
            ("SELECT uuid FROM events WHERE timestamp > 'soon'", "Cannot parse DateTime"),
        ),
    )
    def test_what_is_refused(self, query, text, detail):
        answer = query(text)
        assert answer.status_code == 400
        assert answer.json()["type"] == "validation_error"
        assert detail in answer.json()["detail"]

    def test_values_cannot_change_a_query(self, query):
        text = "SELECT uuid FROM events WHERE event = {event} LIMIT 5"
        assert rows(query(text, event="x' OR 1 = 1 --")) == []

    def test_uuids_sort_by_their_second_half(self, query, posthog):
        made = [
            "00000000-0000-4000-9000-000000000000",
            "ffffffff-0000-4000-8000-000000000000",
            "11111111-0000-4000-8000-000000000001",
        ]
        at = "2025-01-01T00:00:00Z"
        posthog.events(events=[{"uuid": one, "timestamp": at} for one in made])
        where = "FROM events WHERE timestamp = toDateTime64('2025-01-01 00:00:00', 6, 'UTC')"
        order = [made[1], made[2], made[0]]
        assert rows(query(f"SELECT uuid {where} ORDER BY uuid LIMIT 9")) == [[u] for u in order]
        after = f"SELECT uuid {where} AND uuid > toUUID({{last}}) ORDER BY uuid LIMIT 9"
        assert rows(query(after, last=made[1])) == [[made[2]], [made[0]]]
        text = f"SELECT uuid {where} ORDER BY toString(uuid) LIMIT 9"
        assert rows(query(text)) == [[u] for u in sorted(made)]
        after = f"SELECT uuid {where} AND toString(uuid) > {{last}} LIMIT 9"
        assert rows(query(after, last=made[2])) == [[made[1]]]

    def test_bare_text_is_in_the_projects_time(self, query, posthog):
        posthog.events(events=[{"timestamp": "2025-01-01T03:00:00.123456Z"}])
        local = "SELECT timestamp FROM events WHERE timestamp < '2025-01-01 01:00:00' LIMIT 9"
        assert rows(query(local)) == []
        posthog.zone(name="America/New_York")
        assert rows(query(local)) == [["2024-12-31T22:00:00.123456-05:00"]]
        utc = local.replace(
            "'2025-01-01 01:00:00'", "toDateTime64('2025-01-01 01:00:00', 6, 'UTC')"
        )
        assert rows(query(utc)) == []

    def test_seconds_lose_what_is_smaller(self, query, posthog):
        posthog.events(events=[{"timestamp": "2025-01-01T03:00:00.5Z"}])
        text = (
            "SELECT uuid FROM events WHERE timestamp = "
            "toDateTime64('2025-01-01 03:00:00.500000', {digits}, 'UTC') LIMIT 9"
        )
        assert len(rows(query(text, digits=6))) == 1
        assert rows(query(text, digits=0)) == []

    def test_the_cache(self, query, posthog):
        text = "SELECT uuid FROM events WHERE timestamp < '2025-02-01' LIMIT 9"
        assert rows(query(text, refresh="blocking")) == []
        posthog.events(events=[{"timestamp": "2025-01-01T03:00:00Z"}])
        stale = query(text, refresh="blocking").json()
        assert (stale["results"], stale["is_cached"]) == ([], True)
        assert len(rows(query(text))) == 1

    def test_the_cache_is_of_the_last_answers_alone(self, query, posthog):
        posthog.make_events(begin="2025-01-01T00:00:00", days=1, count=50_000)
        text = "SELECT uuid FROM events WHERE timestamp < '2025-02-01' LIMIT {limit}"
        for limit in (50_000, 49_999, 49_998):
            query(text, limit=limit)
        cached = [query(text, refresh="blocking", limit=limit) for limit in (49_998, 50_000)]
        assert [answer.json()["is_cached"] for answer in cached] == [True, False]

    def test_what_is_not_visible_yet(self, query, posthog, sandbox):
        soon = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
        posthog.events(events=[{"timestamp": "2025-01-01T03:00:00Z", "visible_at": soon}])
        text = "SELECT uuid FROM events WHERE timestamp < '2025-02-01' LIMIT 9"
        assert rows(query(text)) == []
        sandbox.control.advance(601)
        assert len(rows(query(text))) == 1

    def test_projects_do_not_see_each_other(self, query, posthog):
        posthog.events(events=[{"timestamp": "2025-01-01T03:00:00Z"}], project=SECOND_PROJECT)
        text = "SELECT uuid FROM events WHERE timestamp < '2025-02-01' LIMIT 9"
        assert rows(query(text)) == []
        assert len(rows(query(text, project=SECOND_PROJECT))) == 1

    def test_an_answer_that_comes_later(self, query, ask, posthog):
        posthog.switches(answered_later=1, polls=1)
        answer = query("SELECT uuid FROM events LIMIT 2")
        assert answer.status_code == 202
        status = answer.json()["query_status"]
        path = f"/api/projects/{PROJECT}/query/{status['id']}/"
        assert ask(path).status_code == 202
        assert len(ask(path).json()["query_status"]["results"]["results"]) == 2
        assert ask(path.replace(status["id"], "nothing")).status_code == 404

    def test_what_spans_too_much(self, query, posthog):
        posthog.switches(longest_span=3600)
        bounds = {"a": str(YESTERDAY), "b": str(TODAY)}
        text = (
            "SELECT uuid FROM events WHERE timestamp >= toDateTime64({a}, 6, 'UTC') "
            "AND timestamp < toDateTime64({b}, 6, 'UTC') LIMIT 9"
        )
        assert query(text, **bounds).status_code == 504
        assert query(text, a=str(TODAY - timedelta(hours=1)), b=str(TODAY)).status_code == 200

    def test_persons_take_as_long_as_those_that_match(self, query, posthog):
        posthog.switches(longest_span=DAY)
        first = TODAY - timedelta(days=70)
        where = "created_at >= toDateTime64({begin}, 6, 'UTC')"
        text = f"SELECT id FROM persons WHERE {where} LIMIT 1"
        # However few rows are to be given.
        assert query("SELECT id FROM persons LIMIT 1").status_code == 504
        assert query(text, begin=str(first)).status_code == 504
        assert query(text, begin=str(TODAY)).status_code == 200
        both = text.replace("LIMIT", "AND created_at < toDateTime64({end}, 6, 'UTC') LIMIT")
        assert query(both, begin=str(first), end=str(first + timedelta(days=1))).status_code == 200

    def test_bounces_are_numbers_or_unknown(self, query):
        found = rows(query("SELECT `$is_bounce` AS is_bounce FROM sessions LIMIT 50000"))
        assert {value for (value,) in found} == {0, 1, None}


class TestLimits:
    def test_requests_a_minute(self, query, ask, posthog):
        posthog.limits(queries_per_minute=2, per_minute=3)
        answers = [query("SELECT uuid FROM events LIMIT 1") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].json()["code"] == "throttled"
        assert 55 <= int(answers[-1].headers["Retry-After"]) <= 61
        # Lists are counted apart.
        codes = [ask(f"/api/projects/{PROJECT}/cohorts/").status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]

    def test_queries_at_once(self, query, posthog):
        posthog.limits(concurrent_queries=0)
        answer = query("SELECT uuid FROM events LIMIT 1")
        assert answer.status_code == 429
        assert "Retry-After" not in answer.headers
        posthog.limits(concurrent_queries=1)
        with ThreadPoolExecutor(4) as pool:
            codes = [*pool.map(lambda _: query("SELECT uuid FROM events").status_code, range(20))]
        assert 200 in codes

    def test_the_budget(self, query, posthog):
        posthog.limits(budget_bytes=1_000)
        first = query("SELECT uuid FROM events LIMIT 9")
        assert first.status_code == 200
        assert int(first.headers["X-PostHog-Query-Bytes-Read"]) > 1_000
        assert first.headers["X-PostHog-Query-Budget-Remaining-Bytes"] == "0"
        second = query("SELECT uuid FROM events LIMIT 9")
        assert second.status_code == 429
        assert second.json()["code"] == "api_queries_budget_exceeded"
        assert int(second.headers["Retry-After"]) <= 3600


class TestLists:
    def listed(self, ask, name, **params):
        return ask(f"/api/projects/{PROJECT}/{name}/", params=params).json()

    def test_pages(self, ask):
        first = self.listed(ask, "feature_flags")
        assert (first["count"], len(first["results"])) == (207, 100)
        assert "offset=100" in first["next"]
        last = requests.get(
            self.listed(ask, "feature_flags", offset=100)["next"],
            headers={"Authorization": f"Bearer {PERSONAL_KEY}"},
            timeout=60,
        ).json()
        assert (len(last["results"]), last["next"]) == (7, None)

    @pytest.mark.parametrize("name", ("experiments", "feature_flags"))
    def test_archived_ones_are_hidden(self, ask, name):
        shown = self.listed(ask, name)
        hidden = self.listed(ask, name, archived="true")
        assert {row["archived"] for row in shown["results"]} == {False}
        assert {row["archived"] for row in hidden["results"]} == {True}
        assert self.listed(ask, name, archived="false")["count"] == shown["count"]

    def test_a_version_that_ignores_the_parameter(self, ask, posthog):
        posthog.switches(unknown_parameters="archived")
        answers = [
            self.listed(ask, "feature_flags", **asked) for asked in ({}, {"archived": "true"})
        ]
        assert answers[0]["results"] == answers[1]["results"]
        flag = answers[0]["results"][0]
        assert "archived" not in flag
        assert "rollout_percentage" in flag

    def test_unlisted_dashboards_are_hidden(self, ask):
        modes = {row["creation_mode"] for row in self.listed(ask, "dashboards")["results"]}
        assert modes == {"default"}
        hidden = self.listed(ask, "dashboards", creation_mode="unlisted")
        assert {row["creation_mode"] for row in hidden["results"]} == {"unlisted"}

    def test_archived_surveys_are_listed_unless_they_are_asked_for(self, ask):
        counts = [
            self.listed(ask, "surveys", **asked)["count"]
            for asked in ({}, {"archived": "true"}, {"archived": "false"})
        ]
        assert counts == [4, 1, 3]

    def test_deleted_ones_are_not_listed(self, ask, posthog):
        (first, *_) = self.listed(ask, "annotations")["results"]
        posthog.change(resource="annotations", identifier=first["id"], deleted=True)
        assert self.listed(ask, "annotations")["count"] == 16

    def test_annotations_of_the_organization_are_in_each_project(self, ask):
        of = [
            {
                row["id"]
                for row in ask(f"/api/projects/{project}/annotations/").json()["results"]
                if row["scope"] == "organization"
            }
            for project in (PROJECT, SECOND_PROJECT)
        ]
        assert of == [{901, 902}] * 2

    def test_definitions_may_take_too_long(self, ask, posthog):
        posthog.switches(slow_definitions=2)
        path = f"/api/projects/{PROJECT}/property_definitions/"
        answers = [ask(path), ask(path.replace("property", "event")), ask(path)]
        assert [answer.status_code for answer in answers] == [503, 503, 200]
        assert answers[0].json()["code"] == "property_definition_list_timed_out"

    def test_persons_end_with_an_empty_page(self, ask):
        found, offset = [], 0
        while True:
            page = self.listed(ask, "persons", limit=50, offset=offset)
            assert {*page} == {"next", "previous", "results"}
            found.append(page["results"])
            offset += 50
            if not page["next"]:
                break
            assert page["next"].endswith(f"/persons/?limit=50&offset={offset}")
        assert [len(rows) for rows in found] == [50, 50, 50, 0]
        moments = [row["created_at"] for rows in found for row in rows]
        assert moments == sorted(moments, reverse=True)

    def test_shapes_of_their_own(self, ask):
        assert isinstance(self.listed(ask, "groups_types"), list)
        assert {*self.listed(ask, "session_recordings")} == {
            *("results", "has_next", "next_cursor", "version")
        }
        assert self.listed(ask, "groups")["code"] == "required"
        groups = self.listed(ask, "groups", group_type_index=0)
        assert "cursor=" in groups["next"]
        assert self.listed(ask, "insights", basic="true")["results"][0]["result"] is None
        assert self.listed(ask, "property_definitions", type="odd")["type"] == "validation_error"

    def test_changes(self, ask, posthog):
        (first, second, *_) = self.listed(ask, "cohorts")["results"]
        posthog.delete(resource="cohorts", identifier=first["id"])
        posthog.change(resource="cohorts", identifier=second["id"], name="Other")
        now = self.listed(ask, "cohorts")
        assert now["count"] == 19
        assert now["results"][0]["name"] == "Other"


class TestEndpointOfEvents:
    def events(self, ask, **params):
        return ask(f"/api/projects/{PROJECT}/events/", params=params)

    def test_it_is_clamped_without_a_word(self, ask, posthog):
        posthog.make_events(begin="2025-01-01", days=1, count=3_000)
        bounds = {"after": "2024-12-31", "before": "2025-01-02", "orderBy": '["timestamp"]'}
        answer = self.events(ask, limit=5_000, **bounds).json()
        assert len(answer["results"]) == 1000
        assert answer["next"]
        assert {"id", "properties", "timestamp"} <= {*answer["results"][0]}
        assert "uuid" not in answer["results"][0]

    def test_both_ends_are_left_out(self, ask, posthog):
        at = "2025-01-01T00:00:00+00:00"
        posthog.events(events=[{"timestamp": at}])
        later = "2025-01-01T00:00:01+00:00"
        assert self.events(ask, after=at, before=later).json()["results"] == []
        assert self.events(ask, after="2024-12-31", before=at).json()["results"] == []
        assert len(self.events(ask, after="2024-12-31", before=later).json()["results"]) == 1

    def test_without_a_beginning_it_is_a_day(self, ask):
        found = self.events(ask, limit=1000).json()["results"]
        oldest = min(datetime.fromisoformat(row["timestamp"]) for row in found)
        assert datetime.now(UTC) - oldest < timedelta(hours=25)

    def test_local_time_as_if_it_were_utc(self, ask, posthog):
        posthog.events(events=[{"timestamp": "2025-01-01T12:00:00Z"}])
        posthog.zone(name="America/New_York")
        bounds = {"after": "2025-01-01", "before": "2025-01-02"}
        times = []
        for is_local in (False, True):
            posthog.switches(local_time_as_utc=is_local)
            (row,) = self.events(ask, **bounds).json()["results"]
            times.append(row["timestamp"])
        assert times == ["2025-01-01T12:00:00+00:00", "2025-01-01T07:00:00+00:00"]

    @pytest.mark.parametrize(
        ("order", "expected"),
        (
            (None, "falling"),
            ('["-timestamp"]', "falling"),
            ('["timestamp"]', "rising"),
            ('["-event"]', "rising"),
        ),
    )
    def test_orders(self, ask, posthog, order, expected):
        posthog.events(events=[{"timestamp": f"2025-01-0{day}T12:00:00Z"} for day in (1, 2)])
        bounds = {"after": "2025-01-01", "before": "2025-01-03", "orderBy": order}
        days = [row["timestamp"][:10] for row in self.events(ask, **bounds).json()["results"]]
        rising = ["2025-01-01", "2025-01-02"]
        assert days == (rising if expected == "rising" else rising[::-1])

    def test_the_person_is_an_address_or_an_id(self, ask, posthog):
        address = {"$set": {"email": "ana@example.com"}}
        posthog.events(
            events=[
                {
                    "timestamp": "2025-01-01T12:00:00Z",
                    "distinct_id": "a",
                    "properties": json.dumps(properties),
                }
                for properties in (address, {})
            ]
        )
        bounds = {"after": "2025-01-01", "before": "2025-01-02"}
        found = {row["person"] for row in self.events(ask, **bounds).json()["results"]}
        assert found == {"ana@example.com", "a"}

    @pytest.mark.parametrize("order", ("null", "timestamp", "[]"))
    def test_an_order_that_is_no_list(self, ask, order):
        assert self.events(ask, orderBy=order).status_code == 500

    def test_what_it_refuses(self, ask):
        assert self.events(ask, offset=50_001).status_code == 400
        assert self.events(ask, after="2020-01-01", before="2025-01-01").status_code == 400
        assert self.events(ask, after="soon").status_code == 400


class TestPropertyDefinitions:
    PATH = f"/api/projects/{PROJECT}/property_definitions/"

    @pytest.mark.parametrize(
        ("asked", "detail"),
        (
            ("type=group", "`group_type_index` must be set for `group` type"),
            ("type=event&group_type_index=0", "`group_type_index` can only set for `group` type"),
            ("type=group&group_type_index=5", "Invalid value for `group_type_index`"),
            ("type=cohort", '"cohort" is not a valid choice.'),
        ),
    )
    def test_what_is_refused(self, ask, asked, detail):
        answer = ask(f"{self.PATH}?{asked}")
        assert (answer.status_code, answer.json()["detail"]) == (400, detail)

    @pytest.mark.parametrize(
        ("asked", "built_in"),
        (("event", 0), ("session", 0), ("person", 2), ("group&group_type_index=0", 2)),
    )
    def test_built_in_ones_end_the_last_page(self, ask, asked, built_in):
        found, offset = [], 0
        while True:
            page = ask(f"{self.PATH}?type={asked}&limit=4&offset={offset}").json()
            found += page["results"]
            offset += 4
            if not page["next"]:
                break
            assert len(page["results"]) == 4
        assert len(found) == page["count"]
        assert [row["id"][:9] for row in found].count("$builtin_") == built_in
        assert {row["id"][:9] for row in found[: len(found) - built_in]} == {"01900002-"}

    def test_of_a_kind_of_group_that_is_not_there(self, ask):
        page = ask(f"{self.PATH}?type=group&group_type_index=4").json()
        assert [row["name"] for row in page["results"]] == ["$virt_mrr", "$virt_revenue"]


class TestControl:
    def test_totals_are_of_what_can_be_seen(self, posthog, query):
        total = posthog.totals(start=str(YESTERDAY), end=str(TODAY))
        text = (
            "SELECT uuid FROM events WHERE timestamp >= toDateTime64({a}, 6, 'UTC') "
            "AND timestamp < toDateTime64({b}, 6, 'UTC') LIMIT 50000"
        )
        found = rows(query(text, a=str(YESTERDAY), b=str(TODAY)))
        assert total["count"] == total["distinct"] == len(found)
        assert posthog.uuids(start=str(YESTERDAY), end=str(TODAY)) == sorted(u for (u,) in found)

    def test_some_events_share_their_uuid(self, posthog, query):
        begin, end = str(TODAY - timedelta(days=30)), str(TODAY)
        text = (
            "SELECT uniqExact(uuid, event, distinct_id, toDate(toTimeZone(timestamp, 'UTC'))),"
            " uniqExact(uuid), count() FROM events WHERE timestamp >= toDateTime64({a}, 6, 'UTC')"
            " AND timestamp < toDateTime64({b}, 6, 'UTC')"
        )
        ((identities, uuids, count),) = rows(query(text, a=begin, b=end))
        total = posthog.totals(start=begin, end=end)
        assert (uuids, identities) == (total["count"], total["identities"])
        assert identities == len(posthog.identities(start=begin, end=end)) == uuids + 3
        # Two are there twice, until they are merged.
        assert count == identities + 2
        other = {*posthog.uuids(start=begin, end=end, project=SECOND_PROJECT)}
        assert len(other & {*posthog.uuids(start=begin, end=end)}) == 1

    def test_merging_keeps_the_newest(self, posthog, query):
        one = {"uuid": str(uuid.uuid4()), "timestamp": f"{YESTERDAY}Z"}
        (later, earlier) = (f"{YESTERDAY + timedelta(hours=n)}Z" for n in (2, 1))
        posthog.events(events=[{**one, "created_at": later, "properties": '{"n": 2}'}])
        posthog.events(events=[{**one, "created_at": earlier, "properties": '{"n": 1}'}])
        text = "SELECT properties FROM events WHERE uuid = toUUID({one})"
        assert len(rows(query(text, one=one["uuid"]))) == 2
        posthog.merge_events()
        assert rows(query(text, one=one["uuid"])) == [['{"n": 2}']]

    def test_events_are_deleted_wherever_they_come_from(self, posthog):
        span = {"start": str(YESTERDAY), "end": str(TODAY)}
        (added,) = posthog.events(events=[{"timestamp": f"{YESTERDAY}Z"}])
        before, others = posthog.uuids(**span), posthog.uuids(**span, project=SECOND_PROJECT)
        gone = {added, *before[:7]}
        posthog.delete_events(uuids=sorted(gone))
        assert posthog.uuids(**span) == [one for one in before if one not in gone]
        assert posthog.uuids(**span, project=SECOND_PROJECT) == others

    def test_a_person_is_deleted_with_all_events(self, posthog, query):
        (person,) = posthog.persons(persons=[{}])
        theirs = [{"person_id": person, "timestamp": f"{YESTERDAY}Z"} for _ in range(3)]
        posthog.events(events=theirs)
        span = {"start": str(YESTERDAY), "end": str(TODAY)}
        ((made,),) = rows(query("SELECT person_id FROM events WHERE event = '$pageview' LIMIT 1"))
        for one in (person, made):
            before = posthog.uuids(**span)
            gone = posthog.delete_person(person=one)
            assert len(gone) == 3 if one == person else len(gone) > 3
            assert posthog.uuids(**span) == sorted({*before} - {*gone})
            assert one not in posthog.person_ids()
            counted = "SELECT uniqExact(uuid) FROM events WHERE person_id = {one}"
            assert rows(query(counted, one=one)) == [[0]]

    @pytest.mark.parametrize(("zone", "days"), (("UTC", 1), ("America/New_York", 2)))
    def test_a_day_is_of_the_projects_zone(self, posthog, query, zone, days):
        posthog.zone(name=zone)
        between = (
            "timestamp >= toDateTime64({a}, 6, 'UTC') AND timestamp < toDateTime64({b}, 6, 'UTC')"
        )
        text = (
            "SELECT uniqExact(toDate(timestamp)), uniqExact(toDate(toTimeZone(timestamp, 'UTC')))"
            f" FROM events WHERE {between}"
        )
        assert rows(query(text, a=str(YESTERDAY), b=str(TODAY))) == [[days, 1]]

    def test_sums_are_of_the_events_that_are_read(self, posthog, query):
        posthog.make_events(begin="2025-01-01T00:00:00", days=2, count=1_000)
        read = rows(
            query(
                "SELECT uuid, timestamp, properties FROM events WHERE"
                " timestamp < '2025-01-02' LIMIT 5000"
            )
        )
        moments = [datetime.fromisoformat(moment) for _, moment, _ in read]
        properties = [json.loads(text) for _, _, text in read]
        assert posthog.sums(start="2025-01-01", end="2025-01-02") == [
            500,
            sum(int(one[:8], 16) for one, _, _ in read),
            sum(int(one[-8:], 16) for one, _, _ in read),
            sum(
                (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
                for at in moments
            ),
            sum(one["order_id"] for one in properties),
            sum(round(one["revenue"] * 100) for one in properties),
        ]

    def test_a_million_events_need_little_memory(self):
        world = World(seed=1, scale=0.01)
        world.make(PROJECT, datetime(2025, 1, 1), days=20, count=1_000_000)
        assert world.query("select count(*) from events")[2][0][0] > 1_000_000
        held = world.query("select sum(memory_usage_bytes) from duckdb_memory()")[2][0][0]
        assert held < 64 << 20

    def test_tied_events(self, posthog, query):
        posthog.make_events(begin="2025-01-01", days=20, count=12_000, tied=10_000)
        text = "SELECT timestamp, uuid FROM events WHERE timestamp < '2025-02-01' LIMIT 50000"
        found = rows(query(text))
        assert len({identifier for _, identifier in found}) == 12_000
        times = [at for at, _ in found]
        assert times.count("2025-01-01T00:00:00.000000Z") == 5_000
        assert times.count("2025-01-02T00:00:00.000000Z") >= 5_000

    def test_reset_undoes_all_of_it(self, posthog, sandbox, query):
        before = posthog.totals(start="2000-01-01", end=str(TODAY))
        posthog.events(events=[{"uuid": str(uuid.uuid4())}])
        posthog.clear_events()
        posthog.zone(name="Asia/Kolkata")
        posthog.revoke(key=PERSONAL_KEY)
        posthog.switches(row_cap=3)
        assert query("SELECT uuid FROM events LIMIT 9").status_code == 401
        sandbox.control.reset()
        assert posthog.totals(start="2000-01-01", end=str(TODAY)) == before
        answer = query("SELECT timestamp FROM events LIMIT 9").json()
        assert len(answer["results"]) == 9
        assert answer["results"][0][0].endswith("Z")

    def test_latency(self, posthog, ask):
        posthog.latency(seconds=0.2)
        began = time.monotonic()
        ask(f"/api/projects/{PROJECT}/cohorts/")
        assert time.monotonic() - began >= 0.2
