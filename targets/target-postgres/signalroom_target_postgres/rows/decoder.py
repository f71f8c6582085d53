"""From RECORD messages, and files' columns, to Arrow batches; rejects what does not fit."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
from msgspec import Raw
from msgspec.structs import astuple

from signalroom_target_postgres.messages.models import Message
from signalroom_target_postgres.messages.rejects import (
    UNFIT,
    RejectedRecord,
    describe_decode_error,
    without_values,
)
from signalroom_target_postgres.rows.codecs import NOTHING_ALLOWED, InexactError
from signalroom_target_postgres.rows.columns import Column, TooNarrowError
from signalroom_target_postgres.rows.json_types import is_of_types
from signalroom_target_postgres.rows.struct_decoder import NULL, StructDecoder, decode_fields
from signalroom_target_postgres.rows.unknown_fields import UNKNOWN, keep_columns, keep_records
from signalroom_target_postgres.values.arrow_json import record_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from signalroom_target_postgres.messages.record_lines import Lines

# What msgspec says of a record that does not fit.
_UNKNOWN = re.compile(r"unknown field `(?P<field>.*)`", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<field>.*)`", re.DOTALL)
_WRONG_TYPE = re.compile(r"Expected `(?P<expected>.*)`, got `(?P<got>.*)` - at `\$\.(?P<field>.*)`")
_TOO_LARGE = re.compile(r"out of range - at `\$\.(?P<field>.*)`")
_decode_number = msgspec.json.Decoder(Decimal | None).decode


class ColumnRejectedError(ValueError):
    """Why a column does not take its values."""

    def __init__(self, column: Column, reason: str) -> None:
        super().__init__(reason)
        self.column = column


class ColumnTooNarrowError(Exception):
    """A column has to become wider before the records can be loaded.

    Args:
        column: The column's name.
        to: The type it needs.
    """

    def __init__(self, column: str, to: str) -> None:
        super().__init__(column, to)
        self.column = column
        self.to = to


class RecordDecoder:
    """Decodes the records of a stream into batches.

    Args:
        columns: The stream's columns, without those of the metadata.
        metadata: The metadata's columns; none if they are not added.
        sync_started_at: When the run began, in milliseconds since 1970.
        forbidden: Fields for which the schema allows no value. They have no columns.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        metadata: Sequence[Column] = (),
        sync_started_at: int = 0,
        forbidden: Sequence[Column] = (),
    ) -> None:
        self.columns = columns
        #: The fields that the schema has.
        self.fields = {column.field for column in (*columns, *forbidden)}
        #: Fields that records have and the schema does not.
        self.unknown_fields: set[str] = set()
        self._forbidden = forbidden
        self._metadata = metadata
        self._sync_started_at = sync_started_at
        self._structs = StructDecoder([*columns, *forbidden], strict=True)
        # Whether some lines were decoded together in vain, as others will be.
        self._needs_messages = False

    def decode_lines(self, lines: Lines) -> list[Any] | None:
        """Decode lines that look like RECORD messages.

        Args:
            lines: Lines of one stream.

        Returns:
            Messages with decoded records, for `make_batch`; None if each message has to be decoded
            by itself, as some may not fit.
        """
        structs = self._structs
        is_possible = structs.decodes_lines and not (self._needs_messages or self.unknown_fields)
        if lines.stream is None or not is_possible:
            return None
        try:
            messages = structs.decode_lines(lines.text, lines.stream)
        except (ValueError, RecursionError):
            return None
        # msgspec also takes messages that only spaces separate.
        return messages if len(messages) == lines.count else None

    def make_batch(self, messages: Sequence[Any]) -> pa.RecordBatch | None:
        """Make a batch of messages that were decoded together.

        Args:
            messages: What `decode_lines` returned, perhaps several times.

        Returns:
            The batch; None if each message has to be decoded by itself, as some do not fit.
        """
        try:
            return self._make_batch([message.record for message in messages], messages)
        except InexactError:
            # The tap writes integers as floats; so will it write those to come.
            self._needs_messages = True
        except (ValueError, ColumnTooNarrowError):
            pass
        return None

    def decode(
        self, messages: Sequence[Message]
    ) -> tuple[list[pa.RecordBatch], list[RejectedRecord]]:
        """Decode records.

        Args:
            messages: RECORD messages, in their order.

        Returns:
            Batches of those that fit, in the same order; and the rejected records.

        Raises:
            ColumnTooNarrowError: If values need a wider column. Nothing was decoded.
        """
        try:
            return [self._decode_batch(messages)], []
        except (ValueError, RecursionError) as error:
            if len(messages) == 1:
                if self._ignore_unknown_field(error):
                    return self.decode(messages)
                return [], [self._widen_or_reject(self._reject(messages[0], error))]
        middle = len(messages) // 2
        return _join(self.decode(messages[:middle]), self.decode(messages[middle:]))

    def convert_batch(
        self, batch: pa.RecordBatch, version: int | None = None
    ) -> tuple[list[pa.RecordBatch], list[RejectedRecord]]:
        """Convert a file's columns to the table's.

        Args:
            batch: Rows as the file has them.
            version: The version of the stream that they are of, where it is known.

        Returns:
            Batches of those that fit, in the same order; and the rejected rows.

        Raises:
            ColumnTooNarrowError: If values need a wider column.
        """
        try:
            return [self._convert_columns(batch, version)], []
        except ColumnRejectedError as error:
            if batch.num_rows == 1:
                return [], [self._widen_or_reject(_reject_for(record_json(batch), error))]
        middle = batch.num_rows // 2
        return _join(
            self.convert_batch(batch.slice(0, middle), version),
            self.convert_batch(batch.slice(middle), version),
        )

    def _convert_columns(self, batch: pa.RecordBatch, version: int | None) -> pa.RecordBatch:
        # By name only once: in a wide batch each look-up costs as much as converting the column.
        present = dict(zip(batch.schema.names, batch.columns, strict=True))
        missing = pa.nulls(batch.num_rows)
        arrays = [
            _make_array(column, column.from_arrow, present.get(column.field, missing))
            for column in self.columns
        ]
        self._check_forbidden(batch)
        names = [column.name for column in self.columns]
        if (unknown := keep_columns(batch, self.fields)) is not None:
            names.append(UNKNOWN)
            arrays.append(unknown)
        return self._with_metadata(
            pa.RecordBatch.from_arrays(arrays, names), versions=[version] * batch.num_rows
        )

    def _check_forbidden(self, batch: pa.RecordBatch) -> None:
        for column in self._forbidden:
            if column.field not in batch.schema.names:
                continue
            array = batch.column(column.field)
            if array.null_count < len(array):
                reason = f"expected {NOTHING_ALLOWED}, got {array.type}"
                raise ColumnRejectedError(column, reason)

    def _decode_batch(self, messages: Sequence[Message]) -> pa.RecordBatch:
        decode = self._structs.decode
        return self._make_batch([decode(message.record) for message in messages], messages)

    def _make_batch(self, records: Sequence[Any], messages: Sequence[Any]) -> pa.RecordBatch:
        """Make a batch of records.

        Args:
            records: What the record of each message was decoded as.
            messages: The messages that they came in.
        """
        columns = zip(*map(astuple, records), strict=True)
        arrays = []
        # The remaining fields are forbidden, and null.
        for column, values in zip(self.columns, columns, strict=not self._forbidden):
            try:
                arrays.append(_make_array(column, column.from_json, values))
            except InexactError:
                if not isinstance(messages[0], Message):
                    raise
                exact = [*_exact_numbers(column, values, messages)]
                arrays.append(_make_array(column, column.from_exact_json, exact))
        names = [column.name for column in self.columns]
        if self.unknown_fields:
            names.append(UNKNOWN)
            arrays.append(keep_records([message.record for message in messages]))
        return self._with_metadata(
            pa.RecordBatch.from_arrays(arrays, names),
            [message.time_extracted for message in messages],
            [message.version for message in messages],
        )

    def _with_metadata(
        self,
        batch: pa.RecordBatch,
        extracted_at: Sequence[str | None] = (),
        versions: Sequence[int | None] = (),
    ) -> pa.RecordBatch:
        """Append the metadata's columns, if they are added; a file's rows have only some values."""
        if not self._metadata:
            return batch
        now = datetime.now(UTC)
        text, count = now.isoformat(), batch.num_rows
        metadata: dict[str, Sequence[Any]] = {
            "_sdc_extracted_at": extracted_at or [text] * count,
            "_sdc_received_at": [text] * count,
            "_sdc_batched_at": [text] * count,
            "_sdc_sequence": [round(now.timestamp() * 1000)] * count,
            "_sdc_table_version": versions or [None] * count,
            "_sdc_sync_started_at": [self._sync_started_at] * count,
        }
        for column in self._metadata:
            values = metadata[column.name]
            if column.codec.read_as is Raw:
                # The column has another type in this table.
                values = [Raw(msgspec.json.encode(value)) for value in values]
            array = _make_array(column, column.from_json, values)
            batch = batch.append_column(column.name, array)
        return batch

    def _widen_or_reject(self, reject: RejectedRecord) -> RejectedRecord:
        """Ask for a wider column where the schema allows a value and only the column does not.

        Args:
            reject: The record, as rejected so far.

        Returns:
            The same, with why the column is not wider, if that is so.

        Raises:
            ColumnTooNarrowError: If the column is to become wider.
        """
        column = next((column for column in self.columns if column.field == reject.column), None)
        if column is None or column.wider is None:
            return reject
        try:
            value = decode_fields(reject.record).get(column.field, NULL)
        except (ValueError, RecursionError):
            return reject
        if value == NULL or not is_of_types(value, column.allowed):
            return reject
        if column.fixed is None:
            raise ColumnTooNarrowError(column.name, column.wider)
        if reject.reason.endswith(column.fixed):
            return reject
        return replace(reject, reason=f"{reject.reason}; {column.fixed}")

    def _ignore_unknown_field(self, error: Exception) -> bool:
        """Remember a field that the schema does not have, and ignore such fields from now on.

        Args:
            error: Why a record could not be decoded.

        Returns:
            Whether an unknown field was the reason.
        """
        if (match := _UNKNOWN.search(str(error))) is None:
            return False
        self.unknown_fields.add(match["field"])
        self._structs = StructDecoder([*self.columns, *self._forbidden], strict=False)
        return True

    def _reject(self, message: Message, error: Exception) -> RejectedRecord:
        record = bytes(message.record)
        if isinstance(error, ColumnRejectedError):
            return _reject_for(record, error)
        text = str(error)
        if match := _MISSING.search(text):
            return RejectedRecord(record, "it is missing", match["field"])
        if match := _WRONG_TYPE.search(text):
            columns = [*self.columns, *self._forbidden]
            by_field = {column.field: column.codec.expected for column in columns}
            expected = by_field.get(match["field"], match["expected"])
            reason = f"expected {expected}, got {match['got']}"
            return RejectedRecord(record, reason, match["field"])
        if match := _TOO_LARGE.search(text):
            return RejectedRecord(record, "expected a number, got one out of range", match["field"])
        return RejectedRecord(record, describe_decode_error(error))


