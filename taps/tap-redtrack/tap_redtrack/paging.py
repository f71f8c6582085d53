"""Pages that cannot be trusted: RedTrack clamps sizes, changes the order, and repeats pages."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from signalroom_singer import TapError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Hashable, Iterator

    from tap_redtrack.client import Page

#: Sizes that a server may use in place of the requested one: as many rows do not prove the end.
_USUAL_SIZES = frozenset({10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000})
_SCANS = 5


class PagingError(TapError):
    """The pages of a list do not make up the complete list."""


def may_be_cut(rows: int, size: int) -> bool:
    """Whether a page may be full, so that another one follows.

    Args:
        rows: How many rows the page has.
        size: The requested page size, or the server's clamp if that is less.
    """
    return rows >= size or rows in _USUAL_SIZES


class StablePager:
    """Reads pages until all rows have been seen, and yields each row once.

    A row that moves to another page during a scan comes twice, and another one not at all. So
    where a row came twice, or fewer came than RedTrack counts, all pages are read again, until a
    scan shows nothing new.

    Args:
        request_page: Requests a page by its number, counted from 1.
        key: A function that returns what tells a row apart from others.
        size: The requested page size.
        label: The name of the list, for messages.
        logger: Where to report a total that does not fit.
    """

    def __init__(
        self,
        request_page: Callable[[int], Page],
        key: Callable[[dict[str, Any]], Hashable],
        *,
        size: int,
        label: str,
        logger: logging.Logger,
    ) -> None:
        self._request_page = request_page
        self._key = key
        self._size = size
        self._label = label
        self._logger = logger
        self._seen_keys: set[Hashable] = set()
        # Of the current scan:
        self._rows = 0
        self._keys: set[Hashable] = set()
        self._total: int | None = None
        self._is_stuck = False

    def __iter__(self) -> Iterator[list[Any]]:
        for scan in range(_SCANS):
            known = len(self._seen_keys)
            for rows in self._scan():
                new_rows = {
                    key: row for row in rows if (key := self._key(row)) not in self._seen_keys
                }
                self._seen_keys.update(new_rows)
                if new_rows:
                    yield list(new_rows.values())
            if self._is_complete(known, repeated=scan > 0):
                return
        msg = (
            f"{self._label}: the pages had different rows each of {_SCANS} times. Nothing was "
            "bookmarked; run again when less is being changed in RedTrack."
        )
        raise PagingError(msg)

    def _scan(self) -> Iterator[list[Any]]:
        """Read all pages once."""
        self._rows, self._keys, self._is_stuck = 0, set(), False
        for number in count(1):
            page = self._request_page(number)
            self._total = page.total
            if not page.rows:
                return
            new_keys = {self._key(row) for row in page.rows} - self._keys
            if not new_keys:
                self._is_stuck = True
                return
            self._keys |= new_keys
            self._rows += len(page.rows)
            yield page.rows
            may_be_last = not may_be_cut(len(page.rows), self._size)
            if may_be_last and self._rows >= (page.total or 0):
                return

    def _is_complete(self, known: int, *, repeated: bool) -> bool:
        """Whether the scan shows that all rows have been seen.

        Args:
            known: How many rows were known before the scan.
            repeated: Whether it was not the first scan.

        Raises:
            PagingError: If RedTrack repeats a page, and more rows must follow.
        """
        seen_count = len(self._seen_keys)
        has_enough = seen_count >= (self._total or 0)
        has_moved = self._rows > len(self._keys)
        if not self._is_stuck and not has_moved and len(self._keys) == seen_count and has_enough:
            return True
        if not repeated or seen_count > known:
            return False
        if self._is_stuck and (seen_count >= self._size or not has_enough):
            msg = (
                f"{self._label}: RedTrack repeats a page in place of the next: the rest cannot be "
                "read. Nothing was bookmarked. Read fewer rows at once: with the settings "
                "campaign_ids, source_ids or offer_ids, or a larger page_size."
            )
            raise PagingError(msg)
        if has_moved and not has_enough:
            return False
        if not has_enough:
            # Two scans to the end, in one order, with the same rows.
            self._logger.warning(
                "%s: RedTrack reported %d rows but returned %d, twice the same",
                *(self._label, self._total, seen_count),
            )
        return True
