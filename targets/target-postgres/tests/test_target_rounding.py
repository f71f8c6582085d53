"""Columns that are there never round: they become wider, or the record is a bad one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import given
from hypothesis import strategies as st
from warehouse import record, schema

from signalroom_target_postgres.rows.codecs import choose_codec
from signalroom_target_postgres.rows.json_types import JsonTypes
from signalroom_target_postgres.values.errors import UnfitError
from signalroom_target_postgres.values.limits import limit_of
from signalroom_target_postgres.warehouse.rejected import BadRecordError
from signalroom_target_postgres.warehouse.table import Table
from signalroom_target_postgres.warehouse.table_setup import widen_column

pytestmark = pytest.mark.timeout(TIMEOUT)

ID = {"type": "integer"}
NUMBER = {"type": ["number", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
TIME = {"type": ["string", "null"], "format": "time"}
DECIMAL = {"type": ["string", "null"], "format": "x-singer.decimal"}


def line(value, number=1):
    """A record with a value as it is written."""
    return f'{{"type":"RECORD","stream":"orders","record":{{"id":{number},"value":{value}}}}}'


def at(*parts):
    """A moment in UTC."""
    return datetime(*parts, tzinfo=UTC)


def test_decimals_of_a_file_in_a_column_of_integers():
    codec = choose_codec("bigint", {"integer"}, JsonTypes(), is_key=False)
    assert codec.from_arrow(pa.array([Decimal("7.00"), None])).to_pylist() == [7, None]
    with pytest.raises(UnfitError, match="expected an integer, got a fraction"):
        codec.from_arrow(pa.array([Decimal("7.00"), Decimal("7.50")]))


def test_texts_in_a_column_of_integers_are_read_by_the_server():
    codec = choose_codec("bigint", {"string"}, JsonTypes(), is_key=False)
    assert codec.from_arrow(pa.array(["42"])).to_pylist() == ["42"]


@pytest.mark.parametrize("is_key", (True, False))
def test_moments_with_more_digits_than_a_column_has(is_key):
    """A key is exact, or none: another one would be another row."""
    codec = choose_codec("timestamp with time zone", {"string"}, JsonTypes(), is_key=is_key)
    moments = pa.array(["2026-01-31T12:00:00.1234567Z"])
    if is_key:
        with pytest.raises(ValueError, match="at most 6 digits of a second in a key"):
            codec.from_arrow(moments)
    else:
        assert codec.from_arrow(moments).cast(pa.int64()).to_pylist() == [1769860800123456]


def values(warehouse):
    """The column, as PostgreSQL writes it."""
    return [row["value"] for row in warehouse.sql("SELECT value::text FROM orders ORDER BY id")]


@pytest.mark.parametrize(
    ("type_", "texts", "held"),
    (
        (
            "numeric(10,2)",
            ("1.23", "-1.2", "12345678.90", "1.2300000", "0.5e1", "1E7", "-0.0", "null"),
            ("1.23", "-1.20", "12345678.90", "1.23", "5.00", "10000000.00", "0.00", None),
        ),
        ("numeric(3,0)", ("999", "1.0", "1e2"), ("999", "1", "100")),
        (
            "numeric(38,9)",
            ("12345678901234567890123456789.123456789",),
            ("12345678901234567890123456789.123456789",),
        ),
        ("numeric(1000,900)", ("1e99",), (f"1{99 * '0'}.{900 * '0'}",)),
        (
            "real",
            ("0.1", "16777216", "1.5", "1e30", "-0.25", "3.4028235e38"),
            ("0.1", "1.6777216e+07", "1.5", "1e+30", "-0.25", "3.4028235e+38"),
        ),
        (
            "double precision",
            (
                "0.1",
                "0.30000000000000004",
                "9007199254740992",
                "1e300",
                "1.50",
                "123456789012345.6",
            ),
            (
                "0.1",
                "0.30000000000000004",
                "9.007199254740992e+15",
                "1e+300",
                "1.5",
                "123456789012345.6",
            ),
        ),
        (
            "double precision",
            ("5e-324", "100000000000000000000", "-0.0", "1.10000000000000000000000"),
            ("5e-324", "1e+20", "-0", "1.1"),
        ),
        ("money", ("1.23", "-0.5", "9000000000000000.01"), None),
        ("smallint", ("-32768", "32767", "3.0"), ("-32768", "32767", "3")),
        ("integer", ("2147483647",), ("2147483647",)),
    ),
    ids=str,
)
def test_a_column_keeps_its_type_where_it_holds_the_numbers(warehouse, caplog, type_, texts, held):
    warehouse.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, value {type_})")
    whole = {"type": ["integer", "null"]}
    stream = schema(
        {"id": ID, "value": whole if type_.endswith("int") or type_ == "integer" else NUMBER}
    )
    warehouse.load(stream, *(line(text, number) for number, text in enumerate(texts)))
    assert warehouse.types()["value"] == type_
    assert "becomes" not in caplog.text
    assert held is None or values(warehouse) == [*held]


@pytest.mark.parametrize(
    ("type_", "definition", "before", "value", "wider", "held"),
    (
        ("numeric(10,2)", NUMBER, "1.5", "1.2345", "numeric", ["1.50", "1.2345"]),
        ("numeric(10,2)", NUMBER, "1.5", "123456789", "numeric", ["1.50", "123456789"]),
        ("numeric(10,2)", NUMBER, "1.5", "1e-3", "numeric", ["1.50", "0.001"]),
        ("numeric(10,2)", NUMBER, "1.5", "1e8", "numeric", ["1.50", "100000000"]),
        ("numeric(10,2)", DECIMAL, "1.5", '"1.2345"', "numeric", ["1.50", "1.2345"]),
        ("numeric(5)", ID, "7", "100000", "numeric", ["7", "100000"]),
        ("real", NUMBER, "0.1", "0.123456789", "numeric", ["0.1", "0.123456789"]),
        ("real", ID, "16777216", "16777217", "numeric", ["16777216", "16777217"]),
        ("real", NUMBER, "0.1", "1e40", "numeric", ["0.1", f"1{40 * '0'}"]),
        (
            "double precision",
            ID,
            "0.30000000000000004",
            str(2**53 + 1),
            "numeric",
            ["0.30000000000000004", str(2**53 + 1)],
        ),
        (
            "double precision",
            NUMBER,
            "0.1",
            "1.005000000000000000123",
            "numeric",
            ["0.1", "1.005000000000000000123"],
        ),
        ("double precision", NUMBER, "-0.5", "1e309", "numeric", ["-0.5", f"1{309 * '0'}"]),
        ("money", NUMBER, "1.5", "1.2345", "numeric", ["1.50", "1.2345"]),
        ("money", NUMBER, "1.5", "2e0", "numeric", ["1.50", "2"]),
        ("smallint", ID, "1", "32768", "bigint", ["1", "32768"]),
        ("integer", ID, "1", "-2147483649", "bigint", ["1", "-2147483649"]),
        ("integer", ID, "1", str(2**64), "numeric", ["1", str(2**64)]),
        (
            "timestamptz(0)",
            MOMENT,
            "'2024-05-01 10:00Z'",
            '"2024-05-01T10:00:00.25Z"',
            "timestamp with time zone",
            ["2024-05-01 10:00:00+00", "2024-05-01 10:00:00.25+00"],
        ),
        (
            "timestamp(3)",
            MOMENT,
            "'1969-05-01 10:00:00.123'",
            '"1969-05-01T10:00:00.1234Z"',
            "timestamp without time zone",
            ["1969-05-01 10:00:00.123", "1969-05-01 10:00:00.1234"],
        ),
        (
            "time(0)",
            TIME,
            "'10:00'",
            '"10:00:00.5"',
            "time without time zone",
            ["10:00:00", "10:00:00.5"],
        ),
        (
            "timetz(0)",
            TIME,
            "'10:00Z'",
            '"10:00:00.5+01:00"',
            "time with time zone",
            ["10:00:00+00", "10:00:00.5+01"],
        ),
        ("interval(0)", "string", "'1 day'", '"1.5 seconds"', "interval", ["1 day", "00:00:01.5"]),
        (
            "interval year to month",
            "string",
            "'1 month'",
            '"1 month 2 days"',
            "interval",
            ["1 mon", "1 mon 2 days"],
        ),
        ("varchar(3)", "string", "'abc'", '"abcd"', "text", ["abc", "abcd"]),
        ("varchar(3)", "string", "'äöü'", '"ab   "', "text", ["äöü", "ab   "]),
        ("char(3)", "string", "'ab'", '"a "', "text", ["ab", "a "]),
        ("char(3)", "string", "'ab'", '"abcd"', "text", ["ab", "abcd"]),
        ("name", "string", "'ab'", f'"{64 * "x"}"', "text", ["ab", 64 * "x"]),
        ('"char"', "string", "'a'", '"ab"', "text", ["a", "ab"]),
        ("varchar(3)", ID, "'1'", "12345", "text", ["1", "12345"]),
    ),
    ids=str,
)
def test_a_column_becomes_wider_where_it_would_round(
    warehouse, caplog, type_, definition, before, value, wider, held
):
    warehouse.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, value {type_} NOT NULL)")
    warehouse.sql(f"INSERT INTO orders VALUES (1, {before})")
    warehouse.load(schema({"id": ID, "value": definition}), line(value, 2))
    assert warehouse.types()["value"] == wider
    assert values(warehouse) == held
    assert caplog.text.count(f"becomes {wider} (was") == 1


@pytest.mark.parametrize(
    ("type_", "text", "holds"),
    (
        ("numeric(2,4)", "0.0012", True),
        ("numeric(2,4)", "0.01e-1", True),
        ("numeric(2,4)", "0.1", False),
        ("numeric(2,4)", "0.00012", False),
        ("numeric(3,-2)", "12300", True),
        ("numeric(3,-2)", "12350", False),
        ("numeric(3,-2)", "123000", False),
        ("numeric(3,-2)", "1.23e4", True),
        ("numeric(3,2)", "-1.23", True),
        ("numeric(3,2)", "-001.2300", True),
        # No type holds it: the server's refusal says so, and no column is changed for it.
        ("numeric(3,2)", "1e200000", True),
        ("numeric(3,2)", "1e-99999999999999999999", True),
        ("numeric(10,2)", "1234.50", True),
        ("smallint", "40000", False),
        # The server rejects a value that is not a number.
        ("smallint", "many", True),
        ("numeric(3,2)", "NaN", True),
        ("numeric(3,2)", "-Infinity", True),
        ("timestamp(0) without time zone", "2026-01-31 10:00:00", True),
        ("timestamp(0) without time zone", "2026-01-31 10:00:00.5", False),
    ),
)
def test_scales_beyond_the_precision(type_, text, holds):
    """PostgreSQL has them from 15 on."""
    assert limit_of(type_).holds(pa.array([None, "0", text])) == holds


def test_integers_in_a_column_of_doubles():
    limit = limit_of("double precision")
    assert limit.holds(pa.array([None, 2**53, -(2**53)]))
    assert limit.holds(pa.array([2**53 + 2]))
    assert not limit.holds(pa.array([2**53 + 1]))


@pytest.mark.parametrize("type_", ("time(6) without time zone", "timestamp(6)", "bit(3)"))
def test_types_that_round_nothing(type_):
    assert limit_of(type_) is None


@pytest.mark.parametrize("keys", (("id",), ()))
def test_files_become_no_rounded_values(warehouse, tmp_path, keys):
    warehouse.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, cents numeric(10,2), ratio real,"
        " same double precision, count double precision, at timestamp(0), code varchar(2))"
    )
    path = tmp_path / "rows.parquet"
    columns = {
        "id": pa.array([1, 2]),
        "cents": pa.array([Decimal("1.2000"), Decimal("1.2345")]),
        "ratio": pa.array([0.1, 0.123456789]),
        "same": pa.array([0.1, 0.30000000000000004]),
        "count": pa.array([2**53, 2**53 + 1]),
        "at": pa.array([at(2024, 5, 1), at(2024, 5, 1, 0, 0, 0, 1)]),
        "code": pa.array(["ab", "abc"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), path)
    properties = dict.fromkeys(columns, NUMBER) | {"at": MOMENT, "code": "string"}
    warehouse.load(
        schema(properties | {"id": ID, "count": ID}, keys),
        {
            "type": "BATCH",
            "stream": "orders",
            "encoding": {"format": "parquet"},
            "manifest": [path.as_uri()],
        },
    )
    assert warehouse.types() == {
        "id": "bigint",
        "cents": "numeric",
        "ratio": "numeric",
        "same": "double precision",
        "count": "numeric",
        "at": "timestamp without time zone",
        "code": "text",
    }
    first, second = warehouse.rows()
    assert [*second.values()] == [
        2,
        Decimal("1.2345"),
        Decimal("0.123456789"),
        0.30000000000000004,
        2**53 + 1,
        datetime(2024, 5, 1, 0, 0, 0, 1),
        "abc",
    ]
    assert (first["ratio"], first["cents"]) == (Decimal("0.1"), Decimal("1.2"))


#: What keeps a column's type; what of it the error names.
FIXED = {
    "view": ("CREATE VIEW totals AS SELECT sum(value) FROM orders", "view .*totals"),
    "materialized view": ("CREATE MATERIALIZED VIEW totals AS SELECT value FROM orders", "totals"),
    "rule": ("CREATE RULE quiet AS ON DELETE TO orders WHERE old.value > 1 DO NOTHING", "quiet"),
    "generated column": (
        "ALTER TABLE orders ADD twice numeric GENERATED ALWAYS AS (value * 2) STORED",
        "generated column.*twice",
    ),
    "trigger": (
        """CREATE TRIGGER same BEFORE UPDATE OF value ON orders FOR EACH ROW
        EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
        "trigger same",
    ),
    "policy": ("CREATE POLICY large ON orders USING (value > 1)", "policy large"),
    "child": (
        "CREATE TABLE parent (value numeric(10,2)); ALTER TABLE orders INHERIT parent",
        "inherited",
    ),
}


