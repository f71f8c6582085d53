"""Arrow columns of any type as JSON."""

from __future__ import annotations

import uuid
from decimal import Decimal
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from signalroom_target_postgres.values.arrow_checks import (
    all_true,
    is_binary,
    is_text_or_binary,
)
from signalroom_target_postgres.values.errors import UnfitError
from signalroom_target_postgres.values.timestamps import iso_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Makes JSON of `to_python`.
encode = msgspec.json.Encoder(decimal_format="number").encode
_UNITS = {"s": 0, "ms": -3, "us": -6, "ns": -9}
#: The size of a UUID that is stored as bytes.
UUID_BYTES = 16
_DECIMAL_BITS = 128
#: Of Arrow's largest decimals.
_MOST_DIGITS = 76


def to_basic_type(array: pa.Array) -> pa.Array:
    """Convert a column to a basic type, from dictionaries, runs, views and extension types."""
    type_ = array.type
    if isinstance(type_, pa.BaseExtensionType):
        of_storage = _EXTENSIONS.get(type_.extension_name, to_basic_type)
        return of_storage(array.storage)
    for applies, convert in _CONVERSIONS:
        if applies(type_):
            return convert(array)
    return array


def uuid_texts(array: pa.Array) -> pa.Array:
    """Write UUIDs as texts."""
    return pa.array(
        [None if value is None else str(uuid.UUID(bytes=value)) for value in array.to_pylist()],
        pa.string(),
    )


_EXTENSIONS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "arrow.uuid": uuid_texts,
    "arrow.bool8": lambda array: array.cast(pa.bool_()),
}


def _is_short_decimal(type_: pa.DataType) -> bool:
    # Few of Arrow's functions take them (26).
    return bool(pa.types.is_decimal(type_) and type_.bit_width < _DECIMAL_BITS)


def _is_scaled_up(type_: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(type_) and type_.scale < 0)


def _decimal128(type_: pa.DataType) -> pa.DataType:
    return pa.decimal128(type_.precision, type_.scale)


_CONVERSIONS: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]]] = (
    (pa.types.is_dictionary, lambda array: to_basic_type(array.dictionary_decode())),
    (pa.types.is_run_end_encoded, lambda array: to_basic_type(pc.run_end_decode(array))),
    (pa.types.is_string_view, lambda array: array.cast(pa.string())),
    (pa.types.is_binary_view, lambda array: array.cast(pa.binary())),
    (pa.types.is_float16, lambda array: array.cast(pa.float32())),
    (_is_short_decimal, lambda array: array.cast(_decimal128(array.type))),
    (_is_scaled_up, lambda array: array.cast(pa.decimal256(_MOST_DIGITS, 0))),
)


def json_texts(array: pa.Array) -> pa.Array:
    """Write a column's values as JSON texts; null stays null.

    Args:
        array: A column of any Arrow type.

    Raises:
        ValueError: If JSON has no such value.
    """
    texts = [None if value is None else encode(value).decode() for value in to_python(array)]
    return pa.array(texts, pa.string())


def to_python(array: pa.Array) -> list[Any]:
    """Convert a column to Python values, as JSON has them: times as texts, maps as objects.

    Args:
        array: A column of any Arrow type.

    Returns:
        Values that msgspec encodes; bytes as they are.

    Raises:
        ValueError: If JSON has no such value, as NaN, or the same key twice.
    """
    array = to_basic_type(array)
    type_ = array.type
    if pa.types.is_struct(type_):
        result = _objects(array)
    elif pa.types.is_map(type_):
        pairs = pa.list_(pa.struct([("key", type_.key_type), ("value", type_.item_type)]))
        result = [_object(value) for value in to_python(array.cast(pairs))]
    elif pa.types.is_nested(type_) and not pa.types.is_union(type_):
        result = _lists(array)
    else:
        result = _scalars(array)
    return result


