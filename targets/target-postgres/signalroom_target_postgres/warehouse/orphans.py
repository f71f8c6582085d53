"""Orphans: rows that were quarantined because the rows that they refer to had not come yet.

They are quarantined in the transaction of their batch, so that states can be emitted and a run that
is killed loses nothing. At the end of the run they are loaded again, and those that the table takes
leave the quarantine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from signalroom_target_postgres.rows.metadata import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from signalroom_target_postgres.messages.rejects import RejectedRecord
    from signalroom_target_postgres.warehouse.outdated_rows import Activation

#: Rows of a stream, and their records as they are in quarantine.
Orphans = tuple[pa.Table, "list[RejectedRecord]"]


class OrphanBuffer:
    """The orphans of a stream, in memory.

    Args:
        max_bytes: How many bytes of them are buffered; others stay in quarantine.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._orphans: list[Orphans] = []

    def __bool__(self) -> bool:
        return bool(self._orphans)

    def add(self, batches: Iterable[Orphans]) -> None:
        """Buffer orphans until the end of the run."""
        size = sum(map(_size, self._orphans))
        for orphans in batches:
            size += _size(orphans)
            if size <= self._max_bytes:
                self._orphans.append(orphans)

    def drain(self) -> list[Orphans]:
        """Remove all orphans from the buffer, and return them."""
        drained, self._orphans = self._orphans, []
        return drained

    def discard_replaced(self, newer: Sequence[pa.Table], keys: Sequence[str]) -> None:
        """Discard orphans whose keys came again.

        Args:
            newer: The keys of later rows.
            keys: The key's columns; without any, no row replaces another.
        """
        if keys and self._orphans:
            self._filter(lambda rows: pc.invert(have_keys_of(rows, newer, keys)))

    def discard_outdated(self, activation: Activation | None) -> None:
        """Discard orphans of older versions than one that is complete.

        Args:
            activation: The version, if one is. Where this run has all rows, all are of it.
        """
        if activation is None or activation.complete:
            return
        oldest = activation.version
        self._filter(
            lambda rows: pa.array(
                [version is None or int(version) >= oldest for version in _versions(rows)],
                pa.bool_(),
            )
        )

    def _filter(self, make_mask: Callable[[pa.Table], Any]) -> None:
        filtered = []
        for rows, rejects in self._orphans:
            mask = make_mask(rows)
            pairs = zip(rejects, mask.to_pylist(), strict=True)
            if left := [reject for reject, stays in pairs if stays]:
                filtered.append((rows.filter(mask), left))
        self._orphans = filtered


def have_keys_of(rows: pa.Table, others: Sequence[pa.Table], keys: Sequence[str]) -> pa.Array:
    """Tell which rows have the keys of other rows.

    Args:
        rows: The rows to compare.
        others: Tables that have the key's columns.
        keys: The key's columns.

    Returns:
        A boolean for each row.
    """
    other_keys = {key for table in others for key in _keys(table, keys)}
    return pa.array([key in other_keys for key in _keys(rows, keys)], pa.bool_())


def _versions(rows: pa.Table) -> Sequence[Any]:
    has_versions = VERSION in rows.column_names
    return [*rows[VERSION].to_pylist()] if has_versions else [None] * rows.num_rows


def _size(orphans: Orphans) -> int:
    rows, rejects = orphans
    return int(rows.nbytes) + sum(len(reject.record) for reject in rejects)


def _keys(rows: pa.Table, keys: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return zip(*(rows[name].to_pylist() for name in keys), strict=True)
