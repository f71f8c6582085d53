"""Signing in, limits, and what goes wrong with servers."""

from __future__ import annotations

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import certifi
import pytest
from singer_sdk.exceptions import RetriableAPIError

from signalroom_sandbox.mautic import (
    CLIENT_SECRET,
    NO_GRANT_ID,
    PASSWORD,
    USERNAME,
)
from signalroom_singer import RequestRejectedError, TapError
from tap_mautic.client import ALLOWED_REQUESTS
from tap_mautic.tap import TapMautic

#: Pages of contacts, and not the newest one, which is asked for first.
PAGES = "api/contacts.*orderBy=id&orderByDir=ASC"


def basic(make_tap, **config):
    return make_tap(
        oauth_client_id=None,
        oauth_client_secret=None,
        username=USERNAME,
        password=PASSWORD,
        **config,
    )


def refuse(sandbox, status, body=None, *, match="api/contacts", headers=None, **more):
    more = {"times": 1} | more
    sandbox.control.fault(
        "answer",
        vendor="mautic",
        match=match,
        status=status,
        headers=headers or {},
        body=body,
        **more,
    )


@pytest.fixture
def waits(monkeypatch):
    """How long was waited between tries; nothing is waited."""
    found = []
    monkeypatch.setattr("tenacity.nap.time.sleep", found.append)
    monkeypatch.setattr("signalroom_singer.http.rate_limit.RateLimiter.pause", lambda *_: None)
    return found


@pytest.fixture
def step_clock(monkeypatch):
    """The tap's and Mautic's clock: each look moves it by 50 ms, however busy the machine is."""
    steps = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: next(steps) * 0.05)
    monkeypatch.setattr("signalroom_singer.http.auth.time", clock)
    monkeypatch.setattr("signalroom_sandbox.mautic.access.time", clock)


class TestTokens:
    def test_one_for_all_streams_and_pages(self, make_tap, mautic, sync):
        tap = make_tap(page_size=20)
        sync(tap, "contacts", "emails", "email_stats", "lead_lists_leads")
        assert mautic.tokens() == 1

    def test_another_before_it_ends(self, make_tap, mautic, sandbox, sync, step_clock):
        mautic.access(token_seconds=1)
        output = sync(make_tap(page_size=10), "contacts")
        assert len(output.records["contacts"]) == 300
        statuses = [request["status"] for request in sandbox.control.requests()["requests"]]
        assert set(statuses) == {200}
        # A request takes two steps, so that each token is used for three quarters of its second by
        # seven or eight requests.
        signed = len(statuses) - mautic.tokens()
        assert signed > 30
        assert signed / 8 <= mautic.tokens() <= signed / 7 + 1

    def test_another_once_one_is_revoked(self, make_tap, mautic, sync):
        tap = make_tap(page_size=20)
        _ = tap.streams
        stream = tap.streams["contacts"]
        pages = stream.client.iter_by_id(stream.path, "contacts")
        found = [row["id"] for row in next(pages)]
        mautic.revoke()
        found += [row["id"] for rows in pages for row in rows]
        assert found == [*range(1, 301)]
        assert mautic.tokens() == 2

    def test_threads_share_them(self, make_tap, mautic):
        tap = make_tap()
        streams = [tap.streams[name] for name in ("contacts", "emails", "email_stats", "stages")]
        mautic.revoke()
        with ThreadPoolExecutor(16) as threads:
            counts = threads.map(
                lambda stream: sum(map(len, stream.client.iter_by_id(stream.path, stream.key))),
                streams * 4,
            )
            assert all(counts)
        assert mautic.tokens() == 2

    @pytest.mark.parametrize("token", (None, "", 7, {"of": "another kind"}))
    def test_an_answer_without_one(self, make_tap, sandbox, token):
        refuse(sandbox, 200, {"access_token": token, "expires_in": 60}, match="oauth", times=9)
        with pytest.raises(TapError, match=r"200 without a token. Check api_url"):
            make_tap()

    def test_a_401_that_stays_is_told(self, make_tap, sandbox, sync):
        tap = make_tap()
        body = {"errors": [{"message": "denied", "code": 401, "type": "access_denied"}]}
        refuse(sandbox, 401, body, times=99)
        output = sync(tap, "contacts", fails=RequestRejectedError)
        assert "contacts: GET /api/contacts answered 401" in str(output.error)
        assert "may drop the Authorization header" in str(output.error)

    @pytest.mark.parametrize(
        ("settings", "said"),
        (
            ({"oauth_client_secret": "wrong-secret"}, "invalid_client.*Settings > API Credentials"),
            ({"oauth_client_id": NO_GRANT_ID}, "unauthorized_client.*as an administrator"),
        ),
    )
    def test_refusals(self, make_tap, settings, said):
        with pytest.raises(TapError, match=said) as caught:
            make_tap(**settings)
        assert "wrong-secret" not in str(caught.value)
        assert CLIENT_SECRET not in str(caught.value)

    def test_an_api_that_is_off(self, make_tap, mautic):
        mautic.access(api_enabled=False)
        with pytest.raises(TapError, match=r"api_disabled.*Turn the API on"):
            make_tap()

    @pytest.mark.parametrize("fault", ("http_503", "html_200", "connection_reset", "empty_200"))
    def test_what_passes_is_tried_again(self, make_tap, sandbox, sync, fault):
        sandbox.control.fault(fault, vendor="mautic", match="oauth", times=2)
        assert sync(make_tap(), "stages").records["stages"]

    @pytest.mark.parametrize("fault", ("http_503", "html_200", "connection_reset"))
    def test_what_does_not_pass(self, make_tap, sandbox, fault):
        sandbox.control.fault(fault, vendor="mautic", match="oauth", times=99)
        with pytest.raises(TapError, match=r"(POST /oauth/v2/token|Cannot reach) .*api_url"):
            make_tap(max_tries=2)

    def test_a_redirect_is_told(self, make_tap, sandbox):
        sandbox.control.fault("redirect", vendor="mautic", match="oauth", times=99)
        with pytest.raises(TapError, match=r"elsewhere.example.com.*set api_url to that"):
            make_tap()

    def test_a_user_and_a_password(self, make_tap, mautic, sync):
        assert sync(basic(make_tap), "stages").records["stages"]
        assert mautic.tokens() == 0
        mautic.access(basic_enabled=False)
        with pytest.raises(TapError, match=r"answered 403.*Basic auth, where it is used"):
            basic(make_tap)


