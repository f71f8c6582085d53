"""The operator that runs Meltano, here the real one: its log, and which failures are retried."""

from __future__ import annotations

import os
import re
import stat
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
)

from signalroom_orchestrate.operator import MeltanoOperator

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / ".venv" / "bin"
PROJECT = """
default_environment: dev
project_id: 0b3b5f0e-0000-4000-8000-000000000000
send_anonymous_usage_stats: false
environments:
- name: dev
plugins:
  extractors:
  - name: tap-everflow
    namespace: tap_everflow
    executable: tap-everflow
    capabilities: [catalog, discover, state, structured-logging]
  - name: tap-scripted
    namespace: tap_scripted
    executable: ./tap
    capabilities: [structured-logging]
  loaders:
  - name: target-scripted
    namespace: target_scripted
    executable: ./target
    capabilities: [structured-logging]
"""
_LINE = (
    '{"level": "error", "pid": 1, "logger_name": "x", "ts": 1, "thread_name": "x", '
    '"app_name": "x", "message": "%s"}'
)


@pytest.fixture
def meltano(tmp_path, monkeypatch):
    """Create operators that run Meltano with a tap and a loader that are shell scripts."""
    for name in [name for name in os.environ if name.startswith(("TAP_", "EVERFLOW_", "MELTANO_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "meltano.yml").write_text(PROJECT)
    monkeypatch.setenv("SIGNALROOM_PROJECT", str(tmp_path))
    monkeypatch.setenv("SIGNALROOM_PROGRAMS", str(PROGRAMS))

    def run(tap="exit 0", target="cat > /dev/null", name="tap-scripted"):
        for program, text in (("tap", tap), ("target", target)):
            path = tmp_path / program
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        command = ["run", name, "target-scripted"]
        return MeltanoOperator(task_id=name, command=command, variables={"GREETING": "Hello"})

    return run


def test_its_log_is_readable(meltano, capsys):
    """Each line has its logger and its level."""
    script = "echo '" + _LINE.replace("error", "warning") % "'$GREETING'" + "' >&2"
    meltano(script).execute({})
    lines = re.findall(r"\[(\w+) *\] ([\w-]+: .*?) +\[airflow", capsys.readouterr().out)
    assert ("warning", "tap-scripted: Hello") in lines
    assert ("info", "meltano: Run completed") in lines


@pytest.mark.parametrize("code", (65, 77, 78))
@pytest.mark.parametrize("plugin", ("tap", "target"))
def test_a_permanent_failure_is_not_retried(meltano, plugin, code):
    script = f"echo '{_LINE % 'The key is refused. Set EVERFLOW_API_KEY.'}' >&2\nexit {code}"
    operator = meltano(**{plugin: f"cat > /dev/null\n{script}" if plugin == "target" else script})
    with pytest.raises(AirflowFailException) as failed:
        operator.execute({})
    assert str(failed.value) == "The key is refused. Set EVERFLOW_API_KEY."


@pytest.mark.parametrize("code", (1, 75, 143))
def test_any_other_failure_is_retried(meltano, code):
    operator = meltano(f"echo '{_LINE % 'GET /x answered 503.'}' >&2\nexit {code}")
    with pytest.raises(AirflowException) as failed:
        operator.execute({})
    assert not isinstance(failed.value, AirflowFailException)
    assert str(failed.value) == "GET /x answered 503."


def test_where_both_fail_the_error_is_the_taps(meltano):
    operator = meltano(
        f"echo '{_LINE % 'The key is refused.'}' >&2\nexit 77",
        f"cat > /dev/null\necho '{_LINE % 'The input ended early.'}' >&2\nexit 1",
    )
    with pytest.raises(AirflowFailException, match=r"^The key is refused\.$"):
        operator.execute({})


def test_a_missing_setting(meltano):
    """The tap fails at discovery, which Meltano runs first; its error and exit code count."""
    with pytest.raises(AirflowFailException) as failed:
        meltano(name="tap-everflow").execute({})
    assert str(failed.value).startswith("Missing required setting api_key (")
    assert "EVERFLOW_API_KEY" in str(failed.value)


def test_a_missing_plugin(meltano):
    operator = meltano(name="tap-nothing")
    with pytest.raises(AirflowException, match="Block tap-nothing not found"):
        operator.execute({})


def test_the_task_waits_while_the_pipeline_runs_elsewhere(meltano, tmp_path):
    """Waiting is not a try: a run on a machine that died blocks the next one for minutes."""
    first = meltano("touch started; while [ ! -e over ]; do sleep 0.1; done; exit 0")
    thread = threading.Thread(target=first.execute, args=({},))
    thread.start()
    try:
        while not (tmp_path / "started").exists():
            time.sleep(0.1)
        with pytest.raises(AirflowRescheduleException) as waits:
            first.prepare_for_execution().execute({})
        soon = waits.value.reschedule_date - datetime.now(UTC)
        assert timedelta(0) < soon <= timedelta(minutes=1)
    finally:
        (tmp_path / "over").touch()
        thread.join()


def test_stopping_the_task_stops_meltano_and_its_plugins(meltano, tmp_path):
    operator = meltano(
        "trap 'touch ended; exit 143' TERM\ntouch started\nwhile :; do sleep 0.1; done"
    )
    failed = []

    def run():
        with pytest.raises(AirflowException) as error:
            operator.execute({})
        failed.append(error.value)

    thread = threading.Thread(target=run)
    thread.start()
    while not (tmp_path / "started").exists():
        time.sleep(0.1)
    operator.on_kill()
    thread.join(timeout=60)
    assert failed
    until = time.monotonic() + 10
    while not (tmp_path / "ended").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert (tmp_path / "ended").exists()
