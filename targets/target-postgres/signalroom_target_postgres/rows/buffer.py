"""What waits in memory to be loaded."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.messages.models import Message
    from signalroom_target_postgres.messages.rejects import Misfit
    from signalroom_target_postgres.rows.decoder import RecordReader

_READ_AT_ONCE = 256
_READ_BYTES = 1 << 20


class Waiting:
    """Records of a stream: as messages, then as columns; and such as were found not to fit."""

    def __init__(self) -> None:
        #: Not made into columns yet.
        self.messages: list[Message] = []
        self._message_bytes = 0
        self._batches: list[pa.RecordBatch] = []
        self._batched_rows = 0
        self._batched_bytes = 0
        self._misfits: list[Misfit] = []

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.messages) + self._batched_rows + len(self._misfits)

    @property
    def size(self) -> int:
        """How many bytes they take."""
        return self._message_bytes + self._batched_bytes

    def add(self, message: Message) -> bool:
        """Add a record.

        Args:
            message: The RECORD message.

        Returns:
            Whether there are enough messages to make columns of them.
        """
        self.messages.append(message)
        self._message_bytes += len(memoryview(message.record))
        return len(self.messages) >= _READ_AT_ONCE or self._message_bytes >= _READ_BYTES

    def read(self, reader: RecordReader) -> Sequence[Misfit]:
        """Make columns of the messages.

        Args:
            reader: Reads the stream's records.

        Returns:
            Records that do not fit. They are not kept.

        Raises:
            ColumnTooNarrowError: If values need a wider column. All messages stay as they are.
        """
        batches, misfits = reader.read(self.messages)
        self.messages, self._message_bytes = [], 0
        self._batches += batches
        self._batched_rows += sum(batch.num_rows for batch in batches)
        self._batched_bytes += sum(batch.nbytes for batch in batches)
        return misfits

    def add_misfits(self, misfits: Sequence[Misfit]) -> None:
        """Add records that do not fit.

        Args:
            misfits: They.
        """
        self._misfits += misfits
        self._batched_bytes += sum(len(misfit.record) for misfit in misfits)

    def take(self) -> tuple[list[pa.Table], list[Misfit]]:
        """Give all but the messages, and hold it no more.

        Returns:
            The rows; and the records that do not fit.
        """
        taken = tables_of(self._batches), self._misfits
        self._batches, self._batched_rows, self._batched_bytes = [], 0, 0
        self._misfits = []
        return taken


def tables_of(batches: Sequence[pa.RecordBatch]) -> list[pa.Table]:
    """Join batches whose columns have the same types.

    Args:
        batches: Rows, in their order.

    Returns:
        The same.
    """
    groups = groupby(batches, key=lambda batch: batch.schema)
    return [pa.Table.from_batches([*group]) for _, group in groups]
