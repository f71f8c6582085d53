"""Pages that cannot be trusted: sizes are clamped, orders change, pages come twice."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from signalroom_singer import TapError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Hashable, Iterator

    from tap_redtrack.client import Answer

#: Sizes that a server may put in place of the one asked for. As many rows are no proof of the end.
_USUAL_SIZES = frozenset({10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000})
_SWEEPS = 5


class PagingError(TapError):
    """The pages of a list do not make a whole."""


def may_be_cut(rows: int, size: int) -> bool:
    """Whether so many rows may be a full page, and more to come.

    Args:
        rows: How many came.
        size: How many were asked for, or the clamp if that is less.
    """
    return rows >= size or rows in _USUAL_SIZES


class Pages:
    """Reads pages until they are all there, and gives each row once.

    A row that moves to another page while pages are read comes twice, and another not at all.
    So where one came twice, or fewer came than RedTrack counts, all pages are read again, until
    that shows nothing new.
    """

    def __init__(
        self,
        ask: Callable[[int], Answer],
        key: Callable[[dict[str, Any]], Hashable],
        *,
        size: int,
        what: str,
        logger: logging.Logger,
    ) -> None:
        """Prepare.

        Args:
            ask: Gives a page by its number, from 1.
            key: What tells rows apart.
            size: Rows asked for.
            what: What this is, for messages.
            logger: Where to say what is odd.
        """
        self._ask = ask
        self._key = key
        self._size = size
        self._what = what
        self._logger = logger
        self._seen: set[Hashable] = set()
        # Of the sweep that is going on:
        self._came = 0
        self._keys: set[Hashable] = set()
        self._total: int | None = None
        self._stuck = False

    def __iter__(self) -> Iterator[list[Any]]:
        for sweep in range(_SWEEPS):
            known = len(self._seen)
            self._came, self._keys = 0, set()
            for rows in self._sweep():
                fresh = {key: row for row in rows if (key := self._key(row)) not in self._seen}
                self._seen.update(fresh)
                if fresh:
                    yield list(fresh.values())
            if self._is_all(known, again=sweep > 0):
                return
        msg = (
            f"{self._what}: the pages showed other rows each of {_SWEEPS} times. Nothing was "
            "bookmarked; run again when less is being changed in RedTrack."
        )
        raise PagingError(msg)

    def _sweep(self) -> Iterator[list[Any]]:
        """All pages once."""
        self._stuck = False
        for page in count(1):
            answer = self._ask(page)
            self._total = answer.total
            if not answer.rows:
                return
            new = {self._key(row) for row in answer.rows} - self._keys
            if not new:
                self._stuck = True
                return
            self._keys |= new
            self._came += len(answer.rows)
            yield answer.rows
            ended = not may_be_cut(len(answer.rows), self._size)
            if ended and self._came >= (answer.total or 0):
                return

    def _is_all(self, known: int, *, again: bool) -> bool:
        """Whether the sweep showed everything there is.

        Args:
            known: Rows that were known before it.
            again: Whether there was a sweep before it.

        Raises:
            PagingError: If the pages do not go on, and there are more.
        """
        found = len(self._seen)
        enough = found >= (self._total or 0)
        moved = self._came > len(self._keys)
        if not self._stuck and not moved and len(self._keys) == found and enough:
            return True
        if not again or found > known:
            return False
        if self._stuck and (found >= self._size or not enough):
            msg = (
                f"{self._what}: RedTrack repeats a page in place of the next: the rest cannot be "
                "read. Nothing was bookmarked. Read fewer rows at once: with the settings "
                "campaign_ids, source_ids or offer_ids, or a larger page_size."
            )
            raise PagingError(msg)
        if moved and not enough:
            return False
        if not enough:
            # Read to the end twice, in one order, and the same rows.
            self._logger.warning(
                "%s: RedTrack counts %d rows and gave %d, twice the same",
                self._what,
                self._total,
                found,
            )
        return True
