"""Records that are decoded together are loaded as if each had been decoded by itself."""

from __future__ import annotations

import pytest
from warehouse import record, schema, state

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.messages.record_lines import Lines, split_block

COLUMNS = {
    "id": {"type": "integer"},
    "number": {"type": ["integer", "null"]},
    "amount": {"type": ["number", "null"]},
    "at": {"type": ["string", "null"], "format": "date-time"},
    "more": {"type": ["object", "null"]},
    "text": {"type": ["string", "null"]},
}
LONG = "123456789012345678901234567890.123456789"
STREAM = schema(COLUMNS, keys=["id"])


def block(*texts):
    return "".join(f"{text}\n" for text in texts).encode()


class TestSplitting:
    ORDERS = '{"type":"RECORD","stream":"orders","record":{"id":1}}'
    SPACED = '{"type": "RECORD", "stream": "orders", "record": {"id": 1}}'
    OTHERS = '{"type":"RECORD","stream":"others","record":{"id":1}}'
    STATE = '{"type":"STATE","value":{"bookmarks":{}}}'

    def test_records_of_a_stream_that_follow_each_other(self):
        parts = [*split_block(block(self.ORDERS, self.ORDERS, self.OTHERS, self.ORDERS))]
        assert parts == [
            Lines("orders", block(self.ORDERS, self.ORDERS), 2),
            Lines("others", block(self.OTHERS), 1),
            Lines("orders", block(self.ORDERS), 1),
        ]

    def test_anything_else_is_a_line_by_itself(self):
        others = (self.STATE, "", "{", '{"stream":"orders","type":"RECORD","record":{}}')
        parts = [*split_block(block(self.ORDERS, *others, self.ORDERS))]
        assert parts[1:-1] == [Lines(None, block(text), 1) for text in others]

    def test_with_spaces_as_most_taps_write_them(self):
        parts = [*split_block(block(self.SPACED, self.SPACED, self.ORDERS))]
        assert [(part.stream, part.count) for part in parts] == [("orders", 2), ("orders", 1)]

    def test_a_stream_of_any_name(self):
        names = ("ein Stück", "\u2028", "a'b")
        texts = [self.ORDERS.replace("orders", name) for name in names]
        assert [part.stream for part in split_block(block(*texts))] == [*names]


def in_another_order(**fields):
    """A record as no tap of ours writes it: it is decoded by itself."""
    return {"stream": "orders", "type": "RECORD", "record": fields}


def test_the_last_row_of_a_key_wins_however_each_is_decoded(warehouse):
    warehouse.load(
        STREAM,
        record(id=1, text="together"),
        record(id=2, text="together"),
        in_another_order(id=1, text="alone"),
        in_another_order(id=3, text="alone"),
        record(id=3, text="together"),
    )
    assert {row["id"]: row["text"] for row in warehouse.rows()} == {
        1: "alone",
        2: "together",
        3: "together",
    }


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    (
        ("amount", LONG, LONG),
        ("amount", "0.1000", "0.1000"),
        ("amount", "1e3", "1000"),
        ("number", "7.0", "7"),
        ("number", "9223372036854775808", "9223372036854775808"),
        ("number", "9007199254740993.0", "9007199254740993"),
        ("text", r'"\u00e9\n\\"', "é\n\\"),
        ("more", '{"n":1.10,"b":12345678901234567890}', '{"b": 12345678901234567890, "n": 1.10}'),
    ),
)
def test_each_digit_is_kept(warehouse, field, value, stored):
    rows = [record(id=number, number=number) for number in range(1, 400)]
    last = f'{{"type":"RECORD","stream":"orders","record":{{"id":0,"{field}":{value}}}}}'
    warehouse.load(STREAM, *rows, last)
    (loaded,) = warehouse.sql(f"SELECT {field}::text AS stored FROM orders WHERE id = 0")
    assert loaded["stored"] == stored


def test_of_many_only_those_that_do_not_fit_are_rejected(warehouse):
    rows = [record(id=number, at="2026-01-31T12:00:00Z") for number in range(600)]
    rows[77] = record(id=77, at="yesterday")
    rows[500] = record(id=500, at=5)
    warehouse.load(STREAM, *rows, state(at=1), on_bad_record="quarantine")
    assert len(warehouse.rows()) == 598
    assert len(warehouse.rows("orders__rejected")) == 2


def test_a_line_that_is_no_message_has_its_number(warehouse):
    rows = [record(id=number) for number in range(5)]
    with pytest.raises(InputError, match="Line 7 of the input is not a Singer message"):
        warehouse.load(STREAM, *rows, '{"type":"RECORD","stream":"orders","record":{"id":')
    assert len(warehouse.rows()) == 5


def test_two_messages_in_a_line_are_none(warehouse):
    message = '{"type":"RECORD","stream":"orders","record":{"id":1}}'
    with pytest.raises(InputError, match="Line 2 of the input is not a Singer message"):
        warehouse.load(STREAM, f"{message} {message}")
    assert warehouse.rows() == []


def test_a_message_that_repeats_a_field_is_what_the_last_one_says(warehouse):
    repeated = '{"type":"RECORD","stream":"orders","record":{"id":1},"stream":"others"}'
    others = schema(COLUMNS, keys=["id"], stream="others")
    warehouse.load(others, STREAM, record(id=2), repeated)
    assert [row["id"] for row in warehouse.rows("others")] == [1]
    assert [row["id"] for row in warehouse.rows()] == [2]
