"""The records of a stream in memory: RECORD messages, then Arrow batches, until the next flush."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.messages.models import Message
    from signalroom_target_postgres.messages.rejects import RejectedRecord
    from signalroom_target_postgres.rows.decoder import RecordDecoder

_DECODE_MESSAGES = 256
_DECODE_BYTES = 1 << 20


class RecordBuffer:
    """Messages that are not decoded yet, batches of those that are, and rejected records."""

    def __init__(self) -> None:
        #: RECORD messages that are not decoded yet.
        self.messages: list[Message] = []
        self._message_bytes = 0
        self._batches: list[pa.RecordBatch] = []
        self._batch_rows = 0
        self._batch_bytes = 0
        self._rejects: list[RejectedRecord] = []

    @property
    def rows(self) -> int:
        """How many records are buffered, rejected ones included."""
        return len(self.messages) + self._batch_rows + len(self._rejects)

    @property
    def size(self) -> int:
        """How many bytes the records take."""
        return self._message_bytes + self._batch_bytes

    def add(self, message: Message) -> bool:
        """Buffer a record.

        Args:
            message: The RECORD message.

        Returns:
            Whether there are enough messages to decode them.
        """
        self.messages.append(message)
        self._message_bytes += len(memoryview(message.record))
        return len(self.messages) >= _DECODE_MESSAGES or self._message_bytes >= _DECODE_BYTES

    def decode(self, decoder: RecordDecoder) -> Sequence[RejectedRecord]:
        """Decode the buffered messages into batches.

        Args:
            decoder: Decodes the stream's records.

        Returns:
            Records that do not fit. They are not buffered.

        Raises:
            ColumnTooNarrowError: If values need a wider column. All messages stay buffered.
        """
        batches, rejects = decoder.decode(self.messages)
        self.messages, self._message_bytes = [], 0
        self._batches += batches
        self._batch_rows += sum(batch.num_rows for batch in batches)
        self._batch_bytes += sum(batch.nbytes for batch in batches)
        return rejects

    def add_rejects(self, rejects: Sequence[RejectedRecord]) -> None:
        """Buffer rejected records, to be written in the transaction of the rows around them."""
        self._rejects += rejects
        self._batch_bytes += sum(len(reject.record) for reject in rejects)

    def drain(self) -> tuple[list[pa.Table], list[RejectedRecord]]:
        """Remove everything but the messages from the buffer.

        Returns:
            The rows, and the rejected records.
        """
        drained = concat_batches(self._batches), self._rejects
        self._batches, self._batch_rows, self._batch_bytes = [], 0, 0
        self._rejects = []
        return drained


def concat_batches(batches: Sequence[pa.RecordBatch]) -> list[pa.Table]:
    """Join adjacent batches whose columns have the same types.

    Args:
        batches: Batches in their order.

    Returns:
        Tables with the same rows, in the same order.
    """
    groups = groupby(batches, key=lambda batch: batch.schema)
    return [pa.Table.from_batches([*group]) for _, group in groups]
