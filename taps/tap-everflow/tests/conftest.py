"""The tap against a sandbox, in this process."""

from __future__ import annotations

import pytest
from everflow_days import days_ago

from signalroom_sandbox.everflow import NETWORK_KEY
from tap_everflow.tap import TapEverflow


@pytest.fixture
def make_tap(sandbox):
    """Make the tap; without other settings it reads the last five days, and waits for nothing."""
    taps = []

    def make(state=None, **config):
        settings = {
            "api_key": NETWORK_KEY,
            "api_url": sandbox.everflow_url,
            "start_date": days_ago(5).isoformat(),
            "requests_per_second": 1000,
            "max_retry_wait": 0,
        }
        tap = TapEverflow(config=settings | config, state=state)
        taps.append(tap)
        return tap

    yield make
    for tap in taps:
        tap.close()
