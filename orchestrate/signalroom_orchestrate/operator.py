"""The task that runs Meltano: its log, and whether a retry is of use."""

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

from signalroom_orchestrate import place
from signalroom_orchestrate.meltanolog import MeltanoLog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

#: Meltano takes a run that gave no sign of life for five minutes for a dead one.
_LOOK_AGAIN = timedelta(minutes=1)


class MeltanoOperator(BaseOperator):  # type: ignore[misc, unused-ignore] # it has no types here
    """Runs Meltano in the project.

    A failure that would happen again (a missing setting, a refused key) is final: it has no
    retries. While the same pipeline runs elsewhere the task waits, which is no try.

    Args:
        command: What follows ``meltano``.
        variables: What the run sees besides the worker's environment.
        kwargs: Airflow's, as of any operator.
    """

    ui_color = "#e8f7e4"

    def __init__(
        self, *, command: Sequence[str], variables: Mapping[str, str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.command = [*command]
        self.variables = {**variables}
        self._process: Popen[str] | None = None

    def execute(self, context: Context) -> None:  # noqa: ARG002 - nothing of the run is needed
        """Run it to its end.

        Args:
            context: Airflow's.

        Raises:
            AirflowException: If it failed and may succeed later.
            AirflowFailException: If it would fail again.
            AirflowRescheduleException: While the same pipeline runs elsewhere.
        """
        self.log.info("Running meltano %s in %s", shlex.join(self.command), place.project())
        # Neither `with` nor `finally`: where the time is up, `on_kill` ends it, and what it then
        # says is still read.
        self._process = process = Popen(  # noqa: S603 - the project's Meltano
            self._arguments(),
            cwd=place.project(),
            env=os.environ | place.environment() | self.variables,
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
            self.log.log(*log.read(line.rstrip("\n")))
        code = process.wait()
        if code == 0:
            return
        if log.another_runs:
            self.log.info("Waiting for the other run to end")
            raise AirflowRescheduleException(datetime.now(UTC) + _LOOK_AGAIN)
        reason = log.reason or f"Meltano ended with exit code {code}."
        raise (AirflowFailException if log.is_lasting else AirflowException)(reason)

    def _arguments(self) -> list[str]:
        name, *rest = self.command
        if name == "run":
            # It reads the files of the task's own client alone.
            return [str(place.programs() / "signalroom"), "run", "--log-format=json", *rest]
        return [str(place.programs() / "meltano"), "--log-format=json", *self.command]

    def on_kill(self) -> None:
        """End Meltano, tap and loader; they load what they have read."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
