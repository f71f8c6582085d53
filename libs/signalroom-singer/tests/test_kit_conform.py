from __future__ import annotations

import logging
from decimal import Decimal

import pytest
from singer_sdk import typing as th

from signalroom_singer import RecordConformer
from signalroom_singer.conform import RecordError

SCHEMA = th.PropertiesList(
    th.Property("id", th.IntegerType, required=True),
    th.Property("payout", th.NumberType),
    th.Property("number", th.IntegerType),
    th.Property("label", th.StringType),
    th.Property("active", th.BooleanType),
    th.Property("day", th.DateType),
    th.Property("saved", th.DateTimeType),
    th.Property("tree", th.ObjectType(additional_properties=True)),
    th.Property("items", th.ArrayType(th.StringType)),
    th.Property("either", th.CustomType({"type": ["string", "integer", "null"]})),
    th.Property("_extra", th.ObjectType(additional_properties=True)),
).to_dict()


@pytest.fixture
def shaper():
    return RecordConformer("things", SCHEMA, ["id"], logging.getLogger("test"))


def test_what_fits_is_untouched(shaper):
    record = {"id": 1, "payout": Decimal("0.1"), "label": "x", "active": True, "tree": {"a": 1}}
    assert shaper.conform(dict(record)) == record


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    (
        ("id", 12.0, 12),
        ("id", "12", 12),
        ("id", Decimal("12.0"), 12),
        ("id", True, 1),
        ("id", 2**60, 2**60),
        ("payout", "12.350", Decimal("12.350")),
        ("payout", 0.1, Decimal("0.1")),
        ("payout", 1e-7, Decimal("1E-7")),
        ("payout", "", None),
        ("number", "", None),
        ("label", 7, "7"),
        ("label", "", ""),
        ("label", {"a": "é"}, '{"a": "é"}'),
        ("active", 0, False),
        ("active", "true", True),
        ("active", "", None),
        ("day", "2026-01-31T00:00:00Z", "2026-01-31"),
        ("saved", 1772971200, "2026-03-08T12:00:00.000000Z"),
        ("saved", 0, None),
        ("tree", [], None),
        ("items", "", None),
        ("either", "7", "7"),
        ("either", 7, 7),
    ),
)
def test_other_notations_become_the_columns_type(shaper, column, value, expected):
    shaped = shaper.conform({"id": 1, column: value})
    assert shaped[column] == expected
    assert type(shaped[column]) is type(expected)
    assert "_extra" not in shaped


@pytest.mark.parametrize(
    ("column", "value", "said"),
    (
        ("payout", "n/a", "not a number but a text of 3 characters"),
        ("payout", "NaN", "not a number but a text of 3 characters"),
        ("payout", "12_34.5", "not a number but a text of 7 characters"),
        ("payout", "١٢", "not a number but a text of 2 characters"),
        ("payout", {"a": 1}, "not a number but an object of 1 field,"),
        ("number", "12_34", "not an integer but a text of 5 characters"),
        ("number", "1e999999999", "not an integer but a text of 11 characters"),
        ("number", "12e4567", "not an integer but a text of 7 characters"),
        ("number", 1.5, "not an integer but a number"),
        ("number", float("inf"), "not an integer but a number"),
        ("day", "2026-01-05 to 2026-01-09", "not a date but a text of 24 characters"),
        ("day", "2026-01-05x", "not a date but a text of 11 characters"),
        ("day", True, "not a date but true or false"),
        ("saved", "9999-12-31T23:59:59-05:00", "not a timestamp but a text of 25 characters"),
        ("saved", 10**30, "not a timestamp but a number"),
        ("saved", "١٢٣", "not a timestamp but a text of 3 characters"),
        ("active", "maybe", "neither true nor false but a text of 5 characters"),
        ("day", "31.01.2026", "not a date but a text of 10 characters"),
        ("saved", "soon", "not a timestamp but a text of 4 characters"),
        ("tree", "text", "not an object but a text of 4 characters"),
        ("items", {"a": 1, "b": 2}, "not a list but an object of 2 fields"),
    ),
)
def test_what_cannot_be_read_is_kept_counted_and_named(shaper, caplog, column, value, said):
    for number in (1, 2):
        shaped = shaper.conform({"id": number, column: value})
        assert shaped[column] is None
        assert shaped["_extra"] == {column: value}
    assert shaper.unreadable == {column: 2}
    (message,) = caplog.messages
    assert f"column {column}: {said}" in message
    assert '{"id": 1}' in message


@pytest.mark.parametrize("value", ("ann@example.com", "4111 1111 1111 1111", "Ann Example"))
@pytest.mark.parametrize("column", ("payout", "number", "active", "day", "saved", "tree", "items"))
def test_no_value_gets_into_the_log(shaper, caplog, column, value):
    shaper.conform({"id": 1, column: value})
    assert caplog.messages
    assert value not in caplog.text


def test_a_key_that_is_personal_is_described_in_the_log(caplog):
    schema = th.PropertiesList(
        th.Property("email", th.StringType), th.Property("n", th.IntegerType)
    ).to_dict()
    shaper = RecordConformer("people", schema, ["email"], logging.getLogger("test"))
    shaper.conform({"email": "ann@example.com", "n": "x"})
    assert '{"email": "a text of 15 characters"}' in caplog.text


def test_what_is_deselected_does_not_come_back_as_extra(caplog):
    shaper = RecordConformer(
        "things", SCHEMA, ["id"], logging.getLogger("test"), deselected={"payout", "tree"}
    )
    shaped = shaper.conform({"id": 1, "payout": "n/a", "tree": "x", "number": "y"})
    assert shaped["_extra"] == {"number": "y"}
    assert "payout" not in caplog.text


def test_unknown_fields_are_kept(shaper):
    assert shaper.conform({"id": 1, "new_metric": 5})["_extra"] == {"new_metric": 5}


def test_an_extra_of_the_vendors_own_is_kept_too(shaper):
    shaped = shaper.conform({"id": 1, "_extra": {"a": 1}, "b": 2})
    assert shaped["_extra"] == {"a": 1, "b": 2}


@pytest.mark.parametrize("key", (None, "12a", 1.5))
def test_a_record_needs_its_key(shaper, key):
    with pytest.raises(RecordError, match="things: a record without its key column 'id'"):
        shaper.conform({"id": key})
