"""Files on S3 into PostgreSQL, through Meltano."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest
from harness.pipelines import kill, new_database, new_project

pytestmark = pytest.mark.e2e

TAP = "tap-sticky-s3"
STATE_ID = f"dev:{TAP}-to-target-postgres"
ORDERS = "s3_exports.orders_create"
FIRST = datetime.now(UTC).date() - timedelta(days=60)

# As users of the pipeline before have them.
REVENUE_BY_STATE = """
    SELECT billing_state, SUM(total_amount::numeric) AS revenue
    FROM s3_exports.orders_create
    WHERE order_status = 'NEW' AND total_amount::numeric > 85
    GROUP BY billing_state
"""
DAILY_REVENUE = """
    SELECT _file_date, COUNT(*) AS orders, SUM(total_amount::numeric) AS revenue
    FROM s3_exports.orders_create
    GROUP BY _file_date
    ORDER BY _file_date
"""


@pytest.fixture
def load(project):
    return partial(project.load, tap=TAP)


@pytest.fixture
def s3(sandbox):
    return sandbox.control.s3


def read(output):
    """How many files each table's part of a run read."""
    found = re.findall(r"/(\S+)/: \d+ files, \d+ not loaded, reading (\d+)", output)
    return {prefix: int(count) for prefix, count in found}


def test_the_legacy_queries_agree_with_the_files(load, s3, database):
    load()
    totals = s3.totals("orders-create/")
    by_state = {row["billing_state"]: row["revenue"] for row in database.query(REVENUE_BY_STATE)}
    assert by_state == totals["new_by_state"]
    by_day = {row["_file_date"]: row["revenue"] for row in database.query(DAILY_REVENUE)}
    assert by_day == totals["by_day"]
    assert len(by_day) == 14
    (count,) = database.query("select count(*) from s3_exports.orders_update")
    assert count["count"] == s3.totals("orders-update/")["rows"]
    assert database.contents("s3_exports.prospects_create") == []


def test_each_file_once_and_what_came_since(load, s3, sandbox, database, project):
    assert read(load()) == {"orders-create": 14, "orders-update": 14, "prospects-create": 0}
    before = database.contents(ORDERS)
    assert set(read(load()).values()) == {0}
    assert database.contents(ORDERS) == before

    late = s3.export("orders-create", FIRST, 50)  # older than all that are loaded
    first = s3.objects("orders-create/")[1]["key"]
    s3.put(first, "orders_id,Brand New\r\n1,x\r\n2,y\r\n")
    # A file that lost most of its rows may be one that is cut: it waits for leave.
    assert "did not send 118 of 120 rows" in load(code=1)
    leave = {f"TARGET_POSTGRES_MAX_REMOVED_SHARE_OF_{name}": "1" for name in ("SCOPE", "RUN")}
    files = read(load(**leave))
    # The late file, which is small, too, was in the same message and waited with it.
    assert files == {"orders-create": 2, "orders-update": 0, "prospects-create": 0}
    (row,) = database.query(
        f"select count(*) from {ORDERS} where _file_name = %s", f"{sandbox.bucket}/{late}"
    )
    assert row["count"] == 50
    rows = database.query(
        "select o._row_id, orders_id, brand_new, billing_state from s3_exports.orders_create o"
        " join s3_exports.files f using (_file_name, _file_etag)"
        " where f.key = %s and f.row_count = 2 order by 1",
        first,
    )
    assert [tuple(row.values()) for row in rows] == [(0, "1", "x", None), (1, "2", "y", None)]

    assert set(read(load()).values()) == {0}
    bookmarks = project.saved_bookmarks(STATE_ID)
    days = [text.split(" ")[0] for text in bookmarks["orders_create"]["days"]]
    assert len(days) == 15
    assert days[0] == str(FIRST)


def test_records_and_batches_load_the_same(project, sandbox, postgres, database, tmp_path, zygote):
    project.load(tap=TAP)
    with new_database(postgres) as other:
        records = new_project(tmp_path / "records", project.folder, sandbox, other, zygote.bin)
        records.load(tap=TAP, flags=["--full-refresh"], TAP_STICKY_S3_BATCH_CONFIG="{}")
        for table in ("orders_create", "orders_update"):
            found = other.contents(f"s3_exports.{table}")
            assert len(found) > 1000
            assert found == database.contents(f"s3_exports.{table}")


def test_the_variables_of_the_pipeline_before(project, sandbox, database):
    given = {
        "S3_BUCKET_NAME": "TAP_STICKY_S3_BUCKET",
        "AWS_ACCESS_KEY_ID": "TAP_STICKY_S3_AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY": "TAP_STICKY_S3_AWS_SECRET_ACCESS_KEY",
    }
    env = {legacy: project.env.pop(name) for legacy, name in given.items()}
    project.load(tap=TAP, **env, AWS_DEFAULT_REGION="us-east-1", S3_PREFIXES="orders-create")
    assert database.query(f"select count(*) from {ORDERS}")[0]["count"] == 14 * 120
    tables = database.query("select tablename from pg_tables where schemaname = 's3_exports'")
    assert {row["tablename"] for row in tables} == {"orders_create", "files"}


