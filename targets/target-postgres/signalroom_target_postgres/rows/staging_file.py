"""Rows on the local disk until a stream is complete."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from signalroom_target_postgres.rows.metadata import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


class Spool:
    """Batches of rows in files that vanish with the process, however it ends."""

    def __init__(self) -> None:
        self.rows = 0
        self._files: list[IO[bytes]] = []
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._schema: pa.Schema | None = None
        self._oldest_version: Any = None

    def write(self, table: pa.Table) -> None:
        """Append rows.

        Args:
            table: Of the same columns as those before, or of others.

        Raises:
            OSError: If the disk is full.
        """
        if self._writer is None or not table.schema.equals(self._schema, check_metadata=True):
            self._finish()
            # Without a name, so that nobody else can read it and nothing is left of it.
            self._files.append(tempfile.TemporaryFile(prefix="signalroom-"))  # noqa: SIM115
            self._writer = pa.ipc.new_stream(self._files[-1], table.schema)
            self._schema = table.schema
        self._writer.write_table(table)
        self.rows += table.num_rows
        if VERSION in table.column_names:
            versions = (self._oldest_version, pc.min(table.column(VERSION)).as_py())
            self._oldest_version = min((one for one in versions if one is not None), default=None)

    def has_older(self, version: int) -> bool:
        """Tell whether a row has an older version.

        Args:
            version: The version.

        Returns:
            Whether one has; rows without a version have none that is older.
        """
        oldest = self._oldest_version
        return oldest is not None and int(oldest) < version

    def mark(self) -> tuple[int, int]:
        """Remember how much there is.

        Returns:
            What `rewind` takes.
        """
        self._finish()
        return len(self._files), self.rows

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget what came after a mark.

        Args:
            mark: From `mark`.
        """
        self._finish()
        files, self.rows = mark
        for file in self._files[files:]:
            file.close()
        del self._files[files:]

    def read(self, at_once: int) -> Iterator[pa.Table]:
        """Give all rows, again and again if need be.

        Args:
            at_once: About how many bytes of them at a time.

        Yields:
            Rows.
        """
        self._finish()
        for file in self._files:
            file.seek(0)
            held: list[pa.RecordBatch] = []
            size = 0
            for batch in pa.ipc.open_stream(file):
                held.append(batch)
                size += batch.nbytes
                if size >= at_once:
                    yield pa.Table.from_batches(held)
                    held, size = [], 0
            if held:
                yield pa.Table.from_batches(held)

    def close(self) -> None:
        """Forget the rows; a full disk is no error any more."""
        self._writer = None
        for file in self._files:
            with suppress(OSError):
                file.close()
        self._files.clear()
        self.rows = 0
        self._oldest_version = None

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
