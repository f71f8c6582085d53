"""Somebody is told when a run fails for good, or is late."""

from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
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


@pytest.fixture
def hook(monkeypatch):
    """A web hook; gives what came to it."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SIGNALROOM_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/T0/x")
    yield came
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_failure(hook):
    alerts.failed({"ti": TASK})
    assert hook == [
        {
            "text": "tap-everflow--acme failed after 6 tries (everflow-hourly--acme, run "
            "scheduled__1). Its log: https://airflow.example.com/log"
        }
    ]


@pytest.mark.parametrize(
    "run",
    (
        SimpleNamespace(dag_id="everflow-hourly--acme", run_id="scheduled__1"),
        {"dag_id": "everflow-hourly--acme", "dag_run_id": "scheduled__1"},
    ),
)
def test_a_late_run(hook, run):
    alerts.late({"dag_run": run})
    assert hook == [{"text": "everflow-hourly--acme is late: its run scheduled__1 is not through."}]


def test_a_hook_that_is_not_there_fails_nothing(monkeypatch, caplog):
    monkeypatch.setenv("SIGNALROOM_ALERT_WEBHOOK", "http://127.0.0.1:9/T0/secret")
    with caplog.at_level(logging.WARNING):
        alerts.failed({"ti": TASK})
    assert "tap-everflow--acme failed after 6 tries" in caplog.text
    assert "could not be reached" in caplog.text
    assert "T0/secret" not in caplog.text


def test_none_is_needed(monkeypatch, caplog):
    monkeypatch.delenv("SIGNALROOM_ALERT_WEBHOOK", raising=False)
    alerts.failed({"ti": TASK})
    assert "tap-everflow--acme failed" in caplog.text
