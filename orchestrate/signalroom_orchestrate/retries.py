"""When a task is retried, and the alert when that did not help."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from signalroom_orchestrate import alerts, place


def defaults() -> dict[str, Any]:
    """The ``default_args`` of every DAG here."""
    return {
        # Meltano takes a run whose machine died for a running one for five minutes.
        "retries": 5,
        "retry_delay": place.retry_delay(),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=30),
        "on_failure_callback": alerts.failed,
    }