class TestAddresses:
    @pytest.mark.parametrize(
        "page",
        (
            "/s/dashboard",
            "/s/contacts/view/3",
            "/index.php/s/emails",
            "/s/contacts?search=is:mine&page=2",
            "/s/login",
            "/s/segments/edit/2#details",
            "/s/dashboard/",
            "/index.php",
            "/api",
            "/index.php/api/",
        ),
    )
    def test_any_page_of_the_browser(self, make_tap, sandbox, sync, page):
        tap = make_tap(api_url=f"{sandbox.mautic_url}{page}")
        assert sync(tap, "stages").records["stages"]

    @pytest.mark.parametrize(
        ("address", "base"),
        (
            ("https://example.com/s/mautic", "https://example.com/s/mautic"),
            ("https://example.com/s", "https://example.com/s"),
            ("https://example.com/s/s/dashboard", "https://example.com/s"),
            ("https://example.com/s/mautic/s/forms/new", "https://example.com/s/mautic"),
            (
                "https://example.com/sub/path/index.php/s/config/edit",
                "https://example.com/sub/path",
            ),
            ("https://example.com/s/dashboards", "https://example.com/s/dashboards"),
            ("example.com/s/sysinfo", "https://example.com"),
        ),
    )
    def test_a_folder_of_that_name_is_none(self, make_tap, monkeypatch, address, base):
        monkeypatch.setattr(TapMautic, "discover_streams", lambda _: [])
        assert make_tap(api_url=address).api_url == base

    def test_a_page_of_a_plugin_is_explained(self, make_tap, sandbox):
        with pytest.raises(TapError, match="page where people sign in") as caught:
            make_tap(api_url=f"{sandbox.mautic_url}/s/plugin-of-ours/list")
        assert "Mautic itself, without /s and what follows: http://127.0.0.1" in str(caught.value)

    @pytest.mark.parametrize("kind", (None, "", "access_denied"))
    def test_a_path_where_no_mautic_is(self, make_tap, sandbox, kind):
        message = "Requested URL not found: /mautic/oauth/v2/token"
        body = {"errors": [{"message": message, "code": 404, "type": kind, "details": []}]}
        refuse(sandbox, 404, body, match="oauth", times=9)
        with pytest.raises(TapError, match="Check api_url, with the path") as caught:
            make_tap()
        assert "None" not in str(caught.value)
        assert "oauth_client_id" not in str(caught.value)

    @pytest.mark.parametrize("status", (403, 404, 500))
    def test_what_mautic_says_is_a_sentence(self, make_tap, sandbox, sync, status, caplog):
        tap = make_tap(max_tries=2)
        body = {"errors": [{"message": "In its own words.", "code": status, "details": []}]}
        refuse(sandbox, status, body, match="api/stages", times=99)
        output = sync(tap, "stages", fails=Exception)
        lines = f"{output.error}\n{caplog.text}".splitlines()
        said = "\n".join(line for line in lines if "In its own words" in line)
        assert said
        for wrong in ("[{", "..", "None"):
            assert wrong not in said

    def test_an_api_that_is_off_has_one_full_stop(self, make_tap, mautic):
        mautic.access(api_enabled=False)
        with pytest.raises(TapError, match="api_disabled") as caught:
            make_tap()
        assert ".." not in str(caught.value)


