"""Rows that were set aside as what they refer to was not there; it may come with another stream.

They are in quarantine from the transaction of their batch on, so that states may pass and a run
that dies loses nothing. At the end of the run they are tried again, and leave it if the table takes
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from signalroom_target_postgres.rows.metadata import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from signalroom_target_postgres.messages.rejects import Misfit
    from signalroom_target_postgres.warehouse.outdated_rows import Activation

#: Rows of a stream, and their records as they are in quarantine.
Orphans = tuple[pa.Table, "list[Misfit]"]


class HeldOrphans:
    """Those of a stream, in memory.

    Args:
        most: How many bytes of them; more stay in quarantine.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: list[Orphans] = []

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, orphans: Iterable[Orphans]) -> None:
        """Hold rows until the end of the run.

        Args:
            orphans: Of a batch that was committed.
        """
        size = sum(map(_size, self._held))
        for one in orphans:
            size += _size(one)
            if size <= self._most:
                self._held.append(one)

    def take(self) -> list[Orphans]:
        """Give them, and hold them no more.

        Returns:
            They.
        """
        taken, self._held = self._held, []
        return taken

    def forget_replaced(
        self, newer: Sequence[pa.Table], keys: Sequence[str], *, all_rows: bool = False
    ) -> None:
        """Let go of rows whose keys came again.

        Args:
            newer: The keys of later rows.
            keys: Their columns; nothing is replaced without.
            all_rows: Whether the later rows replace all that were there.
        """
        if all_rows:
            self._held = []
        elif keys and self._held:
            self._keep(lambda rows: pc.invert(are_among(rows, newer, keys)))

    def forget_outdated(self, activation: Activation | None) -> None:
        """Let go of rows of older versions than one that is complete.

        Args:
            activation: The version, if one is. Where this run has all rows, all are of it.
        """
        if activation is None or activation.complete:
            return
        version = activation.version
        self._keep(
            lambda rows: pa.array(
                [one is None or int(one) >= version for one in _versions(rows)], pa.bool_()
            )
        )

    def _keep(self, chosen: Any) -> None:
        kept = []
        for rows, misfits in self._held:
            mask = chosen(rows)
            still = [one for one, is_kept in zip(misfits, mask.to_pylist(), strict=True) if is_kept]
            if still:
                kept.append((rows.filter(mask), still))
        self._held = kept


def are_among(rows: pa.Table, others: Sequence[pa.Table], keys: Sequence[str]) -> pa.Array:
    """Whether rows have the keys of others.

    Args:
        rows: Rows.
        others: Others.
        keys: The columns.

    Returns:
        Truth values.
    """
    found = {key for table in others for key in _keys(table, keys)}
    return pa.array([key in found for key in _keys(rows, keys)], pa.bool_())


def _versions(rows: pa.Table) -> Sequence[Any]:
    if VERSION not in rows.column_names:
        return [None] * rows.num_rows
    versions: list[Any] = rows[VERSION].to_pylist()
    return versions


def _size(orphans: Orphans) -> int:
    rows, misfits = orphans
    return int(rows.nbytes) + sum(len(misfit.record) for misfit in misfits)


def _keys(rows: pa.Table, keys: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return zip(*(rows[name].to_pylist() for name in keys), strict=True)
