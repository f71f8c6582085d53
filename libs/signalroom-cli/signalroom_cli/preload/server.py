"""Imports programs once, and forks a process for each start that `launcher` requests.

    python -m signalroom_cli.preload.server FOLDER PROGRAM...

``FOLDER/server`` is the socket. A connection brings the program's name, arguments, folder and
environment in JSON, and its standard input, output and error as descriptors. The answer is two
lines: the process id, and once the process has ended its exit code, negative for a signal. If the
connection is closed earlier, the process is killed, as with a launcher that was killed. A
connection with ``{"check": true}`` is answered by ``current`` or ``changed``: whether the imported
files are still what they were.

The loop has one thread: a fork copies only the thread that forks, and locks of others would stay
locked.
"""

from __future__ import annotations

import atexit
import gc
import json
import logging
import os
import random
import selectors
import signal
import socket
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: By program, what it imports while it runs, besides all modules of its own package.
_LATER = {
    "signalroom": (
        *("meltano.cli", "alembic.command", "anyio._backends._asyncio", "anyio._core._fileio"),
        *("sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite"),
        *("signalroom_cli.run", "signalroom_cli.schedules"),
    ),
    "signalroom-target-postgres": (
        *("pyarrow.acero", "pyarrow.compute", "pyarrow.parquet"),
        "sqlalchemy.dialects.postgresql.psycopg",
    ),
}
#: Most of their modules are commands that the server does not start.
_WITH_COMMANDS = {"meltano", "signalroom"}
#: A connection that sends nothing for so long is closed.
_REQUEST_SECONDS = 10
_LENGTH_BYTES = 4
_SIGNALS = 1024
_WARNING_ACTIONS = {"default", "error", "ignore", "always", "module", "once"}


class Server:
    """Forks processes, and tells whoever requested them how they end.

    Attributes:
        mains: By program, what its executable calls.
        exit_codes: In a forked process, the code that its program has exited with.
    """

    def __init__(self, listener: socket.socket, mains: dict[str, Callable[[], Any]]) -> None:
        """Prepare to serve.

        Args:
            listener: A socket that listens.
            mains: By program, what its executable calls.
        """
        self.mains = mains
        self.exit_codes: list[Any] = []
        self._listener = listener
        self._files = dict(_file_times())
        self._connections: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._ended, self._wakeup = socket.socketpair()

    def serve(self) -> None:
        """Serve until the process is terminated, and all processes that it has forked have ended.

        In a forked process this returns by the exception with which its program ends.
        """
        for each in (self._ended, self._wakeup):
            each.setblocking(False)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda number, _: self._stop(number))
        self._selector.register(
            self._ended, selectors.EVENT_READ, lambda ended: ended.recv(_SIGNALS)
        )
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        # Its end is that of the process that started the server, however that ends.
        self._selector.register(sys.stdin, selectors.EVENT_READ, self._end_with_parent)
        while self._connections or self._listener.fileno() >= 0:
            for key, _ in self._selector.select():
                key.data(key.fileobj)
            self._report_ends()

    def _stop(self, number: int) -> None:
        if number == signal.SIGTERM and self._listener.fileno() >= 0:
            self._selector.unregister(self._listener)
            self._listener.close()

    def _end_with_parent(self, standard_input: TextIO) -> None:
        self._selector.unregister(standard_input)
        self._stop(signal.SIGTERM)

    def _accept(self, listener: socket.socket) -> None:
        if listener.fileno() < 0:
            return
        connection, _ = listener.accept()
        connection.settimeout(_REQUEST_SECONDS)
        try:
            request, descriptors = _receive(connection)
        except (OSError, ValueError):
            connection.close()
            return
        if request.get("check"):
            is_current = dict(_file_times()) == self._files
            with suppress(OSError):
                connection.sendall(b"current\n" if is_current else b"changed\n")
            connection.close()
            return
        self._start(request, connection, descriptors)

    def _start(
        self, request: dict[str, Any], connection: socket.socket, standard: list[int]
    ) -> None:
        pid = os.fork()
        if pid == 0:
            self._forget(connection)
            _become(request, standard)
            self._run(request["program"])
        for descriptor in standard:
            os.close(descriptor)
        self._connections[pid] = connection
        # Whoever closes the connection early has ended: the process ends with it.
        self._selector.register(connection, selectors.EVENT_READ, lambda _: self._kill(pid))
        with suppress(OSError):
            connection.sendall(f"{pid}\n".encode())

    def _kill(self, pid: int) -> None:
        self._selector.unregister(self._connections[pid])
        # Not reaped yet, and so still the process's own id.
        os.kill(pid, signal.SIGKILL)

    def _report_ends(self) -> None:
        for pid in [*self._connections]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            connection = self._connections.pop(pid)
            with suppress(KeyError):
                self._selector.unregister(connection)
            with suppress(OSError):
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            connection.close()

    def _forget(self, connection: socket.socket) -> None:
        """In a forked process, close what belongs to the server."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._selector.close()
        own = (self._listener, self._ended, self._wakeup, connection)
        for each in (*own, *self._connections.values()):
            each.close()

    def _run(self, program: str) -> NoReturn:
        try:
            sys.exit(self.mains[program]())
        except SystemExit as end:
            self.exit_codes.append(end.code)
            raise

    def end_without_freeing(self) -> None:
        """End a forked process before Python frees all that the server has imported.

        To free memory is to write to it, which copies what forks share: 0.15 CPU seconds.
        """
        if not self.exit_codes or not isinstance(self.exit_codes[0], int | None):
            return
        # Registered by an import, and so called later than this.
        logging.shutdown()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # Python reports it, and exits with another code
        os._exit(self.exit_codes[0] or 0)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Read a request: its length, with the descriptors, and JSON."""
    header, descriptors, *_ = socket.recv_fds(connection, _LENGTH_BYTES, 3)
    try:
        length = int.from_bytes(header, "big")
        with connection.makefile("rb") as stream:
            request: dict[str, Any] = json.loads(stream.read(length))
    except (OSError, ValueError):
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return request, descriptors


