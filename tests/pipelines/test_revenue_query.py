"""The README's query of spend, revenue and return, on orders as files really have them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import psycopg
import pytest
from harness.pipelines import ROOT

from signalroom_cli.demo.tables import readme_query

NAMES = ("_file_name", "_row_id", "_file_date", "_file_etag", "_file_last_modified")
DAY = date(2026, 1, 5)
TABLES = """
create schema redtrack; create schema everflow; create schema s3_exports;
create table redtrack.daily_spend (date date, cost numeric);
create table everflow.daily_stats (date date, payout numeric, revenue numeric);
create table s3_exports.files (
    _file_name text, _file_etag text, _file_last_modified timestamptz, _loaded_at timestamptz,
    status text
);
create table s3_exports.orders_create (
    _file_name text, _row_id bigint, _file_date text, _file_etag text,
    _file_last_modified timestamptz, orders_id text, products_id text, order_status text,
    total_amount text
);
"""


def query(total_amount_is="order"):
    text = readme_query(ROOT / "README.md")
    assert text.count("SELECT 'order'") == 1
    return text.replace("SELECT 'order'", f"SELECT '{total_amount_is}'")


@pytest.fixture
def orders(database):
    """Load files of orders; gives the query's rows by day."""
    with psycopg.connect(database.libpq_url) as connection:
        connection.execute(TABLES)

    def run(*files, total_amount_is="order"):
        with psycopg.connect(database.libpq_url) as connection:
            for number, (name, day, *rows) in enumerate(files):
                version = (f"etag {number}", f"2026-02-01T00:00:{number:02}Z")
                connection.execute(
                    "insert into s3_exports.files values (%s, %s, %s, now(), 'loaded')",
                    (f"bucket/{name}", *version),
                )
                # As the loader does: what has the same key is replaced, what is left stays.
                for row_id, row in enumerate(rows):
                    where = (f"bucket/{name}", row_id)
                    connection.execute(
                        "delete from s3_exports.orders_create"
                        " where _file_name = %s and _row_id = %s",
                        where,
                    )
                    connection.execute(
                        "insert into s3_exports.orders_create values"
                        " (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                        (*where, day, *version, *row),
                    )
        rows = database.query(query(total_amount_is))
        return {row["day"]: (row["orders"], row["no_amount"], row["revenue"]) for row in rows}

    return run


def test_an_order_of_two_products_counts_once(orders):
    lines = [("1", "11", "NEW", "180"), ("1", "12", "NEW", "180"), ("2", "11", "NEW", "95")]
    assert orders(("a", str(DAY), *lines)) == {DAY: (2, 0, 275)}


def test_amounts_of_lines_are_added_if_the_choice_says_so(orders):
    lines = [("1", "11", "NEW", "95"), ("1", "11", "NEW", "95"), ("1", "12", "NEW", "85.50")]
    found = orders(("a", str(DAY), *lines), total_amount_is="line")
    assert found == {DAY: (1, 0, Decimal("275.50"))}


@pytest.mark.parametrize("total_amount_is", ("order", "line"))
def test_a_file_that_is_delivered_again_counts_once(orders, total_amount_is):
    rows = [(str(number), "11", "NEW", "95") for number in range(90)]
    found = orders(
        ("a", str(DAY), *rows),
        ("b", "2026-01-09", *reversed(rows)),
        total_amount_is=total_amount_is,
    )
    assert found == {DAY: (90, 0, 90 * 95)}


def test_the_latest_version_has_status_and_amount(orders):
    found = orders(
        ("b", str(DAY), ("1", "11", "NEW", "95"), ("2", "11", "NEW", "95")),
        ("a", "2026-01-06", ("1", "11", "VOID", "95"), ("2", "11", "NEW", "49")),
    )
    assert found == {DAY: (1, 0, 49)}


def test_rows_of_an_overwritten_file_are_left_out(orders):
    rows = [(str(number), "11", "NEW", "95") for number in range(5)]
    assert orders(("a", str(DAY), *rows), ("a", str(DAY), *rows[:2])) == {DAY: (2, 0, 190)}


@pytest.mark.parametrize("blank", ("", None, "N/A", " ", "1.2.3", "NaN"))
def test_what_is_not_an_amount_is_counted(orders, blank):
    rows = [("1", "11", "NEW", blank), ("2", "11", "NEW", " 95.00 ")]
    assert orders(("a", str(DAY), *rows)) == {DAY: (2, 1, 95)}


@pytest.mark.parametrize("day", ("2026-02-30", "2026-13-01", "0000-01-01", "", None, "2026-1-5"))
def test_orders_of_no_day_are_shown_without_one(orders, day):
    found = orders(("a", day, ("1", "11", "NEW", "95")), ("b", str(DAY), ("2", "1", "NEW", "49")))
    assert list(found.items()) == [(DAY, (1, 0, 49)), (None, (1, 0, 95))]


@pytest.mark.parametrize("day", ("2024-02-29", "2026-12-31", "2026-04-30"))
def test_real_days_are_kept(orders, day):
    assert list(orders(("a", day, ("1", "11", "NEW", "95")))) == [date.fromisoformat(day)]


def test_orders_without_a_number_do_not_become_one(orders):
    rows = [("", "11", "NEW", "95"), (None, "11", "NEW", "49")]
    assert orders(("a", str(DAY), *rows), ("b", str(DAY), *rows)) == {DAY: (4, 0, 288)}
