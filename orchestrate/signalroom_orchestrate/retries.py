"""Retries of failed tasks, and the alert after the last one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from signalroom_orchestrate import alerts, config


def default_args() -> dict[str, Any]:
    """The ``default_args`` of all DAGs."""
    return {
        # For five minutes Meltano considers a run on a dead machine as still running.
        "retries": 5,
        "retry_delay": config.retry_delay(),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=30),
        "on_failure_callback": alerts.alert_failure,
    }