@pytest.mark.parametrize("what", FIXED)
def test_a_record_is_bad_where_its_column_cannot_become_wider(warehouse, what):
    statement, named = FIXED[what]
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, value numeric(10,2))")
    for part in statement.split(";"):
        warehouse.sql(part)
    records = [
        line("1.2345", 1),
        *(line("1.23", number) for number in range(2, 600)),
        line("1.5", 1000),
    ]
    stream = schema({"id": ID, "value": NUMBER})
    with pytest.raises(
        BadRecordError, match=rf"column 'value': .*numeric\(10,2\).*{named}"
    ) as error:
        warehouse.load(stream, *records)
    assert "1.2345" not in str(error.value)
    warehouse.load(stream, *records, on_bad_record="quarantine")
    assert warehouse.types()["value"] == "numeric(10,2)"
    assert len(warehouse.rows()) == 599
    (row,) = warehouse.sql("SELECT reason, record FROM orders__rejected")
    assert row["record"]["value"] == 1.2345
    assert "Drop what depends on it" in row["reason"]


@pytest.mark.parametrize("type_", ("cents[]", "money[]"))
def test_arrays_of_domains_and_of_money_are_not_rounded(warehouse, type_):
    warehouse.sql("CREATE DOMAIN cents AS numeric(10,2)")
    warehouse.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, value {type_})")
    stream = schema({"id": ID, "value": {"type": "array", "items": NUMBER}})
    warehouse.load(stream, line("[1.23,null]", 1))
    assert warehouse.types()["value"].endswith(type_)
    warehouse.load(stream, line("[1.2345]", 2))
    assert warehouse.types()["value"] == "numeric[]"
    assert [row["value"] for row in warehouse.rows()] == [
        [Decimal("1.23"), None],
        [Decimal("1.2345")],
    ]


