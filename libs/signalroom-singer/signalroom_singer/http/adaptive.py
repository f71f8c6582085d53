"""How much to request at once, as the vendor can bear it."""

from __future__ import annotations

import threading


class AdaptiveLimit:
    """A number of rows (or the like) to request: less after a failure, more after successes.

    Use one for all threads of a stream: what was too much for one page is for the next.

    Args:
        largest: The most to request, and what is requested first.
        smallest: The least to request.
        divisor: By what the limit is divided after a failure.
        factor: By what the limit is multiplied after enough successes.
        successes: How many requests in a row must succeed before more is requested.
    """

    def __init__(
        self,
        largest: int,
        *,
        smallest: int = 1,
        divisor: int = 4,
        factor: int = 2,
        successes: int = 20,
    ) -> None:
        self._largest = largest
        self._smallest = min(smallest, largest)
        self._divisor = divisor
        self._factor = factor
        self._successes_needed = successes
        self._successes = 0
        self._value = largest
        self._lock = threading.Lock()

    @property
    def value(self) -> int:
        """How much to request now."""
        return self._value

    @property
    def is_smallest(self) -> bool:
        """Whether less cannot be requested."""
        return self._value <= self._smallest

    def shrink(self) -> None:
        """Note that a request of this size was too large."""
        with self._lock:
            self._successes = 0
            self._value = max(self._smallest, self._value // self._divisor)

    def note_success(self) -> None:
        """Note that a request of this size succeeded."""
        with self._lock:
            self._successes += 1
            if self._successes % self._successes_needed == 0:
                self._value = min(self._largest, self._value * self._factor)