def _make_array(column: Column, make: Callable[[Any], pa.Array], values: Any) -> pa.Array:
    """Make a column's array.

    Raises:
        ColumnTooNarrowError: If the column has to become wider.
        ColumnRejectedError: If a value does not fit.
        InexactError: If integers have to be decoded again, exactly.
    """
    try:
        return make(values)
    except TooNarrowError as error:
        raise ColumnTooNarrowError(column.name, error.to) from None
    except InexactError:
        raise
    except UNFIT as error:
        raise ColumnRejectedError(column, str(error)) from error


def _exact_numbers(
    column: Column, values: Sequence[Any], messages: Sequence[Message]
) -> Iterator[Decimal | float | None]:
    """Decode integers that were written as floats, without loss."""
    for value, message in zip(values, messages, strict=True):
        if isinstance(value, float):
            yield _decode_number(decode_fields(message.record)[column.field])
        else:
            yield value


def _join(
    *parts: tuple[list[pa.RecordBatch], list[RejectedRecord]],
) -> tuple[list[pa.RecordBatch], list[RejectedRecord]]:
    batches, rejects = zip(*parts, strict=True)
    return [*chain(*batches)], [*chain(*rejects)]


def _reject_for(record: bytes, error: ColumnRejectedError) -> RejectedRecord:
    column = error.column
    return RejectedRecord(record, without_values(error, column.codec.expected), column.field)
