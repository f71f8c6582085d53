"""Alerts when a run fails or is late: to a web hook, and to the log in any case."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)
_TIMEOUT = 10
#: Characters of a reason, as much as a chat shows at once.
_LONGEST = 600


def failed(context: Mapping[str, Any]) -> None:
    """Alert that a task has failed, without a retry to come.

    Args:
        context: Airflow's.
    """
    task = context["ti"]
    tries = f" after {task.try_number} tries" if task.try_number > 1 else ""
    reason = " ".join(str(context.get("exception") or "").split())[:_LONGEST]
    _send(
        f"{task.task_id} failed{tries} ({task.dag_id}, run {task.run_id})"
        f"{f': {reason}' if reason else '.'} Log: {task.log_url}"
    )


async def late(context: Mapping[str, Any], **_: object) -> None:
    """Alert that a run takes longer than it may.

    The triggerer runs it: workers may have no slot, which is a reason to be late.

    Args:
        context: Airflow's.
    """
    run = context["dag_run"]
    dag_id, run_id = (
        (run["dag_id"], run["dag_run_id"]) if isinstance(run, dict) else (run.dag_id, run.run_id)
    )
    await asyncio.to_thread(_send, f"{dag_id} is late: its run {run_id} has not ended.")


def _send(text: str) -> None:
    _log.error("%s", text)
    # `text` is what Slack, Mattermost, Teams' workflows and Discord's /slack take.
    if not (hook := os.environ.get("SIGNALROOM_ALERT_WEBHOOK")):
        return
    body = json.dumps({"text": text}).encode()
    request = Request(hook, body, {"Content-Type": "application/json"})  # nosec B310 # noqa: S310 - from the operator
    try:
        with urlopen(request, timeout=_TIMEOUT):  # nosec B310 # noqa: S310
            pass
    except OSError as error:
        # Not its address: whoever has it may write there.
        _log.warning("SIGNALROOM_ALERT_WEBHOOK could not be reached: %s", type(error).__name__)
