"""Counts events that share their id with another event, in little memory."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

#: How many events are compared with each other; each takes 16 bytes.
_BLOCK = 1 << 20
#: They are counted in parts, as sets need ten times that.
_PARTS = 256


class SharedIds:
    """Counts events that have their id in common with another one.

    It stores two hashes of 64 bits for each event. After 1,048,576 events it counts these and
    begins again, so that from there on ``count`` is a lower bound.
    """

    def __init__(self) -> None:
        """Begin with no events."""
        self.events = 0
        self._uncounted = 0
        self._shared = 0
        self._parts = [(array("q"), array("q")) for _ in range(_PARTS)]

    @property
    def is_lower_bound(self) -> bool:
        """Whether there may be more than were counted."""
        return self.events > _BLOCK

    def add(self, identifier: Hashable, identity: Hashable) -> None:
        """Add an event.

        Args:
            identifier: What the primary key identifies it by.
            identity: Everything that tells it apart; the same for two copies of one event.
        """
        if self._uncounted == _BLOCK:
            self._count_block()
        id_hash = hash(identifier)
        id_hashes, identity_hashes = self._parts[id_hash % _PARTS]
        id_hashes.append(id_hash)
        identity_hashes.append(hash(identity))
        self.events += 1
        self._uncounted += 1

    def count(self) -> int:
        """How many events only differ from another one by their identity, not by their id."""
        self._count_block()
        return self._shared

    def _count_block(self) -> None:
        for id_hashes, identity_hashes in self._parts:
            self._shared += len({*identity_hashes}) - len({*id_hashes})
            del id_hashes[:], identity_hashes[:]
        self._uncounted = 0
