"""The tap against a sandbox, in this process."""

from __future__ import annotations

import pytest
from redtrack_days import days_ago

from signalroom_sandbox.redtrack import API_KEY
from tap_redtrack.tap import TapRedTrack


@pytest.fixture
def redtrack(sandbox):
    """RedTrack's part of the control endpoint, with a limit that no test meets by accident."""
    sandbox.control.redtrack.limits(per_window=100_000)
    return sandbox.control.redtrack


@pytest.fixture
def make_tap(sandbox, redtrack):
    """Make the tap; without other settings it reads the last five days, and waits for nothing."""
    taps = []

    def make(state=None, **config):
        settings = {
            "api_key": API_KEY,
            "api_url": sandbox.redtrack_url,
            "start_date": days_ago(5).isoformat(),
            "requests_per_minute": 100_000,
            "max_retry_wait": 0,
        }
        tap = TapRedTrack(config=settings | config, state=state)
        taps.append(tap)
        return tap

    yield make
    for tap in taps:
        tap.close()


@pytest.fixture
def queries(sandbox):
    """The queries that RedTrack got for a path."""

    def queries(path):
        return [
            request["query"]
            for request in sandbox.control.requests()["requests"]
            if request["path"] == path
        ]

    return queries
