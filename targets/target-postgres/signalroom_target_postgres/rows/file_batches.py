"""The rows of a BATCH message's files, as their table has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_target_postgres.messages.rejects import RejectedRecord, RejectedRecordsError
from signalroom_target_postgres.rows.buffer import concat_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from signalroom_target_postgres.messages.batch_files import BatchFile
    from signalroom_target_postgres.rows.decoder import RecordDecoder

#: Bytes of a file that are sent while the next are read.
_PORTION_BYTES = 4 << 20


class FileBatches:
    """Decodes files, again from the start with each call of `tables`.

    Args:
        files: The files of one message.
        decoder: Decodes the stream's records and files.
        batch_bytes: How many bytes a table may have, about.
        fails_on_rejects: Whether the first row that does not fit is an error.
    """

    def __init__(
        self,
        files: Sequence[BatchFile],
        decoder: RecordDecoder,
        *,
        batch_bytes: int,
        fails_on_rejects: bool,
    ) -> None:
        #: Rows that do not fit; complete once all tables were read.
        self.rejects: list[RejectedRecord] = []
        #: How many rows fit.
        self.rows = 0
        #: Fields of the files that the schema does not have.
        self.unknown_fields: set[str] = set()
        self._files = files
        self._decoder = decoder
        self._batch_bytes = min(batch_bytes, _PORTION_BYTES)
        self._fails_on_rejects = fails_on_rejects

    def tables(self) -> Iterator[pa.Table]:
        """Read the files.

        Yields:
            Rows that fit.

        Raises:
            ColumnTooNarrowError: If values need a wider column.
            InputError: If a file cannot be read.
            RejectedRecordsError: If a row does not fit, and that is an error.
        """
        self.rejects.clear()
        self.rows = 0
        for file in self._files:
            yield from self._tables_of(file)

    def _tables_of(self, file: BatchFile) -> Iterator[pa.Table]:
        buffered: list[pa.RecordBatch] = []
        size = 0
        for batches, rejects in self._decode(file):
            self.rejects += rejects
            if rejects and self._fails_on_rejects:
                raise RejectedRecordsError(rejects)
            buffered += batches
            size += sum(batch.nbytes for batch in batches)
            self.rows += sum(batch.num_rows for batch in batches)
            if size >= self._batch_bytes:
                yield from concat_batches(buffered)
                buffered, size = [], 0
        yield from concat_batches(buffered)

    def _decode(
        self, file: BatchFile
    ) -> Iterator[tuple[Sequence[pa.RecordBatch], Sequence[RejectedRecord]]]:
        if file.has_columns:
            for batch in file.iter_batches():
                self.unknown_fields |= set(batch.schema.names) - self._decoder.fields
                yield self._decoder.convert_batch(batch, file.version)
        else:
            for messages in file.iter_messages():
                yield self._decoder.decode(messages)
        self.unknown_fields |= self._decoder.unknown_fields
