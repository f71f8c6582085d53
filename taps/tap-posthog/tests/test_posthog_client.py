"""Keys, hosts, limits, and what goes wrong between them."""

from __future__ import annotations

import json

import pytest
import requests
from posthog_days import day
from singer_sdk.exceptions import ConfigValidationError, RetriableAPIError

from signalroom_sandbox.posthog import (
    LIMITED_KEY,
    PERSONAL_KEY,
    PROJECT,
    PROJECT_KEY,
    SCOPED_KEY,
    SECOND_PROJECT,
)
from signalroom_singer import RequestRejectedError, TapError


def answer(sandbox, status, code="error", detail="no", *, match="query", retry_after=None, **more):
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    body = {"type": "server_error", "code": code, "detail": detail, "attr": None}
    more = {"times": 1} | more
    sandbox.control.fault(
        "answer", vendor="posthog", match=match, status=status, headers=headers, body=body, **more
    )


@pytest.fixture
def waits(monkeypatch):
    """How long was waited between tries; nothing is waited."""
    found = []
    monkeypatch.setattr("tenacity.nap.time.sleep", found.append)
    monkeypatch.setattr("signalroom_singer.http.rate_limit.RateLimiter.pause", lambda *_: None)
    return found


class TestAddress:
    @pytest.mark.parametrize(
        ("configured", "used"),
        (
            ("https://us.posthog.com", "https://us.posthog.com"),
            ("https://app.posthog.com", "https://us.posthog.com"),
            ("app.posthog.com/", "https://us.posthog.com"),
            ("https://us.i.posthog.com", "https://us.posthog.com"),
            ("https://eu.i.posthog.com/", "https://eu.posthog.com"),
            ("https://eu.posthog.com/api", "https://eu.posthog.com"),
            ("https://posthog.example.com/base/", "https://posthog.example.com/base"),
            ("http://localhost:8000", "http://localhost:8000"),
        ),
    )
    def test_hosts(self, make_tap, configured, used):
        assert make_tap(api_url=configured).client.base_url == used

    def test_plain_http_needs_the_setting(self, make_tap):
        with pytest.raises(ConfigValidationError, match="unencrypted"):
            make_tap(api_url="http://posthog.example.com")
        tap = make_tap(api_url="http://posthog.example.com", allow_http=True)
        assert tap.client.base_url == "http://posthog.example.com"

    def test_a_redirect_is_not_followed(self, make_tap, sandbox, sync):
        sandbox.control.fault("redirect", vendor="posthog", match="query")
        output = sync(make_tap(), "events", fails=RequestRejectedError)
        assert "elsewhere.example.com" in str(output.error)
        assert "Redirects are not followed" in str(output.error)

    def test_the_other_region(self, make_tap, sync):
        output = sync(
            make_tap(api_key="phx_of-another-region"), "events", fails=RequestRejectedError
        )
        assert "answered 401" in str(output.error)
        assert "https://eu.posthog.com" in str(output.error)
        assert "phx_of-another-region" not in str(output.error)