def test_a_domain_is_not_changed(warehouse):
    warehouse.sql("CREATE DOMAIN cents AS numeric(10,2)")
    warehouse.sql("CREATE DOMAIN price AS cents CHECK (VALUE < 100)")
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, value price)")
    stream = schema({"id": ID, "value": NUMBER})
    records = [line("1.2345", 1), line("1.23", 2), line("1234", 3)]
    warehouse.load(stream, *records, on_bad_record="quarantine")
    assert warehouse.rows() == [{"id": 2, "value": Decimal("1.23")}]
    first, second = warehouse.sql("SELECT reason FROM orders__rejected ORDER BY record->'id'")
    assert "domain" in first["reason"]
    assert "price_check" in second["reason"]


def test_who_does_not_own_the_table_is_told_what_its_owner_can_do(warehouse, direct):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, value numeric(10,2))")
    role = f"{warehouse.name}_loader"
    warehouse.sql(f"CREATE ROLE {role}")
    warehouse.sql(f"GRANT USAGE, CREATE ON SCHEMA {warehouse.name} TO {role}")
    warehouse.sql(f"GRANT ALL ON orders TO {role}")
    try:
        warehouse.load(
            schema({"id": ID, "value": NUMBER}),
            line("1.2345", 1),
            line("1.5", 2),
            on_bad_record="quarantine",
            sqlalchemy_url=f"{direct}&options=-c role%3D{role}",
        )
        assert [row["id"] for row in warehouse.rows()] == [2]
        (row,) = warehouse.sql("SELECT reason FROM orders__rejected")
        assert "owner" in row["reason"]
    finally:
        warehouse.sql(f"DROP OWNED BY {role} CASCADE")
        warehouse.sql(f"DROP ROLE {role}")


