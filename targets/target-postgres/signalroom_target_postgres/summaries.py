"""A log line for each stream, once it is done: its counts, and how long it took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from signalroom_target_postgres.state import bookmarks

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Sequence

    from signalroom_target_postgres.sink import PostgresSink

#: A tap that has left a stream for another one may come back to it.
_IDLE_SECONDS = 5.0
_LOOK_SECONDS = 1.0


@dataclass
class _Progress:
    """What was read of a stream, and reported of it."""

    started_at: float
    #: When its last message came.
    last_seen_at: float
    #: Records up to then.
    records: int = 0
    #: Whether the tap went on with another stream.
    is_left: bool = False
    #: The records that were reported; None if it was not reported yet.
    reported: int | None = None
    #: How long it was loaded for until then.
    load_seconds: float = 0.0

    @property
    def has_news(self) -> bool:
        """Whether there is something to report."""
        return self.reported != self.records

    def is_idle(self, now: float) -> bool:
        """Whether the stream seems to be done, and has not been reported since."""
        return self.is_left and self.has_news and now - self.last_seen_at >= _IDLE_SECONDS


class Summaries:
    """Logs the counts of each stream.

    Nothing in Singer says that a stream is done. It counts as done once the tap has sent nothing of
    it for some seconds while it sends other streams, and at the end of the input. If more of it
    comes later, another line has the new totals.

    Args:
        logger: The logger for the lines.
        clock: Returns the time in seconds.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._streams: dict[str, _Progress] = {}
        self._looked_at = 0.0

    def begin(self, name: str, others: Iterable[PostgresSink]) -> None:
        """Note that a stream begins: its schema has come."""
        now = self._clock()
        self._update(others, now)
        self._leave_all(now)
        self._streams.setdefault(name, _Progress(now, now)).is_left = False

    def look(self, sinks: Iterable[PostgresSink], state: str | None) -> list[PostgresSink]:
        """Report the streams that are done.

        Args:
            sinks: All sinks of the run.
            state: The last state that was emitted.

        Returns:
            The sinks of streams that would be done if they were loaded.
        """
        now = self._clock()
        if now - self._looked_at < _LOOK_SECONDS:
            return []
        self._looked_at = now
        sinks = [*sinks]
        self._update(sinks, now)
        idle = [sink for sink in sinks if self._streams[sink.stream_name].is_idle(now)]
        self._report([sink for sink in idle if sink.is_settled], state)
        return [sink for sink in idle if sink.current_size]

    def finish(self, sinks: Iterable[PostgresSink], state: str | None) -> None:
        """Report what was not reported yet: the run ends."""
        sinks = [*sinks]
        now = self._clock()
        self._update(sinks, now)
        self._leave_all(now)
        self._report([sink for sink in sinks if self._streams[sink.stream_name].has_news], state)

    def _leave_all(self, now: float) -> None:
        """Note that the tap has left the streams that it was reading."""
        for stream in self._streams.values():
            if not stream.is_left:
                stream.last_seen_at, stream.is_left = now, True

    def _update(self, sinks: Iterable[PostgresSink], now: float) -> None:
        """Note of which streams there are more records than at the last look."""
        grown = set()
        for sink in sinks:
            stream = self._streams[sink.stream_name]
            if stream.records != sink.records_read:
                grown.add(sink.stream_name)
                stream.records, stream.last_seen_at = sink.records_read, now
                stream.load_seconds = sink.counts.seconds
        if grown:
            for name, stream in self._streams.items():
                stream.is_left = name not in grown

    def _report(self, sinks: Sequence[PostgresSink], state: str | None) -> None:
        reached = bookmarks(state) if sinks else {}
        for sink in sinks:
            name = sink.stream_name
            stream = self._streams[name]
            stream.reported = stream.records
            read_seconds = stream.last_seen_at - stream.started_at
            seconds = read_seconds + sink.counts.seconds - stream.load_seconds
            bookmark = f", up to {reached[name]}" if reached.get(name) else ""
            self._logger.info("%s: %s in %.1f s%s", name, sink.counts.describe(), seconds, bookmark)