class TestKeysAndProjects:
    @pytest.mark.parametrize("key", (PROJECT_KEY, "phs_something"))
    def test_keys_of_projects_are_rejected(self, make_tap, key):
        with pytest.raises(ConfigValidationError, match="Create a personal API key"):
            make_tap(api_key=key)

    def test_a_stream_that_the_key_may_not_read(self, make_tap, sync, caplog):
        tap = make_tap(api_key=LIMITED_KEY)
        output = sync(tap, "cohorts", "events", "feature_flags", fails=TapError)
        assert output.records["events"]
        assert output.records["feature_flags"]
        assert "may not read cohorts of project 4711:" in str(output.error)
        assert "cohorts: GET /api/projects/4711/cohorts/ answered 403" in caplog.text
        assert "'cohort:read'" in caplog.text
        activated = {one["stream"] for one in output.messages if one["type"] == "ACTIVATE_VERSION"}
        assert activated == {"feature_flags"}

    @pytest.mark.parametrize("stream", ("events", "cohorts"))
    def test_one_of_two_projects_is_read(self, make_tap, sync, stream):
        settings = {"api_key": SCOPED_KEY, "project_id": f"{SECOND_PROJECT},{PROJECT}"}
        output = sync(make_tap(**settings), stream, fails=TapError)
        assert f"may not read {stream} of project {SECOND_PROJECT}:" in str(output.error)
        assert {row["project_id"] for row in output.records[stream]} == {PROJECT}
        # Else a loader would take the other project's rows away.
        assert not [one for one in output.messages if one["type"] == "ACTIVATE_VERSION"]
        again = sync(make_tap(**settings, on_missing_scope="skip"), stream)
        assert len(again.records[stream]) == len(output.records[stream])

    def test_a_forbidden_stream_is_skipped_with_the_setting(self, make_tap, sync, caplog):
        tap = make_tap(api_key=LIMITED_KEY, on_missing_scope="skip")
        output = sync(tap, "cohorts", "feature_flags")
        assert len(output.records["feature_flags"]) == 230
        assert "'cohort:read'" in caplog.text

    def test_a_connection_test_fails_at_once(self, make_tap):
        tap = make_tap(api_key=LIMITED_KEY)
        with pytest.raises(RequestRejectedError, match="cohort:read"):
            tap.run_sync_dry_run(dry_run_record_limit=1, streams=[tap.streams["cohorts"]])

    def test_the_only_project_is_found(self, make_tap, posthog, sync):
        posthog.key(key=PERSONAL_KEY, reads=[SECOND_PROJECT])
        rows = sync(make_tap(project_id=None), "project").records["project"]
        assert [row["id"] for row in rows] == [SECOND_PROJECT]

    def test_the_project_of_a_restricted_key_is_found(self, make_tap, sync):
        tap = make_tap(project_id=None, api_key=SCOPED_KEY)
        assert len(sync(tap, "cohorts").records["cohorts"]) == 20

    def test_one_of_several_projects_must_be_chosen(self, make_tap, sync):
        output = sync(make_tap(project_id=None), "cohorts", fails=TapError)
        assert "4711 (Shop 4711), 4712 (Shop 4712)" in str(output.error)
        rows = sync(make_tap(project_id="all"), "project").records["project"]
        assert [row["id"] for row in rows] == [4711, 4712]

    def test_more_projects_than_a_page_lists(self, make_tap, posthog):
        posthog.key(key=PERSONAL_KEY, reads=[*range(1, 231)])
        tap = make_tap(project_id="all")
        assert tap.client.request_project_ids() == [*range(1, 231)]

    def test_an_unknown_project(self, make_tap, sync):
        output = sync(make_tap(project_id="99"), "cohorts", fails=RequestRejectedError)
        assert "Check project_id and api_url" in str(output.error)

    @pytest.mark.parametrize("project", ("shop", "4711;4712", "-1", "4711,all"))
    def test_a_project_id_must_be_a_number(self, make_tap, sync, project):
        with pytest.raises(ConfigValidationError, match="expected the number in the address"):
            sync(make_tap(project_id=project), "cohorts")

    def test_the_client_is_in_the_key(self, make_tap, sync):
        output = sync(make_tap(client_id="acme"), "events", "cohorts")
        assert output.schemas["events"]["key_properties"] == ["_client_id", "uuid"]
        assert output.records["cohorts"][0]["_client_id"] == "acme"


class TestLimits:
    def test_the_limits_are_not_exceeded(self, make_tap, sandbox, posthog, sync):
        posthog.limits(queries_per_minute=12, queries_per_hour=2400, concurrent_queries=1)
        tap = make_tap(query_requests_per_minute=12, page_size=50, end_date=day(3))
        sync(tap, "events")
        assert sandbox.control.requests()["refused"] == 0

    @pytest.mark.parametrize(
        ("resource", "per_hour"),
        (
            ("query/", 2300),
            ("query/a1b2/", 2300),
            ("events/", 1150),
            ("insights/", 1150),
            ("session_recordings/", 1150),
            ("cohorts/", 4600),
            ("", 4600),
        ),
    )
    def test_each_class_has_its_own_limit(self, make_tap, monkeypatch, resource, per_hour):
        made = {}
        monkeypatch.setattr(
            "tap_posthog.client.RateLimiter",
            lambda **limits: made.setdefault(limits["per_hour"], object()),
        )
        tap = make_tap(
            query_requests_per_hour=2300, clickhouse_requests_per_hour=1150, requests_per_hour=4600
        )
        limiter = tap.streams["events"].client.rate_limiter(f"/api/projects/4711/{resource}")
        assert limiter is made[per_hour]

    def test_a_team_with_the_previous_limits(self, make_tap):
        tap = make_tap(query_requests_per_minute=230, query_requests_per_hour=115)
        assert tap.client

    @pytest.mark.parametrize("retry_after", ("2", "Wed, 21 Oct 2099 07:28:00 GMT", None))
    def test_retry_after_is_honoured(self, make_tap, sandbox, sync, waits, retry_after):
        answer(sandbox, 429, "throttled", retry_after=retry_after, times=3)
        output = sync(make_tap(max_retry_wait=7), "events")
        assert output.records["events"]
        assert len(waits) == 3
        if retry_after == "2":
            assert waits == [2, 2, 2]
        elif retry_after:
            assert waits == [7, 7, 7]
        else:
            assert waits == sorted(waits)

    def test_a_run_waits_for_the_budget(self, make_tap, sandbox, sync, waits):
        answer(sandbox, 429, "api_queries_budget_exceeded", retry_after=600)
        assert sync(make_tap(), "events").records["events"]
        assert waits == [600]

    def test_a_budget_that_refills_too_late(self, make_tap, sandbox, posthog, sync, waits):
        answer(sandbox, 429, "api_queries_budget_exceeded", retry_after=1800, skip=4, times=9)
        output = sync(make_tap(page_size=50), "events", fails=TapError)
        assert "the next run resumes there" in str(output.error)
        assert "max_budget_wait" in str(output.error)
        assert waits == []
        (partition,) = output.state["bookmarks"]["events"]["partitions"]
        assert partition["replication_key_value"] > day(3)

    def test_an_exhausted_quota(self, make_tap, sandbox, sync):
        answer(sandbox, 402, "quota_limit_exceeded")
        output = sync(make_tap(), "events", fails=RequestRejectedError)
        assert "billing page" in str(output.error)


