from __future__ import annotations

import gzip
import json
import logging
import time
from decimal import Decimal

import pytest
from kit_vendor import SECRET, RowTap, answer, ok, reset
from singer_sdk.authenticators import APIKeyAuthenticator
from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import ExitCode, ForbiddenRequestError, RequestRejectedError, TapError

ROWS = [{"id": 1, "name": "a"}]

TRANSIENT = {
    "500": answer(500, {"error": "boom"}),
    "502 with a page": answer(502, b"<html><title>Bad Gateway</title></html>"),
    "503": answer(503),
    "429": answer(429, {"error": "slow down"}),
    "connection reset": reset,
    "cut body": ok(ROWS, length=10_000),
    "cut JSON": ok(b'[{"id": 1'),
    "a page with 200": ok(b"<!doctype html><title>Maintenance</title>"),
    "null": ok(None),
    "an error with 200": ok({"error": "no data today"}),
    "nothing": ok(b""),
    "broken gzip": ok(b"\x1f\x8b nonsense", headers={"Content-Encoding": "gzip"}),
}


@pytest.fixture
def stream(make_tap):
    return make_tap().streams["rows"]


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_passing_faults_are_tried_again(vendor, stream, caplog, fault):
    vendor.answers.extend([fault, fault, ok(ROWS)])
    assert stream.get() == ROWS
    assert len(vendor.requests) == 3
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert all(line.startswith("rows: GET /rows ") for line in warnings)


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_lasting_faults_end_after_max_tries(vendor, make_tap, caplog, fault):
    vendor.answers.extend([fault] * 3)
    with pytest.raises(RetriableAPIError, match="rows: GET /rows "):
        make_tap(max_tries=3).streams["rows"].get()
    assert len(vendor.requests) == 3
    assert "Gave up after 3 tries" in caplog.text


@pytest.mark.parametrize(
    ("fault", "said"),
    (
        (TRANSIENT["502 with a page"], "answered 502 Bad Gateway: an HTML page 'Bad Gateway'"),
        (TRANSIENT["a page with 200"], "with an HTML page 'Maintenance' instead of JSON"),
        (TRANSIENT["cut JSON"], "9 bytes that do not parse .* the body may have been cut"),
        (TRANSIENT["nothing"], "an empty body instead of JSON"),
        (ok(b"[" * 99_999), "99999 bytes that do not parse"),
        (
            answer(500, {"errors": [{"message": "no space"}, "try later", {"code": 7}]}),
            "500 Internal Server Error: no space; try later",
        ),
        (TRANSIENT["an error with 200"], "returned 200 but no data: no data today"),
        (
            TRANSIENT["connection reset"],
            r"lost its connection to 127\.0\.0\.1:\d+ \(\w+\)\. Check the network",
        ),
    ),
)
def test_errors_say_what_came(vendor, make_tap, fault, said):
    vendor.answers.append(fault)
    with pytest.raises(RetriableAPIError, match=said):
        make_tap(max_tries=1).streams["rows"].get()


def test_refusals_are_not_tried_again_and_say_what_to_do(vendor, stream):
    vendor.answers.append(answer(401, {"error": "No Authentication Method Found"}))
    with pytest.raises(RequestRejectedError) as caught:
        stream.get()
    assert str(caught.value) == (
        "rows: GET /rows answered 401 Unauthorized: No Authentication Method Found. "
        "Check the setting api_key"
    )
    assert caught.value.status == 401
    assert len(vendor.requests) == 1


def test_a_timeout_is_tried_again(vendor, make_tap):
    def hang(handler):
        time.sleep(1.3)
        ok([])(handler)

    vendor.answers.extend([hang, ok(ROWS)])
    assert make_tap(request_timeout=1).streams["rows"].get() == ROWS


@pytest.mark.parametrize(
    ("header", "cap", "between"),
    (
        ("1", 60, (1, 2)),
        ("0", 60, (0.2, 1)),
        ("", 60, (0.2, 1)),
        ("86400", 1, (1, 1)),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 1, (1, 1)),
        ("86400", 0, (0, 0)),
    ),
)
def test_retry_after_is_honoured_up_to_the_cap(vendor, make_tap, monkeypatch, header, cap, between):
    waits = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    monkeypatch.setattr("signalroom_singer.http.rate_limit.RateLimiter.pause", lambda *_: None)
    vendor.answers.extend([answer(429, {}, headers={"Retry-After": header}), ok(ROWS)])
    assert make_tap(max_retry_wait=cap).streams["rows"].get() == ROWS
    (wait,) = waits
    assert between[0] <= wait <= between[1]


def test_redirects_are_not_followed(vendor, stream):
    vendor.answers.append(answer(302, headers={"Location": f"https://other.example/?k={SECRET}"}))
    with pytest.raises(
        RequestRejectedError, match=r"redirected to https://other\.example\. "
    ) as caught:
        stream.get()
    assert SECRET not in str(caught.value)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("path", ("/rows/delete", "/rows/1/parts/2", "/users", "/rows/"))
def test_only_listed_requests_are_sent(vendor, stream, path):
    with pytest.raises(ForbiddenRequestError, match="is not among the requests"):
        stream.get(path)
    assert vendor.requests == []


def test_placeholders_stand_for_one_segment(stream):
    assert stream.get("/rows/17/parts") == []


def test_numbers_stay_exact(vendor, stream):
    vendor.answers.append(ok(b"[0.1, 12345678901234567.89, 9007199254740993, 1e-7]"))
    assert stream.get() == [
        Decimal("0.1"),
        Decimal("12345678901234567.89"),
        9007199254740993,
        Decimal("1E-7"),
    ]


def test_raw_control_characters_byte_order_marks_and_gzip_are_read(vendor, stream):
    vendor.answers.append(ok(b'["a\nb\x01"]'))
    assert stream.get() == ["a\nb\x01"]
    vendor.answers.append(ok(b"\xef\xbb\xbf[1]"))
    assert stream.get() == [1]
    body = gzip.compress(json.dumps(ROWS).encode())
    vendor.answers.append(ok(body, headers={"Content-Encoding": "gzip"}))
    assert stream.get() == ROWS


def test_a_tap_shares_its_connections(vendor, make_tap):
    streams = make_tap().streams
    assert streams["rows"].get() == streams["days"].get() == []
    assert len(vendor.ports) == 1


@pytest.mark.parametrize("error", (TapError("401: check the key"), OSError("a programmer's")))
def test_only_what_does_not_say_what_to_do_is_called_unhandled(stream, caplog, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(stream, "get_records", fail)
    with pytest.raises(type(error)):
        stream.sync()
    assert ("unhandled" in caplog.text) is isinstance(error, OSError)


@pytest.mark.parametrize("key", ("one\ntwo", "one\r\ntwo", "f\u00fcnf\u20ac", "\ud800x"))
def test_a_key_that_no_header_can_have_is_never_sent(vendor, make_tap, monkeypatch, key):
    auth = APIKeyAuthenticator(key="X-Key", value=key, location="header")
    monkeypatch.setattr(RowTap, "auth", lambda _: auth)
    with pytest.raises(TapError) as caught:
        make_tap(api_key=key).streams["rows"].get()
    assert str(caught.value) == (
        "rows: GET /rows cannot be sent: a header has a character that no header may have. Copy "
        "api_key again."
    )
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert vendor.requests == []


def test_an_address_without_tls_is_said_to_be_one(vendor, make_tap):
    tap = make_tap(api_url=vendor.url.replace("http://", "https://"), max_tries=1)
    with pytest.raises(RetriableAPIError, match=r" does not speak TLS\. Check api_"):
        tap.streams["rows"].get()
