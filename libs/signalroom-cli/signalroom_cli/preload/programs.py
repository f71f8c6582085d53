"""Starts a preloading server, and programs in forks of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

#: The variables of the server. A program gets those of whoever starts it, but where the system
#: shows the environment with which a process began, it shows these.
_VARIABLES = {"HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV"}
#: The path of a socket has at most 107 characters on Linux.
_SHORT = 70


class PreloadError(Exception):
    """The programs cannot be imported; the server's standard error says why."""


class Preloader:
    """A server, and a folder with a launcher for each program.

    Attributes:
        folder: The folder of the launchers, to be put first on the ``PATH``. It is only this
            user's.
    """

    def __init__(self, programs: Iterable[str], project: Path) -> None:
        """Start the server, and wait until it has imported the programs.

        Args:
            programs: The names of executables of packages in this environment.
            project: The project's folder.

        Raises:
            PreloadError: If a program cannot be imported.
        """
        temporary = tempfile.gettempdir()
        short = temporary if len(temporary) <= _SHORT else "/tmp"  # nosec B108 # noqa: S108 - mode 0700
        self.folder = Path(tempfile.mkdtemp(prefix="signalroom-", dir=short))
        launcher = Path(__file__).with_name("launcher.py").read_text(encoding="utf-8")
        names = [*programs]
        for name in names:
            path = self.folder / name
            path.write_text(f"#!{sys.executable} -IS\n{launcher}", encoding="utf-8")
            path.chmod(0o700)
        env = {
            name: value
            for name, value in os.environ.items()
            if name in _VARIABLES or name.startswith("PYTHON")
        }
        command = [sys.executable, "-m", "signalroom_cli.preload.server", str(self.folder), *names]
        self._process = subprocess.Popen(  # noqa: S603
            command, cwd=project, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if self._process.stdout is None or self._process.stdout.readline() != b"ready\n":
            self.close()
            msg = f"{', '.join(names)} cannot be imported; the reason is above."
            raise PreloadError(msg)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the server once its programs have ended, and remove the folder."""
        self._process.terminate()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_current(self) -> bool:
        """Whether the server runs, and the files that it has imported are unchanged."""
        with suppress(OSError), self._request({"check": True}, ()) as connection:
            return connection.makefile().readline() == "current\n"
        return False

    def start(
        self,
        program: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        standard: Sequence[int],
    ) -> Program:
        """Start a program in the project's folder.

        Args:
            program: The name of the program.
            arguments: The command line after the name.
            env: Its whole environment.
            standard: The descriptors of its standard input, output and error.

        Raises:
            OSError: If the server has ended.
        """
        folder = str(Path.cwd())
        request = {"program": program, "arguments": [*arguments], "folder": folder, "env": {**env}}
        return Program(self._request(request, standard))

    def _request(self, request: Mapping[str, object], descriptors: Sequence[int]) -> socket.socket:
        message = json.dumps(request).encode()
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.folder / "server"))
            socket.send_fds(connection, [len(message).to_bytes(4, "big")], descriptors)
            connection.sendall(message)
        except OSError:
            connection.close()
            raise
        return connection


class Program:
    """A program that runs.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Wait for the process id.

        Args:
            connection: A connection to the server, over which the program was requested.

        Raises:
            OSError: If the server has ended.
        """
        self._connection = connection
        self._answers = connection.makefile()
        line = self._answers.readline()
        if not line:
            connection.close()
            msg = "the preloading server has ended"
            raise OSError(msg)
        self.pid = int(line)

    def terminate(self) -> None:
        """Send SIGTERM."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int | None:
        """Wait for the end.

        Returns:
            The exit code, negative for a signal; None if the server was killed.
        """
        with self._connection, self._answers:
            line = self._answers.readline()
        return int(line) if line else None


def preloadable(executables: Iterable[str]) -> list[str]:
    """The executables that can be preloader: taps and loaders that use the SDK extensions.

    Args:
        executables: The names of executables, as plugins have them.

    Returns:
        The names of executables of packages in this environment that need ``signalroom-singer``.
    """
    scripts = {script.name: script for script in entry_points(group="console_scripts")}
    return sorted(name for name in {*executables} & scripts.keys() if _uses_kit(scripts[name]))


def _uses_kit(script: EntryPoint) -> bool:
    needed = (script.dist and script.dist.requires) or ()
    return any(line.startswith("signalroom-singer") for line in needed)
