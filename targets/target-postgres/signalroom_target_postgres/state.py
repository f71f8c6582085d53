"""States: one is emitted as soon as all records before it are committed."""

from __future__ import annotations

import sys
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Hashable


class _Bookmark(msgspec.Struct):
    replication_key_value: Any = None


class _State(msgspec.Struct):
    bookmarks: dict[str, _Bookmark]


class StateTracker:
    """Holds back states until the records before them are committed.

    Records and states are numbered in the order in which they came. A state may go when no
    stream has an uncommitted record older than it: after a record of `a`, state 1, a record of
    `b` and state 2, committing `a` releases state 1, and committing `b` state 2.
    """

    def __init__(self) -> None:
        #: The state that was emitted last.
        self.emitted: str | None = None
        self._clock = 0
        self._states: deque[tuple[int, str]] = deque()
        self._oldest: dict[Hashable, int] = {}

    def mark_pending(self, owner: Hashable) -> None:
        """Note that a stream has an uncommitted record.

        Args:
            owner: The stream's name, or another label of its records.
        """
        if owner not in self._oldest:
            self._clock += 1
            self._oldest[owner] = self._clock

    def mark_in_flight(self, owner: Hashable) -> Hashable:
        """Note that all records of a stream so far are about to be committed, together.

        Args:
            owner: The stream's name, as for `mark_pending`.

        Returns:
            The label to call `mark_committed` with. It does not cover records that come later.
        """
        self._clock += 1
        batch = (owner, self._clock)
        if owner in self._oldest:
            self._oldest[batch] = self._oldest.pop(owner)
        return batch

    def mark_committed(self, owner: Hashable) -> None:
        """Note that all records of a stream so far, or of a batch, are committed.

        Args:
            owner: The stream's name, or the label from `mark_in_flight`.
        """
        self._oldest.pop(owner, None)

    def add(self, state: str) -> None:
        """Hold back a state until the records before it are committed."""
        self._clock += 1
        self._states.append((self._clock, state))
        # If nothing between two states is uncommitted, the earlier one can only be emitted together
        # with the later one, so it is dropped: at most one state more than streams is left.
        states = [
            earlier
            for earlier, later in pairwise(self._states)
            if any(earlier[0] < oldest < later[0] for oldest in self._oldest.values())
        ]
        self._states = deque([*states, self._states[-1]])

    def pop_committed(self) -> str | None:
        """Remove the states whose records are all committed.

        Returns:
            The JSON of the latest of them; None if there is none.
        """
        uncommitted = min(self._oldest.values(), default=self._clock + 1)
        state = None
        while self._states and self._states[0][0] < uncommitted:
            _, state = self._states.popleft()
        return state

    def emit(self) -> None:
        """Write the latest state whose records are all committed, if it is a new one."""
        state = self.pop_committed()
        if state is not None and state != self.emitted:
            self.emitted = state
            sys.stdout.write(f"{state}\n")
            sys.stdout.flush()


def bookmarks(state: str | bytes | None) -> dict[str, Any]:
    """Return the values of the replication keys in a state, by stream.

    Args:
        state: The state's JSON; what is not a state of Singer's has no bookmarks.
    """
    try:
        decoded = msgspec.json.decode(state or "", type=_State)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return {name: entry.replication_key_value for name, entry in decoded.bookmarks.items()}
