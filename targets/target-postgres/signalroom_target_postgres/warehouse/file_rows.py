"""The rows of a BATCH message's files, as their table has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_target_postgres.rows.buffer import tables_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from signalroom_target_postgres.messages.batch_files import BatchFile
    from signalroom_target_postgres.messages.rejects import Misfit
    from signalroom_target_postgres.warehouse.stream_loader import StreamTable

#: Bytes of a file that are sent while the next are read.
_PORTION = 4 << 20


class FileRows:
    """Reads files, again and again if need be.

    Args:
        files: Of one message.
        table: What its rows are for.
        at_once: How many bytes of them at a time at most.
    """

    def __init__(self, files: Sequence[BatchFile], table: StreamTable, at_once: int) -> None:
        #: Rows that did not fit when the files were read the last time.
        self.misfits: list[Misfit] = []
        #: Rows that did fit then.
        self.count = 0
        self._files = files
        self._table = table
        self._at_once = min(at_once, _PORTION)

    def tables(self) -> Iterator[pa.Table]:
        """Read the files.

        Yields:
            Rows that fit.

        Raises:
            BadRecordError: If one does not, and such are not to be set aside.
            ColumnTooNarrowError: If values need a wider column.
            InputError: If a file cannot be read.
        """
        self.misfits.clear()
        self.count = 0
        for file in self._files:
            yield from self._of(file)

    def _of(self, file: BatchFile) -> Iterator[pa.Table]:
        """Read a file in portions of the size of a batch."""
        held: list[pa.RecordBatch] = []
        size = 0
        for batches, misfits in self._portions(file):
            self.misfits += misfits
            if misfits and not self._table.sets_aside:
                self._table.fail(misfits)
            held += batches
            size += sum(batch.nbytes for batch in batches)
            rows = sum(batch.num_rows for batch in batches)
            self.count += rows
            self._table.sink.record_counter_metric.increment(rows)
            if size >= self._at_once:
                yield from tables_of(held)
                held, size = [], 0
        yield from tables_of(held)

    def _portions(
        self, file: BatchFile
    ) -> Iterator[tuple[Sequence[pa.RecordBatch], Sequence[Misfit]]]:
        table = self._table
        if file.has_columns:
            for batch in file.columns():
                table.warn_of_unknown(set(batch.schema.names) - table.fields)
                yield table.reader.fit(batch, file.version)
        else:
            for messages in file.records():
                yield table.reader.read(messages)
