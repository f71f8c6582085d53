"""The guide from dlt, word by word, on tables that dlt itself made; some minutes, and PyPI.

    make migration-proof

A column of dlt's is filled by the new pipeline, or served by the view, or named by `take-over`.
"""

from __future__ import annotations

import re
import tempfile
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg
import pytest
from harness.fuzz.taps import patient
from harness.migration import fixtures, legacy, samples, stage
from harness.migration.guide import blocks

# The guide is followed in the set-up: minutes, and more on a busy machine.
pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]

YESTERDAY = datetime.now(ZoneInfo("America/New_York")).date() - timedelta(days=1)
#: What is rehearsed by itself.
LATER = ("Moving to the embedded PostgreSQL", "Going back to dlt", "Removing what dlt left behind")
TABLES = (
    *("everflow.daily_stats", "redtrack.daily_spend", "s3_exports.orders_create"),
    *("s3_exports.orders_update", "posthog.events", "posthog.feature_flags"),
    *("posthog.experiments", "mautic.contacts", "mautic.emails", "mautic.campaigns"),
)
VIEWED = tuple(table for table in TABLES if table.startswith(("posthog", "mautic")))


@pytest.fixture(scope="module", params=stage.VERSIONS)
def followed(request, postgres, sandbox_server, meltano_template, tmp_path_factory):
    """The guide, followed from its first command to its last check."""
    patient(sandbox_server)
    folder = tmp_path_factory.mktemp("migration")
    database = stage.new_database(postgres)
    tables = legacy.tables(sandbox_server, YESTERDAY)
    stage.load_with_dlt(request.param, database, tables, folder / "dlt")
    made = stage.new_rehearsal(folder / "project", meltano_template, sandbox_server, database)
    made.version = request.param
    # The next day may begin before the last run.
    made.project.env |= {
        f"TAP_{source}_END_DATE": YESTERDAY.isoformat() for source in ("EVERFLOW", "REDTRACK")
    }
    with psycopg.connect(database.libpq_url) as connection:
        connection.execute("create schema kept")
        for table in TABLES:
            connection.execute(f"create table {kept(table)} as table {table}")
    for block in blocks():
        if block.section not in LATER and block.language:
            made.follow(block.language, block.text)
    return made


def kept(table):
    """The table as dlt left it."""
    return f"kept.{table.replace('.', '_')}"


def columns_of_dlt(database, table):
    query = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
    rows = database.query(f"{query} order by attnum", kept(table))
    return [row["attname"] for row in rows if not row["attname"].startswith("_dlt_")]


def report_of(made, table, of):
    """What a command said of a table, the first time."""
    (_, _, after) = "\n".join(made.output).partition(f"{table}{of}")
    assert after
    return re.split(r"^\w+\.\w+ (?:is|was|can be) |_dlt is made", after, flags=re.MULTILINE)[0]


def loaded_since(table):
    """Which rows the new pipeline loaded."""
    if table in VIEWED:
        return "_loaded_at is not null"
    return f"_loaded_at > '{legacy.LOADED_AT + timedelta(days=1)}'"


def test_every_client_has_new_days_and_no_row_is_without(followed):
    for table in ("everflow.daily_stats", "redtrack.daily_spend"):
        rows = followed.database.query(
            "select _client_id, max(date) as last, count(*) filter (where _dlt_id is null) as new"
            f" from {table} group by 1"
        )
        assert [row["_client_id"] for row in rows] == [legacy.CLIENT]
        assert rows[0]["last"] == YESTERDAY.isoformat()
        assert rows[0]["new"]


def test_money_agrees_with_the_vendor_to_the_cent(followed, sandbox_server):
    first = YESTERDAY - timedelta(days=44)
    days = sandbox_server.control.everflow.totals(first, YESTERDAY, "America/New_York")["days"]
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
    keys_twice = output.partition("advertiser_id | count")[2]
    assert re.search(r"^\((\d+) rows?\)", keys_twice, re.MULTILINE)[1] == "0"


@pytest.mark.parametrize("table", TABLES)
def test_each_column_of_dlts_is_filled_or_named(followed, table):
    columns = columns_of_dlt(followed.database, table)
    counts = ", ".join(f'count("{one}") as "{one}"' for one in columns)
    (had,) = followed.database.query(f"select {counts} from {kept(table)}")
    (filled,) = followed.database.query(f"select {counts} from {table} where {loaded_since(table)}")
    report = report_of(followed, table, " is taken over.")
    missing = [one for one in columns if had[one] and not filled[one]]
    assert not [one for one in missing if not re.search(rf"[ ,]{re.escape(one)}[,:]", report)]