class TestLimits:
    def test_they_are_waited_for(self, make_tap, mautic, sandbox, sync):
        mautic.limits(per_hour=8, window=2.0)
        output = sync(make_tap(max_rate_limit_wait=10), "contacts")
        assert len(output.records["contacts"]) == 300
        # It stops at the last call that is left, before Mautic says no.
        assert sandbox.control.requests()["refused"] == 0

    def test_or_not_where_that_is_too_long(self, make_tap, mautic, sync, waits):
        mautic.limits(per_hour=8, window=60.0)
        output = sync(make_tap(max_rate_limit_wait=5), "contacts", fails=RetriableAPIError)
        assert waits == []
        assert "Raise max_rate_limit_wait" in str(output.error)

    def test_a_429_is_waited_out(self, make_tap, sandbox, sync, waits):
        tap = make_tap()
        body = {"errors": [{"code": 429, "message": "You exceeded the rate limit"}]}
        refuse(sandbox, 429, body, headers={"X-RateLimit-Reset": str(int(time.time()) + 1800)})
        assert sync(tap, "contacts").records["contacts"]
        assert [round(wait, -2) for wait in waits] == [1800]

    def test_or_the_next_run_goes_on(self, make_tap, sandbox, sync, waits):
        tap = make_tap(max_rate_limit_wait=60)
        body = {"errors": [{"code": 429, "message": "You exceeded the rate limit"}]}
        headers = {"X-RateLimit-Reset": str(int(time.time()) + 1800)}
        refuse(sandbox, 429, body, match=PAGES, headers=headers, skip=2, times=99)
        output = sync(tap, "contacts", fails=RetriableAPIError)
        assert "Raise max_rate_limit_wait" in str(output.error)
        assert waits == []
        assert output.state["bookmarks"]["contacts"]["sweep"]["after"] == 100
        sandbox.control.clear_faults()
        rest = sync(make_tap(output.state), "contacts")
        assert [row["id"] for row in rest.records["contacts"]] == [*range(101, 301)]


