"""Pages of contacts: what is not decoded is what nobody reads."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tap_mautic.field_pages import FieldPages


def decode_in_full(body):
    return json.loads(body, strict=False, parse_float=Decimal)


def row(number, **columns):
    values = {"points": number, "score": 0.1, "city": None}
    definitions = {name: {"alias": name, "value": value} for name, value in values.items()}
    return {"id": number, "fields": {"core": definitions, "all": values}, **columns}


def page(*rows, **others):
    return {"total": len(rows), "contacts": {str(one["id"]): one for one in rows}, **others}


@pytest.fixture
def decode():
    """Decodes pages, after a first one."""
    pages = FieldPages("contacts", decode_in_full)

    def decode(payload, *, first=None):
        pages.decode(json.dumps(first or page(row(1))).encode())
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return pages.decode(body)

    return decode


def without_definitions(number, **columns):
    values = {"points": number, "score": Decimal("0.1"), "city": None}
    return {"id": number, "fields": {"all": values}, **columns}


def test_a_further_page_has_the_values_alone(decode):
    payload = decode(page(row(2), row(3)))
    assert payload == {"total": 2, "contacts": [without_definitions(2), without_definitions(3)]}


def test_a_list_of_rows_is_the_same(decode):
    payload = decode({"total": "1", "contacts": [row(2)]})
    assert payload == {"total": "1", "contacts": [without_definitions(2)]}


def test_what_a_row_does_not_have_stays_missing(decode):
    first = page(row(1, owner={"id": 7}, tags=[]))
    payload = decode(page(row(2, tags=None), row(3)), first=first)
    assert payload["contacts"] == [without_definitions(2, tags=None), without_definitions(3)]


@pytest.mark.parametrize(
    "payload",
    (
        page(row(2, stage={"id": 1})),
        page(row(2, fields={"core": {"city": {"alias": "city", "value": "Bath"}}})),
        page(row(2, fields=[])),
        page(row(2, fields={"all": []})),
        page({"id": 2}),
        page(row(2), warnings=["something"]),
        page(),
        {"total": 0, "contacts": []},
        {"errors": [{"code": 403, "message": "no"}]},
        {"contact": row(2)},
        [],
        None,
    ),
    ids=str,
)
def test_anything_else_is_decoded_in_full(decode, payload):
    decoded = decode(payload)
    rows = decoded.get("contacts") if isinstance(decoded, dict) else None
    if rows in ([], {}):
        rows = decoded["contacts"] = payload["contacts"]
    assert decoded == decode_in_full(json.dumps(payload))


def test_a_new_column_is_learned(decode):
    new = page(row(2, stage={"id": 1}))
    assert decode(new, first=page(row(1))) == decode_in_full(json.dumps(new))
    assert decode(new)["contacts"] == [without_definitions(2, stage={"id": 1})]


def test_texts_with_raw_control_characters_are_read(decode):
    body = json.dumps(page(row(2, note="a~b"))).replace("~", "\t").encode()
    assert decode(body)["contacts"]["2"]["note"] == "a\tb"


def test_what_is_no_json_is_refused(decode):
    with pytest.raises(ValueError, match="line 1"):
        decode(b"<html>")
