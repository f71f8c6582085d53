"""When a state may be passed on: as soon as everything before it is committed."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class StateQueue:
    """States that wait for the records before them.

    Records and states are counted in the order in which they came. A state may go when no
    stream has an uncommitted record older than it.
    """

    def __init__(self) -> None:
        self._clock = 0
        self._waiting: deque[tuple[int, str]] = deque()
        self._oldest: dict[Hashable, int] = {}

    def record(self, owner: Hashable) -> None:
        """Note that a stream has an uncommitted record.

        Args:
            owner: The stream's sink.
        """
        if owner not in self._oldest:
            self._clock += 1
            self._oldest[owner] = self._clock

    def in_flight(self, owner: Hashable) -> Hashable:
        """Note that all records of a stream so far are about to be committed, together.

        Args:
            owner: The stream's sink.

        Returns:
            What to call `committed` with. Records that come meanwhile are not among them.
        """
        self._clock += 1
        together = (owner, self._clock)
        if owner in self._oldest:
            self._oldest[together] = self._oldest.pop(owner)
        return together

    def committed(self, owner: Hashable) -> None:
        """Note that all records of a stream so far are committed.

        Args:
            owner: The stream's sink, or what `in_flight` gave.
        """
        self._oldest.pop(owner, None)

    def add(self, state: str) -> None:
        """Let a state wait for its turn.

        Args:
            state: Its JSON.
        """
        self._clock += 1
        self._waiting.append((self._clock, state))
        # Where nothing is uncommitted between two, the earlier state can only go together with
        # the later one, so it need not be kept: there are never more than streams, and one.
        kept = [
            earlier
            for earlier, later in pairwise(self._waiting)
            if any(earlier[0] < oldest < later[0] for oldest in self._oldest.values())
        ]
        self._waiting = deque([*kept, self._waiting[-1]])

    def due(self) -> str | None:
        """Take the latest state that may be passed on.

        Returns:
            Its JSON; nothing if none may.
        """
        uncommitted = min(self._oldest.values(), default=self._clock + 1)
        state = None
        while self._waiting and self._waiting[0][0] < uncommitted:
            _, state = self._waiting.popleft()
        return state
