"""The records of a stream in memory: RECORD messages, then Arrow batches, until the next flush."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from signalroom_target_postgres.messages.models import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.messages.record_lines import Lines
    from signalroom_target_postgres.messages.rejects import RejectedRecord
    from signalroom_target_postgres.rows.decoder import RecordDecoder

_DECODE_MESSAGES = 256
_DECODE_BYTES = 1 << 20
# An array takes a while to make, however few values it has; structs are small.
_BATCH_ROWS, _BATCH_BYTES = 2048, 1 << 21
_decode_messages = msgspec.json.Decoder(Message).decode_lines


class RecordBuffer:
    """Messages that are not decoded yet, batches of those that are, and rejected records."""

    def __init__(self) -> None:
        #: RECORD messages that are not decoded yet.
        self.messages: list[Message] = []
        self._message_bytes = 0
        # Messages that were decoded together, and their lines; never with others.
        self._structs: list[Any] = []
        self._lines: list[bytes] = []
        self._batches: list[pa.RecordBatch] = []
        self._batch_rows = 0
        self._batch_bytes = 0
        self._rejects: list[RejectedRecord] = []

    @property
    def rows(self) -> int:
        """How many records are buffered, rejected ones included."""
        return self.undecoded_rows + self._batch_rows + len(self._rejects)

    @property
    def undecoded_rows(self) -> int:
        """How many records are buffered that are not in batches yet."""
        return len(self.messages) + len(self._structs)

    @property
    def has_lines(self) -> bool:
        """Whether there are lines that are not in batches yet: `add` has to wait for these."""
        return bool(self._lines)

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

    def add_lines(self, lines: Lines, decoder: RecordDecoder) -> bool | None:
        """Buffer records that can be decoded together.

        Args:
            lines: Lines of the stream. No message may wait to be decoded.
            decoder: Decodes the stream's records.

        Returns:
            Whether there are enough of them to make a batch; None if they are not buffered, as each
            has to be decoded by itself.
        """
        structs = decoder.decode_lines(lines)
        if structs is None:
            return None
        self._structs += structs
        self._lines.append(lines.text)
        self._message_bytes += len(lines.text)
        return len(self._structs) >= _BATCH_ROWS or self._message_bytes >= _BATCH_BYTES

    def decode(self, decoder: RecordDecoder) -> Sequence[RejectedRecord]:
        """Decode the buffered messages into batches.

        Args:
            decoder: Decodes the stream's records.

        Returns:
            Records that do not fit. They are not buffered.

        Raises:
            ColumnTooNarrowError: If values need a wider column. All messages stay buffered.
        """
        rejects: Sequence[RejectedRecord] = ()
        if self._structs and (batch := decoder.make_batch(self._structs)) is not None:
            batches = [batch]
        else:
            if self._lines:
                self.messages = _decode_messages(b"".join(self._lines))
                self._structs, self._lines = [], []
            batches, rejects = decoder.decode(self.messages)
        self.messages, self._message_bytes = [], 0
        self._structs, self._lines = [], []
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
