"""Card data in files: left out with a warning, in records and batches, unless it is to be kept."""

from __future__ import annotations

import json
import logging

import pytest
from sticky_exports import DAY, batch_rows, cells, export

ORDERS = "orders_create"
VISA, AMEX = "4111111111111111", "3782-822463-10005"
HEADER = ("orders_id", "card_number", "cvv", "security_code", "cc_last_4", "order_ref")
ROWS = (
    ("1", VISA, "123", "9876", "1111", VISA),
    ("2", AMEX, "0007", "ACME", "0005", "6"),
    ("3", "411111******1111", "", "", "1111", "7"),
)
EXPECTED = [
    ("1", None, None, None, "1111", VISA),
    ("2", None, None, "ACME", "0005", "6"),
    ("3", "411111******1111", "", "", "1111", "7"),
]


@pytest.fixture(autouse=True)
def _info(caplog):
    caplog.set_level(logging.INFO, "tap-sticky-s3")


def rows_of(output):
    return output.records[ORDERS] or batch_rows(output, ORDERS)


def warnings_of(caplog):
    return [
        one.getMessage() for one in caplog.records if "Card data is left out" in one.getMessage()
    ]


def messages_of(caplog):
    """All messages but the metrics', whose times and process ids may have any four digits."""
    return [one.getMessage() for one in caplog.records if one.name != "singer_sdk.metrics"]


@pytest.mark.parametrize("strict", (False, True), ids=("arrow", "strict"))
def test_card_data_is_left_out_with_a_warning(s3, make_tap, sync, batches, caplog, strict):
    # A quote in the middle of a cell is for the strict reader.
    text = export(*ROWS, header=HEADER) + ('4,x"y,,,,\r\n' if strict else "")
    s3.put(DAY.format(1), text)
    s3.put(DAY.format(2), export(("5", VISA, "321", "", "", ""), header=HEADER))
    for settings in ({}, batches):
        caplog.clear()
        rows = rows_of(sync(make_tap(**settings), ORDERS))
        assert cells(rows, *HEADER)[:3] == EXPECTED
        (warning,) = warnings_of(caplog)
        assert f"{ORDERS}.card_number (3), {ORDERS}.cvv (3), {ORDERS}.security_code (1)" in warning
        assert f"{DAY.format(1)} and 1 more" in warning
        said = "\n".join(messages_of(caplog))
        assert VISA not in said
        assert "0007" not in said


def test_keep_card_data(s3, make_tap, sync, batches, caplog):
    s3.put(DAY.format(1), export(*ROWS, header=HEADER))
    for settings in ({}, batches):
        rows = rows_of(sync(make_tap(keep_card_data=True, **settings), ORDERS))
        assert cells(rows, *HEADER) == [*ROWS]
    assert not warnings_of(caplog)


@pytest.mark.parametrize(
    "header",
    ("CVV2", "Card Security Code", "card-cvv", "billingCvv", "  cvc "),
)
def test_headers_in_any_spelling(s3, make_tap, sync, caplog, header):
    s3.put(DAY.format(1), export(("1", "123"), header=("orders_id", header)))
    (row,) = sync(make_tap(), ORDERS).records[ORDERS]
    assert "123" not in row.values()
    assert len(warnings_of(caplog)) == 1


def test_sticky_s_own_exports_are_untouched(s3, make_tap, sync, caplog):
    header = ("orders_id", "cc_num_masked", "cc_expires", "order_ref")
    rows = [("1", "400000******1111", "1227", VISA), ("2", "", "", "4222222222222")]
    s3.put(DAY.format(1), export(*rows, header=header))
    actual = sync(make_tap(), ORDERS).records[ORDERS]
    assert cells(actual, *header) == rows
    assert not warnings_of(caplog)
    fragments = [one for one in caplog.messages if one.startswith("card fragments: ")]
    (line,) = fragments
    assert f"{ORDERS}.cc_num_masked" in line
    assert f"{ORDERS}.cc_expires" in line


