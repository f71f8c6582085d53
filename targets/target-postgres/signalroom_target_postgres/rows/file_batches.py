"""The rows of a BATCH message's files, as their table has them."""

from __future__ import annotations

from itertools import chain, groupby
from typing import TYPE_CHECKING

import pyarrow as pa

from signalroom_target_postgres.messages.rejects import RejectedRecord, RejectedRecordsError
from signalroom_target_postgres.rows.buffer import concat_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from signalroom_target_postgres.messages.batch_files import BatchFile
    from signalroom_target_postgres.rows.decoder import RecordDecoder

#: Bytes of a file that are sent while the next are read.
_PORTION_BYTES = 4 << 20
_JOINED_ROWS = 1024


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
        buffered: list[pa.RecordBatch] = []
        size = 0
        for batches, rejects in self._decode():
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
        self,
    ) -> Iterator[tuple[Sequence[pa.RecordBatch], Sequence[RejectedRecord]]]:
        decoder = self._decoder
        groups = groupby(self._files, key=lambda file: (file.has_columns, file.version))
        for (has_columns, version), files in groups:
            if has_columns:
                for batch in join_small(chain.from_iterable(file.iter_batches() for file in files)):
                    self.unknown_fields |= set(batch.schema.names) - decoder.fields
                    yield decoder.convert_batch(batch, version)
            else:
                for messages in chain.from_iterable(file.iter_messages() for file in files):
                    yield decoder.decode(messages)
        self.unknown_fields |= decoder.unknown_fields


def join_small(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join batches of few rows: converting a wide one costs as much as hundreds of its rows.

    Args:
        batches: Batches in their order.

    Yields:
        The same rows in the same order; large batches as they are.
    """
    small: list[pa.RecordBatch] = []
    for batch in batches:
        rows = sum(each.num_rows for each in small)
        if small and not (rows + batch.num_rows <= _JOINED_ROWS and _can_join(small[0], batch)):
            yield _join(small)
            small = []
        small.append(batch)
    if small:
        yield _join(small)


def _can_join(first: pa.RecordBatch, other: pa.RecordBatch) -> bool:
    """Whether two batches have the same columns, none of which may have dictionaries."""
    types = first.schema.types
    return first.schema.equals(other.schema) and not any(
        pa.types.is_dictionary(type_) or pa.types.is_nested(type_) for type_ in types
    )


def _join(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