def _become(request: dict[str, Any], standard: Iterable[int]) -> None:
    """Be a process of the program, as if it had been started by its executable."""
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    random.seed()
    tempfile.tempdir = None
    for action in os.environ.get("PYTHONWARNINGS", "").split(","):
        if action in _WARNING_ACTIONS:
            warnings.simplefilter(action)  # type: ignore[arg-type]
    sys.argv = [request["program"], *request["arguments"]]


def _preload(programs: Iterable[str]) -> dict[str, Callable[[], Any]]:
    """Import programs, and return what their executables call."""
    scripts = {script.name: script for script in entry_points(group="console_scripts")}
    mains: dict[str, Callable[[], Any]] = {}
    for name in programs:
        script: EntryPoint = scripts[name]
        mains[name] = script.load()
        package = import_module(script.module.partition(".")[0])
        if name not in _WITH_COMMANDS:
            for module in walk_packages(package.__path__, f"{package.__name__}."):
                import_module(module.name)
        for later in _LATER.get(name, ()):
            import_module(later)
    return mains


def _parse_project() -> None:
    """Let Meltano cache the content of ``meltano.yml``; a changed file is parsed again."""
    path = Path("meltano.yml")
    if (yaml := sys.modules.get("meltano.core.yaml")) and path.is_file():
        yaml.load(path)


def _file_times() -> Iterator[tuple[str, int]]:
    """The files of all modules, and ``meltano.yml``, with the times of their last changes."""
    paths = (getattr(module, "__file__", None) for module in [*sys.modules.values()])
    for path in {"meltano.yml", *filter(None, paths)}:
        try:
            yield path, os.stat(path).st_mtime_ns  # noqa: PTH116 - thousands of files
        except OSError:
            yield path, 0


def main() -> None:
    """Run the server."""
    _, folder, *programs = sys.argv
    # A process group of its own: Ctrl-C is for whoever started the server.
    os.setpgid(0, 0)
    gc.disable()
    # Registered first, and so called last.
    ends: list[Callable[[], None]] = []
    atexit.register(lambda: [end() for end in ends])
    listener = socket.socket(socket.AF_UNIX)
    mains = _preload(programs)
    _parse_project()
    gc.freeze()
    gc.enable()
    server = Server(listener, mains)
    ends.append(server.end_without_freeing)
    listener.bind(f"{folder}/server")
    listener.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve()


if __name__ == "__main__":
    main()
