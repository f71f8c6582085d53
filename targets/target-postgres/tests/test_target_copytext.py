"""What is written for COPY is what PostgreSQL reads."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from signalroom_target_postgres.values.copy_format import characters, encode_copy_text, has_nul
from signalroom_target_postgres.warehouse.writer import deduplicate

# All that a text may have, the characters that mean something to COPY more often.
TEXTS = st.none() | st.text(
    st.sampled_from("\\\n\r\t\"',N.{}\0") | st.characters(exclude_categories=["Cs"]), max_size=8
)


@pytest.fixture(scope="module")
def connection(server):
    with psycopg.connect(server.libpq_url, autocommit=True) as opened:
        opened.execute("CREATE TEMPORARY TABLE texts (a text, b text, n bigint)")
        opened.execute("CREATE TEMPORARY TABLE alone (a text)")
        yield opened


def loaded(connection, name, table):
    connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(name)))
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
            for lines in encode_copy_text(table):
                copy.write(lines)
        return cursor.execute(sql.SQL("TABLE {}").format(sql.Identifier(name))).fetchall()


@pytest.mark.parametrize("unit", ("s", "ms", "us"))
def test_times_come_back_at_any_precision(connection, unit):
    connection.execute("CREATE TEMPORARY TABLE IF NOT EXISTS times (a timestamptz)")
    moments = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        None,
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 123456, tzinfo=UTC),
    ]
    table = pa.table({"a": pa.array(moments, pa.timestamp("us", "UTC"))})
    times = table.cast(pa.schema([("a", pa.timestamp(unit, "UTC"))]), safe=False)
    step = {"s": 10**6, "ms": 10**3, "us": 1}[unit]
    expected = [
        moment and moment.replace(microsecond=moment.microsecond // step * step)
        for moment in moments
    ]
    assert [row[0] for row in loaded(connection, "times", times)] == expected


def test_times_with_a_zone_cost_as_much_as_others():
    """With a zone, Arrow's own cast takes more than ten times as long (pyarrow 26.0.1)."""
    numbers = pa.array(range(200_000), pa.int64())
    zones = {"local": None, "utc": "UTC"}
    tables = {
        name: pa.table({"a": numbers.cast(pa.timestamp("us", zone))})
        for name, zone in zones.items()
    }
    seconds = {}
    for name, table in tables.items():
        durations = []
        for _ in range(5):
            began = time.thread_time()
            assert sum(map(len, encode_copy_text(table))) > 0
            durations.append(time.thread_time() - began)
        seconds[name] = min(durations)
    assert seconds["utc"] < 4 * seconds["local"]


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(TEXTS, TEXTS, st.none() | st.integers(-(2**63), 2**63 - 1))))
def test_any_text_comes_back(connection, rows):
    a, b, n = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.table(
        {"a": pa.array(a, pa.string()), "b": pa.array(b, pa.string()), "n": pa.array(n, pa.int64())}
    )
    expected = [
        tuple(one.replace("\0", "\ufffd") if isinstance(one, str) else one for one in row)
        for row in rows
    ]
    assert loaded(connection, "texts", table) == expected
    assert loaded(connection, "texts", table.slice(1)) == expected[1:]
    assert loaded(connection, "alone", table.select(["a"])) == [row[:1] for row in expected]


def test_nulls_have_no_characters():
    assert bytes(characters(pa.nulls(3, pa.string()))) == b""
    assert not has_nul(pa.nulls(3, pa.string()))
    assert not has_nul(pa.array([], pa.string()))


def test_many_rows_in_chunks(connection):
    table = pa.chunked_array([[str(n)] * 7 for n in range(1000)])
    rows = loaded(connection, "alone", pa.table({"a": table}))
    assert [row[0] for row in rows] == [str(n) for n in range(1000) for _ in range(7)]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b"]), st.integers())))
def test_the_last_of_each_key_stays_in_its_place(rows):
    first, second, value = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.table(
        {
            "x": pa.array(first, pa.int64()),
            "y": pa.array(second, pa.string()),
            "v": pa.array([str(one) for one in value], pa.string()),
        }
    )
    last = {row[:2]: place for place, row in enumerate(rows)}
    expected = [rows[place] for place in sorted(last.values())]
    kept = deduplicate(table, ["x", "y"]).to_pylist()
    assert [(row["x"], row["y"], int(row["v"])) for row in kept] == expected
