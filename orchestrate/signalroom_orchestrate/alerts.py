"""Who is told when a run fails or is late: a web hook, and the log in any case."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)
_TIMEOUT = 10


def failed(context: Mapping[str, Any]) -> None:
    """Tell of a task that failed for good, after its last retry.

    Args:
        context: Airflow's.
    """
    task = context["ti"]
    _tell(
        f"{task.task_id} failed after {task.try_number} tries ({task.dag_id}, run {task.run_id}). "
        f"Its log: {task.log_url}"
    )


def late(context: Mapping[str, Any], **_: object) -> None:
    """Tell of a run that takes longer than it may.

    Args:
        context: Airflow's.
    """
    run = context["dag_run"]
    dag_id, run_id = (
        (run["dag_id"], run["dag_run_id"]) if isinstance(run, dict) else (run.dag_id, run.run_id)
    )
    _tell(f"{dag_id} is late: its run {run_id} is not through.")


def _tell(text: str) -> None:
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
