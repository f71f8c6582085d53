"""The runs of schedules, each a process of its own, a few at once."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signalroom_cli.folders import read_project_file
from signalroom_cli.output import print_lines
from signalroom_cli.preload.programs import Preloader, PreloadError, Program, preloadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class SchedulesError(Exception):
    """The schedules cannot be read; the message says why."""


class _Servers:
    """The server of runs, and that of the taps and the loader which these start."""

    def __init__(self, folder: Path) -> None:
        self._plugins = Preloader(preloadable(_executables(folder)), folder)
        try:
            self._runs = Preloader(["signalroom", "meltano"], folder)
        except PreloadError:
            self._plugins.close()
            raise

    def is_current(self) -> bool:
        return self._runs.is_current() and self._plugins.is_current()

    def start(self, program: str, arguments: list[str], output: int) -> Program:
        path = os.pathsep.join([str(self._plugins.folder), os.environ.get("PATH", os.defpath)])
        with Path(os.devnull).open() as nothing:
            standard = (nothing.fileno(), output, 2)
            return self._runs.start(program, arguments, os.environ | {"PATH": path}, standard)

    def create_database(self) -> None:
        """Let Meltano create its database, which concurrent runs would all try to do."""
        with Path(os.devnull).open("w") as nothing:
            self.start("meltano", ["--log-level=warning", "state", "list"], nothing.fileno()).wait()

    def close(self) -> None:
        """Wait for all runs, and end both servers."""
        self._runs.close()
        self._plugins.close()


class Runs:
    """Runs schedules of a project, whose folder is the current one."""

    def __init__(self, concurrency: int) -> None:
        """Start the servers.

        Args:
            concurrency: How many runs there are at once.

        Raises:
            PreloadError: If Meltano, a tap or the loader cannot be imported.
        """
        self._folder = Path.cwd()
        self._servers = _Servers(self._folder)
        self._servers.create_database()
        self._workers = ThreadPoolExecutor(concurrency)
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._programs: dict[str, Program] = {}
        self._closing: list[threading.Thread] = []
        self._schedules: list[dict[str, Any]] = []
        self._files: dict[Path, int] = {}
        self._is_stopped = False
        self.failures: set[str] = set()

    def schedules(self) -> list[dict[str, Any]]:
        """The schedules as `signalroom schedules` lists them, read again if a file has changed.

        Raises:
            SchedulesError: If they cannot be read.
        """
        files = dict(_project_files(self._folder))
        if files != self._files:
            reader, writer = os.pipe()
            try:
                program = self._servers.start("signalroom", ["schedules"], writer)
            finally:
                os.close(writer)
            with os.fdopen(reader) as output:
                text = output.read()
            program.wait()
            try:
                self._schedules = json.loads(text)["schedules"]
            except ValueError:
                msg = "The schedules cannot be read; the reason is above."
                raise SchedulesError(msg) from None
            self._files = files
        return self._schedules

    def replace_changed_servers(self) -> None:
        """Start new servers if code or ``meltano.yml`` has changed.

        Runs go on with the code with which they began.

        Raises:
            PreloadError: If a program cannot be imported; then the earlier servers stay.
        """
        if self._servers.is_current():
            return
        old, self._servers = self._servers, _Servers(self._folder)
        thread = threading.Thread(target=old.close)
        thread.start()
        self._closing.append(thread)

    def submit(self, names: Iterable[str]) -> None:
        """Run schedules as soon as earlier runs end; those that wait or run already are skipped.

        Args:
            names: The names of schedules.
        """
        for name in names:
            with self._lock:
                if name in self._waiting or name in self._programs:
                    print_lines(f"{name}: skipped, as it has not ended yet")
                    continue
                self._waiting.add(name)
            self._workers.submit(self._run, name)

    def wait(self) -> None:
        """Wait until all runs have ended, and end the servers."""
        self._workers.shutdown()
        self._servers.close()
        for thread in self._closing:
            thread.join()

    def stop(self) -> None:
        """Start no more runs, and terminate those that there are; `wait` waits for their ends."""
        with self._lock:
            self._is_stopped = True
            programs = [*self._programs.values()]
        for program in programs:
            program.terminate()

    def _run(self, name: str) -> None:
        with self._lock:
            self._waiting.discard(name)
            if self._is_stopped:
                return
            began = time.monotonic()
            try:
                program = self._servers.start("signalroom", ["run", f"--schedule={name}"], 1)
            except OSError as error:
                self.failures.add(name)
                print_lines(f"{name}: not started: {error}")
                return
            self._programs[name] = program
        print_lines(f"{name}: started")
        code = program.wait()
        with self._lock:
            del self._programs[name]
            if code:
                self.failures.add(name)
        outcome = "the process that started it was killed" if code is None else f"ended with {code}"
        print_lines(f"{name}: {outcome} after {time.monotonic() - began:.0f} s")


def _executables(folder: Path) -> Iterator[str]:
    """The executables of the project's plugins, as far as ``meltano.yml`` names them."""
    plugins = read_project_file(folder / "meltano.yml").get("plugins") or {}
    for group in plugins.values():
        yield from (str(plugin.get("executable", plugin["name"])) for plugin in group or ())


def _project_files(folder: Path) -> Iterator[tuple[Path, int]]:
    """The files that declare schedules, with the times of their last changes."""
    main = folder / "meltano.yml"
    changed = main.stat().st_mtime_ns
    yield main, changed
    for pattern in _include_paths(main, changed):
        yield from ((path, path.stat().st_mtime_ns) for path in folder.glob(pattern))


@lru_cache(1)
def _include_paths(path: Path, _changed: int) -> tuple[str, ...]:
    return (*(read_project_file(path).get("include_paths") or ()),)
