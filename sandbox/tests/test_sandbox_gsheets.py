"""The sandbox's Google, by clients that are not the tap."""

from __future__ import annotations

import json
import time

import gspread
import jwt
import pytest
import requests
from google.oauth2.service_account import Credentials
from gspread.http_client import HTTPClient

from signalroom_sandbox.gsheets import (
    API_KEY,
    CLIENT_EMAIL,
    MAPPINGS,
    OAUTH,
    PUBLIC,
    service_account,
)

BOOK = "made"
SHEETS = "https://www.googleapis.com/auth/spreadsheets.readonly"
MESSY = [["A1", "B1", None, "D1"], [None, "b2"], [], ["A4", "B4", None, "d4"]]


class Redirected(HTTPClient):
    """gspread's own client, sent to another address."""

    url = ""

    def request(self, method, endpoint, *args, **kwargs):
        endpoint = endpoint.replace("https://sheets.googleapis.com", self.url)
        endpoint = endpoint.replace("https://www.googleapis.com", self.url)
        return super().request(method, endpoint, *args, **kwargs)


@pytest.fixture
def google(sandbox):
    control = sandbox.control.gsheets
    control.access(per_user=10**6)
    return control


@pytest.fixture
def real(sandbox, google):
    """A real client, signed in with the service account's key."""
    key = json.loads(service_account(sandbox.gsheets_url))
    client = type("Client", (Redirected,), {"url": sandbox.gsheets_url})
    found = gspread.Client(
        Credentials.from_service_account_info(key, scopes=[SHEETS]), http_client=client
    )
    with found.http_client.session:
        yield found


@pytest.fixture
def ask(sandbox, google):
    def get(path, **query):
        query.setdefault("key", API_KEY)
        return requests.get(f"{sandbox.gsheets_url}{path}", params=query, timeout=60)

    return get


def values(ask, area, **options):
    return ask(f"/v4/spreadsheets/{BOOK}/values/{area}", **options).json()


def make(google, *tabs, **fields):
    google.spreadsheet(id=BOOK, tabs=list(tabs), public=True, **fields)


def test_a_real_client_reads_a_spreadsheet(real, google):
    make(google, {"title": "O'Brien", "cells": MESSY}, {"title": "Q1/Q2", "cells": [["x"]]})
    book = real.open_by_key(BOOK)
    assert [tab.title for tab in book.worksheets()] == ["O'Brien", "Q1/Q2"]
    assert book.worksheet("O'Brien").get("A1:D4") == [
        ["A1", "B1", "", "D1"],
        ["", "b2"],
        [],
        ["A4", "B4", "", "d4"],
    ]
    found = book.values_batch_get(["'Q1/Q2'!A1:B2"])
    assert found["valueRanges"][0]["values"] == [["x"]]
    with pytest.raises(gspread.exceptions.APIError, match="Unable to parse range"):
        book.values_get("'Gone'!A1")


@pytest.mark.parametrize(
    ("asked", "answered"),
    (
        ("'Sheet1'", "Sheet1!A1:Z1000"),
        ("Sheet1", "Sheet1!A1:Z1000"),
        ("'Sheet1'!A2:2", "Sheet1!A2:Z2"),
        ("'Sheet1'!A1:A", "Sheet1!A1:A1000"),
        ("'Sheet1'!D4:A1", "Sheet1!A1:D4"),
        ("'Sheet1'!B2:ZZ2000", "Sheet1!B2:Z1000"),
        ("B2", "Sheet1!B2"),
        ("D3", "Sheet1!D3"),
        ("'D3'", "'D3'!A1:Z1000"),
        ("Prices", "Sheet1!A1:B2"),
        ("'Sheet1'!Prices", "Sheet1!A1:B2"),
        ("'O''Brien'!A1:B1", "'O''Brien'!A1:B1"),
    ),
)
def test_ranges_are_answered_as_google_writes_them(ask, google, asked, answered):
    tabs = [{"title": title} for title in ("Sheet1", "D3", "O'Brien")]
    make(google, *tabs, named={"Prices": ["Sheet1", "A1:B2"]})
    # An empty area has no values at all.
    assert values(ask, asked) == {"range": answered, "majorDimension": "ROWS"}


@pytest.mark.parametrize(
    ("asked", "says"),
    (
        ("NOPE!A5:F15", "Unable to parse range: NOPE!A5:F15"),
        ("CO2000", "Range ('Sheet1'!CO2000) exceeds grid limits. Max rows: 1000, max columns: 26"),
        ("Chart", "Unable to parse range: Chart"),
        ("'Sheet1'!", "Unable to parse range: 'Sheet1'!"),
    ),
)
def test_ranges_that_there_are_not_are_refused(ask, google, asked, says):
    make(google, {"title": "Sheet1"}, {"title": "Chart", "kind": "OBJECT"})
    answer = values(ask, asked)
    assert answer["error"] == {"code": 400, "message": says, "status": "INVALID_ARGUMENT"}