def test_the_mark_of_the_pipeline_before(project, s3, database):
    """As docs/migrating-from-dlt.md has it."""
    dates = [one["key"].split("report_")[1][:10] for one in s3.objects("orders-create/")]
    state = {"bookmarks": {"orders_create": {"last_file_date": dates[10]}}}
    project.meltano("state", "set", "--force", STATE_ID, json.dumps({"singer_state": state}))
    assert read(project.load(tap=TAP))["orders-create"] == 4
    assert set(read(project.load(tap=TAP)).values()) == {0}
    loaded = database.query(f"select distinct _file_date from {ORDERS} order by 1")
    assert [row["_file_date"] for row in loaded] == dates[10:]


@pytest.mark.parametrize(
    ("variable", "advice"),
    (
        (
            "AWS_ACCESS_KEY_ID",
            "Check `aws_access_key_id` (TAP_STICKY_S3_AWS_ACCESS_KEY_ID): S3 does not know it.",
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            "Check `aws_secret_access_key` (TAP_STICKY_S3_AWS_SECRET_ACCESS_KEY): it does not",
        ),
    ),
)
def test_wrong_credentials_are_said_in_a_sentence(project, variable, advice):
    env = {f"TAP_STICKY_S3_{variable}": "AKIANOBODY"}
    output = project.meltano("run", TAP, "target-postgres", code=1, **env)
    assert advice in output
    assert "Traceback" not in output


def test_a_killed_run_goes_on_with_the_file_at_which_it_stopped(project, s3):
    s3.clear()
    for number in range(20):
        s3.export("orders-create", FIRST + timedelta(days=number), 1000)
    with project.start_load(tap=TAP) as process:
        for line in process.stdout:
            saved = project.saved_bookmarks(STATE_ID) if "state has been updated" in line else {}
            if len(saved.get("orders_create", {}).get("days", ())) >= 6:
                kill(process)
                break
        process.communicate()
    assert 0 < read(project.load(tap=TAP))["orders-create"] <= 14


def test_headers_by_their_text_and_a_file_without_any(project, s3, database):
    s3.clear()
    env = {"TAP_STICKY_S3_ENCODING": "cp1252"}
    day = "orders-create/x_10020030-44-55_2026-01-{:02}.csv".format
    s3.put(day(1), "orders_id,Refund $,Refund %\r\n1,5,10\r\n")
    s3.put(day(2), "\ufefforders_id,Refund %,Refund $\r\n2,20,Zoë\r\n".encode())
    project.load(tap=TAP, **env)
    # In the next run, from the state.
    s3.put(day(3), "Refund %,orders_id\r\n30,3\r\n")
    s3.put(day(4), "4,40,50\r\n5,41,51\r\n")
    s3.put("orders-create/x.CSV", "orders_id\r\n9\r\n")
    output = project.load(tap=TAP, code=1, **env)
    assert f"{day(4)}: its first line is a row of values: the header is missing" in output
    assert "1 files do not match the pattern" in output
    assert "orders-create/x.CSV" in output
    rows = database.query(
        f"select orders_id, refund, refund_616000, _file_date from {ORDERS} order by orders_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("1", "5", "10", "2026-01-01"),
        ("2", "Zoë", "20", "2026-01-02"),
        ("3", None, "30", "2026-01-03"),
    ]
    s3.put(day(4), "orders_id,Refund $,Refund %\r\n4,40,50\r\n5,41,51\r\n")
    project.load(tap=TAP, **env)
    assert database.query(f"select count(*) from {ORDERS}")[0]["count"] == 5


def test_rows_of_deleted_files_are_removed(project, load, s3, sandbox, database):
    env = {"TAP_STICKY_S3_REMOVE_DELETED_FILES": "true"}
    load(**env)
    rows = "select distinct _file_name from s3_exports.orders_create order by 1"
    keys = [item["key"] for item in s3.objects("orders-create/")]
    # Ours, which the bucket never had: of another folder, of another bucket, and of this folder.
    others = (f"{sandbox.bucket}/orders-create-eu/x.csv", "other/orders-create/x.csv")
    gone = f"{sandbox.bucket}/orders-create/gone.csv"
    with psycopg.connect(database.libpq_url) as connection:
        for name in (*others, gone):
            insert = f"insert into {ORDERS} (_file_name, _row_id) values (%s, 0)"
            connection.execute(insert, [name])
    s3.redeliver(keys[0], keys[0].replace("report_", "moved_"), datetime.now(UTC).isoformat())
    for key in keys[:2]:
        s3.delete(key)
    output = load(**env)
    assert "orders_create: 120 rows read, 120 new, 0 updated, 241 removed" in output
    listed = [f"{sandbox.bucket}/{item['key']}" for item in s3.objects("orders-create/")]
    assert len(listed) == 13
    assert [row["_file_name"] for row in database.query(rows)] == sorted([*listed, *others])
    s3.put(keys[1], "orders_id\r\n1\r\n")
    load(**env)
    (row,) = database.query(f"select count(*) from {ORDERS}")
    assert row["count"] == 13 * 120 + 1 + len(others)


def test_a_table_is_not_emptied_by_a_bucket_with_few_files(load, s3, database):
    env = {"TAP_STICKY_S3_REMOVE_DELETED_FILES": "true"}
    load(**env)
    before = database.contents(ORDERS)
    for item in s3.objects("orders-create/")[:8]:
        s3.delete(item["key"])
    output = load(code=1, **env)
    assert "orders_create: the source did not send 960 of 1,680 rows" in output
    assert "`max_removed_share_of_run`" in output
    assert database.contents(ORDERS) == before
    load(**env, TARGET_POSTGRES_MAX_REMOVED_SHARE_OF_RUN="1")
    assert len(database.contents(ORDERS)) == 6 * 120