def record_json(
    row: pa.RecordBatch | pa.Table, writers: Mapping[str, Callable[[str], str]] | None = None
) -> bytes:
    """Write a row as a JSON object, for quarantine; values that JSON does not have are texts.

    Args:
        row: A batch or table of one row.
        writers: By column, functions that make JSON of texts which are not texts in a record.
    """
    record = {}
    for name, column in zip(row.schema.names, row.columns, strict=True):
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        try:
            (value,) = to_python(array)
            encoded = encode(value)
            if writers and name in writers and isinstance(value, str):
                text = writers[name](value)
                encoded = text.encode() if _is_json(text) else encoded
        except (ValueError, TypeError, ArithmeticError, RecursionError, pa.ArrowException):
            encoded = encode(array.to_string(indent=0).strip("[\n]"))
        record[name] = Raw(encoded)
    return encode(record)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def records_json(batch: pa.RecordBatch, kinds: Mapping[str, str]) -> list[bytes]:
    """Write rows as JSON objects, as a tap writes records.

    Args:
        batch: The rows to write.
        kinds: What a column's bytes and texts are: `bytes` in hexadecimal digits, a `uuid`'s 16
            bytes, `json`, an `array` in JSON, or `json or text`; others are texts.

    Raises:
        ValueError: If JSON has no such value.
    """
    names = batch.schema.names
    columns = [
        _READERS.get(kinds.get(name, ""), _python_texts)(to_basic_type(column))
        for name, column in zip(names, batch.columns, strict=True)
    ]
    rows = zip(*columns, strict=True) if names else repeat((), batch.num_rows)
    return [encode(dict(zip(names, row, strict=True))) for row in rows]


def _python_texts(array: pa.Array) -> list[Any]:
    return to_python(array.cast(pa.string()) if is_binary(array.type) else array)


def _hex_texts(array: pa.Array) -> list[Any]:
    if not is_binary(array.type):
        return to_python(array)
    return [value and value.hex() for value in array.to_pylist()]


def _uuids(array: pa.Array) -> list[Any]:
    type_ = array.type
    is_uuid = pa.types.is_fixed_size_binary(type_) and type_.byte_width == UUID_BYTES
    return _python_texts(uuid_texts(array) if is_uuid else array)


def _parse_json(array: pa.Array) -> list[Any]:
    if not is_text_or_binary(array.type):
        return to_python(array)
    texts = _python_texts(array)
    if not all(text is None or _is_json(text) for text in texts):
        raise UnfitError(expected="JSON", got="another text")
    return [None if text is None else Raw(text.encode()) for text in texts]


def _parse_nested_json(array: pa.Array) -> list[Any]:
    return [
        Raw(value.encode()) if isinstance(value, str) and is_nested_json(value) else value
        for value in _python_texts(array)
    ]


_READERS: dict[str, Callable[[pa.Array], list[Any]]] = {
    "bytes": _hex_texts,
    "uuid": _uuids,
    "json": _parse_json,
    "array": _parse_json,
    "json or text": _parse_nested_json,
}


def is_nested_json(text: str | None) -> bool:
    """Whether a text is an object or an array in JSON.

    Args:
        text: A text; None is not one.
    """
    return text is not None and text.lstrip().startswith(("{", "[")) and _is_json(text)


def _objects(array: pa.Array) -> list[Any]:
    names = [field.name for field in array.type]
    children = [to_python(child) for child in array.flatten()]
    rows = zip(*children, strict=True) if names else repeat(())
    return [
        dict(zip(names, row, strict=True)) if is_there else None
        for is_there, row in zip(array.is_valid().to_pylist(), rows, strict=False)
    ]


def _lists(array: pa.Array) -> list[Any]:
    elements = iter(to_python(array.flatten()))
    return [
        None if length is None else [*islice(elements, length)]
        for length in pc.list_value_length(array).to_pylist()
    ]


def _object(pairs: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    if pairs is None:
        return None
    result = {}
    for pair in pairs:
        key = pair["key"]
        result[key if isinstance(key, str) else encode(key).decode()] = pair["value"]
    if len(result) != len(pairs):
        raise UnfitError(expected="an object", got="a map with a key twice")
    return result


def _scalars(array: pa.Array) -> list[Any]:
    type_ = array.type
    if pa.types.is_floating(type_):
        check_finite(array)
        if pa.types.is_float32(type_):
            # Its own digits: as Python's float 0.1 would be 0.10000000149011612.
            texts = array.cast(pa.string()).to_pylist()
            return [None if text is None else Decimal(text) for text in texts]
    elif pa.types.is_temporal(type_):
        if pa.types.is_duration(type_):
            return [*map(_duration(type_.unit), array.cast(pa.int64()).to_pylist())]
        if pa.types.is_interval(type_):
            raise UnfitError(expected="JSON", got=type_)
        array = iso_texts(array)
    return [*array.to_pylist()]


NOT_FINITE = "expected a number, got NaN or an infinity"


def check_finite(array: pa.Array) -> None:
    """Check a column of floats: JSON has neither NaN nor infinities.

    Raises:
        ValueError: If a value is one of them.
    """
    if not all_true(pc.is_finite(array)):
        raise ValueError(NOT_FINITE)


def _duration(unit: str) -> Any:
    def text(count: int | None) -> str | None:
        return None if count is None else f"PT{Decimal(count).scaleb(_UNITS[unit]):f}S"

    return text
