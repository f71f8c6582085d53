"""The tap against a sandbox, in this process."""

from __future__ import annotations

import pytest

from signalroom_sandbox.mautic import CLIENT_ID, CLIENT_SECRET
from tap_mautic.tap import TapMautic


@pytest.fixture
def mautic(sandbox):
    """Mautic's part of the control endpoint."""
    return sandbox.control.mautic


@pytest.fixture
def make_tap(sandbox, mautic):
    """Make the tap; it waits for nothing."""
    taps = []

    def make(state=None, **config):
        settings = {
            "api_url": sandbox.mautic_url,
            "oauth_client_id": CLIENT_ID,
            "oauth_client_secret": CLIENT_SECRET,
            "max_retry_wait": 0,
            "page_size": 50,
        }
        tap = TapMautic(config=settings | config, state=state)
        taps.append(tap)
        return tap

    yield make
    for tap in taps:
        tap.close()


@pytest.fixture
def asked(sandbox):
    """The queries that Mautic got for a path."""

    def of(path):
        return [
            request["query"]
            for request in sandbox.control.requests()["requests"]
            if request["path"] == path
        ]

    return of
