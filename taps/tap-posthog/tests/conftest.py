"""The tap against a sandbox, in this process."""

from __future__ import annotations

import json

import pytest
from posthog_days import UNLIMITED, day

from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT
from tap_posthog.tap import TapPostHog


@pytest.fixture
def posthog(sandbox):
    """PostHog as new, with limits that no test meets by accident."""
    control = sandbox.control.posthog
    control.limits(**UNLIMITED)
    return control


@pytest.fixture
def make_tap(sandbox, posthog):
    """Make the tap; without other settings it reads three whole days, and waits for nothing.

    None leaves out a setting.
    """
    taps = []

    def make(state=None, **config):
        settings = {
            "api_key": PERSONAL_KEY,
            "api_url": sandbox.posthog_url,
            "project_id": str(PROJECT),
            "start_date": day(3),
            "end_date": day(1),
            "max_retry_wait": 0,
            "query_requests_per_minute": 10**6,
            "query_requests_per_hour": 10**6,
            "clickhouse_requests_per_minute": 10**6,
            "clickhouse_requests_per_hour": 10**6,
            "requests_per_minute": 10**6,
            "requests_per_hour": 10**6,
        }
        settings = {name: value for name, value in (settings | config).items() if value is not None}
        tap = TapPostHog(config=settings, state=state)
        taps.append(tap)
        return tap

    yield make
    for tap in taps:
        tap.close()


@pytest.fixture
def queries(sandbox):
    """The bodies of the queries that PostHog got."""

    def queries():
        return [
            json.loads(entry["body"])
            for entry in sandbox.control.requests()["requests"]
            if entry["method"] == "POST" and entry["path"].endswith("/query/")
        ]

    return queries
