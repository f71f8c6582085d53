"""What a client can do beyond a plain request: other bodies, renewed tokens, smaller requests."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
import requests
from kit_vendor import RowStream, RowTap, answer, ok
from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import (
    AdaptiveLimit,
    ErrorMapper,
    RequestRejectedError,
    RequestTooLargeError,
    RetryPolicy,
    ShrinkInstead,
    TapError,
    Token,
    TokenAuth,
)

ROWS = [{"id": 1, "name": "a"}]
UNAUTHORIZED = answer(401, {"error": "expired"})
TIMEOUT = answer(504, {"error": "too slow"})


@pytest.fixture
def client(make_tap):
    return make_tap().streams["rows"].client


def test_a_query_may_be_sent_as_json(vendor, client):
    vendor.answers.append(ok(ROWS))
    assert client.post("/query", {"days": [1, 2]}, {"page": 2}) == ROWS
    assert json.loads(vendor.bodies[0]) == {"days": [1, 2]}
    assert "page=2" in vendor.requests[0]


def test_or_as_a_form(vendor, client):
    client.post("/token", form={"grant_type": "client_credentials", "secret": "a&b"})
    fields = {"grant_type": ["client_credentials"], "secret": ["a&b"]}
    assert parse_qs(vendor.bodies[0].decode()) == fields


def test_lists_repeat_a_parameter_and_none_leaves_it_out(vendor, client):
    client.get("/rows", {"id": [1, 2], "page": None, "text": "a b"})
    query = parse_qs(vendor.requests[0].partition("?")[2])
    assert {name: query[name] for name in query if name != "api_key"} == {
        "id": ["1", "2"],
        "text": ["a b"],
    }


def test_a_number_that_json_does_not_have_is_never_sent(vendor, client):
    with pytest.raises(TapError, match="rows: POST /query would send NaN or an infinity"):
        client.post("/query", {"after": float("nan")})
    assert vendor.requests == []


def test_messages_name_the_stream_of_the_view(vendor, make_tap):
    tap = make_tap(max_tries=1)
    vendor.answers.extend([answer(500)] * 3)
    for name, start in (("rows", "rows: GET /rows "), ("days", "days: GET /rows ")):
        with pytest.raises(RetriableAPIError, match=f"^{start}"):
            tap.streams[name].client.get("/rows")
        assert tap.streams[name].last_request() == start.rstrip()
    with pytest.raises(RetriableAPIError, match=r"^GET /rows "):
        tap.client.get("/rows")


def test_no_credentials_of_netrc_are_sent(vendor, make_tap, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password planted-secret")
    monkeypatch.setenv("NETRC", str(netrc))
    make_tap().streams["rows"].client.get("/rows")
    assert vendor.signatures == [None]


class TestTokens:
    @pytest.fixture
    def tokens(self, monkeypatch):
        """Sign with tokens `t1`, `t2` and so on, of this lifetime; gives those requested."""
        requested = []

        def sign(lifetime=3600.0):
            def request_token():
                requested.append(f"t{len(requested) + 1}")
                return Token(requested[-1], lifetime)

            auth = TokenAuth(request_token)
            monkeypatch.setattr(RowTap, "auth", lambda _: auth)
            return requested

        return sign

    def test_one_serves_all_threads(self, vendor, make_tap, tokens):
        requested = tokens()
        client = make_tap().streams["rows"].client
        barrier = threading.Barrier(4, timeout=120)  # ends a hang

        def read(_):
            barrier.wait()
            return client.get("/rows")

        with ThreadPoolExecutor(4) as pool:
            assert [*pool.map(read, range(4))] == [[]] * 4
        assert requested == ["t1"]
        assert set(vendor.signatures) == {"Bearer t1"}

    def test_one_that_has_expired_is_renewed(self, vendor, make_tap, tokens):
        tokens(lifetime=0)
        client = make_tap().streams["rows"].client
        client.get("/rows")
        client.get("/rows")
        assert vendor.signatures == ["Bearer t1", "Bearer t2"]

    def test_one_that_is_rejected_is_renewed_once(self, vendor, make_tap, tokens):
        tokens()
        client = make_tap().streams["rows"].client
        vendor.answers.extend([UNAUTHORIZED, ok(ROWS)])
        assert client.get("/rows") == ROWS
        assert vendor.signatures == ["Bearer t1", "Bearer t2"]
        vendor.answers.extend([UNAUTHORIZED, UNAUTHORIZED])
        with pytest.raises(RequestRejectedError, match="answered 401"):
            client.get("/rows")
        assert vendor.signatures[2:] == ["Bearer t2", "Bearer t3"]

    def test_one_that_another_thread_has_renewed_is_kept(self, tokens):
        requested = tokens()
        rejected = RowTap.auth(None)(requests.Request("GET", "http://x").prepare())
        for _ in range(2):
            RowTap.auth(None).renew(rejected)
            RowTap.auth(None)(requests.Request("GET", "http://x").prepare())
        assert requested == ["t1", "t2"]

    def test_it_is_fresh_with_each_try(self, vendor, make_tap, tokens):
        tokens(lifetime=0)
        vendor.answers.extend([answer(503), ok(ROWS)])
        assert make_tap().streams["rows"].client.get("/rows") == ROWS
        assert vendor.signatures == ["Bearer t1", "Bearer t2"]


class TestSmallerRequests:
    SHRINK = ShrinkInstead(frozenset({504}), after_tries=2)

    def test_a_request_that_is_too_large_is_given_up_early(self, vendor, client, caplog):
        vendor.answers.extend([TIMEOUT] * 9)
        with pytest.raises(RequestTooLargeError, match="rows: GET /rows answered 504") as caught:
            client.get("/rows", shrink=self.SHRINK)
        assert caught.value.response.status_code == 504
        assert len(vendor.requests) == 2
        assert "Gave up" not in caplog.text

    def test_other_errors_are_retried_as_ever(self, vendor, client):
        vendor.answers.extend([answer(503)] * 4 + [ok(ROWS)])
        assert client.get("/rows", shrink=self.SHRINK) == ROWS

    @pytest.mark.parametrize(("counts", "tries"), ((True, 1), (False, 3)))
    def test_without_a_response(self, vendor, make_tap, counts, tries):
        vendor.answers.extend([ok(ROWS, length=10_000)] * 3)
        shrink = ShrinkInstead(frozenset(), also_without_response=counts)
        with pytest.raises(RequestTooLargeError if counts else RetriableAPIError):
            make_tap(max_tries=3).client.get("/rows", shrink=shrink)
        assert len(vendor.requests) == tries

    def test_the_limit_shrinks_and_grows_again(self):
        limit = AdaptiveLimit(100, smallest=10, successes=2)
        limit.shrink()
        assert (limit.value, limit.is_smallest) == (25, False)
        limit.note_success()
        assert limit.value == 25
        limit.note_success()
        assert limit.value == 50
        limit.shrink()
        limit.shrink()
        assert (limit.value, limit.is_smallest) == (10, True)
        for _ in range(20):
            limit.note_success()
        assert limit.value == 100

    def test_a_limit_of_time(self):
        """What was requested may be less than the limit; a sign can replace successes."""
        limit = AdaptiveLimit(timedelta(days=1), smallest=timedelta(seconds=1), divisor=2)
        limit.shrink(timedelta(hours=2))
        assert limit.value == timedelta(hours=1)
        limit.grow()
        assert limit.value == timedelta(hours=2)

    def test_the_smallest_is_no_more_than_the_largest(self):
        limit = AdaptiveLimit(5, smallest=10)
        limit.shrink()
        assert (limit.value, limit.is_smallest) == (5, True)


class PagedStream(RowStream):
    def query(self, context):
        return {"page": 1}

    def next_query(self, query, payload):
        return {"page": query["page"] + 1} if payload["more"] else None

    def parse_rows(self, payload):
        return payload["rows"]


def test_a_stream_reads_its_pages(vendor, make_tap, sync, monkeypatch):
    monkeypatch.setattr(RowTap, "stream_types", (PagedStream,))
    vendor.answers.extend(
        [ok({"rows": [{"id": 1}], "more": True}), ok({"rows": [{"id": 2}], "more": False})]
    )
    assert [row["id"] for row in sync(make_tap(), "rows").records["rows"]] == [1, 2]
    pages = [parse_qs(request.partition("?")[2])["page"] for request in vendor.requests]
    assert pages == [["1"], ["2"]]


class TestFailures:
    def test_a_vendor_can_say_that_no_retry_helps(self, make_tap, vendor, caplog):
        class CertificateErrors(ErrorMapper):
            def map_failure(self, error, label, *, host, timeout):
                return TapError(f"{label}: {host} has another certificate")

        tap = make_tap(api_url=vendor.url.replace("http://", "https://"), max_tries=3)
        client = tap.streams["rows"].client
        client.errors = CertificateErrors()
        with pytest.raises(TapError, match=r"rows: GET /rows: 127.0.0.1:\d+ has another"):
            client.get("/rows")
        assert "trying again" not in caplog.text

    def test_a_server_that_cannot_be_reached_is_named(self, make_tap):
        with socket.socket() as nobody_listens:
            nobody_listens.bind(("127.0.0.1", 0))
            host = f"127.0.0.1:{nobody_listens.getsockname()[1]}"
            client = make_tap(api_url=f"http://{host}", max_tries=1).streams["rows"].client
            with pytest.raises(RetriableAPIError) as caught:
                client.get("/rows")
        assert str(caught.value).startswith(f"Cannot reach {host} (")
        assert "Check api_url, the network, and any proxy" in str(caught.value)

    @pytest.mark.parametrize(
        ("options", "place"),
        (
            ({}, "the environment variable REQUESTS_CA_BUNDLE"),
            ({"ca_bundle_setting": "ca_bundle"}, "ca_bundle"),
        ),
    )
    def test_a_certificate_that_is_not_trusted_names_where_to_add_the_authority(
        self, options, place
    ):
        error = requests.exceptions.SSLError("certificate verify failed")
        text = ErrorMapper(**options).describe_failure(error, "", host="example.com", timeout=9)
        assert f"signed it, set {place} to that authority's file" in text


class TestAVendorThatAsksForARetryWithAStatusOfItsOwn:
    """As a 418 that means: wait a minute, with all of the account's requests."""

    class Errors(ErrorMapper):
        def is_transient(self, response):
            return response.status_code == 418 or super().is_transient(response)

    class Retry(RetryPolicy):
        def pauses_account(self, error):
            status = None if error.response is None else error.response.status_code
            return status == 418 or super().pauses_account(error)

    @pytest.fixture
    def pauses(self, client, monkeypatch):
        pauses = []
        monkeypatch.setattr(client.rate_limiter("/rows"), "pause", pauses.append)
        return pauses

    def test_it_is_retried_and_pauses_the_account(self, vendor, client, pauses):
        client.errors = self.Errors()
        client.retry = self.Retry(max_tries=2, max_wait=0.01)
        vendor.answers.extend([answer(418), ok(ROWS)])
        assert client.get("/rows") == ROWS
        assert len(vendor.requests) == 2
        assert pauses == [0.01]

    def test_by_default_it_is_not(self, vendor, client, pauses):
        client.retry = RetryPolicy(max_tries=2, max_wait=0.01)
        vendor.answers.append(answer(418))
        with pytest.raises(RequestRejectedError):
            client.get("/rows")
        vendor.answers.extend([answer(429), answer(500), ok(ROWS)])
        client.retry = RetryPolicy(max_tries=3, max_wait=0.01)
        assert client.get("/rows") == ROWS
        assert pauses == [0.01]
