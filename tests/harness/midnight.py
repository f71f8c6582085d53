"""Whether tests hold when the day changes after they were collected, as it does in a night's run.

    make test ARGS="--across-midnight tests/pipelines"

A module's constants, such as yesterday's date, are then a day behind the clock of the tests and of
what they start.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine


def pytest_addoption(parser):
    parser.addoption(
        "--across-midnight",
        action="store_true",
        help="collect the tests with the clock of the day before",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Import the modules a day early."""
    if not session.config.getoption("--across-midnight"):
        return (yield)
    with time_machine.travel(datetime.now(UTC) - timedelta(days=1)):
        return (yield)