def test_values_as_shown_as_computed_and_as_typed(ask, google):
    day = {"v": 43831, "f": "2020-01-01", "date": True}
    row = [2.0, day, True, {"v": 0.12, "f": "12%"}, {"v": 3, "formula": "=1+2"}, "#N/A"]
    make(google, {"title": "Sheet1", "cells": [row]})

    def read(option, dates):
        options = {"valueRenderOption": option, "dateTimeRenderOption": dates}
        return values(ask, "Sheet1", **options)["values"]

    shown = [["2", "2020-01-01", "TRUE", "12%", "3", "#N/A"]]
    assert read("FORMATTED_VALUE", "SERIAL_NUMBER") == shown
    assert read("UNFORMATTED_VALUE", "SERIAL_NUMBER") == [[2, 43831, True, 0.12, 3, "#N/A"]]
    assert read("UNFORMATTED_VALUE", "FORMATTED_STRING")[0][1] == "2020-01-01"
    assert read("FORMULA", "FORMATTED_STRING")[0][1:5] == [43831, True, 0.12, "=1+2"]
    assert values(ask, "Sheet1", majorDimension="COLUMNS")["values"][0] == ["2"]


def test_masks_leave_out_and_refuse(ask):
    path = f"/v4/spreadsheets/{MAPPINGS}"
    answer = ask(path, fields="properties.title,sheets(properties(sheetId,title))").json()
    assert answer["properties"] == {"title": "Mappings"}
    assert answer["sheets"][1] == {"properties": {"sheetId": 11, "title": "Manual costs"}}
    refused = ask(path, fields="sheets(nonsense)").json()["error"]
    assert refused["details"][0]["fieldViolations"][0]["field"] == "sheets.nonsense"


def test_who_may_read_what(ask, google):
    path = f"/v4/spreadsheets/{PUBLIC}"
    assert ask(path).status_code == 200
    assert ask(path, key="wrong").status_code == 400
    missing = ask("/v4/spreadsheets/none").json()["error"]
    assert missing["status"] == "NOT_FOUND"
    assert missing["message"] == "Requested entity was not found."
    google.file(id=PUBLIC, public=False)
    assert ask(path).json()["error"]["message"] == "The caller does not have permission"
    hidden = ask(f"/drive/v3/files/{PUBLIC}").json()["error"]
    assert hidden["errors"][0]["reason"] == "notFound"
    assert hidden["message"] == f"File not found: {PUBLIC}."
    google.file(id=PUBLIC, public=True, mime="application/vnd.ms-excel")
    assert ask(path).json()["error"]["status"] == "FAILED_PRECONDITION"


def test_more_reads_than_a_minute_has(ask, google):
    google.access(per_user=2)
    path = f"/v4/spreadsheets/{PUBLIC}"
    assert [ask(path).status_code for _ in range(3)] == [200, 200, 429]
    answer = ask(path)
    assert answer.json()["error"]["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert "Retry-After" not in answer.headers


def test_a_batch_is_one_read(ask, google):
    make(google, {"title": "A", "cells": [["1"]]}, {"title": "B", "cells": [["2"]]})
    google.access(per_user=2)
    path = f"/v4/spreadsheets/{BOOK}/values:batchGet"
    batch = ask(path, ranges=["'A'!A1", "'B'!A1"]).json()
    assert [part["values"] for part in batch["valueRanges"]] == [[["1"]], [["2"]]]
    # A range that is not there refuses all of them.
    assert ask(path, ranges=["'A'!A1", "'C'!A1"]).status_code == 400
    assert ask(path, ranges="'A'!A1").status_code == 429


def test_a_files_version_grows(ask, google):
    def version():
        return ask(f"/drive/v3/files/{PUBLIC}", fields="version,modifiedTime").json()

    before = version()
    google.edit(id=PUBLIC, gid=0, cells=[["a"], ["2"]])
    after = version()
    assert int(after["version"]) > int(before["version"])
    assert after["modifiedTime"] > before["modifiedTime"]
    assert after["modifiedTime"].endswith("Z")
    google.edit(id=PUBLIC, gid=0, cells=[["a"], ["3"]], seen_by_drive=False)
    assert version() == after


def signed(sandbox, **changes):
    key = json.loads(service_account(sandbox.gsheets_url))
    now = int(time.time())
    claims = {
        "iat": now,
        "exp": now + 3600,
        "iss": CLIENT_EMAIL,
        "aud": "https://oauth2.googleapis.com/token",
        "scope": SHEETS,
    }
    return jwt.encode(claims | changes, key["private_key"], "RS256")


@pytest.mark.parametrize(
    ("changes", "says"),
    (
        ({"aud": "elsewhere"}, "Invalid JWT: Failed audience check."),
        ({"iat": 1, "exp": 2}, "short-lived"),
        ({"exp": 9_999_999_999}, "short-lived"),
        ({"iss": "nobody@example.com"}, "account not found"),
        ({"scope": "everything"}, "Invalid OAuth scope"),
        ({"sub": "stranger@example.com"}, "unauthorized"),
    ),
)
def test_assertions_are_verified(sandbox, google, changes, says):
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
    post = {"url": f"{sandbox.gsheets_url}/token", "timeout": 60}
    good = requests.post(data=form | {"assertion": signed(sandbox)}, **post)
    assert good.json()["token_type"] == "Bearer"
    bad = requests.post(data=form | {"assertion": signed(sandbox, **changes)}, **post)
    assert bad.status_code in {400, 401}
    assert says in bad.json()["error_description"]


def test_a_refresh_token_that_is_withdrawn(sandbox, google):
    form = {"grant_type": "refresh_token"} | OAUTH
    url = f"{sandbox.gsheets_url}/token"
    assert requests.post(url, data=form, timeout=60).json()["scope"] == SHEETS
    google.access(revoked=True)
    assert requests.post(url, data=form, timeout=60).json() == {
        "error": "invalid_grant",
        "error_description": "Token has been expired or revoked.",
    }
