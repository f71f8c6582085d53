"""Collecting tests has no side effects: a module that has any when it is imported fails.

They would come with each run of any test, in each worker, and before fixtures that undo them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

#: What must not happen, by the interpreter's audit event:
#: https://docs.python.org/3/library/audit_events.html
_REFUSED = {
    "socket.bind": "A server was started",
    "socket.connect": "A server was connected to",
    "socket.getaddrinfo": "The address of a server was looked up",
    "subprocess.Popen": "A process was started",
    "os.exec": "A process was started",
    "os.fork": "A process was started",
    "os.forkpty": "A process was started",
    "os.posix_spawn": "A process was started",
    "os.system": "A process was started",
    "open": "A file was written",
    "os.mkdir": "A folder was created",
    "os.remove": "A file was removed",
    "os.rename": "A file was renamed",
    "os.rmdir": "A folder was removed",
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Folders of caches, which Python, pytest and Hypothesis fill.
_CACHES = {"__pycache__", ".hypothesis", ".pytest_cache"}
#: Programs that only tell something: Python's `platform` starts uname when plumbum is imported, on
#: which copier is built.
_HARMLESS_PROGRAMS = {"uname"}


class _Watch:
    """Refuses side effects while it is active; an audit hook cannot be removed."""

    is_active = False
    is_installed = False

    def install(self):
        if not self.is_installed:
            self.is_installed = True
            sys.addaudithook(self.refuse)

    def refuse(self, event, arguments):
        """Fail if an event is a side effect."""
        if not self.is_active or event not in _REFUSED:
            return
        if event == "open" and not arguments[2] & _WRITES:
            return
        what, *_ = arguments or ("",)
        # A file that is open already has a number: a pipe, or what pytest captures.
        if event == "open" and isinstance(what, int):
            return
        if isinstance(what, str | bytes | os.PathLike) and _is_harmless(what):
            return
        message = f"{_REFUSED[event]} while tests were collected ({what}): do so in a fixture"
        raise AssertionError(message)


def _is_harmless(place):
    """Whether a file or a program may be written or started."""
    path = Path(os.fsdecode(place))
    return (
        path == Path(os.devnull)
        or path.name in _HARMLESS_PROGRAMS
        or not _CACHES.isdisjoint(path.parts)
    )


_watch = _Watch()


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Refuse side effects until all tests are collected."""
    _watch.install()
    before, _watch.is_active = _watch.is_active, True
    try:
        return (yield)
    finally:
        _watch.is_active = before