def test_an_unmasked_number_under_a_masked_name_is_left_out(s3, make_tap, sync, caplog):
    rows = [("1", "400000******1111"), ("2", VISA)]
    s3.put(DAY.format(1), export(*rows, header=("orders_id", "cc_num_masked")))
    actual = sync(make_tap(), ORDERS).records[ORDERS]
    assert cells(actual, "orders_id", "cc_num_masked") == [("1", "400000******1111"), ("2", None)]
    assert f"{ORDERS}.cc_num_masked (1)" in warnings_of(caplog)[0]


def test_a_column_pan_that_is_a_text_stays(s3, make_tap, sync, caplog):
    s3.put(DAY.format(1), export(("1", "ABCDE1234F"), header=("orders_id", "PAN")))
    assert sync(make_tap(), ORDERS).records[ORDERS][0]["pan"] == "ABCDE1234F"
    assert not warnings_of(caplog)


def test_surplus_cells_and_types_do_not_leak_it(s3, make_tap, sync, caplog):
    text = f"orders_id,card_number,cvv\r\n1,Main St,{VISA},{VISA},ok\r\n2,{VISA},123\r\n"
    s3.put(DAY.format(1), text)
    types = {"card_number": "integer", "cvv": "integer"}
    for settings in ({}, {"column_types": types}):
        rows = sync(make_tap(**settings), ORDERS).records[ORDERS]
        assert VISA not in json.dumps(rows)
        assert rows[0]["_extra"]["_surplus"] == [None, "ok"]
        assert (rows[1]["card_number"], rows[1]["cvv"], rows[1].get("_extra")) == (None, None, None)
    assert f"{ORDERS}._extra (1)" in warnings_of(caplog)[0]


OUT = {"card_number", "cvv", "security_code", "cc_last_4"}


def deselect_columns(catalog, *, as_meltano=False):
    """The catalog without those columns.

    Args:
        catalog: As the tap discovers it.
        as_meltano: Whether as Meltano has it of a catalog without metadata for columns.
    """
    for entry in catalog["streams"]:
        names = {*entry["schema"]["properties"]}
        if as_meltano:
            known = [one for one in entry["metadata"] if one["breadcrumb"] == []]
            entry["metadata"] = known + [
                {"breadcrumb": ["properties", name], "metadata": {"inclusion": "automatic"}}
                for name in names
            ]
        for one in entry["metadata"]:
            if one["breadcrumb"]:
                one["metadata"]["selected"] = one["breadcrumb"][1] not in OUT
    return catalog


@pytest.mark.parametrize("as_meltano", (False, True), ids=("discovered", "automatic"))
def test_a_deselected_column_is_neither_loaded_nor_warned_of(
    s3, make_tap, sync, batches, caplog, as_meltano
):
    s3.put(DAY.format(1), export(*ROWS, header=HEADER))
    catalog = make_tap().catalog_dict
    (orders,) = [one for one in catalog["streams"] if one["tap_stream_id"] == ORDERS]
    described = {one["breadcrumb"][1] for one in orders["metadata"] if one["breadcrumb"]}
    assert described == {*orders["schema"]["properties"]}
    catalog = deselect_columns(catalog, as_meltano=as_meltano)
    for settings in ({}, batches, {"column_types": {"security_code": "integer"}}):
        output = sync(make_tap(catalog=catalog, **settings))
        rows = rows_of(output)
        assert [row["orders_id"] for row in rows] == ["1", "2", "3"]
        assert not OUT & {*rows[0], *output.schemas[ORDERS]["schema"]["properties"]}
        assert "ACME" not in f"{rows}{output.messages}"
    assert not warnings_of(caplog)
    assert "card fragments" not in caplog.text


def test_reading_again_clears_what_an_earlier_run_has_loaded(s3, make_tap, sync):
    s3.put(DAY.format(1), export(*ROWS, header=HEADER))
    with_cards = sync(make_tap(keep_card_data=True), ORDERS)
    again = sync(make_tap(), ORDERS)
    assert with_cards.schemas[ORDERS]["schema"] == again.schemas[ORDERS]["schema"]
    key = ("_file_name", "_row_id")
    assert cells(with_cards.records[ORDERS], *key) == cells(again.records[ORDERS], *key)
    assert {row["cvv"] for row in again.records[ORDERS]} == {None, ""}
