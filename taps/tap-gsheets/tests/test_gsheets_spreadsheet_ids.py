"""Addresses of spreadsheets as people copy them, and those that are something else."""

from __future__ import annotations

import pytest
from gsheets_zoo import BOOK

from signalroom_singer import TapError
from tap_gsheets.spreadsheet_ids import parse_spreadsheet_id

ID = "1AbC-d_e2PACX0"
DOCS, DRIVE = "https://docs.google.com", "https://drive.google.com"


@pytest.mark.parametrize(
    "address",
    (
        ID,
        f" {ID}\n",
        f"{DOCS}/spreadsheets/d/{ID}",
        f"{DOCS}/spreadsheets/d/{ID}/edit?gid=0#gid=0",
        f"{DOCS}/spreadsheets/d/{ID}/edit?usp=sharing",
        f"{DOCS}/spreadsheets/u/1/d/{ID}/edit",
        f"{DOCS}/spreadsheets/u/12/d/{ID}/edit#gid=7",
        f"{DOCS}/a/example.com/spreadsheets/d/{ID}/edit",
        f"{DOCS}/a/example.com/spreadsheets/u/0/d/{ID}/edit",
        f"{DOCS}/spreadsheets/d/{ID}/htmlview",
        f"{DOCS}/spreadsheets/d/{ID}/export?format=csv&gid=0",
        f"docs.google.com/spreadsheets/u/0/d/{ID}",
        f"{DRIVE}/open?id={ID}",
        f"{DRIVE}/open?usp=drive_fs&id={ID}",
        f"{DRIVE}/file/d/{ID}/view",
        f"{DRIVE}/file/u/1/d/{ID}/view?usp=sharing",
    ),
)
def test_an_address_has_an_id(address):
    assert parse_spreadsheet_id(address, "spreadsheets[0].spreadsheet") == ID


@pytest.mark.parametrize(
    "address",
    (
        f"{DOCS}/spreadsheets/d/e/2PACX-1vQsynthetic/pubhtml",
        f"{DOCS}/spreadsheets/d/e/2PACX-1vQsynthetic/pub?output=csv",
        f"{DOCS}/spreadsheets/u/1/d/e/2PACX-1vQsynthetic/pubhtml",
        f"{DOCS}/a/example.com/spreadsheets/d/e/2PACX-1vQsynthetic/pubhtml?gid=0",
        "2PACX-1vQsynthetic",
    ),
)
def test_a_published_page_is_not_the_spreadsheet(make_tap, google, sandbox, address):
    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": [["a"], ["1"]]}])
    # Also where it is the second: nothing is asked for before all are known to be addresses.
    spreadsheets = [{"spreadsheet": BOOK}, {"spreadsheet": address}]
    with pytest.raises(TapError) as caught:
        make_tap(spreadsheets=spreadsheets)
    message = str(caught.value)
    assert message.startswith("Invalid spreadsheets[1].spreadsheet ")
    assert "is a page published to the web, not the spreadsheet itself" in message
    assert "copy the address from the browser" in message
    assert sandbox.control.requests()["requests"] == []


@pytest.mark.parametrize(
    "address",
    (
        f"{DOCS}/spreadsheets/u/1/",
        f"{DOCS}/document/d/{ID}/edit",
        f"{DRIVE}/drive/folders/{ID}",
        f"https://example.com/open?id={ID}",
    ),
)
def test_an_address_of_something_else_is_refused(address):
    with pytest.raises(TapError, match="expected a spreadsheet's id or address"):
        parse_spreadsheet_id(address, "spreadsheets[0].spreadsheet")


def test_an_address_of_another_account_is_read(make_tap, google):
    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": [["a"], ["1"]]}])
    address = f"{DOCS}/spreadsheets/u/1/d/{BOOK}/edit#gid=0"
    assert make_tap(spreadsheets=[{"spreadsheet": address}]).streams["t"].table.rows == [(2, ["1"])]
