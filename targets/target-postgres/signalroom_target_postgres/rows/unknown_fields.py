"""Fields that records have and the schema does not: kept with a row until it is loaded.

They are not loaded, but a row that the server rejects is quarantined with all of its fields. They
are in a column of their own, for streams that have such fields: as the record's bytes, which costs
little, or as the columns of a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from msgspec import Raw

from signalroom_target_postgres.rows.struct_decoder import decode_fields
from signalroom_target_postgres.values.arrow_checks import is_number, is_text_or_binary
from signalroom_target_postgres.values.arrow_json import encode, record_json, to_basic_type

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

#: The name of the column, longer than any column of a stream can be.
UNKNOWN = "signalroom unknown fields ".ljust(64, ".")
_JSON = b"signalroom.json"


def keep_records(records: Sequence[Raw]) -> pa.Array:
    """Keep the records of a stream in which some have unknown fields, as a column."""
    return pa.array([bytes(record) for record in records], pa.binary())


def keep_columns(batch: pa.RecordBatch, fields: Collection[str]) -> pa.Array | None:
    """Keep the columns of a file that are not loaded, as one column.

    Args:
        batch: Rows as the file has them.
        fields: The fields that the schema has.

    Returns:
        The column; None if all columns are loaded.
    """
    columns = [
        _plain_column(name, batch.column(name)) for name in batch.schema.names if name not in fields
    ]
    if not columns:
        return None
    schema, arrays = zip(*columns, strict=True)
    return pa.StructArray.from_arrays([*arrays], fields=[*schema])


def _plain_column(name: str, array: pa.Array) -> tuple[pa.Field, pa.Array]:
    try:
        array = to_basic_type(array)
    except pa.ArrowException:
        return _json_column(name, array)
    if _is_simple(array.type):
        return pa.field(name, array.type), array
    # Few of Arrow's functions take nested types.
    return _json_column(name, array)


def _json_column(name: str, array: pa.Array) -> tuple[pa.Field, pa.Array]:
    texts = []
    for number in range(len(array)):
        row = pa.RecordBatch.from_arrays([array.slice(number, 1)], [name])
        texts.append(bytes(decode_fields(record_json(row))[name]).decode())
    return pa.field(name, pa.string(), metadata={_JSON: b""}), pa.array(texts, pa.string())


def _is_simple(type_: pa.DataType) -> bool:
    if pa.types.is_temporal(type_):
        return not pa.types.is_interval(type_)
    return is_text_or_binary(type_) or is_number(type_) or bool(pa.types.is_boolean(type_))


def without_unknown(rows: pa.Table) -> pa.Table:
    """Leave out the column of unknown fields, which is not loaded."""
    return rows.drop_columns([UNKNOWN]) if UNKNOWN in rows.column_names else rows


def with_unknown(record: bytes, row: pa.Table, fields: Collection[str]) -> bytes:
    """Add the unknown fields to a record that was written from a row.

    Args:
        record: The record's JSON.
        row: The row that it was written from.
        fields: The fields that the schema has.

    Returns:
        The record's JSON, with all fields that the tap sent.
    """
    if UNKNOWN not in row.column_names:
        return record
    array = row.column(UNKNOWN).combine_chunks()
    if pa.types.is_struct(array.type):
        unknown = _decode_struct(array)
    else:
        sent = decode_fields(array[0].as_py())
        unknown = {name: value for name, value in sent.items() if name not in fields}
    return encode(decode_fields(record) | unknown) if unknown else record


def _decode_struct(array: pa.StructArray) -> dict[str, Raw]:
    names = [field.name for field in array.type]
    columns = [array.field(number) for number in range(len(names))]
    record: dict[str, Any] = decode_fields(record_json(pa.RecordBatch.from_arrays(columns, names)))
    for field, column in zip(array.type, columns, strict=True):
        if _JSON in (field.metadata or {}):
            record[field.name] = Raw(column[0].as_py().encode())
    return record