def test_what_a_schema_asks_for_is_quarantined_where_a_view_stands_against_it(warehouse):
    warehouse.load(schema({"id": ID, "value": "integer"}), record(id=1, value=1))
    warehouse.sql("CREATE VIEW totals AS SELECT sum(value) FROM orders")
    warehouse.load(
        schema({"id": ID, "value": "number"}),
        record(id=2, value=2),
        record(id=3, value=1.5),
        on_bad_record="quarantine",
    )
    assert warehouse.rows() == [{"id": 1, "value": 1}, {"id": 2, "value": 2}]
    (row,) = warehouse.sql("SELECT reason FROM orders__rejected")
    assert "fraction" in row["reason"]
    assert "totals" in row["reason"]


def test_another_loader_may_have_made_it_wider(warehouse):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, value text)")
    with psycopg.connect(warehouse.libpq_url) as connection:
        destination = Table(warehouse.name, "orders", types={"value": "numeric(10,2)"})
        widen_column(connection.cursor(), destination, "value", "numeric")
    assert destination.types["value"] == warehouse.types()["value"] == "text"


TYPES = (
    *("numeric(10,2)", "numeric(38,9)", "numeric(5)", "real", "double precision", "money"),
    *("smallint", "integer", "bigint", "numeric(10,2)[]", "real[]", "bigint[]", "numeric"),
)
DIGITS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,12}0{0,9})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
NUMBERS = st.one_of(
    DIGITS,
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.decimals(-(10**8), 10**8, places=2, allow_nan=False).map(str),
)


