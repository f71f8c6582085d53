"""Signing in, quotas, refusals, broken answers."""

from __future__ import annotations

import json

import pytest
import requests
from gsheets_zoo import BOOK
from singer_sdk.exceptions import ConfigValidationError, RetriableAPIError

from signalroom_sandbox.gsheets import API_KEY, OAUTH, service_account
from signalroom_singer import TapError
from signalroom_singer.http.size_limit import LARGEST_RESPONSE, ResponseTooLargeError
from tap_gsheets.errors import GoogleErrorMapper

PERSON = {f"oauth_{name}": value for name, value in OAUTH.items()} | {"credentials_json": None}


@pytest.fixture
def offers(google):
    google.spreadsheet(id=BOOK, tabs=[{"title": "Offers", "cells": [["id"], ["1"]]}])
    return google


def answer(sandbox, match, body):
    response = {"status": 403, "headers": {}, "body": body}
    sandbox.control.fault("answer", vendor="gsheets", match=match, **response)


def test_a_person_and_an_api_key(make_tap, offers, sandbox):
    assert "offers" in make_tap(**PERSON).streams
    offers.file(id=BOOK, public=True)
    assert "offers" in make_tap(credentials_json=None, api_key=API_KEY).streams
    assert API_KEY not in json.dumps([r["query"] for r in sandbox.control.requests()["requests"]])


def test_delegation(make_tap, offers):
    assert "offers" in make_tap(subject="person@example.com").streams
    with pytest.raises(TapError, match="may act for subject"):
        make_tap(subject="stranger@example.com")


@pytest.mark.parametrize("config", ({}, PERSON))
def test_revoked_credentials(make_tap, offers, config):
    offers.access(revoked=True)
    with pytest.raises(TapError, match=r"no access token: invalid_grant.*is not revoked") as caught:
        make_tap(**config)
    assert "PRIVATE KEY" not in str(caught.value)
    assert OAUTH["refresh_token"] not in str(caught.value)


@pytest.mark.parametrize("body", ({}, [], None, "x", [[1]], {"expires_in": "soon"}))
def test_a_malformed_response_of_the_token_endpoint(make_tap, offers, sandbox, body):
    sandbox.control.fault(
        "answer", vendor="gsheets", match="token", times=99, status=200, headers={}, body=body
    )
    with pytest.raises(
        TapError, match=r"issued no access token|no response from \S+ \(TransportError\) after"
    ):
        make_tap(max_tries=2)


def test_a_token_that_ends_before_its_time(make_tap, offers):
    offers.then(after="get", action="expire")
    assert "offers" in make_tap().streams


@pytest.mark.parametrize(
    ("config", "says"),
    (
        ({"credentials_json": None}, "Missing credentials for Google: set one of"),
        (
            {"credentials_json": None, "oauth_refresh_token": "x"},
            "Missing required setting oauth_client_id",
        ),
        ({"credentials_path": "/nowhere/key.json"}, "No such file"),
        ({"credentials_json": '{"type": "service_account"}'}, "cannot be used"),
        ({"credentials_json": None, "api_key": "wrong"}, "Check api_key"),
    ),
)
def test_invalid_credentials(make_tap, config, says):
    with pytest.raises((TapError, ConfigValidationError), match=says):
        make_tap(**config)


@pytest.mark.parametrize("address", ("https://example.com/book", "My Book", "a/b", "", "?"))
def test_an_invalid_address_sends_no_request(make_tap, sandbox, address):
    with pytest.raises(TapError, match="expected a spreadsheet's id or address"):
        make_tap(spreadsheets=[{"spreadsheet": address}])
    assert sandbox.control.requests()["requests"] == []


def test_an_empty_list_of_spreadsheets_is_a_warning(make_tap, caplog):
    assert [*make_tap(spreadsheets=[]).streams] == ["gsheets_sheets"]
    assert "spreadsheets is empty: nothing to sync" in caplog.text


def test_a_key_that_signs_in_at_an_open_address_is_refused(make_tap, sandbox):
    key = json.loads(service_account(sandbox.gsheets_url))
    with pytest.raises(Exception, match="unencrypted"):
        make_tap(credentials_json=json.dumps(key | {"token_uri": "http://example.com/token"}))


REFUSALS = {
    "not shared": ({"readers": []}, r"HTTP 403.*Share the spreadsheet with tap@\S+ as a viewer"),
    "office": ({"mime": "application/vnd.ms-excel"}, "uploaded Office file"),
}


@pytest.mark.parametrize(("change", "says"), REFUSALS.values(), ids=REFUSALS)
def test_an_error_says_what_to_do(make_tap, offers, reads, change, says):
    offers.file(id=BOOK, **change)
    with pytest.raises(TapError, match=says):
        make_tap()
    assert reads() == 1


def test_a_missing_spreadsheet(make_tap, google):
    with pytest.raises(TapError, match=r"Spreadsheet nope: HTTP 404.*check its id"):
        make_tap(spreadsheets=[{"spreadsheet": "nope"}])


