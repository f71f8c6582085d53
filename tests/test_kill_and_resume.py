"""A run that is killed anywhere and started again gives the tables of one that was not."""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from e2e import new_database, new_project

pytestmark = pytest.mark.e2e

STREAMS = ("daily_stats", "conversions")
START = datetime.now(ZoneInfo("America/New_York")).date() - timedelta(days=60)
SETTINGS = {"TAP_EVERFLOW_START_DATE": START.isoformat()}


@pytest.fixture(scope="module")
def uninterrupted(postgres, sandbox_server, meltano_template, tmp_path_factory):
    """How long an uninterrupted run takes, and the tables it gives."""
    sandbox_server.control.reset()
    folder = tmp_path_factory.mktemp("uninterrupted") / "project"
    with new_database(postgres) as database:
        project = new_project(folder, meltano_template, sandbox_server, database)
        began = time.monotonic()
        project.load(*STREAMS, **SETTINGS)
        seconds = time.monotonic() - began
        return seconds, {name: database.contents(f"everflow.{name}") for name in STREAMS}


@pytest.mark.parametrize("seed", range(10))
def test_sigkill_at_a_random_point(project, database, uninterrupted, seed):
    seconds, expected = uninterrupted
    delay = random.Random(seed).uniform(0.5, seconds)
    project.kill_load(*STREAMS, after=delay, **SETTINGS)
    project.load(*STREAMS, **SETTINGS)
    for name in STREAMS:
        assert database.contents(f"everflow.{name}") == expected[name], (
            f"killed after {delay:.2f} s"
        )
