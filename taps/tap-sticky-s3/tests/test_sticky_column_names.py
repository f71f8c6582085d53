from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_sticky_s3.csv.column_names import column_names
from tap_sticky_s3.known_columns import KNOWN_COLUMNS


@pytest.mark.parametrize(
    ("header", "name"),
    (
        ("orders_id", "orders_id"),
        ("Click ID", "click_id"),
        ("Retries Left", "retries_left"),
        ("\ufeffHold Type ID", "hold_type_id"),
        (" Offer  ID ", "offer_id"),
        ("Processor-ID", "processor_id"),
        ("2nd order", "_2nd_order"),
        ("Größe (m²)", "größe_m2"),
        ("💰", "column_1"),
        ("", "column_1"),
        ("_sdc_deleted_at", "sdc_deleted_at"),
        ("_row_id", "row_id"),
        ("ＦＵＬＬ", "full"),  # noqa: RUF001 - the point of it
    ),
)
def test_a_name(header, name):
    assert column_names([header]) == [name]


def test_names_that_collide():
    assert column_names(["Click ID", "click_id", "", "click_id_2", "click-id", "a"]) == [
        "click_id",
        "click_id_2",
        "column_3",
        "click_id_2_2",
        "click_id_3",
        "a",
    ]


def test_long_names_that_collide():
    names = column_names(["é" * 40, "é" * 41, "x" * 80, "x" * 81])
    assert len({*names}) == 4
    assert max(len(name.encode()) for name in names) == 63


def test_the_known_columns_are_the_names_of_their_headers():
    headers = [*KNOWN_COLUMNS["orders_create"][:-5]]
    headers += ["Click ID", "Retries Left", "Hold Type ID", "Offer ID", "Processor ID"]
    assert column_names(headers) == [*KNOWN_COLUMNS["orders_create"]]
    assert len(headers) == 129


@given(st.lists(st.text(max_size=100), max_size=20))
def test_any_names(headers):
    names = column_names(headers)
    assert len({*names}) == len(headers)
    for name in names:
        assert 0 < len(name.encode()) <= 63
        assert not name.startswith("_") or name[1].isdigit()