@pytest.mark.parametrize(
    ("body", "says"),
    (
        (
            {"message": "Google Sheets API has not been used in project 1 before."},
            "Enable that API",
        ),
        ({"message": "Request had insufficient authentication scopes."}, "with the scope"),
        ({"message": "The caller does not have permission"}, "Share the spreadsheet"),
    ),
)
def test_other_403s(make_tap, offers, sandbox, body, says):
    refusal = {"error": {"code": 403, "status": "PERMISSION_DENIED", **body}}
    answer(sandbox, "v4/", refusal)
    with pytest.raises(TapError, match=says):
        make_tap()


@pytest.mark.parametrize(
    ("error", "says"),
    (
        (ResponseTooLargeError(), f"{BOOK}: a response of more than {LARGEST_RESPONSE >> 20} MiB"),
        (requests.ReadTimeout(), f"{BOOK}: no response from sheets.example (ReadTimeout)"),
        (requests.ConnectionError(), f"{BOOK}: cannot reach sheets.example (ConnectionError"),
    ),
)
def test_a_response_that_does_not_come(error, says):
    mapper = GoogleErrorMapper(share_with=None, address_setting="sheets_api_url")
    label = f"{BOOK}: GET /v4/spreadsheets/{BOOK}"
    mapped = mapper.map_failure(error, label, host="sheets.example", timeout=9)
    assert says in str(mapped)
    assert isinstance(mapped, RetriableAPIError)


@pytest.mark.parametrize(
    "body",
    ("[]", "<html>Sorry...</html>", "null", "[" * 99_999),
    ids=("list", "page", "null", "nested"),
)
def test_a_403_that_is_no_error_of_googles_may_pass(make_tap, offers, sandbox, body):
    """Google's front ends send a page where an address sends too many requests."""
    answer(sandbox, "batchGet", body)
    assert make_tap().streams["offers"].table.rows == [(2, ["1"])]


@pytest.mark.parametrize(
    "fault",
    (
        *("http_429", "http_500", "http_502", "http_503", "html_200", "null_200", "empty_200"),
        *("error_200", "truncated_json", "connection_reset", "gzip"),
    ),
)
@pytest.mark.parametrize("match", ("fields=", "batchGet"))
def test_transient_errors_are_retried(make_tap, offers, sandbox, fault, match):
    sandbox.control.fault(fault, vendor="gsheets", match=match, times=2)
    assert make_tap().streams["offers"].table.rows == [(2, ["1"])]


def test_the_token_request_is_retried(make_tap, offers, sandbox):
    sandbox.control.fault("http_503", vendor="gsheets", match="token")
    assert "offers" in make_tap().streams


@pytest.mark.parametrize("fault", ("http_429", "html_200", "http_500"))
def test_a_permanent_error_is_not_an_empty_tab(make_tap, offers, sandbox, fault):
    sandbox.control.fault(fault, vendor="gsheets", match="batchGet", times=99)
    with pytest.raises(TapError, match=rf"Spreadsheet {BOOK}: .* after 3 tries"):
        make_tap(max_tries=3)


def test_a_quota_is_waited_out_for_more_than_a_minute(make_tap, offers, monkeypatch):
    waits = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    monkeypatch.setattr("tap_gsheets.client.RateLimiter.pause", lambda *_: None)
    offers.access(per_user=0)
    with pytest.raises(TapError, match="lower max_reads_per_minute"):
        make_tap(max_tries=3, max_retry_wait=300)
    assert 61 <= waits[0] <= 66
    assert 122 <= waits[1] <= 127


def test_a_quota_of_drive_is_a_403(make_tap, offers, sandbox):
    error = {"domain": "usageLimits", "reason": "userRateLimitExceeded", "message": "Slow down"}
    answer(sandbox, "drive", {"error": {"errors": [error], "code": 403, "message": "Slow down"}})
    assert "offers" in make_tap(change_detection="drive").streams
    requests = sandbox.control.requests()["requests"]
    assert len([request for request in requests if "/drive/" in request["path"]]) == 2


def test_no_redirect_is_followed(make_tap, offers, sandbox):
    sandbox.control.fault("redirect", vendor="gsheets", match="v4/", times=99)
    with pytest.raises(TapError, match="redirected to https:"):
        make_tap(max_tries=2)


def test_only_get_is_ever_sent(make_tap, sync, offers, sandbox):
    sync(make_tap(change_detection="drive"))
    requests = sandbox.control.requests()["requests"]
    sent = {(item["method"], item["path"].rpartition("/")[2]) for item in requests}
    assert {method for method, path in sent if path != "token"} == {"GET"}


def test_no_secret_is_written(make_tap, sync, offers, sandbox, caplog):
    sandbox.control.fault("connection_reset", vendor="gsheets", match="v4/", times=2)
    output = sync(make_tap(**PERSON))
    output_text = caplog.text + json.dumps(output.messages)
    assert "trying again" in output_text
    assert OAUTH["client_secret"] not in output_text
    assert OAUTH["refresh_token"] not in output_text
    assert "ya29" not in output_text