@pytest.mark.parametrize("table", VIEWED)
def test_the_view_has_what_dlt_had_in_rows_that_were_loaded_again(followed, table):
    """The vendor did not change: what the view shows of a row that both loaded is dlt's value."""
    key = "uuid" if table == "posthog.events" else "id"
    before = {row[key]: row for row in followed.database.query(f"table {kept(table)}")}
    rows = followed.database.query(f"table {table}_dlt")
    known = [row for row in rows if row[key] in before]
    assert [row for row in known if row["_loaded_at"]]
    report = report_of(followed, table, "_dlt is made")
    excepted = re.findall(r"NULL in new rows: (.*): the", report)
    if table != "posthog.events":
        # Whole tables are replaced: of what nobody sends any more nothing is left.
        excepted += re.findall(r"has a value yet for (.*): until", report)
    columns = set(columns_of_dlt(followed.database, table)) - set(", ".join(excepted).split(", "))
    different = {
        column: (before[row[key]][column], row[column])
        for row in known
        for column in columns
        if row[column] != before[row[key]][column]
    }
    assert different == {}


def test_the_schemas_move_to_the_embedded_server(followed):
    counted = "select count(*) as rows from everflow.daily_stats"
    (expected,) = followed.database.query(counted)
    # Not below pytest's own folders: they are closed to the account a root's server runs under.
    with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as home:
        embedded = {"SIGNALROOM_PGDATA": f"{home}/pg", "TARGET_POSTGRES_SQLALCHEMY_URL": ""}
        for block in blocks("Moving to the embedded PostgreSQL"):
            followed.follow(block.language, block.text, **embedded)
        query = f'signalroom-postgres sql --csv "{counted}"'
        shown = followed.follow("bash", query, **embedded)
    assert shown.split() == ["rows", str(expected["rows"])]


def test_dlt_can_go_on_after_the_first_load(followed, tmp_path):
    _, _, after, restore = blocks("Going back to dlt")
    followed.follow(after.language, after.text)
    new = [
        record | {"date": YESTERDAY.isoformat(), "affiliate_id": 999_999}
        for record in samples.TABLES[0].records[:1]
    ]
    stage.load_with_dlt(followed.version, followed.database, [samples.everflow(new)], tmp_path)
    rows = followed.database.query(
        "select * from everflow.daily_stats where affiliate_id = 999999 and _dlt_id is not null"
    )
    assert len(rows) == 1

    followed.follow(restore.language, restore.text)
    url = followed.database.libpq_url.replace("/analytics?", "/before?")
    with psycopg.connect(url) as connection:
        restored = connection.execute("select count(*) from everflow.daily_stats").fetchone()
    with psycopg.connect(followed.database.libpq_url) as connection:
        was = connection.execute(f"select count(*) from {kept(TABLES[0])}").fetchone()
    assert restored == was

    for block in blocks("Removing what dlt left behind"):
        followed.follow(block.language, block.text)


@pytest.mark.parametrize("version", stage.VERSIONS)
def test_dlt_can_go_on_before_the_first_load(
    version, postgres, meltano_template, sandbox_server, tmp_path
):
    database = stage.new_database(postgres)
    everflow = samples.TABLES[0]
    stage.load_with_dlt(version, database, [everflow], tmp_path / "dlt")
    with psycopg.connect(database.libpq_url) as connection:
        # As `append` makes them.
        connection.execute(
            "create temporary table again as select * from everflow.daily_stats limit 1;"
            "update again set _dlt_id = 'again', _dlt_load_id = '1';"
            "insert into everflow.daily_stats table again"
        )
    made = stage.new_rehearsal(tmp_path / "project", meltano_template, sandbox_server, database)
    (take_over,) = [
        line
        for block in blocks("Everflow")
        for line in block.text.splitlines()
        if "take-over" in line and "--dry-run" not in line
    ]
    assert "1 row older than another" in made.follow("bash", take_over)
    key, duplicates, *_ = blocks("Going back to dlt")
    for block in (key, duplicates):
        made.follow(block.language, block.text)
    stage.load_with_dlt(version, database, [everflow], tmp_path / "dlt")
    days = database.query("select date from everflow.daily_stats group by 1 order by 1")
    assert [row["date"] for row in days] == [record["date"] for record in everflow.records]


@pytest.mark.parametrize("version", stage.VERSIONS)
def test_dlt_makes_what_the_tests_without_dlt_have(version, postgres, tmp_path):
    """If not: `python tests/harness/migration/fixtures.py`."""
    saved = fixtures.path_of(version).read_text()
    made = fixtures.dumped(version, postgres, tmp_path)
    assert fixtures.definitions(made) == fixtures.definitions(saved)
