"""How many events one key takes for one, counted in little memory."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

#: So many events are held against each other, 16 bytes each.
_BLOCK = 1 << 20
#: They are counted in parts, as sets need ten times that.
_PARTS = 256


class SharedIds:
    """Counts events that have their id in common with another one.

    Of each it keeps two hashes of 64 bits. After 1,048,576 events it counts these and begins
    again, so that from there on ``count`` is the least that there are.
    """

    def __init__(self) -> None:
        """Begin with no events."""
        self.events = 0
        self._waiting = 0
        self._shared = 0
        self._parts = [(array("q"), array("q")) for _ in range(_PARTS)]

    @property
    def is_least(self) -> bool:
        """Whether there may be more than were counted."""
        return self.events > _BLOCK

    def add(self, identifier: Hashable, identity: Hashable) -> None:
        """Take an event.

        Args:
            identifier: What the key takes it by.
            identity: All that tells it apart; the same for two copies of one event.
        """
        if self._waiting == _BLOCK:
            self._count_block()
        one = hash(identifier)
        ids, identities = self._parts[one % _PARTS]
        ids.append(one)
        identities.append(hash(identity))
        self.events += 1
        self._waiting += 1

    def count(self) -> int:
        """How many events are not to be told from another by their id, but by their identity."""
        self._count_block()
        return self._shared

    def _count_block(self) -> None:
        for ids, identities in self._parts:
            self._shared += len({*identities}) - len({*ids})
            del ids[:], identities[:]
        self._waiting = 0
