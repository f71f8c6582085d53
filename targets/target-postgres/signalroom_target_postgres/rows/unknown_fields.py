"""Fields that records have and the schema does not: not loaded, and kept with a row until it is.

A row that the server refuses is quarantined as a record that did not fit: with all that it had.
They wait in a column of their own, for streams that have such fields: as the record's bytes, which
costs little, or as the columns of a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
from msgspec import Raw

from signalroom_target_postgres.values.arrow_json import encode, is_binary, plain, record_json
from signalroom_target_postgres.values.timestamps import is_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

#: The column; its name is not one that a stream could have, as it would be longer than any.
UNKNOWN = "signalroom unknown fields ".ljust(64, ".")
_JSON = b"signalroom.json"
_decode = msgspec.json.Decoder(dict[str, Raw]).decode


def of_records(records: Sequence[Raw]) -> pa.Array:
    """Keep records of a stream in which some have unknown fields.

    Args:
        records: Their JSON.

    Returns:
        A column.
    """
    return pa.array([bytes(one) for one in records], pa.binary())


def of_file(batch: pa.RecordBatch, known: Collection[str]) -> pa.Array | None:
    """Keep the columns of a file that are not loaded.

    Args:
        batch: Rows as the file has them.
        known: The fields that the schema has.

    Returns:
        A column; None if there is none to keep.
    """
    kept = [
        _kept(name, batch.column(name)) for name in batch.schema.names if name not in set(known)
    ]
    if not kept:
        return None
    fields, arrays = zip(*kept, strict=True)
    return pa.StructArray.from_arrays([*arrays], fields=[*fields])


def _kept(name: str, array: pa.Array) -> tuple[pa.Field, pa.Array]:
    try:
        array = plain(array)
    except pa.ArrowException:
        return _as_json(name, array)
    if _is_simple(array.type):
        return pa.field(name, array.type), array
    # Few of Arrow's functions take what is nested.
    return _as_json(name, array)


def _as_json(name: str, array: pa.Array) -> tuple[pa.Field, pa.Array]:
    texts = []
    for number in range(len(array)):
        one = pa.RecordBatch.from_arrays([array.slice(number, 1)], [name])
        texts.append(bytes(_decode(record_json(one))[name]).decode())
    return pa.field(name, pa.string(), metadata={_JSON: b""}), pa.array(texts, pa.string())


def _is_simple(type_: pa.DataType) -> bool:
    types = pa.types
    tests = (is_text, is_binary, types.is_integer, types.is_floating, types.is_boolean)
    is_moment = types.is_temporal(type_) and not types.is_interval(type_)
    return is_moment or types.is_decimal(type_) or any(is_one(type_) for is_one in tests)


def known(rows: pa.Table) -> pa.Table:
    """Leave out the column of unknown fields.

    Args:
        rows: Rows on their way to the table.

    Returns:
        The columns that are loaded.
    """
    return rows.drop_columns([UNKNOWN]) if UNKNOWN in rows.column_names else rows


def with_unknown(record: bytes, row: pa.Table, fields: Collection[str]) -> bytes:
    """Add the unknown fields to a record that was written from a row.

    Args:
        record: Its JSON.
        row: The row.
        fields: The fields that the schema has.

    Returns:
        The record's JSON, with all that it had.
    """
    if UNKNOWN not in row.column_names:
        return record
    array = row.column(UNKNOWN).combine_chunks()
    if pa.types.is_struct(array.type):
        found = _of_struct(array)
    else:
        sent = _decode(array[0].as_py())
        found = {name: value for name, value in sent.items() if name not in fields}
    return encode(_decode(record) | found) if found else record


def _of_struct(array: pa.StructArray) -> dict[str, Raw]:
    names = [field.name for field in array.type]
    columns = [array.field(number) for number in range(len(names))]
    found: dict[str, Any] = _decode(record_json(pa.RecordBatch.from_arrays(columns, names)))
    for field, column in zip(array.type, columns, strict=True):
        if _JSON in (field.metadata or {}):
            found[field.name] = Raw(column[0].as_py().encode())
    return found
