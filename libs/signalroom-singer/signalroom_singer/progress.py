"""How far long work is: a line every ten seconds, and none for what takes less."""

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
    """Some work, and how much of it is done.

    Args:
        subject: What is worked on: a stream.
        logger: Where to report.
        verb: What is done to its rows.
        unit: What its parts are, where their number is known: days, files. Nothing if they are
            the rows.
        total: How many parts there are.
        done: How many of them are done.
        rows: How many rows are.
    """

    subject: str
    logger: logging.Logger
    verb: str = "read"
    unit: str = ""
    total: float = 0
    done: float = 0
    rows: int = 0

    def expect(self, parts: float, unit: str) -> None:
        """Note that there are parts to come.

        Args:
            parts: How many parts.
            unit: What they are.
        """
        self.total += parts
        self.unit = unit

    def describe(self, seconds: float) -> str:
        """Put it into words.

        Args:
            seconds: Since when it is under way.

        Returns:
            A line.
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
    """A time in a unit that a person would choose.

    Args:
        seconds: The time to describe.

    Returns:
        It, with its unit.
    """
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"


@dataclass
class Reporter:
    """Reports on what is under way.

    Args:
        clock: A monotonic clock, in seconds.
    """

    clock: Callable[[], float] = time.monotonic
    # What is under way: since when, and when it was reported last.
    _running: dict[int, tuple[Progress, float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def on(self, progress: Progress) -> Iterator[Progress]:
        """Report on some work until it is done.

        Args:
            progress: The work to report on.

        Yields:
            The same.
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
        """Report on what was not reported for ten seconds."""
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
        """Report from now on, in a thread: the work itself may wait for an answer for long."""

        def run() -> None:
            # An event that nobody sets: what tests make of `time.sleep` is not meant for this.
            never = threading.Event()
            while not never.wait(_POLL_SECONDS):
                self.tick()

        threading.Thread(target=run, name="progress", daemon=True).start()


#: Of this process.
REPORTER = Reporter()
