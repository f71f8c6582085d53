"""The tap against a sandbox, in this process."""

from __future__ import annotations

import pytest
from everflow_days import days_ago

from signalroom_sandbox.everflow import NETWORK_KEY
from signalroom_sandbox.server import SandboxServer
from tap_everflow.tap import TapEverflow


@pytest.fixture(scope="session")
def sandbox_server():
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server):
    """The sandbox as new, with limits that no test meets by accident."""
    sandbox_server.control.reset()
    sandbox_server.control.limits(per_second=10_000, burst=10_000)
    return sandbox_server


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
        tap.http_session.close()
