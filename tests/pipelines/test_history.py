"""What Everflow said of a day before it was restated, twice."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from harness.pipelines import ROOT, new_pipe

pytestmark = pytest.mark.e2e
ZONE = "America/New_York"
YESTERDAY = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
SETTINGS = {
    "TAP_EVERFLOW_START_DATE": str(YESTERDAY - timedelta(days=4)),
    "TARGET_POSTGRES_HISTORY_STREAMS": "daily_*",
}
#: The queries of the guide, and the moment that they are for.
QUERIES = re.findall(
    r"```sql\n(select .*?);\n```", (ROOT / "docs/history.md").read_text(), re.DOTALL
)
MONDAY = "2026-01-05 12:00+00"


@pytest.fixture
def pipe(sandbox, zygote, tmp_path, database):
    pipe = new_pipe(
        "tap-everflow", tmp_path / "pipe", sandbox, database, "everflow", zygote.bin, **SETTINGS
    )
    pipe.choose("daily_stats", "offers")
    return pipe


def contents(database, query):
    """The rows of a query by their key, without what only a history has."""
    own = ("_loaded", "_sdc", "valid_")
    return {
        (row["date"], row["affiliate_id"], row["advertiser_id"]): {
            name: value for name, value in row.items() if not name.startswith(own)
        }
        for row in database.query(query)
    }


def test_a_day_that_is_restated_twice(sandbox, database, pipe):
    as_of, changes = QUERIES
    days = []
    affiliate = None
    for change in ({}, {"percent": 80}, {"delete_affiliate": True}):
        if change.get("delete_affiliate"):
            (affiliate,) = database.query(
                "select affiliate_id from everflow.daily_stats where date = %s order by 1 limit 1",
                YESTERDAY,
            )
            change["delete_affiliate"] = affiliate["affiliate_id"]
        if change:
            sandbox.control.everflow.restate(YESTERDAY, ZONE, **change)
        pipe.load()
        (moment,) = database.query("select clock_timestamp()::text as at")
        days.append((moment["at"], contents(database, "select * from everflow.daily_stats")))
    assert len(days[2][1]) < len(days[0][1])
    for moment, rows in days:
        assert contents(database, as_of.replace(MONDAY, moment)) == rows

    # Only the rows of the day that changed have more than one version.
    versions = database.query(
        "select date, max(count) as most from (select date, affiliate_id, advertiser_id, count(*) "
        "from everflow.daily_stats__history group by 1, 2, 3) as rows "
        "where count > 1 group by 1"
    )
    assert [(each["date"], each["most"]) for each in versions] == [(YESTERDAY, 2)]
    (day,) = database.query(changes.replace(MONDAY, days[0][0]))
    assert day["date"] == YESTERDAY
    for name, rows in (("before", days[0][1]), ("now", days[2][1])):
        assert day[name] == sum(row["revenue"] for row in rows.values() if row["date"] == YESTERDAY)
    tables = database.query(
        "select relname from pg_class where relname like '%%history' and relkind = 'r' order by 1"
    )
    assert [each["relname"] for each in tables] == ["daily_stats__history"]
