"""Rows of a full refresh on the local disk, until the stream is complete."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from signalroom_target_postgres.rows.metadata import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator


class StagingFile:
    """Batches of rows in files that disappear when the process ends, even if it is killed."""

    def __init__(self) -> None:
        self.rows = 0
        self._files: list[IO[bytes]] = []
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._schema: pa.Schema | None = None
        self._oldest_version: Any = None

    def write(self, rows: pa.Table) -> None:
        """Append rows.

        Args:
            rows: Rows with the columns of those before, or with others.

        Raises:
            OSError: If the disk is full.
        """
        if self._writer is None or not rows.schema.equals(self._schema, check_metadata=True):
            self._close_writer()
            # A file without a name: nobody else can read it, and nothing is left behind.
            self._files.append(tempfile.TemporaryFile(prefix="signalroom-"))  # noqa: SIM115
            self._writer = pa.ipc.new_stream(self._files[-1], rows.schema)
            self._schema = rows.schema
        self._writer.write_table(rows)
        self.rows += rows.num_rows
        if VERSION in rows.column_names:
            versions = (self._oldest_version, pc.min(rows.column(VERSION)).as_py())
            self._oldest_version = min(
                (version for version in versions if version is not None), default=None
            )

    def has_older(self, version: int) -> bool:
        """Whether a row has an older version; rows without a version do not."""
        oldest = self._oldest_version
        return oldest is not None and int(oldest) < version

    def savepoint(self) -> tuple[int, int]:
        """Remember how much is staged, for `rollback_to`."""
        self._close_writer()
        return len(self._files), self.rows

    def rollback_to(self, savepoint: tuple[int, int]) -> None:
        """Discard the rows that were written after a savepoint."""
        self._close_writer()
        files, self.rows = savepoint
        for file in self._files[files:]:
            file.close()
        del self._files[files:]

    def read(self, batch_bytes: int) -> Iterator[pa.Table]:
        """Read all rows, from the start with each call.

        Args:
            batch_bytes: How many bytes a table may have, about.

        Yields:
            Rows.
        """
        self._close_writer()
        for file in self._files:
            file.seek(0)
            buffered: list[pa.RecordBatch] = []
            size = 0
            for batch in pa.ipc.open_stream(file):
                buffered.append(batch)
                size += batch.nbytes
                if size >= batch_bytes:
                    yield pa.Table.from_batches(buffered)
                    buffered, size = [], 0
            if buffered:
                yield pa.Table.from_batches(buffered)

    def close(self) -> None:
        """Discard the rows; a full disk is not an error any more."""
        self._writer = None
        for file in self._files:
            with suppress(OSError):
                file.close()
        self._files.clear()
        self.rows = 0
        self._oldest_version = None

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
