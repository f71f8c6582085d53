"""Alerts when a task fails for good, or a run is late."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace

import pytest

from signalroom_orchestrate import alerts

TASK = SimpleNamespace(
    task_id="tap-everflow--acme",
    dag_id="everflow-hourly--acme",
    run_id="scheduled__1",
    try_number=6,
    log_url="https://airflow.example.com/log",
)
RUN = "everflow-hourly--acme, run scheduled__1"
LOG = "Log: https://airflow.example.com/log"


@pytest.mark.parametrize(
    ("exception", "tries", "text"),
    (
        (None, 6, f"tap-everflow--acme failed after 6 tries ({RUN}). {LOG}"),
        (
            RuntimeError("Invalid API key.\nSet EVERFLOW_API_KEY."),
            1,
            f"tap-everflow--acme failed ({RUN}): Invalid API key. Set EVERFLOW_API_KEY. {LOG}",
        ),
    ),
)
def test_a_failure(hook, exception, tries, text):
    task = SimpleNamespace(**vars(TASK) | {"try_number": tries})
    alerts.alert_failure({"ti": task, "exception": exception})
    assert hook == [{"text": text}]


def test_a_long_error_is_truncated(hook):
    alerts.alert_failure({"ti": TASK, "exception": RuntimeError("x" * 10_000)})
    (alert,) = hook
    assert 600 < len(alert["text"]) < 800
    assert alert["text"].endswith(LOG)


@pytest.mark.parametrize(
    "run",
    (
        SimpleNamespace(dag_id="everflow-hourly--acme", run_id="scheduled__1"),
        {"dag_id": "everflow-hourly--acme", "dag_run_id": "scheduled__1"},
    ),
)
def test_a_late_run(hook, run):
    asyncio.run(alerts.alert_delay({"dag_run": run}))
    assert hook == [{"text": "everflow-hourly--acme is late: its run scheduled__1 has not ended."}]


def test_an_unreachable_webhook_is_only_logged(monkeypatch, caplog):
    monkeypatch.setenv("SIGNALROOM_ALERT_WEBHOOK", "http://127.0.0.1:9/T0/secret")
    with caplog.at_level(logging.WARNING):
        alerts.alert_failure({"ti": TASK})
    assert "tap-everflow--acme failed after 6 tries" in caplog.text
    assert "could not be reached" in caplog.text
    assert "T0/secret" not in caplog.text


def test_no_webhook(monkeypatch, caplog):
    monkeypatch.delenv("SIGNALROOM_ALERT_WEBHOOK", raising=False)
    alerts.alert_failure({"ti": TASK})
    assert "tap-everflow--acme failed" in caplog.text
