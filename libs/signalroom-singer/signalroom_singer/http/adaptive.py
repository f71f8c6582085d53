"""How much to request at once, adapted to what the vendor can handle."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Generic, TypeVar

_Size = TypeVar("_Size", int, timedelta)


class AdaptiveLimit(Generic[_Size]):
    """A number of rows, or a length of time, to request: less after a failure, then more again.

    Use one for all threads of a stream: what was too much for one page is for the next.

    Args:
        largest: The most to request, and what is requested first.
        smallest: The least to request.
        divisor: What the limit is divided by after a failure.
        factor: By what the limit is multiplied after enough successes.
        successes: How many requests in a row must succeed before more is requested.
    """

    def __init__(
        self,
        largest: _Size,
        *,
        smallest: _Size,
        divisor: int = 4,
        factor: int = 2,
        successes: int = 20,
    ) -> None:
        self._largest: _Size = largest
        self._smallest: _Size = min(smallest, largest)
        self._divisor = divisor
        self._factor = factor
        self._successes_needed = successes
        self._successes = 0
        self._value: _Size = largest
        self._lock = threading.Lock()

    @property
    def value(self) -> _Size:
        """How much to request now."""
        return self._value

    @property
    def is_smallest(self) -> bool:
        """Whether less cannot be requested."""
        return self._value <= self._smallest

    def shrink(self, requested: _Size | None = None) -> None:
        """Note that a request was too large.

        Args:
            requested: How much it requested, where that was not the limit.
        """
        with self._lock:
            self._successes = 0
            size = self._value if requested is None else requested
            self._value = max(self._smallest, size // self._divisor)

    def note_success(self) -> None:
        """Note that a request of this size succeeded."""
        with self._lock:
            self._successes += 1
            if self._successes >= self._successes_needed:
                self._grow()

    def grow(self) -> None:
        """Request more from now on, as there is a sign that it is not too much."""
        with self._lock:
            self._grow()

    def _grow(self) -> None:
        self._successes = 0
        self._value = min(self._largest, self._value * self._factor)
