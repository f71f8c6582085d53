"""Reports the progress of long work every ten seconds."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

_EVERY_SECONDS = 10.0
_POLL_SECONDS = 1.0
_MINUTE = 60
_HOUR = 3600


@dataclass
class Progress:
    """The progress of some work.

    Args:
        subject: What is worked on, such as the name of a stream.
        logger: The logger that progress is reported to.
        verb: What is done to the rows: ``read``, ``loaded``.
        unit: The unit of the parts, such as days or files; empty if the parts are rows.
        total: The number of parts; 0 if it is not known.
        done: The number of parts that are done.
        rows: The number of rows that are done.
    """

    subject: str
    logger: logging.Logger
    verb: str = "read"
    unit: str = ""
    total: float = 0
    done: float = 0
    rows: int = 0

    def expect(self, parts: float, unit: str) -> None:
        """Add parts to the total.

        Args:
            parts: How many parts.
            unit: The unit of the parts.
        """
        self.total += parts
        self.unit = unit

    def describe(self, seconds: float) -> str:
        """Format the progress for the log.

        Args:
            seconds: The time since the work began.
        """
        done, rows = self.done, f"{self.rows:,}"
        parts = ""
        if self.total and self.unit:
            parts = f"{done:,.0f} of {self.total:,.0f} {self.unit}, "
        elif self.total:
            done, rows = self.rows, f"{rows} of {self.total:,.0f}"
        text = f"{self.subject}: {parts}{rows} rows {self.verb} in {duration(seconds)}"
        if 0 < done < self.total:
            text += f", about {duration(seconds / done * (self.total - done))} left"
        return text


def duration(seconds: float) -> str:
    """Format a time with a readable unit.

    Args:
        seconds: The time to describe.

    Returns:
        The time, such as ``95 s``, ``12 min`` or ``2.5 h``.
    """
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"


@dataclass
class Reporter:
    """Reports on all work in progress.

    Args:
        clock: A monotonic clock, in seconds.
    """

    clock: Callable[[], float] = time.monotonic
    # Work in progress, with its start and the time of the last report.
    _running: dict[int, tuple[Progress, float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def on(self, progress: Progress) -> Iterator[Progress]:
        """Report on some work until it is done.

        Args:
            progress: The work to report on.

        Yields:
            The same object.
        """
        now = self.clock()
        with self._lock:
            self._running[id(progress)] = progress, now, now
        try:
            yield progress
        finally:
            with self._lock:
                self._running.pop(id(progress), None)

    def tick(self) -> None:
        """Report on all work without a report in the last ten seconds."""
        now = self.clock()
        with self._lock:
            due = {
                key: entry
                for key, entry in self._running.items()
                if now - entry[2] >= _EVERY_SECONDS
            }
            self._running |= {key: (entry, began, now) for key, (entry, began, _) in due.items()}
        for progress, began, _ in due.values():
            progress.logger.info("%s", progress.describe(now - began))

    def start(self) -> None:
        """Report from now on, in a thread: the work itself may wait for a response."""

        def run() -> None:
            # An event that is never set, as tests replace `time.sleep`.
            never = threading.Event()
            while True:
                never.wait(_POLL_SECONDS)
                self.tick()

        threading.Thread(target=run, name="progress", daemon=True).start()


#: The reporter of this process.
REPORTER = Reporter()