class TestServers:
    @pytest.mark.parametrize("stream", ("contacts", "email_stats", "emails"))
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
        ),
    )
    def test_what_passes_is_tried_again(self, make_tap, sandbox, sync, fault, stream):
        tap = make_tap()
        sandbox.control.fault(fault, vendor="mautic", match=stream, skip=1, times=2)
        rows = sync(tap, stream).records[stream]
        assert len(rows) == {"contacts": 300, "email_stats": 900, "emails": 46}[stream]

    def test_errors_with_a_200(self, make_tap, sandbox, sync):
        tap = make_tap()
        body = {"errors": [{"message": "SQLSTATE[40001]: Deadlock found", "code": 1213}]}
        refuse(sandbox, 200, body, match="email_stats", times=1)
        assert len(sync(tap, "email_stats").records["email_stats"]) == 900
        refuse(sandbox, 200, body, match="email_stats", times=99)
        output = sync(make_tap(max_tries=2), "email_stats", fails=RetriableAPIError)
        assert "answered 200 with error 1213" in str(output.error)

    @pytest.mark.parametrize("status", (500, 502, 504))
    def test_pages_that_are_too_much(self, make_tap, mautic, sync, caplog, status):
        tap = make_tap(page_size=200)
        mautic.switches(memory_rows=30, memory_status=status)
        output = sync(tap, "contacts")
        assert len(output.records["contacts"]) == 300
        assert "requesting 50 at once" in caplog.text
        assert "requesting 12 at once" in caplog.text
        assert "Gave up" not in caplog.text

    def test_a_server_that_is_slow(self, make_tap, sandbox, sync, caplog):
        tap = make_tap(page_size=100, request_timeout=1)
        sandbox.control.fault("timeout", vendor="mautic", match=PAGES, seconds=3, times=2)
        assert len(sync(tap, "contacts").records["contacts"]) == 300
        assert "requesting 25 at once" in caplog.text

    @pytest.mark.parametrize("fault", ("http_500", "html_200", "connection_reset"))
    def test_what_does_not_pass_ends_the_run(self, make_tap, sandbox, sync, fault):
        tap = make_tap(max_tries=2)
        sandbox.control.fault(fault, vendor="mautic", match=PAGES, skip=2, times=99)
        output = sync(tap, "contacts", fails=RetriableAPIError)
        assert "contacts: GET /api/contacts" in str(output.error)
        assert output.state["bookmarks"]["contacts"]["sweep"]["after"] == 100

    @pytest.mark.parametrize("body", ({"contacts": None}, {"total": 5}, {"contacts": [1, 2]}))
    def test_answers_that_are_none(self, make_tap, sandbox, sync, body):
        tap = make_tap()
        refuse(sandbox, 200, body, times=99)
        output = sync(tap, "contacts", fails=TapError)
        assert "has no 'contacts'" in str(output.error)
        assert output.records["contacts"] == []

    def test_certificates(self, make_tap, sandbox, tmp_path, caplog):
        bundle = tmp_path / "ca.pem"
        bundle.write_text("")
        assert make_tap(ca_bundle=str(bundle)).http_session.verify == str(bundle)
        assert make_tap(verify_tls=False).http_session.verify is False
        assert "verify_tls is off" in caplog.text
        assert make_tap().http_session.verify is True

    @pytest.mark.parametrize("environment", ("", "other", "own"))
    @pytest.mark.parametrize("setting", ("", "ca_bundle", "verify_tls"))
    def test_certificates_that_are_signed_by_their_owner(
        self, https_server, monkeypatch, environment, setting, caplog
    ):
        url, certificate = https_server({"access_token": "t", "expires_in": 60, "fields": []})
        bundle = {"": None, "other": certifi.where(), "own": str(certificate)}[environment]
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        if bundle:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        chosen = {"ca_bundle": str(certificate)} if setting == "ca_bundle" else {}
        if setting == "verify_tls":
            chosen = {"verify_tls": False}
        keys = {"oauth_client_id": "1_x", "oauth_client_secret": "a-secret"}
        config = {"api_url": url, "max_tries": 1, **keys, **chosen}
        if setting or environment == "own":
            TapMautic(config=config).close()
        else:
            with pytest.raises(TapError, match=r"is not trusted .*set ca_bundle"):
                TapMautic(config=config)

    def test_only_reads(self):
        assert {method for method, _ in ALLOWED_REQUESTS} == {"GET"}


@pytest.mark.parametrize("fault", ("echo_key", "http_401", "redirect", "connection_reset"))
def test_no_secret_is_in_any_output(make_tap, mautic, sandbox, sync, caplog, fault):
    caplog.set_level("DEBUG")
    tap = make_tap(max_tries=2)
    sandbox.control.fault(fault, vendor="mautic", match="api/contacts", times=99)
    output = sync(tap, "contacts", fails=Exception)
    text = str(output.error) + json.dumps(output.messages, default=str)
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith("urllib3")]
    for secret in (CLIENT_SECRET, "sandbox-token-"):
        assert secret not in text
        assert not any(secret in message for message in ours)
