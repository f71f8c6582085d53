"""Programs that run in the background, and how to stop them with all their children."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_STOP_TIMEOUT = 20


class Processes:
    """Background processes by name, each with a log.

    Args:
        logs: The folder of the logs, which exists.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def log(self, name: str) -> Path:
        """The path of a process's log."""
        return self._logs / f"{name}.log"

    def pid(self, name: str) -> int:
        """The ID of a process."""
        return self._processes[name].pid

    def has_ended(self, name: str) -> bool:
        """Whether a process ended by itself."""
        return self._processes[name].poll() is not None

    def start(self, name: str, command: Sequence[str | Path], env: Mapping[str, str]) -> None:
        """Start a program.

        Args:
            name: The name of the process and of its log.
            command: The program and its arguments.
            env: The whole environment of the process.
        """
        with self.log(name).open("ab") as file:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - Airflow, or its broker
                command,
                env=env,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def stop(self, name: str) -> None:
        """Stop a process: SIGTERM, and SIGKILL for what is left of it after 20 seconds."""
        process = self._processes.pop(name)
        if family := find_family(process.pid):
            _send(family[0], signal.SIGTERM)
            _kill_rest(family)
        process.wait()

    def stop_all(self) -> None:
        """Stop all processes, the last one that was started first."""
        for name in reversed([*self._processes]):
            self.stop(name)

    def kill(self, name: str) -> None:
        """Kill a process and all its children at once, as when its machine fails."""
        process = self._processes.pop(name)
        family = find_family(process.pid)
        # Suspended first, so that none can react to the death of another.
        for member in family:
            _send(member, signal.SIGSTOP)
        for member in family:
            _send(member, signal.SIGKILL)
        _kill_rest(family)
        process.wait()


def find_family(pid: int) -> list[psutil.Process]:
    """A process and its children, with theirs; empty if it has ended.

    Args:
        pid: The ID of the process.
    """
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill_rest(family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=_STOP_TIMEOUT)
    for process in alive:
        _send(process, signal.SIGKILL)


def _send(process: psutil.Process, signal_: int) -> None:
    try:
        process.send_signal(signal_)
    except psutil.NoSuchProcess:
        return
