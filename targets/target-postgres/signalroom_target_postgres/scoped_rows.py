"""Rows of scopes: those that are complete, and those of the scope that the tap is reading.

Rows of a scope are loaded in one transaction, together with the removal of those that vanished.
Until the tap says that a scope is complete its rows wait: in memory, and on the disk where they
are many.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from signalroom_target_postgres.rows.staging_file import StagingFile

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from signalroom_target_postgres.messages.rejects import RejectedRecord
    from signalroom_target_postgres.rows.buffer import RecordBuffer
    from signalroom_target_postgres.warehouse.scopes import Scope


@dataclass
class ScopedBatch:
    """Rows that may be loaded in one transaction.

    Args:
        tables: Returns the rows, again with each call.
        rejects: Records that do not fit.
        scopes: Scopes of which these are all rows.
        records: The label of the records, for `StateTracker`; None if they have none of their own.
        staging: The file that has some of the rows.
    """

    tables: Callable[[], Iterable[pa.Table]]
    rejects: Sequence[RejectedRecord]
    scopes: Sequence[Scope]
    records: Hashable | None
    staging: StagingFile | None = None

    def close(self) -> None:
        """Discard the rows: they are loaded."""
        if self.staging is not None:
            self.staging.close()


@dataclass
class _Complete:
    """Rows of complete scopes."""

    tables: list[pa.Table] = field(default_factory=list)
    rejects: list[RejectedRecord] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)
    records: Hashable | None = None

    rows: int = 0
    size: int = 0


class ScopedRows:
    """The rows of a stream whose tap says which scopes are complete.

    Args:
        tag: Notes in rows that are staged which types the table's columns have now.
        batch_bytes: How many bytes of staged rows are read at once.
    """

    def __init__(self, tag: Callable[[pa.Table], pa.Table], batch_bytes: int) -> None:
        self._tag = tag
        self._batch_bytes = batch_bytes
        self._complete = _Complete()
        # Rows of the scope that is being read which are not in the sink's buffer any more.
        self._staging: StagingFile | None = None
        self._rejects: list[RejectedRecord] = []
        # Whether rows of it are loaded already, so that the others are not all that there are.
        self._is_cut = False

    @property
    def rows(self) -> int:
        """How many rows wait, rejected records and scopes without rows included."""
        staged: int = self._staging.rows if self._staging is not None else 0
        return self.rows_in_memory + len(self._complete.scopes) + staged + len(self._rejects)

    @property
    def rows_in_memory(self) -> int:
        """How many rows of complete scopes wait, rejected records included."""
        return self._complete.rows + len(self._complete.rejects)

    @property
    def size(self) -> int:
        """How many bytes of memory the rows take."""
        return self._complete.size

    @property
    def has_complete(self) -> bool:
        """Whether there are rows, or scopes without rows, that may be loaded."""
        return self._complete.records is not None

    @property
    def is_staged(self) -> bool:
        """Whether records of the scope that is being read were set aside."""
        return self._staging is not None or bool(self._rejects)

    def set_aside(self, buffer: RecordBuffer) -> None:
        """Write the buffered rows of the scope that is being read to the disk.

        Args:
            buffer: The sink's buffer, with no message that is not decoded.
        """
        tables, rejects = buffer.drain()
        self._rejects += rejects
        if tables and self._staging is None:
            self._staging = StagingFile()
        for rows in tables:
            self._staging.write(self._tag(rows))  # type: ignore[union-attr] # made above

    def complete(self, buffer: RecordBuffer, scopes: Sequence[Scope], records: Hashable) -> bool:
        """Note that the rows since the scopes before are all of some scopes.

        Args:
            buffer: The sink's buffer, with no message that is not decoded. Nothing is staged.
            scopes: Scopes of which the tap has sent all rows.
            records: The label of these rows.

        Returns:
            Whether the label is needed: False if an earlier one covers its records as well.
        """
        complete = self._complete
        tables, rejects = buffer.drain()
        complete.tables += tables
        complete.rows += sum(table.num_rows for table in tables)
        complete.size += sum(table.nbytes for table in tables)
        complete.rejects += rejects
        complete.scopes += self.take_scopes(scopes)
        if complete.records is not None:
            return False
        complete.records = records
        return True

    def take_complete(self) -> ScopedBatch:
        """Remove the rows of complete scopes, to load them."""
        complete, self._complete = self._complete, _Complete()
        # Not the object itself, so that its memory is freed as soon as it is loaded.
        tables = complete.tables
        return ScopedBatch(
            lambda: iter(tables), complete.rejects, complete.scopes, complete.records
        )

    def take_staged(
        self,
        buffer: RecordBuffer,
        scopes: Sequence[Scope] = (),
        records: Hashable | None = None,
    ) -> ScopedBatch:
        """Remove the rows of the scope that is being read, to load them.

        Args:
            buffer: The sink's buffer, with the last of them.
            scopes: The scopes that are complete with them; none if they are cut.
            records: The label of the rows, if their scopes are complete.
        """
        self.set_aside(buffer)
        staging, self._staging = self._staging, None
        rejects, self._rejects = self._rejects, []
        complete_scopes = self.take_scopes(scopes)
        self._is_cut = records is None

        def tables() -> Iterator[pa.Table]:
            return iter(()) if staging is None else staging.read(self._batch_bytes)

        return ScopedBatch(tables, rejects, complete_scopes, records, staging)

    def take_scopes(self, scopes: Sequence[Scope]) -> Sequence[Scope]:
        """Return the scopes that are complete; none if rows of them are loaded already.

        Args:
            scopes: The scopes that the tap says are complete.
        """
        complete, self._is_cut = () if self._is_cut else scopes, False
        return complete

    def cut(self) -> None:
        """Note that rows of the scope that is being read are loaded before it is complete.

        They are missing from the rows that complete it: it does not count as complete.
        """
        self._is_cut = True

    def close(self) -> None:
        """Discard the rows."""
        if self._staging is not None:
            self._staging.close()
