"""The operator that runs Meltano, shows its log, and decides whether to retry."""

from __future__ import annotations

import os
import shlex
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from subprocess import DEVNULL, PIPE, STDOUT, Popen  # nosec B404
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
)

from signalroom_orchestrate import config
from signalroom_orchestrate.meltanolog import MeltanoLog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

#: Meltano considers a run as dead after five minutes without a heartbeat.
_POLL_INTERVAL = timedelta(minutes=1)


class MeltanoOperator(BaseOperator):  # type: ignore[misc, unused-ignore] # Airflow is not installed here
    """Runs Meltano in the project.

    A permanent failure, such as a missing setting or a rejected API key, is not retried. While the
    same pipeline runs elsewhere the task waits, which does not count as a try.

    Args:
        command: The arguments of ``meltano``.
        variables: Environment variables of the run, besides those of the worker.
        kwargs: The arguments of any operator in Airflow.
    """

    ui_color = "#e8f7e4"

    def __init__(
        self, *, command: Sequence[str], variables: Mapping[str, str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.command = [*command]
        self.variables = {**variables}
        self._process: Popen[str] | None = None

    def execute(self, context: Context) -> None:  # noqa: ARG002 - Airflow passes it
        """Run Meltano to its end.

        Args:
            context: Airflow's context of the task.

        Raises:
            AirflowException: If the run failed, and a retry may succeed.
            AirflowFailException: If the run failed, and a retry would fail, too.
            AirflowRescheduleException: While the same pipeline runs elsewhere.
        """
        folder = config.project_folder()
        self.log.info("Running meltano %s in %s", shlex.join(self.command), folder)
        # Neither `with` nor `finally` ends it: after a timeout `on_kill` does, and the rest of its
        # output is still logged.
        self._process = process = Popen(  # noqa: S603 - the project's Meltano
            self._arguments(),
            cwd=folder,
            env=os.environ | config.meltano_environment() | self.variables,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        log = MeltanoLog(self.command)
        for line in process.stdout or ():
            self.log.log(*log.parse(line.rstrip("\n")))
        code = process.wait()
        if code == 0:
            return
        if log.is_already_running:
            self.log.info("Waiting for the other run to end")
            raise AirflowRescheduleException(datetime.now(UTC) + _POLL_INTERVAL)
        reason = log.reason or f"Meltano ended with exit code {code}."
        raise (AirflowFailException if log.is_permanent else AirflowException)(reason)

    def _arguments(self) -> list[str]:
        name, *rest = self.command
        if name == "run":
            # Unlike Meltano, it reads only the files of the task's client.
            return [str(config.program("signalroom")), "run", "--log-format=json", *rest]
        return [str(config.program("meltano")), "--log-format=json", *self.command]

    def on_kill(self) -> None:
        """Stop Meltano, the tap and the loader, which first loads the records that it has read."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
