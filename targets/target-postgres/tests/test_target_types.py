"""What becomes of each type, and of tables that were there before."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest
from warehouse import record, schema, state

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.values.sql_types import common_type
from signalroom_target_postgres.warehouse.rejected import BadRecordError

MOMENT = {"type": ["string", "null"], "format": "date-time"}
DATE = {"type": ["string", "null"], "format": "date"}
ID = {"type": "integer"}


def one(warehouse, **values):
    """The only row of `orders`, without its id."""
    (row,) = warehouse.rows()
    del row["id"]
    return row


@pytest.mark.parametrize(
    ("definition", "value", "type_", "loaded"),
    (
        ("string", 'a,"b"\n\\c\tπ', "text", 'a,"b"\n\\c\tπ'),
        ("string", "", "text", ""),
        ("string", r"\N", "text", r"\N"),
        ("string", r"\.", "text", r"\."),
        ("string", "null", "text", "null"),
        ("integer", 2**62, "bigint", 2**62),
        ("integer", 3.0, "bigint", 3),
        ("number", 19.99, "numeric", Decimal("19.99")),
        ("boolean", False, "boolean", False),
        (
            MOMENT,
            "2024-05-01T12:00:00.123456+02:00",
            "timestamp with time zone",
            datetime(2024, 5, 1, 10, 0, 0, 123456, UTC),
        ),
        (
            MOMENT,
            "2024-05-01 12:00:00",
            "timestamp with time zone",
            datetime(2024, 5, 1, 12, tzinfo=UTC),
        ),
        (MOMENT, "2024-05-01", "timestamp with time zone", datetime(2024, 5, 1, tzinfo=UTC)),
        (DATE, "2024-02-29", "date", date(2024, 2, 29)),
        (
            {"type": ["string", "null"], "format": "time"},
            "12:34:56",
            "time without time zone",
            time(12, 34, 56),
        ),
        (
            {"type": ["string", "null"], "format": "uuid"},
            "7d444840-9dc0-11d1-b245-5ffdce74fad2",
            "uuid",
            UUID("7d444840-9dc0-11d1-b245-5ffdce74fad2"),
        ),
        (
            {"type": ["string", "null"], "format": "x-singer.decimal"},
            "0.10000000000000000001",
            "numeric",
            Decimal("0.10000000000000000001"),
        ),
        ("object", {"a": [1, None, {"b": 'c"d\\e'}]}, "jsonb", {"a": [1, None, {"b": 'c"d\\e'}]}),
        ("array", [1, "a", None], "jsonb", [1, "a", None]),
        (
            {"type": ["array", "null"], "items": {"type": "string"}},
            ['a"b', "c,d", "", "NULL", None],
            "text[]",
            ['a"b', "c,d", "", "NULL", None],
        ),
        (
            {"type": ["array", "null"], "items": {}},
            ["a", 'b"', 1, {"c": "d"}, None],
            "jsonb[]",
            ["a", 'b"', 1, {"c": "d"}, None],
        ),
        ({"type": ["array", "null"], "items": {"type": "integer"}}, [1, 2], "bigint[]", [1, 2]),
        (
            {"type": ["array", "null"], "items": {"type": "object"}},
            [{"a": 'b"c'}],
            "jsonb[]",
            [{"a": 'b"c'}],
        ),
        ({}, "text", "text", "text"),
        ({}, {"a": 1}, "text", '{"a": 1}'),
        ({"type": ["string", "integer", "null"]}, 5, "text", "5"),
        (
            {"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}]},
            {"a": 1},
            "jsonb",
            {"a": 1},
        ),
        ({"type": ["integer", "null"], "minimum": 0, "maximum": 100}, 7, "smallint", 7),
        ({"type": ["string", "null"], "x-sql-datatype": "bigint"}, "42", "bigint", 42),
    ),
    ids=str,
)
def test_a_value_arrives_as_it_was_sent(warehouse, definition, value, type_, loaded):
    warehouse.load(
        schema({"id": ID, "value": definition}), record(id=1, value=value), record(id=2, value=None)
    )
    assert warehouse.types()["value"] == type_
    assert [row["value"] for row in warehouse.rows()] == [loaded, None]


@pytest.mark.parametrize(
    ("text", "digits"),
    (("\\xff00", "ff00"), ("0xff00", "ff00"), ("ff00", "ff00"), ("f00", "0f00"), ("", "")),
)
def test_hexadecimal_digits_become_bytes(warehouse, text, digits):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, value bytea)")
    warehouse.load(schema({"id": ID, "value": "string"}), record(id=1, value=text))
    assert bytes(one(warehouse)["value"]).hex() == digits


def test_a_number_keeps_every_digit(warehouse):
    line = '{"type":"RECORD","stream":"orders","record":{"id":1,"total":12345678901234567.891234}}'
    warehouse.load(schema({"id": ID, "total": "number"}), line)
    assert one(warehouse) == {"total": Decimal("12345678901234567.891234")}


def test_times_do_not_depend_on_the_sessions_zone(warehouse, direct):
    warehouse.load(
        schema({"id": ID, "at": MOMENT, "naive": MOMENT}),
        record(id=1, at="2024-05-01T12:00:00Z", naive="2024-05-01T12:00:00"),
        sqlalchemy_url=f"{direct}&options=-c timezone%3DAmerica/New_York",
    )
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert one(warehouse) == {"at": noon, "naive": noon}


def test_an_integer_beyond_bigint_widens_its_column(warehouse):
    properties = {"id": ID, "number": "integer"}
    warehouse.load(schema(properties), *(record(id=n, number=n) for n in range(300)))
    states = warehouse.load(
        schema(properties),
        record(id=0, number=10),
        state(at=1),
        record(id=1, number=2**80),
        record(id=2, number=-5),
        state(at=2),
    )
    assert states[-1] == {"at": 2}
    assert warehouse.types()["number"] == "numeric"
    assert [row["number"] for row in warehouse.rows()[:4]] == [10, 2**80, -5, 3]


@pytest.mark.parametrize(
    ("before", "first", "after", "second", "type_", "loaded"),
    (
        ("integer", 5, "number", 1.5, "numeric", [Decimal(5), Decimal("1.5")]),
        ("number", 1.5, "string", "a", "text", ["1.5", "a"]),
        ("integer", 5, "string", "a", "text", ["5", "a"]),
        ("boolean", True, "string", "a", "text", ["true", "a"]),
        (
            DATE,
            "2024-05-01",
            MOMENT,
            "2024-05-02T10:00:00Z",
            "timestamp with time zone",
            [datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, 10, tzinfo=UTC)],
        ),
        (
            MOMENT,
            "2024-05-01T10:00:00Z",
            "string",
            "soon",
            "text",
            ["2024-05-01 10:00:00+00", "soon"],
        ),
        ("string", "a", "integer", 5, "text", ["a", "5"]),
        ("string", "a", MOMENT, "2024-05-02T10:00:00Z", "text", ["a", "2024-05-02T10:00:00Z"]),
        ("string", "a", DATE, "2024-05-02", "text", ["a", "2024-05-02"]),
        ("integer", 5, "object", {"a": 1}, "jsonb", [5, {"a": 1}]),
        ("object", {"a": 1}, "string", "x", "jsonb", [{"a": 1}, "x"]),
        ("number", 1.5, "integer", 2, "numeric", [Decimal("1.5"), Decimal(2)]),
        (
            {"type": "array", "items": {"type": "integer"}},
            [1],
            {"type": "array", "items": {"type": "string"}},
            ["a"],
            "text[]",
            [["1"], ["a"]],
        ),
    ),
    ids=str,
)
def test_a_column_widens_where_it_has_to(warehouse, before, first, after, second, type_, loaded):
    warehouse.load(schema({"id": ID, "value": before}), record(id=1, value=first))
    warehouse.load(schema({"id": ID, "value": after}), record(id=2, value=second))
    assert warehouse.types()["value"] == type_
    assert [row["value"] for row in warehouse.rows()] == loaded


def test_what_stands_against_widening_is_named(warehouse):
    warehouse.load(schema({"id": ID, "value": "integer"}), record(id=1, value=1))
    warehouse.sql("CREATE VIEW totals AS SELECT sum(value) FROM orders")
    with pytest.raises(LoadError, match=r"'value' of .*orders has to become numeric.*view"):
        warehouse.load(schema({"id": ID, "value": "number"}), record(id=1, value=1.5))
    assert one(warehouse) == {"value": 1}


def test_a_column_of_a_domain_does_not_become_wider(warehouse):
    warehouse.sql(
        "CREATE DOMAIN few AS smallint; CREATE TABLE orders (id bigint PRIMARY KEY, number few)"
    )
    rows = record(id=1, number=7), record(id=2, number=70_000)
    warehouse.load(schema({"id": ID, "number": "integer"}), *rows, on_bad_record="quarantine")
    assert warehouse.rows() == [{"id": 1, "number": 7}]
    (rejected,) = warehouse.sql("SELECT reason FROM orders__rejected")
    why = r"; the column has the domain \S*few, which does not change$"
    assert re.search(why, rejected["reason"]), rejected["reason"]


def test_columns_come_and_stay(warehouse, caplog):
    caplog.set_level("INFO")
    warehouse.load(schema({"id": ID, "old": "string"}), record(id=1, old="a"))
    warehouse.load(schema({"id": ID, "new": "integer"}), record(id=1, new=1), record(id=2, new=2))
    assert warehouse.rows() == [{"id": 1, "old": "a", "new": 1}, {"id": 2, "old": None, "new": 2}]
    # As is usual: no warning.
    (entry,) = [entry for entry in caplog.records if "Added column new" in entry.getMessage()]
    assert entry.levelname == "INFO"


def test_a_schema_that_changes_within_a_run(warehouse):
    warehouse.load(
        schema({"id": ID, "value": "integer"}),
        record(id=1, value=1),
        record(id=2, value=1),
        schema({"id": ID, "value": "number", "new": "string"}),
        record(id=1, value=1.5, new="a"),
    )
    assert warehouse.rows() == [
        {"id": 1, "value": Decimal("1.5"), "new": "a"},
        {"id": 2, "value": Decimal(1), "new": None},
    ]


def test_names_of_all_kinds(warehouse):
    odd = {
        "Camel Case": "string",
        'qu"ote': "string",
        "per%cent": "string",
        "ünï": "string",
        "select": "string",
        "a.b-c": "string",
        "f0": "string",
        "def": "string",
    }
    values = {name: name for name in odd}
    warehouse.load(schema({"id": ID} | odd), record(id=1, **values))
    warehouse.load(schema({"id": ID} | odd), record(id=1, **values), record(id=2, **values))
    assert warehouse.rows() == [{"id": 1} | values, {"id": 2} | values]


@pytest.mark.parametrize(
    ("name", "told"), (("x" * 64, "too long for PostgreSQL"), ("", "has no name"))
)
def test_names_that_cannot_be(warehouse, name, told):
    with pytest.raises(LoadError, match=told):
        warehouse.load(schema({"id": ID, name: "string"}))


def test_nul_becomes_the_replacement_character_or_a_bad_record(warehouse):
    stream = schema({"id": ID, "text": "string", "object": "object"})
    harmless = {"id": 1, "text": r"\u0000", "object": {"a": r"\\u0000"}}
    bad = {"id": 2, "text": "a\0b", "object": {"k\0": ["\0\0", {"x": "\\\0"}]}}
    warehouse.load(stream, record(**harmless), record(**bad))
    assert warehouse.rows() == [
        harmless,
        {"id": 2, "text": "a\ufffdb", "object": {"k\ufffd": ["\ufffd\ufffd", {"x": "\\\ufffd"}]}},
    ]
    said = r"it has the character NUL, which PostgreSQL cannot store \(the setting sanitize_null_"
    for nul in ({"text": "a\0"}, {"object": {"k\0": 1}}):
        with pytest.raises(BadRecordError, match=said):
            warehouse.load(stream, record(id=3, **nul), sanitize_null_text_characters=False)


class TestLegacyTables:
    """Tables that were made by others."""

    def test_dates_kept_as_text_still_merge(self, warehouse):
        warehouse.sql(
            "CREATE TABLE orders (date text, id bigint, total double precision,"
            " at timestamp, PRIMARY KEY (date, id))"
        )
        warehouse.sql("INSERT INTO orders VALUES ('2024-05-01', 1, 1.5, '2024-05-01 10:00')")
        stream = schema(
            {"date": DATE, "id": ID, "total": "number", "at": MOMENT}, keys=("date", "id")
        )
        warehouse.load(
            stream,
            record(date="2024-05-01", id=1, total=2.5, at="2024-05-01T12:00:00+01:00"),
            record(date="2024-05-02", id=1, total=3.25, at=None),
        )
        assert warehouse.types() == {
            "date": "text",
            "id": "bigint",
            "total": "double precision",
            "at": "timestamp without time zone",
        }
        assert warehouse.rows() == [
            {"date": "2024-05-01", "id": 1, "total": 2.5, "at": datetime(2024, 5, 1, 11)},
            {"date": "2024-05-02", "id": 1, "total": 3.25, "at": None},
        ]

    def test_a_key_is_made_where_there_is_none(self, warehouse):
        warehouse.sql("CREATE TABLE orders (id bigint, total numeric)")
        warehouse.sql("INSERT INTO orders VALUES (1, 1)")
        warehouse.load(schema({"id": ID, "total": "number"}), record(id=1, total=2))
        assert warehouse.key() == ["id"]
        assert warehouse.rows() == [{"id": 1, "total": 2}]

    def test_a_unique_index_serves_as_the_key(self, warehouse):
        warehouse.sql(
            "CREATE TABLE orders (row serial PRIMARY KEY, id bigint UNIQUE, total numeric)"
        )
        warehouse.sql("INSERT INTO orders (id, total) VALUES (1, 1)")
        warehouse.load(schema({"id": ID, "total": "number"}), record(id=1, total=2))
        assert warehouse.key() == ["row"]
        assert [row["total"] for row in warehouse.rows()] == [2]

    def test_doubled_rows_are_not_guessed_away(self, warehouse):
        warehouse.sql("CREATE TABLE orders (id bigint, total numeric)")
        warehouse.sql("INSERT INTO orders VALUES (1, 1), (1, 2)")
        with pytest.raises(
            LoadError, match=r"without a key, and the stream's key is id.*take-over"
        ):
            warehouse.load(schema({"id": ID, "total": "number"}), record(id=1, total=3))
        assert len(warehouse.rows()) == 2

    @pytest.mark.parametrize(
        ("definition", "keyed", "reason"),
        (
            ("id bigint, day text PRIMARY KEY", "keyed by day", "several rows have the same id"),
            ("id bigint, day text", "without a key", "rows have no value in id"),
        ),
    )
    def test_rows_that_do_not_let_it_have_the_key(self, warehouse, definition, keyed, reason):
        warehouse.sql(f"CREATE TABLE orders ({definition})")
        number = "NULL" if "no value" in reason else "1"
        warehouse.sql(f"INSERT INTO orders VALUES ({number}, 'a'), ({number}, 'b')")
        with pytest.raises(LoadError) as caught:
            warehouse.load(schema({"id": ID, "day": "string"}), record(id=3, day="c"))
        problem = f"is {keyed}, and the stream's key is id. The table cannot have that key: "
        assert problem + reason in str(caught.value)
        assert len(warehouse.rows()) == 2

    def test_another_key_replaces_the_old_where_rows_allow(self, warehouse):
        warehouse.load(schema({"id": ID, "day": "string"}), record(id=1, day="a"))
        finer = schema({"id": ID, "day": {"type": "string"}}, keys=("day", "id"))
        warehouse.load(finer, record(id=1, day="a"), record(id=1, day="b"))
        assert warehouse.key() == ["day", "id"]
        assert len(warehouse.rows()) == 2
        with pytest.raises(LoadError, match="keyed by day, id, and the stream's key is id"):
            warehouse.load(schema({"id": ID, "day": "string"}), record(id=1, day="a"))
        assert warehouse.key() == ["day", "id"]

    def test_what_the_stream_does_not_fill_stays(self, warehouse):
        warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, total numeric, note text)")
        warehouse.sql("INSERT INTO orders VALUES (1, 1, 'mine')")
        warehouse.load(schema({"id": ID, "total": "number"}), record(id=1, total=2))
        assert warehouse.rows() == [{"id": 1, "total": 2, "note": "mine"}]

    def test_a_value_the_table_wants_and_the_stream_has_not(self, warehouse):
        warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, note text NOT NULL)")
        with pytest.raises(BadRecordError, match=r"'note'.*null, which the table does not allow"):
            warehouse.load(schema({"id": ID}), record(id=1))


def test_the_keys_order_is_the_streams(warehouse):
    warehouse.load(
        schema(
            {"date": {"type": "string"}, "id": ID, "_client_id": {"type": "string"}},
            keys=("_client_id", "date", "id"),
        )
    )
    assert warehouse.key() == ["_client_id", "date", "id"]


@pytest.mark.parametrize(
    ("actual", "wanted", "result"),
    (
        ("character varying(20)", "text", "character varying(20)"),
        ("numeric(38,9)", "bigint", "numeric(38,9)"),
        ("timestamp(3) with time zone", "date", "timestamp(3) with time zone"),
        ("smallint", "bigint", "bigint"),
        ("inet", "text", "inet"),
        ("bigint[]", "jsonb", "jsonb"),
        ("uuid", "text", "text"),
    ),
)
def test_what_holds_a_type_is_left_alone(actual, wanted, result):
    assert common_type(actual, wanted) == result
