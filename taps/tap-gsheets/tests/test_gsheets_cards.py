"""Card data in sheets: left out with a warning, unless it is to be kept."""

from __future__ import annotations

import logging

import pytest
from gsheets_zoo import BOOK

from signalroom_singer import TapError
from tap_gsheets.tap import TapGsheets

VISA = 4111111111111111
HEADER = ["Order", "Card Number", "CVV2", "securityCode", "PAN", "Order Ref", "Exp", "CC last 4"]
ROWS = [
    ["1", VISA, 123, "9876", "ABCDE1234F", VISA, "12/27", "1111"],
    ["2", "4111-1111-1111-1111", "", "left door", "", 5, "", ""],
    ["3", "411111******1111", 7, "", "", 6, "", ""],
]
TAB = {"title": "Orders", "cells": [HEADER, *ROWS]}


@pytest.fixture(autouse=True)
def _info(caplog):
    caplog.set_level(logging.INFO, "tap-gsheets")


def warnings_of(caplog):
    return [one for one in caplog.messages if "Card data is left out" in one]


def rows_of(output):
    names = ("card_number", "cvv2", "securitycode", "pan", "order_ref", "cc_last_4")
    return [tuple(row[name] for name in names) for row in output.records["orders"]]


def test_card_data_is_left_out_with_a_warning(make_tap, sync, google, caplog):
    google.spreadsheet(id=BOOK, tabs=[TAB, {**TAB, "title": "Others"}])
    assert rows_of(sync(make_tap())) == [
        (None, None, None, "ABCDE1234F", str(VISA), "1111"),
        (None, None, "left door", None, "5", None),
        ("411111******1111", None, None, None, "6", None),
    ]
    (warning,) = warnings_of(caplog)
    assert "orders.card_number (2), orders.cvv2 (2), orders.securitycode (1)" in warning
    assert "the tab 'Orders' and 1 more" in warning
    fragments = [one for one in caplog.messages if one.startswith("card fragments: ")]
    assert len(fragments) == 1
    assert "orders.cc_last_4" in fragments[0]
    assert str(VISA) not in caplog.text


def test_keep_card_data(make_tap, sync, google, caplog):
    google.spreadsheet(id=BOOK, tabs=[TAB])
    rows = rows_of(sync(make_tap(keep_card_data=True)))
    assert [row[:3] for row in rows] == [
        (str(VISA), "123", "9876"),
        ("4111-1111-1111-1111", None, "left door"),
        ("411111******1111", "7", None),
    ]
    assert not warnings_of(caplog)


@pytest.mark.parametrize("kind", ("number", "integer"))
def test_columns_of_numbers(make_tap, sync, google, kind, caplog):
    # 15 digits are all that a spreadsheet keeps of a longer number.
    cells = [["Order", "Card Number"], ["1", VISA], ["2", 4111111111111110], ["3", 12]]
    google.spreadsheet(id=BOOK, tabs=[{"title": "Orders", "cells": cells}])
    tab = {"name": "Orders", "columns": [{"name": "Card Number", "type": kind}]}
    output = sync(make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}]))
    assert [row["card_number"] for row in output.records["orders"]] == [None, None, 12]
    assert "orders.card_number (2)" in warnings_of(caplog)[0]


def test_a_sheet_loaded_before_loses_its_card_data_by_the_next_run(make_tap, sync, google):
    google.spreadsheet(id=BOOK, tabs=[TAB])
    first = sync(make_tap(keep_card_data=True))
    state = first.messages[-1]["value"]
    second = sync(make_tap(state=state))
    assert {row["cvv2"] for row in second.records["orders"]} == {None}
    third = sync(make_tap(state=second.messages[-1]["value"]))
    assert not third.records["orders"]


def test_a_key_column_with_card_data_is_refused(make_tap, google):
    google.spreadsheet(id=BOOK, tabs=[TAB])
    tab = {"name": "Orders", "primary_keys": ["Card Number"]}
    with pytest.raises(TapError, match=r"key column card_number has card data.*keep_card_data"):
        _ = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}]).streams


def test_a_deselected_column_is_neither_loaded_nor_warned_of(make_tap, sync, google, caplog):
    google.spreadsheet(id=BOOK, tabs=[TAB])
    tap = make_tap()
    catalog = tap.catalog_dict
    out = {"card_number", "cvv2", "securitycode", "cc_last_4"}
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            if one["breadcrumb"]:
                one["metadata"]["selected"] = one["breadcrumb"][1] not in out
    output = sync(TapGsheets(config=dict(tap.config), catalog=catalog))
    assert len(output.records["orders"]) == 3
    assert not out & {*output.records["orders"][0]}
    assert "left door" not in str(output.messages)
    assert not warnings_of(caplog)


@pytest.mark.parametrize("kind", ("number", "integer", "boolean", "date", "datetime"))
def test_a_cell_that_does_not_fit_is_named_and_not_quoted(make_tap, google, caplog, kind):
    planted = "ann@example.org"
    google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": [["v"], [planted]]}])
    tab = {"name": "T", "columns": [{"name": "v", "type": kind}]}
    with pytest.raises(TapError) as caught:
        _ = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}]).streams
    assert "cell A2 (v) holds a text of 15 characters, which is " in str(caught.value)
    assert planted not in f"{caught.value}{caplog.text}"
