"""Fixtures of the kit's tests."""

from __future__ import annotations

import logging
import signal

import pytest
from kit_vendor import SECRET, RowTap, Vendor


@pytest.fixture
def vendor():
    server = Vendor()
    yield server
    server.close()


@pytest.fixture
def make_tap(vendor):
    """Make the tap; a retry waits for nothing unless the test says so."""
    taps = []

    def make(state=None, **config):
        tap = RowTap(
            config={"api_url": vendor.url, "api_key": SECRET, "max_retry_wait": 0} | config,
            state=state,
        )
        taps.append(tap)
        return tap

    yield make
    for tap in taps:
        tap.close()


@pytest.fixture
def logging_as_it_was():
    """Log settings, handlers and signals of a command go with the test."""
    root = logging.getLogger()
    before = root.level, [*root.handlers]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for number, handler in handlers.items():
        signal.signal(number, handler)
