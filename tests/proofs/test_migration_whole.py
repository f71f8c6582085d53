"""The guide from dlt, word by word, on tables that dlt itself made; two minutes, and PyPI.

    make migration-proof

A column of dlt's is filled by the new pipeline, or served by the view, or named by `take-over`.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg
import pytest
from fuzz.taps import patient
from migration import legacy, stage
from migration.guide import blocks

YESTERDAY = datetime.now(ZoneInfo("America/New_York")).date() - timedelta(days=1)
#: What is rehearsed by itself, at the end.
LATER = ("Going back", "What dlt leaves behind")
TABLES = (
    *("everflow.daily_stats", "redtrack.daily_spend", "s3_exports.orders_create"),
    *("s3_exports.orders_update", "posthog.events", "posthog.feature_flags"),
    *("posthog.experiments", "mautic.contacts", "mautic.emails", "mautic.campaigns"),
)


@pytest.fixture(scope="module", params=stage.VERSIONS)
def followed(request, postgres, sandbox_server, meltano_template, tmp_path_factory):
    """The guide, followed from its first command to its last check."""
    patient(sandbox_server)
    database = stage.new_database(postgres)
    folder = tmp_path_factory.mktemp("migration")
    tables = legacy.tables(sandbox_server, YESTERDAY)
    stage.load_with_dlt(request.param, database, tables, folder / "dlt")
    rehearsal = stage.new_rehearsal(folder / "project", meltano_template, sandbox_server, database)
    rehearsal.before = {table: columns(database, table) for table in TABLES}
    rehearsal.sandbox = sandbox_server
    with psycopg.connect(database.libpq_url) as connection:
        for table in TABLES:
            schema, _, name = table.partition(".")
            connection.execute("create schema if not exists kept")
            connection.execute(f"create table kept.{schema}_{name} as table {table}")
    for block in blocks():
        if block.section not in LATER and block.language:
            rehearsal.follow(block.language, block.text)
    return rehearsal


def columns(database, table):
    query = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
    rows = database.query(f"{query} and not attisdropped order by attnum", table)
    return [row["attname"] for row in rows]


def test_every_client_has_new_days_and_no_row_is_without(followed):
    for table, day in (("everflow.daily_stats", "date"), ("redtrack.daily_spend", "date")):
        rows = followed.database.query(
            f"select _client_id, max({day}) as last, count(*) filter (where _dlt_id is null) as new"
            f" from {table} group by 1"
        )
        assert [row["_client_id"] for row in rows] == [legacy.CLIENT]
        assert rows[0]["last"] == YESTERDAY.isoformat()
        assert rows[0]["new"]


def test_money_agrees_with_the_vendor_to_the_cent(followed):
    first = YESTERDAY - timedelta(days=44)
    days = followed.sandbox.control.totals(first, YESTERDAY, "America/New_York")["days"]
    expected = {
        (day["date"], day["affiliate_id"], day["advertiser_id"]): Decimal(day["payout"])
        for day in days
    }
    rows = followed.database.query(
        "select *, payout::numeric as money from everflow.daily_stats where _client_id = '713'"
    )
    found = {(row["date"], row["affiliate_id"], row["advertiser_id"]): row["money"] for row in rows}
    assert found == expected
    assert len(rows) == len(expected)


def test_the_checks_of_the_guide_are_passed(followed):
    output = "\n".join(followed.output)
    assert "\nsame\n" in output
    (twice,) = [
        followed.follow(block.language, block.text)
        for block in blocks()
        if block.section == "Check" and "having count(*) > 1" in block.text
    ]
    assert "(0 rows)" in twice


@pytest.mark.parametrize("table", TABLES)
def test_each_legacy_column_is_filled_or_served_or_named(followed, table):
    output = "\n".join(followed.output)
    legacy_columns = [one for one in followed.before[table] if not one.startswith("_dlt_")]
    counts = ", ".join(
        f'count("{one}") filter (where {fresh(table)}) as "{one}"' for one in legacy_columns
    )
    (filled,) = followed.database.query(f"select {counts} from {table}")
    was = ", ".join(f'count("{one}") as "{one}"' for one in legacy_columns)
    (had,) = followed.database.query(f"select {was} from kept.{table.replace('.', '_')}")

    report = output.partition(f"{table} is taken over.")[2].partition("is taken over.")[0]
    missing = [one for one in legacy_columns if had[one] and not filled[one]]
    unnamed = [one for one in missing if not re.search(rf"[ ,]{re.escape(one)}[,:]", report)]
    assert not unnamed


def fresh(table):
    """Which rows the new pipeline loaded."""
    has_own = table.split(".")[0] in {"everflow", "redtrack", "s3_exports"}
    return (
        f"_loaded_at > '{legacy.LOADED_AT + timedelta(days=1)}'"
        if has_own
        else "_loaded_at is not null"
    )


@pytest.mark.parametrize("table", [one for one in TABLES if one.startswith(("posthog", "mautic"))])
def test_the_view_has_what_dlt_had_in_rows_that_were_loaded_again(followed, table):
    """The vendor did not change: what the view shows of a row that both loaded is dlt's value."""
    key = "uuid" if table == "posthog.events" else "id"
    before = {
        row[key]: row for row in followed.database.query(f"table kept.{table.replace('.', '_')}")
    }
    rows = followed.database.query(f"select * from {table}_dlt where {key} is not null")
    again = [row for row in rows if row[key] in before and row["_loaded_at"]]
    old = [row for row in rows if row[key] in before and not row["_loaded_at"]]
    assert again
    ended = ended_columns(followed, table)
    for row in (*again, *old):
        for column, value in before[row[key]].items():
            if column in ended or column.startswith("_dlt_"):
                continue
            assert row[column] == value, (column, row[column], value)


def ended_columns(followed, table):
    """What the command said that only dlt's rows have."""
    output = "\n".join(followed.output)
    text = output.partition(f"{table}_dlt is made")[2].partition("_dlt is made")[0]
    found = re.search(r"NULL in new rows: (.*): the new pipeline", text)
    return set(found[1].split(", ")) if found else set()
