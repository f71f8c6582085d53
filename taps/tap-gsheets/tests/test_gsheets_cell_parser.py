"""Tabs as Google sends them, and what becomes of them."""

from __future__ import annotations

import json

import pytest
import responses

from signalroom_singer import TapError
from tap_gsheets.cell_parser import parse_table
from tap_gsheets.client import quote_title
from tap_gsheets.column_names import column_letter
from tap_gsheets.table import UnreadableTabError, check_keys
from tap_gsheets.tap import TapGsheets

API = "https://sheets.googleapis.com/v4/spreadsheets/sheet1"
OFFERS = [["Offer ID", "Pays?", "", "pays?"], ["007", 0, "x"], [], ["8", True, "", "#N/A"]]


@pytest.fixture
def google():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def tabs(google, *properties):
    google.get(API, json={"sheets": [{"properties": one} for one in properties]})


def values(google, *tabs):
    ranges = [
        {"range": "x", "majorDimension": "ROWS", **({"values": v} if v else {})} for v in tabs
    ]
    google.get(f"{API}/values:batchGet", json={"valueRanges": ranges})


def tap(state=None, **settings):
    return TapGsheets(
        config={
            "api_key": "a-synthetic-key",
            "spreadsheets": [{"spreadsheet": "sheet1"}],
            "max_tries": 2,
            "max_retry_wait": 0,
            **settings,
        },
        state=state,
    )


def test_a_messy_tab_becomes_the_table_a_person_sees():
    table = parse_table(OFFERS)
    assert table.columns == ["offer_id", "pays_2f61e4", "column_c", "pays_21bd90"]
    assert table.rows == [(2, ["007", "0", "x", None]), (4, ["8", "true", None, None])]
    assert table.error_count == 1


@pytest.mark.parametrize(
    ("sheet", "says"),
    (([], "empty"), ([["a"]], "no rows"), ([[], ["a"]], "blank"), ([["a"], ["Loading..."]], "A2")),
)
def test_cells_that_are_not_a_table_are_refused(sheet, says):
    with pytest.raises(UnreadableTabError, match=says):
        parse_table(sheet)


@pytest.mark.parametrize(
    ("rows", "says"), (([["1"], ["1"]], "rows 2 and 3"), ([["", "x"]], "row 2 has no a"))
)
def test_a_primary_key_must_be_unique(rows, says):
    with pytest.raises(UnreadableTabError, match=says):
        check_keys(parse_table([["a", "b"], *rows]), ["a"])


def test_letters_and_names_as_google_writes_them():
    assert [column_letter(i) for i in (0, 25, 26, 18277)] == ["A", "Z", "AA", "ZZZ"]
    assert quote_title("O'Brien") == "'O''Brien'"


def test_two_reads_load_all_visible_tabs_and_say_they_are_complete(google, capsys):
    tabs(
        google,
        {"sheetId": 0, "title": "Offers"},
        {"sheetId": 1, "title": "Junk", "hidden": True},
        {"sheetId": 2, "title": "Chart", "sheetType": "OBJECT"},
        {"sheetId": 3, "title": "CO2"},
    )
    values(google, OFFERS, [["a"], ["b"]])
    tap().sync_all()
    messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rows = [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == "offers"]
    assert [row["_row_number"] for row in rows] == [2, 4]
    complete = [m["stream"] for m in messages if m["type"] == "ACTIVATE_VERSION"]
    assert complete == ["co2", "gsheets_sheets", "offers"]
    assert len(google.calls) == 2
    assert "a-synthetic-key" not in " ".join(call.request.url for call in google.calls)


def test_a_cleared_tab_stops_the_run_before_any_message(google, capsys):
    tabs(google, {"title": "Offers"})
    values(google, [])
    before = {"bookmarks": {"offers": {"row_count": 1}}}
    with pytest.raises(TapError, match="Offers"):
        tap(before).sync_all()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("cells", ([], [["a"]]))
def test_a_tab_that_nobody_wrote_into_yet_is_left_out(google, cells):
    tabs(google, {"title": "Offers"})
    values(google, cells)
    assert list(tap().streams) == ["gsheets_sheets"]


def test_a_tab_without_rows_can_be_left_out(google):
    tabs(google, {"title": "Offers"}, {"sheetId": 1, "title": "E"}, {"title": "F"})
    values(google, OFFERS, [["a"]], [])
    assert list(tap(on_bad_tab="warn").streams) == ["gsheets_sheets", "offers"]


@pytest.mark.parametrize(
    "broken", ({"body": "<html>"}, {"json": None}, {"status": 429, "json": {}})
)
def test_a_transient_error_is_retried(google, broken):
    google.get(API, **broken)
    tabs(google, {"title": "Offers"})
    values(google, OFFERS)
    assert list(tap().streams) == ["gsheets_sheets", "offers"]


def test_an_error_says_what_to_do(google):
    google.get(API, status=403, json={"error": {"message": "The caller does not have permission"}})
    with pytest.raises(TapError, match="must be public"):
        tap().streams  # noqa: B018
