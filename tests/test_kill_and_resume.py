"""A run that is killed anywhere and started again gives the tables of one that was not."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from e2e import new_database, new_pipe

pytestmark = pytest.mark.e2e

SEEDS = range(int(os.environ.get("SIGNALROOM_KILLS", "2")))
START = datetime.now(ZoneInfo("America/New_York")).date() - timedelta(days=30)


@dataclass(frozen=True)
class Case:
    """What is read by which tap, and what the vendor has to have for it."""

    tap: str
    schema: str
    streams: tuple[str, ...]
    settings: dict[str, str] = field(default_factory=dict)
    prepare: object = None

    @property
    def tables(self):
        return [f"{self.schema}.{name}" for name in self.streams]


def fill_bucket(control):
    """As many files as make it likely that a kill comes between two of them."""
    control.s3.clear()
    for number in range(20):
        control.s3.export("orders-create", START + timedelta(days=number), 400)


def slow_redtrack(control):
    """Answers that take a while, and hold little, so that kills come between them."""
    control.redtrack.limits(per_window=100_000)
    control.redtrack.latency(seconds=0.03)
    control.redtrack.switches(clamp=50)


FILES = {"tap": "tap-sticky-s3", "schema": "s3_exports", "streams": ("orders_create",)}
CASES = {
    "everflow": Case(
        "tap-everflow",
        "everflow",
        ("daily_stats", "conversions"),
        {"TAP_EVERFLOW_START_DATE": START.isoformat()},
    ),
    "events": Case(
        "tap-posthog",
        "posthog",
        ("events",),
        {
            # Without the latest minutes, which are others in the second run.
            "TAP_POSTHOG_START_DATE": START.isoformat(),
            "TAP_POSTHOG_END_DATE": (START + timedelta(days=20)).isoformat(),
            "TAP_POSTHOG_PAGE_SIZE": "100",
        },
    ),
    "sheets": Case("tap-gsheets", "google_sheets", ("affiliates", "manual_costs")),
    "contacts": Case(
        "tap-mautic",
        "mautic",
        ("contacts", "email_stats", "emails", "lead_lists_leads"),
        {"TAP_MAUTIC_PAGE_SIZE": "20"},
        lambda control: control.mautic.latency(seconds=0.01),
    ),
    "spend": Case(
        "tap-redtrack",
        "redtrack",
        ("daily_spend", "conversions", "campaigns"),
        {
            "TAP_REDTRACK_START_DATE": START.isoformat(),
            # The sandbox's limit is not the point here.
            "TAP_REDTRACK_REQUESTS_PER_MINUTE": "6000",
        },
        slow_redtrack,
    ),
    "files": Case(**FILES, prepare=fill_bucket),
    "files in batches": Case(
        **FILES,
        settings={"TAP_STICKY_S3_BATCH_CONFIG": '{"encoding": {"format": "arrow"}, "storage": {}}'},
        prepare=fill_bucket,
    ),
}


@pytest.fixture(scope="module")
def uninterrupted(postgres, sandbox_server, tmp_path_factory):
    """How long a run takes that nothing interrupts, and the tables it gives."""
    known = {}

    def of(case):
        if case.tap + repr(case.settings) not in known:
            folder = tmp_path_factory.mktemp("uninterrupted")
            with new_database(postgres) as database:
                pipe = pipe_of(case, folder, sandbox_server, database)
                began = time.monotonic()
                pipe.load()
                seconds = time.monotonic() - began
                tables = {name: database.contents(name) for name in case.tables}
            assert all(tables.values())
            known[case.tap + repr(case.settings)] = seconds, tables
        return known[case.tap + repr(case.settings)]

    return of


def pipe_of(case, folder, sandbox, database):
    sandbox.control.reset()
    if case.prepare:
        case.prepare(sandbox.control)
    pipe = new_pipe(case.tap, folder, sandbox, database, case.schema, **case.settings)
    pipe.choose(*case.streams)
    return pipe


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_sigkill_at_a_random_point(tmp_path, sandbox_server, database, uninterrupted, name, seed):
    case = CASES[name]
    seconds, expected = uninterrupted(case)
    pipe = pipe_of(case, tmp_path, sandbox_server, database)
    # The programs' start is the first third of so short a run.
    delay = random.Random(f"{name} {seed}").uniform(seconds * 0.2, seconds)
    pipe.load(kill_after=delay)
    pipe.load()
    for table in case.tables:
        assert database.contents(table) == expected[table], f"killed after {delay:.2f} s"


@pytest.mark.parametrize("seed", range(2))
def test_sigkill_of_meltano_and_all_below_it(
    project, tmp_path, postgres, sandbox, database, uninterrupted, seed
):
    case = CASES["everflow"]
    _, expected = uninterrupted(case)
    delay = random.Random(seed).uniform(3, 6)
    project.kill_load(*case.streams, after=delay, **case.settings)
    project.load(*case.streams, **case.settings)
    for table in case.tables:
        assert database.contents(table) == expected[table], f"killed after {delay:.2f} s"
