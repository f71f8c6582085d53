"""Sheets into PostgreSQL: replaced whole, or left alone."""

from __future__ import annotations

import json

import pytest
from harness.pipelines import new_pipe

from signalroom_sandbox.gsheets import MAPPINGS, service_account

pytestmark = pytest.mark.e2e

TAP = "tap-gsheets"
TABLE = "google_sheets.offers"
ROWS = [[str(number), f"name {number}"] for number in range(20)]
BOOK = "synthetic-offers"
KEYED = [
    {
        "spreadsheet": BOOK,
        "tabs": [{"gid": 0, "stream": "offers", "primary_keys": ["Offer ID"]}],
    }
]


def cells(rows):
    return [["Offer ID", "Name"], *rows]


@pytest.fixture
def google(sandbox):
    control = sandbox.control.gsheets
    control.access(per_user=10**6)
    control.spreadsheet(id=BOOK, tabs=[{"title": "Offers", "cells": cells(ROWS)}])
    return control


@pytest.fixture
def pipe(tmp_path, sandbox, database, google, zygote):
    settings = {"TAP_GSHEETS_SPREADSHEETS": json.dumps(KEYED), "TAP_GSHEETS_MAX_TRIES": "2"}
    settings["TAP_GSHEETS_MAX_RETRY_WAIT"] = "0"
    settings["TAP_GSHEETS_CREDENTIALS_JSON"] = service_account(sandbox.gsheets_url)
    return new_pipe(
        TAP, tmp_path / "pipe", sandbox, database, "google_sheets", zygote.bin, **settings
    )


def names(database):
    return {row["offer_id"]: row["name"] for row in database.query(f"select * from {TABLE}")}


def test_a_sheet_is_replaced_and_left_alone_where_nothing_changed(pipe, google, database):
    pipe.load()
    assert names(database) == dict(ROWS)
    loaded = database.query(f"select max(_loaded_at) as at from {TABLE}")
    pipe.load()
    assert database.query(f"select max(_loaded_at) as at from {TABLE}") == loaded
    changed = [["new", "first"], *ROWS[5:], ["19b", "last"]]
    google.edit(id=BOOK, gid=0, cells=cells(changed))
    pipe.load()
    assert names(database) == dict(changed)


def test_a_mistake_in_a_sheet_empties_no_table(pipe, google, sandbox, database):
    pipe.load()
    before = database.contents(TABLE)
    for broken, says in (
        ([], "it is empty"),
        (cells(ROWS[:3]), "shrank from 20 rows to 3"),
        (cells([*ROWS, ROWS[0]]), "rows 2 and 22 have the same key"),
    ):
        google.edit(id=BOOK, gid=0, cells=broken)
        with pytest.raises(AssertionError, match=says):
            pipe.load()
        assert database.contents(TABLE) == before
    google.edit(id=BOOK, gid=0, cells=cells(ROWS))
    sandbox.control.fault("http_500", vendor="gsheets", match="values", times=9)
    with pytest.raises(AssertionError, match="HTTP 500 after 2 tries"):
        pipe.load()
    sandbox.control.clear_faults()
    google.file(id=BOOK, readers=[])
    with pytest.raises(AssertionError, match="Share the spreadsheet with tap@"):
        pipe.load()
    assert database.contents(TABLE) == before


def test_each_value_is_in_the_table_as_its_owner_meant_it(pipe, google, database):
    titles = ["Offer ID", "Day", "Month", "Refund $", "Refund %"]
    rows = [
        ["a", {"v": 46085, "f": "04/03/2026", "date": True}, 202601, "1.234,50", "3"],
        ["b", {"v": 46085, "f": "3/4/2026", "date": True}, 202602, {"v": 0.5, "f": "50%"}, "4"],
        ["c", "04/03/2026", 202603, "-0,99", "5"],
    ]
    columns = [
        {"name": "Day", "type": "date", "format": "%d/%m/%Y"},
        {"name": "Month", "type": "date", "format": "%Y%m"},
        {"name": "Refund $", "type": "number", "format": "1.234,5"},
        {"name": "Refund %", "type": "integer"},
    ]
    tab = {"gid": 0, "stream": "offers", "primary_keys": ["Offer ID"], "columns": columns}
    pipe.env["TAP_GSHEETS_SPREADSHEETS"] = json.dumps([{"spreadsheet": BOOK, "tabs": [tab]}])
    query = """select offer_id, day::text, month::text, refund_5bb66d::text as dollars,
        refund_616000::int as percent from google_sheets.offers order by 1"""
    expected = [
        ("a", "2026-03-04", "2026-01-01", "1234.50", 3),
        ("b", "2026-03-04", "2026-02-01", "0.5", 4),
        ("c", "2026-03-04", "2026-03-01", "-0.99", 5),
    ]
    google.edit(id=BOOK, gid=0, cells=[titles, *rows])
    pipe.load()
    assert [tuple(row.values()) for row in database.query(query)] == expected
    # In another order, with a row more: every value is still in its own column.
    turned = [[*row[:3], *row[:2:-1]] for row in [titles, *rows, ["d", None, None, "7", None]]]
    assert turned[0][3] == "Refund %"
    google.edit(id=BOOK, gid=0, cells=turned)
    pipe.load()
    assert [tuple(row.values()) for row in database.query(query)] == [
        *expected,
        ("d", None, None, "7", None),
    ]
    google.edit(id=BOOK, gid=0, cells=[titles, *rows, ["d", None, None, "12.50", None]])
    with pytest.raises(AssertionError, match=r"cell D5 \(refund_5bb66d\) holds a text of 5 "):
        pipe.load()
    assert len(database.query(query)) == 4


def test_through_meltano_and_the_variables_of_the_pipeline_before(project, sandbox, database):
    del project.env["TAP_GSHEETS_API_KEY"]
    key = service_account(sandbox.gsheets_url)
    project.env["GOOGLE_SHEETS_CREDENTIALS_JSON"] = key
    output = project.load(tap=TAP)
    assert "PRIVATE KEY" not in output
    (row,) = database.query("select * from google_sheets.affiliates where affiliate_id = '1000'")
    assert row["_row_number"] == 2
    assert row["_spreadsheet_id"] == MAPPINGS
    assert database.query("select count(*) as n from google_sheets.gsheets_sheets") == [{"n": 3}]
