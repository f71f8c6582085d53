"""A million PostHog events, of which many share their timestamp, into PostgreSQL, each once.

The sandbox answers from DuckDB, in a process of its own. What is loaded is compared with it, by a
digest of all uuids.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta

from loader import OURS, SCHEMA, new_database
from measure import BIN, growth, piped, result
from vendors import catalog, sandbox

EVENTS, TIED = 1_000_000, 50_000
FIRST, DAYS = date(2025, 1, 1), 20
PERMITTED = 240  # queries a minute, by PostHog
PAGE = 5_000


def backfill(job, count: int, **settings: object):
    """Load events, and return seconds, MB, and the times of the queries."""
    with sandbox(scale=0.01) as (env, control), new_database() as database:
        control.posthog.make_events(
            begin=FIRST.isoformat(), days=DAYS, count=count, tied=count * TIED // EVENTS
        )
        last = FIRST + timedelta(days=DAYS)
        env |= {
            "TAP_POSTHOG_START_DATE": FIRST.isoformat(),
            "TAP_POSTHOG_END_DATE": last.isoformat(),
            "TAP_POSTHOG_PAGE_SIZE": str(PAGE),
        }
        env |= {f"TAP_POSTHOG_{name.upper()}": str(value) for name, value in settings.items()}
        chosen = catalog("tap-posthog", "events", job.folder, env)
        tap = [BIN / "tap-posthog", "--config=ENV", "--catalog", chosen]
        seconds, peak = piped([tap, OURS.command(database, job.folder)], env)
        check(control, database, last)
        seen = control.requests()
    if seen["refused"]:
        sys.exit(f"the sandbox refused {seen['refused']} requests: the tap asked too fast")
    return seconds, peak, [one["at"] for one in seen["requests"] if "query" in one["path"]]


def check(control, database, last: date) -> None:
    """End the benchmarks if the table differs from the vendor."""
    span = {"start": FIRST.isoformat(), "end": (last + timedelta(days=1)).isoformat()}
    expected = control.posthog.totals(**span)
    digest_of = "md5(string_agg(uuid, ',' ORDER BY uuid COLLATE \"C\"))"
    query = f"SELECT count(*), {digest_of} FROM {SCHEMA}.events"
    count, digest = database.execute(query)
    if (int(count), digest) != (expected["count"], expected["digest"]):
        sys.exit(f"loaded were {count} events, not the {expected['count']} that there are")


def bench_events(job):
    """A million events, at the rate that PostHog permits."""
    count = job.count(EVENTS)
    seconds, peak, moments = backfill(job, count)
    permitted = len(moments) * 60 / PERMITTED
    peer = (f"{PERMITTED} queries a minute", permitted)
    yield result(f"{count:,} events of {PAGE:,} a page", seconds, peer, peak, budget=0.9)


def bench_events_growth(job):
    """Ten times the events take ten times as long, with the same memory."""
    unlimited = {"query_requests_per_minute": 230, "page_size": 50_000}
    small, _, _ = backfill(job, job.count(EVENTS // 10), **unlimited)
    large, peak, _ = backfill(job, job.count(EVENTS), **unlimited)
    yield growth("growth, 10 x events", large, ("1 x", small), peak)


BENCHES = {"events": bench_events, "events-growth": bench_events_growth}
