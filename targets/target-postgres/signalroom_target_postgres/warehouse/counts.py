"""Counts of a stream's records: how many were read, and what they did to the table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Cursor


@dataclass
class RowCounts:
    """Rows that statements wrote.

    Args:
        new: Rows that were inserted.
        updated: Rows whose key was there, and that were written again.
        merged: Rows that were inserted or updated, where the server does not say which: one with
            `track_counts` off, or a foreign table.
        unchanged: Rows that the table had as they are, so that they were not written again.
    """

    new: int = 0
    updated: int = 0
    merged: int = 0
    unchanged: int = 0

    @property
    def rows_written(self) -> int:
        """Rows that were inserted or updated."""
        return self.new + self.updated + self.merged

    def add(self, other: RowCounts) -> None:
        """Add the rows of other statements."""
        self.new += other.new
        self.updated += other.updated
        self.merged += other.merged
        self.unchanged += other.unchanged


@dataclass
class Counts:
    """Counts of a stream's records in this run.

    `read` is more than the rows that are new, updated, unchanged and rejected together where a key
    came several times in a batch: the last record of it is written.

    Args:
        read: Records that were read.
        written: Rows that they wrote, as far as they are committed.
        removed: Rows that were deleted, or marked as deleted, as their version is outdated; not
            those that `replaced` counts.
        replaced: Rows that were there before, where the stream's rows replace the whole table.
            None where rows are merged.
        rejected: Records that are in quarantine.
        seconds: How long loading took.
    """

    read: int = 0
    written: RowCounts = field(default_factory=RowCounts)
    removed: int = 0
    replaced: int | None = None
    rejected: int = 0
    seconds: float = field(default=0.0, compare=False)

    def copy(self) -> Counts:
        """Return counts that do not change with these."""
        return replace(self, written=replace(self.written))

    def add(self, other: Counts) -> None:
        """Add the counts of other records."""
        self.read += other.read
        self.written.add(other.written)
        self.removed += other.removed
        if other.replaced is not None:
            self.replaced = (self.replaced or 0) + other.replaced
        self.rejected += other.rejected
        self.seconds += other.seconds

    def describe(self) -> str:
        """Put the counts into words, as a part of a sentence."""
        written = self.written
        parts = [f"{self.read:,} row{'s' * (self.read != 1)} read"]
        if written.new or written.updated or not written.merged:
            parts += [f"{written.new:,} new"]
            parts += [f"{written.updated:,} updated"] if self.replaced is None else []
        if written.merged:
            parts += [f"{written.merged:,} new or updated"]
        if written.unchanged:
            parts += [f"{written.unchanged:,} unchanged"]
        if self.replaced is not None:
            parts[-1] = f"replacing the {self.replaced:,} before"
        if self.replaced is None or self.removed:
            parts += [f"{self.removed:,} removed"]
        return ", ".join([*parts, f"{self.rejected:,} rejected"])


@dataclass(frozen=True)
class CountedInsert:
    """An INSERT that counts the rows that it inserts and updates.

    The server counts them anyway, for its statistics. The numbers from before and after the
    statement are queried in the statement's own message, so that it takes no more time: RETURNING
    would cost a pass over the rows, and rights that the loader may not have.
    https://www.postgresql.org/docs/18/monitoring-stats.html ("pg_stat_xact_...")

    Args:
        updates: The query for the rows updated so far. Without it the server does not count them.
        updating: Whether the statement may update rows.
    """

    updates: bytes | None
    updating: bool = True

    def around(self, statement: bytes) -> bytes:
        """Add the queries for the numbers to a statement.

        Args:
            statement: The INSERT to count.

        Returns:
            Bytes to execute, alone or as one of several statements.
        """
        if not self.updates or not self.updating:
            return statement
        return b"; ".join([self.updates, statement, self.updates])

    def counts(self, cursor: Cursor[Any]) -> RowCounts:
        """Read how many rows the statement inserted and updated.

        Args:
            cursor: The cursor that executed it.
        """
        numbers: list[int] = []
        rows = 0
        while True:
            if cursor.description:
                numbers += [int(row[0] or 0) for row in cursor.fetchall()]
            elif (cursor.statusmessage or "").startswith("INSERT"):
                rows += max(0, cursor.rowcount)
            if not cursor.nextset():
                break
        if self.updating and not self.updates:
            return RowCounts(merged=rows)
        # A trigger may update rows of the same table.
        updated = min(rows, numbers[-1] - numbers[0]) if numbers else 0
        return RowCounts(new=rows - updated, updated=updated)


def count_rows(rows: int) -> str:
    """Say how many rows, as a part of a sentence."""
    return f"{rows:,} row{'' if rows == 1 else 's'}"
