"""A line for each stream, once it is done: what became of its records, and how long it took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signalroom_target_postgres.state import bookmarks

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from signalroom_target_postgres.sink import PostgresSink

#: Of a stream that the tap has left for another one; some go back and forth between streams.
_IDLE_SECONDS = 5.0
_LOOK_SECONDS = 1.0


@dataclass
class _Stream:
    """When a stream was read."""

    began: float
    #: When its last message was seen.
    last: float
    #: Records up to then.
    seen: int = 0
    #: Whether the tap went on with another stream.
    left: bool = False
    #: The records of which it was said what became of them; none was said yet without.
    said: int | None = None
    #: Seconds that it was loaded for until then.
    loaded: float = 0.0


class Summaries:
    """Says of each stream what became of its records.

    Nothing in Singer says that a stream is done. It is taken to be when the tap has sent nothing
    of it for some seconds and sends others meanwhile, and at the end of the input. Should more of
    it come later, there is another line, with all that came.

    Args:
        logger: Where to.
        clock: Gives seconds.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._streams: dict[str, _Stream] = {}
        self._looked = 0.0
        self._state: tuple[str | None, dict[str, Any]] = (None, {})

    def begin(self, name: str, others: Iterable[PostgresSink]) -> None:
        """Note that a stream begins: its schema has come.

        Args:
            name: The stream.
            others: The sinks so far.
        """
        now = self._clock()
        self._see(others, now)
        self._end(now)
        if name in self._streams:
            self._streams[name].left = False
        else:
            self._streams[name] = _Stream(now, now)

    def look(self, sinks: Iterable[PostgresSink], state: str | None) -> list[PostgresSink]:
        """Report the streams that are done.

        Args:
            sinks: All of the run.
            state: The last state that was passed on.

        Returns:
            Those that would be done if they were loaded.
        """
        now = self._clock()
        if now - self._looked < _LOOK_SECONDS:
            return []
        self._looked = now
        sinks = [*sinks]
        self._see(sinks, now)
        idle = [
            sink
            for sink in sinks
            if (one := self._streams.get(sink.stream_name))
            and one.left
            and now - one.last >= _IDLE_SECONDS
            and one.said != one.seen
        ]
        self._report([sink for sink in idle if sink.is_settled], state)
        return [sink for sink in idle if sink.current_size]

    def finish(self, sinks: Iterable[PostgresSink], state: str | None) -> None:
        """Report what was not reported yet: the run ends.

        Args:
            sinks: All of the run.
            state: The last state that was passed on.
        """
        sinks = [*sinks]
        now = self._clock()
        self._see(sinks, now)
        self._end(now)
        left = [one for one in sinks if one.stream_name in self._streams]
        self._report([one for one in left if self._is_unsaid(one)], state)

    def _end(self, now: float) -> None:
        """Note that the tap has left the streams that it was at."""
        for one in self._streams.values():
            if not one.left:
                one.last, one.left = now, True

    def _is_unsaid(self, sink: PostgresSink) -> bool:
        one = self._streams[sink.stream_name]
        return one.said != one.seen

    def _see(self, sinks: Iterable[PostgresSink], now: float) -> None:
        """Note of which streams there are more records than at the last look."""
        sinks = [sink for sink in sinks if sink.stream_name in self._streams]
        grown = [
            sink for sink in sinks if self._streams[sink.stream_name].seen != sink.records_read
        ]
        for sink in grown:
            one = self._streams[sink.stream_name]
            one.seen, one.last, one.loaded = sink.records_read, now, sink.load_seconds
        if not grown:
            return
        names = {sink.stream_name for sink in grown}
        for name, one in self._streams.items():
            one.left = name not in names

    def _report(self, sinks: Iterable[PostgresSink], state: str | None) -> None:
        for sink in sinks:
            name = sink.stream_name
            one = self._streams[name]
            one.said = one.seen
            counts = sink.counts
            seconds = one.last - one.began + sink.load_seconds - one.loaded
            reached = self._bookmark(name, state)
            self._logger.info(
                "%s: %s in %.1f s%s",
                *(name, counts.describe(), seconds, f", up to {reached}" if reached else ""),
            )

    def _bookmark(self, stream: str, state: str | None) -> str:
        if state != self._state[0]:
            self._state = (state, bookmarks(state))
        return str(self._state[1].get(stream) or "")
