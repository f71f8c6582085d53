"""From RECORD messages to Arrow batches; what does not fit is set aside with its reason."""

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

from signalroom_target_postgres.messages.rejects import UNFIT, Misfit, unread_reason, without_values
from signalroom_target_postgres.rows import unknown_fields
from signalroom_target_postgres.rows.column_codecs import (
    NOTHING_ALLOWED,
    Column,
    InexactError,
    TooNarrowError,
)
from signalroom_target_postgres.rows.unknown_fields import UNKNOWN
from signalroom_target_postgres.values.array_literals import whole
from signalroom_target_postgres.values.arrow_json import record_json

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from signalroom_target_postgres.messages.models import Message

_UNKNOWN = re.compile(r"unknown field `(?P<field>.*)`", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<field>.*)`", re.DOTALL)
_MISFIT = re.compile(r"Expected `(?P<expected>.*)`, got `(?P<got>.*)` - at `\$\.(?P<field>.*)`")
_TOO_LARGE = re.compile(r"out of range - at `\$\.(?P<field>.*)`")
_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
_BY_FIRST_CHARACTER = {
    b'"': "string",
    b"{": "object",
    b"[": "array",
    b"t": "boolean",
    b"f": "boolean",
    b"n": "null",
}
_NULL = Raw(b"null")
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_number = msgspec.json.Decoder(Decimal | None).decode


class RefusalError(ValueError):
    """Why a column does not take its values."""

    def __init__(self, column: Column, reason: str) -> None:
        super().__init__(reason)
        self.column = column


class ColumnTooNarrowError(Exception):
    """A column has to become wider before the records can be loaded.

    Args:
        column: Its name.
        to: The type it needs.
    """

    def __init__(self, column: str, to: str) -> None:
        super().__init__(column, to)
        self.column = column
        self.to = to


class RecordReader:
    """Reads the records of a stream into batches.

    Args:
        columns: The stream's columns, but for the metadata.
        forbidden: Fields that the schema has and allows no value for. They have no columns.
        metadata: The metadata's columns, where it is wanted.
        sync_started_at: When the run began, in milliseconds since 1970.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        metadata: Sequence[Column] = (),
        sync_started_at: int = 0,
        forbidden: Sequence[Column] = (),
    ) -> None:
        self.columns = columns
        self._forbidden = forbidden
        #: Fields that records have and the schema does not.
        self.unknown: set[str] = set()
        self._metadata = metadata
        self._sync_started_at = sync_started_at
        self._decode = self._decoder(strict=True)

    def _decoder(self, *, strict: bool) -> Any:
        # Names of fields may be anything, of attributes not.
        columns = [*self.columns, *self._forbidden]
        names = {f"f{number}": column.source for number, column in enumerate(columns)}
        aliases = {name: alias for alias, name in names.items() if _ESCAPED.search(name)}
        names |= {alias: alias for alias in aliases.values()}
        row = msgspec.defstruct(
            "Row",
            [_field(attribute, column) for attribute, column in zip(names, columns, strict=True)],
            rename=names,
            forbid_unknown_fields=strict,
            gc=False,
            kw_only=True,
        )
        decode = msgspec.json.Decoder(row).decode
        if not aliases:
            return decode

        def decode_renamed(record: Raw) -> Any:
            # msgspec has no fields with characters that JSON escapes.
            fields = _decode_fields(record)
            return decode(
                msgspec.json.encode({aliases.get(name, name): fields[name] for name in fields})
            )

        return decode_renamed

    def read(self, messages: Sequence[Message]) -> tuple[list[pa.RecordBatch], list[Misfit]]:
        """Read records.

        Args:
            messages: RECORD messages, in their order.

        Returns:
            Batches of those that fit, in the same order; and the others.

        Raises:
            ColumnTooNarrowError: If values need a wider column. Nothing was read.
        """
        try:
            return [self._batch(messages)], []
        except (ValueError, RecursionError) as error:
            if len(messages) == 1:
                if self._knows_now(error):
                    return self.read(messages)
                return [], [self._widened_or(self._misfit(messages[0], error))]
        middle = len(messages) // 2
        return _together(self.read(messages[:middle]), self.read(messages[middle:]))

    def fit(
        self, batch: pa.RecordBatch, version: int | None = None
    ) -> tuple[list[pa.RecordBatch], list[Misfit]]:
        """Make a file's columns the table's.

        Args:
            batch: Rows as the file has them.
            version: The version of the stream that they are of, where it is known.

        Returns:
            Batches of those that fit, in the same order; and the others.

        Raises:
            ColumnTooNarrowError: If values need a wider column.
        """
        try:
            return [self._fitted(batch, version)], []
        except RefusalError as error:
            if batch.num_rows == 1:
                return [], [self._widened_or(_refused(record_json(batch), error))]
        middle = batch.num_rows // 2
        return _together(
            self.fit(batch.slice(0, middle), version), self.fit(batch.slice(middle), version)
        )

    def _fitted(self, batch: pa.RecordBatch, version: int | None) -> pa.RecordBatch:
        arrays = []
        for column in self.columns:
            if column.source in batch.schema.names:
                array = batch.column(column.source)
            else:
                array = pa.nulls(batch.num_rows)
            try:
                arrays.append(column.convert(array))
            except TooNarrowError as error:
                raise ColumnTooNarrowError(column.name, error.to) from None
            except UNFIT as error:
                raise RefusalError(column, str(error)) from error
        for column in self._forbidden:
            if column.source not in batch.schema.names:
                continue
            array = batch.column(column.source)
            if array.null_count < len(array):
                raise RefusalError(column, f"expected {NOTHING_ALLOWED}, got {array.type}")
        names = [column.name for column in self.columns]
        fields = {column.source for column in (*self.columns, *self._forbidden)}
        if (unknown := unknown_fields.of_file(batch, fields)) is not None:
            names.append(UNKNOWN)
            arrays.append(unknown)
        return self._with_metadata(
            pa.RecordBatch.from_arrays(arrays, names), versions=[version] * batch.num_rows
        )

    def _batch(self, messages: Sequence[Message]) -> pa.RecordBatch:
        decode = self._decode
        rows = zip(*[astuple(decode(message.record)) for message in messages], strict=True)
        arrays = []
        # After them come the fields that are forbidden, which are null.
        for column, values in zip(self.columns, rows, strict=not self._forbidden):
            try:
                arrays.append(self._gathered(column, values, messages))
            except TooNarrowError as error:
                raise ColumnTooNarrowError(column.name, error.to) from None
            except UNFIT as error:
                raise RefusalError(column, str(error)) from error
        names = [column.name for column in self.columns]
        if self.unknown:
            names.append(UNKNOWN)
            arrays.append(unknown_fields.of_records([message.record for message in messages]))
        batch = pa.RecordBatch.from_arrays(arrays, names)
        return self._with_metadata(
            batch,
            [message.time_extracted for message in messages],
            [message.version for message in messages],
        )

    def _gathered(
        self, column: Column, values: Sequence[Any], messages: Sequence[Message]
    ) -> pa.Array:
        try:
            return column.gather(values)
        except InexactError:
            exact: list[Decimal | float | None] = [
                _decode_number(_decode_fields(message.record)[column.source])
                if isinstance(value, float)
                else value
                for value, message in zip(values, messages, strict=True)
            ]
            return column.gather_exactly(exact)

    def _with_metadata(
        self,
        batch: pa.RecordBatch,
        extracted_at: Sequence[str | None] = (),
        versions: Sequence[int | None] = (),
    ) -> pa.RecordBatch:
        """Add the metadata's columns, where it is wanted; of files only what is known."""
        if not self._metadata:
            return batch
        now = datetime.now(UTC)
        text, count = now.isoformat(), batch.num_rows
        values: dict[str, Sequence[Any]] = {
            "_sdc_extracted_at": extracted_at or [text] * count,
            "_sdc_received_at": [text] * count,
            "_sdc_batched_at": [text] * count,
            "_sdc_sequence": [round(now.timestamp() * 1000)] * count,
            "_sdc_table_version": versions or [None] * count,
            "_sdc_sync_started_at": [self._sync_started_at] * count,
        }
        for column in self._metadata:
            filled = values[column.name]
            if column.kind.read_as is Raw:
                # Of a table that has them in columns of other types.
                filled = [Raw(msgspec.json.encode(value)) for value in filled]
            try:
                array = column.gather(filled)
            except TooNarrowError as error:
                raise ColumnTooNarrowError(column.name, error.to) from None
            except UNFIT as error:
                raise RefusalError(column, str(error)) from error
            batch = batch.append_column(column.name, array)
        return batch

    def _widened_or(self, misfit: Misfit) -> Misfit:
        """Ask for a wider column where the schema allows a value and only the column does not.

        Args:
            misfit: The record.

        Returns:
            The same, with why the column is not wider, if that is so.

        Raises:
            ColumnTooNarrowError: If the column is to become wider.
        """
        column = next((one for one in self.columns if one.source == misfit.column), None)
        if column is None or column.wider is None:
            return misfit
        try:
            value = _decode_fields(misfit.record).get(column.source, _NULL)
        except (ValueError, RecursionError):
            return misfit
        if value == _NULL or not allows(column.allowed, value):
            return misfit
        if column.fixed is None:
            raise ColumnTooNarrowError(column.name, column.wider)
        if misfit.reason.endswith(column.fixed):
            return misfit
        return replace(misfit, reason=f"{misfit.reason}; {column.fixed}")

    def _knows_now(self, error: Exception) -> bool:
        """Note fields the schema does not have; from now on they are passed over."""
        if (found := _UNKNOWN.search(str(error))) is None:
            return False
        self.unknown.add(found["field"])
        self._decode = self._decoder(strict=False)
        return True

    def _misfit(self, message: Message, error: Exception) -> Misfit:
        record = bytes(message.record)
        if isinstance(error, RefusalError):
            return _refused(record, error)
        text = str(error)
        if found := _MISSING.search(text):
            return Misfit(record, "it is missing", found["field"])
        if found := _MISFIT.search(text):
            columns = [*self.columns, *self._forbidden]
            expects = {column.source: column.kind.expects for column in columns}
            expected = expects.get(found["field"], found["expected"])
            return Misfit(record, f"expected {expected}, got {found['got']}", found["field"])
        if found := _TOO_LARGE.search(text):
            return Misfit(record, "expected a number, got one out of range", found["field"])
        return Misfit(record, unread_reason(error))


def allows(json_types: Collection[str], value: Raw) -> bool:
    """Whether a JSON value is of one of some types.

    Args:
        json_types: The types; none if all are allowed.
        value: The value.
    """
    text = bytes(value).strip()
    found = _BY_FIRST_CHARACTER.get(text[:1], "number")
    if found == "number" and "integer" in json_types and "number" not in json_types:
        return is_whole(text)
    return not json_types or found in json_types


def is_whole(number: bytes) -> bool:
    """Whether a number is an integer, as also 3.0 and 1e2 are.

    Args:
        number: Its JSON.
    """
    try:
        whole(Decimal(number.decode()))
    except (ValueError, ArithmeticError):
        return False
    return True


def _together(*parts: tuple[list[pa.RecordBatch], list[Misfit]]) -> tuple[list[Any], list[Misfit]]:
    batches, misfits = zip(*parts, strict=True)
    return [*chain(*batches)], [*chain(*misfits)]


def _refused(record: bytes, error: RefusalError) -> Misfit:
    column = error.column
    return Misfit(record, without_values(error, column.kind.expects), column.source)


def _field(attribute: str, column: Column) -> tuple[Any, ...]:
    read_as = column.kind.read_as
    if read_as is None:
        return (attribute, None, None)
    if column.required:
        return (attribute, read_as)
    if read_as is Raw:
        return (attribute, Raw, _NULL)
    return (attribute, read_as | None, None)
