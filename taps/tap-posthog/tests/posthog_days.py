"""Days of the tests, and limits that none of them meets by accident."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

UNLIMITED = {
    "per_minute": 10**6,
    "per_hour": 10**6,
    "queries_per_minute": 10**6,
    "queries_per_hour": 10**6,
}


def days_ago(number):
    """The beginning of a day."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=number)


def day(number):
    """The same as a setting has it."""
    return days_ago(number).date().isoformat()


def moment(number, seconds=0.0):
    """A moment of that day, as rows have it."""
    at = days_ago(number) + timedelta(seconds=seconds)
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