class TestFaults:
    @pytest.mark.parametrize(
        "fault",
        (
            "http_500",
            "http_502",
            "http_503",
            "connection_reset",
            "cut_body",
            "truncated_json",
            "html_200",
            "empty_200",
            "null_200",
            "error_200",
        ),
    )
    def test_a_transient_fault_is_retried(self, make_tap, sandbox, sync, fault):
        for match in ("query", "cohorts"):
            sandbox.control.fault(fault, vendor="posthog", match=match, times=2)
        output = sync(make_tap(), "events", "cohorts")
        assert len(output.records["events"]) > 500
        assert len(output.records["cohorts"]) == 20

    def test_a_timeout_is_retried(self, make_tap, sandbox, sync):
        sandbox.control.fault("timeout", vendor="posthog", match="query", seconds=3)
        assert sync(make_tap(request_timeout=1), "events").records["events"]

    @pytest.mark.parametrize("fault", ("http_500", "html_200", "connection_reset"))
    def test_a_lasting_fault_ends_the_run(self, make_tap, sandbox, sync, fault):
        sandbox.control.fault(fault, vendor="posthog", match="query", times=99)
        output = sync(make_tap(max_tries=3), "events", fails=RetriableAPIError)
        assert "events: POST /api/projects/4711/query/" in str(output.error)
        assert output.state["bookmarks"]["events"]["fields"] == []

    def test_a_page_of_cloudflare(self, make_tap, sandbox, sync, caplog):
        answer(sandbox, 524, times=1)
        assert sync(make_tap(), "events").records["events"]
        assert "at once" in caplog.text

    @pytest.mark.parametrize(
        "body",
        (
            {"results": None, "columns": ["uuid"]},
            {"results": [["x"]], "columns": ["uuid"]},
            {"columns": ["uuid"]},
            {"query_status": {"id": "a1", "complete": True, "results": [["x"]]}},
            {"query_status": {"id": "a1", "complete": True, "results": None}},
            [],
        ),
    )
    def test_malformed_responses_end_the_run(self, make_tap, sandbox, sync, body):
        sandbox.control.fault(
            "answer", vendor="posthog", match="query", status=200, headers={}, body=body
        )
        output = sync(make_tap(), "events", fails=TapError)
        assert "nothing was loaded" in str(output.error)
        assert output.records["events"] == []

    def test_rows_out_of_order_are_noticed(self, make_tap, sandbox, sync):
        columns = list(make_tap().streams["events"].columns())
        rows = [
            [
                f"{number}-0000" if name == "uuid" else at if name == "timestamp" else None
                for name in columns
            ]
            for number, at in enumerate(("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"))
        ]
        sandbox.control.fault(
            "answer",
            vendor="posthog",
            match="query",
            status=200,
            headers={},
            body={"columns": columns, "results": rows},
        )
        output = sync(make_tap(), "events", fails=TapError)
        assert "or in another order" in str(output.error)
        assert output.records["events"] == []

    def test_a_repeated_page_is_noticed(self, make_tap, sandbox, sync):
        columns = list(make_tap().streams["events"].columns())
        row = {"uuid": "1-0000", "timestamp": day(3) + "T00:00:00Z"}
        body = {"columns": columns, "results": [[row.get(name) for name in columns]]}
        sandbox.control.fault(
            "answer", vendor="posthog", match="query", status=200, headers={}, body=body, times=9
        )
        output = sync(make_tap(), "events", fails=TapError)
        assert "or in another order" in str(output.error)
        assert len(output.records["events"]) == 1


@pytest.mark.parametrize("fault", ("echo_key", "http_401", "redirect", "connection_reset"))
def test_the_key_is_in_no_output(make_tap, sandbox, sync, caplog, fault):
    caplog.set_level("DEBUG")
    sandbox.control.fault(fault, vendor="posthog", times=99)
    output = sync(make_tap(max_tries=2), "events", fails=(RequestRejectedError, RetriableAPIError))
    assert output.error
    assert PERSONAL_KEY not in str(output.error)
    assert PERSONAL_KEY not in json.dumps(output.messages)
    ours = [one for one in caplog.records if not one.name.startswith("urllib3")]
    assert not any(PERSONAL_KEY in one.getMessage() for one in ours)


def test_the_mock_server_redirects_older_paths(sandbox):
    # Not through the tap: what PostHog refuses, it refuses.
    url = f"{sandbox.posthog_url}/api/environments/4711/query/"
    assert requests.post(url, timeout=60, allow_redirects=False).status_code == 308
