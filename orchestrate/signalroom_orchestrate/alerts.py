"""Alerts when a task fails or a run is late: in the log, and to a webhook if one is set."""

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
#: The maximum characters of an error in an alert, which a chat shows without scrolling.
_MAX_CHARACTERS = 600


def alert_failure(context: Mapping[str, Any]) -> None:
    """Alert that a task has failed for good.

    Args:
        context: Airflow's context of the task.
    """
    task = context["ti"]
    tries = f" after {task.try_number} tries" if task.try_number > 1 else ""
    reason = " ".join(str(context.get("exception") or "").split())[:_MAX_CHARACTERS]
    _send(
        f"{task.task_id} failed{tries} ({task.dag_id}, run {task.run_id})"
        f"{f': {reason}' if reason else '.'} Log: {task.log_url}"
    )


async def alert_delay(context: Mapping[str, Any], **_: object) -> None:
    """Alert that a run takes longer than it may.

    It is called in the triggerer: the run may be late because no worker has a free slot.

    Args:
        context: Airflow's context of the run.
    """
    run = context["dag_run"]
    dag_id, run_id = (
        (run["dag_id"], run["dag_run_id"]) if isinstance(run, dict) else (run.dag_id, run.run_id)
    )
    await asyncio.to_thread(_send, f"{dag_id} is late: its run {run_id} has not ended.")


def _send(text: str) -> None:
    _log.error("%s", text)
    # The format of Slack, Mattermost, workflows in Teams, and Discord's /slack.
    if not (hook := os.environ.get("SIGNALROOM_ALERT_WEBHOOK")):
        return
    body = json.dumps({"text": text}).encode()
    request = Request(hook, body, {"Content-Type": "application/json"})  # nosec B310 # noqa: S310 - the operator sets it
    try:
        with urlopen(request, timeout=_TIMEOUT):  # nosec B310 # noqa: S310
            pass
    except OSError as error:
        # The URL is a secret: anybody who has it can post to the channel.
        _log.warning("SIGNALROOM_ALERT_WEBHOOK could not be reached: %s", type(error).__name__)