@profile(4)
@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_no_number_changes_whatever_the_column_is(warehouse, texts):
    columns = {f"c{number}": type_ for number, type_ in enumerate(TYPES)}
    warehouse.sql("DROP TABLE IF EXISTS orders")
    declared = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    warehouse.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, {declared})")
    whole = {text for text in texts if Decimal(text) == Decimal(text).to_integral_value()}
    lines = []
    for number, text in enumerate(texts):
        values = {
            name: f"[{text},null]" if type_.endswith("[]") else text
            for name, type_ in columns.items()
            if text in whole or not type_.startswith(("bigint", "integer", "smallint"))
        }
        fields = "".join(f',"{name}":{value}' for name, value in values.items())
        lines.append(f'{{"type":"RECORD","stream":"orders","record":{{"id":{number}{fields}}}}}')
    definitions = {
        name: {
            "type": "integer" if type_.startswith(("bigint", "integer", "smallint")) else "number"
        }
        for name, type_ in columns.items()
    }
    properties = {
        name: {"type": ["array", "null"], "items": one}
        if columns[name].endswith("[]")
        else {"type": [one["type"], "null"]}
        for name, one in definitions.items()
    }
    warehouse.load(schema({"id": ID} | properties), *lines)
    types = warehouse.types()
    shown = ", ".join(f"{name}::text" for name in columns)
    for row, text in zip(
        warehouse.sql(f"SELECT {shown} FROM orders ORDER BY id"), texts, strict=True
    ):
        for name, found in row.items():
            if found is not None:
                plain = found.strip("{}").removesuffix(",NULL").replace("$", "").replace(",", "")
                same = Decimal(plain) == Decimal(text)
                # Half between two floats PostgreSQL writes a digit more than others do.
                is_float = types[name] in {"real", "double precision"}
                assert same or (is_float and float(plain) == float(text)), (name, text, found)
