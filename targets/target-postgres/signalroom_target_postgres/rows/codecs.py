"""Codecs: how values of one kind become an Arrow column that COPY can encode.

Each codec says what msgspec decodes a record's field as, and makes an Arrow array of such values,
or of a file's column. Values that do not fit raise `ValueError` (as msgspec's and Arrow's errors
are); the caller finds the record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from signalroom_target_postgres.rows.json_types import ELEMENTS, JsonTypes
from signalroom_target_postgres.values import arrow_json, timestamps
from signalroom_target_postgres.values.array_literals import (
    array_literal,
    json_element,
    text_element,
    to_integer,
)
from signalroom_target_postgres.values.arrow_checks import (
    all_true,
    is_binary,
    is_number,
    is_text,
    is_text_or_binary,
)
from signalroom_target_postgres.values.errors import UnfitError
from signalroom_target_postgres.values.sql_types import type_family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_UUID = r"^\{?[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\}?$"
_NULL = Raw(b"null")


class TooLargeError(ValueError):
    """Integers need more than 64 bits."""


class InexactError(ValueError):
    """Integers were written as floats, and have lost digits by being decoded as such."""


@dataclass(frozen=True)
class Codec:
    """What a column's values are decoded as, and how they become an array.

    Args:
        expected: What a value should be, for messages.
        read_as: The type that msgspec decodes a field as; `Raw` where the JSON text is needed.
        from_json: Makes an array of what msgspec decoded.
        from_arrow: Makes the same array of a file's column.
    """

    expected: str
    read_as: Any
    from_json: Callable[[Sequence[Any]], pa.Array]
    from_arrow: Callable[[pa.Array], pa.Array]


def choose_codec(type_: str, types: set[str] | None, allowed: JsonTypes, *, is_key: bool) -> Codec:
    """Choose how the values of a column are decoded.

    Args:
        type_: The column's type in the database.
        types: The JSON types of values that the column holds; empty for any, None for none.
        allowed: The JSON types that the schema allows.
        is_key: Whether it is one of the keys, which are loaded exactly or not at all.
    """
    kind = type_family(type_)
    codec = _CODECS.get(kind, ANY_TEXT)
    if kind == "array":
        codec = _array(type_.removesuffix("[]"))
    elif kind == "timestamp":
        codec = _temporal("a date and time", partial(timestamps.to_timestamps, exact=is_key))
    elif kind == "time":
        has_zone = type_.endswith("with time zone")
        convert = timestamps.to_times_with_zone if has_zone else timestamps.to_times
        codec = _temporal("a time", partial(convert, exact=is_key))
    if types is not None:
        codec = _by_declared_types(types, kind, codec)
    return _restrict(codec, type_, allowed)


def _by_declared_types(types: set[str], kind: str, codec: Codec) -> Codec:
    """Choose another codec where it depends on what the schema allows."""
    if kind == "text" and types == {"string"}:
        codec = TEXT
    elif kind == "json" and (not types or "string" in types):
        codec = JSON_OR_TEXT
    elif kind == "number" and "string" in types:
        codec = QUOTED_NUMBER
    elif kind == "integer" and "string" in types:
        codec = ANY_TEXT  # an x-sql-datatype; the server reads it
    if kind == "json" and types and not types & {"array", "object"}:
        codec = JSON_SCALAR
    return codec


def _restrict(codec: Codec, type_: str, allowed: JsonTypes) -> Codec:
    """Make a codec reject what the schema does not allow, where the column would hold it."""
    kind = type_family(type_)
    if kind == "array":
        return _array(type_.removesuffix("[]"), allowed.elements)
    if codec.read_as is not Raw or not allowed.types:
        return codec
    if kind == "number":
        if "number" in allowed.types and "string" not in allowed.types:
            return codec
        allowed = JsonTypes(allowed.types & {"integer", "number", "string"})

    def from_json(values: Sequence[Raw]) -> pa.Array:
        texts = _raw_texts(values)
        allowed.check_texts(texts)
        return texts if codec.from_json is _raw_texts else codec.from_json(values)

    def from_arrow(array: pa.Array) -> pa.Array:
        converted = codec.from_arrow(array)
        if kind == "json":
            allowed.check_texts(converted)
        else:
            allowed.check_column(array, lambda: converted.cast(pa.string()))
        return converted

    return replace(codec, expected=allowed.description, from_json=from_json, from_arrow=from_arrow)


# Values that msgspec decoded.


def _raw_texts(values: Iterable[Raw]) -> pa.Array:
    """JSON texts as they came, null for JSON's null."""
    texts = pa.array([bytes(value) for value in values], pa.binary()).cast(pa.string())
    return pc.if_else(pc.equal(texts, "null"), None, texts)


def _strings(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string(), size=len(values))


def _plain_text(value: Raw) -> str | None:
    """A value of any type as text: a string's own, else its JSON; null for null."""
    if value == _NULL:
        return None
    raw = bytes(value)
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()


def _integers(values: Sequence[float | None]) -> pa.Array:
    if float in set(map(type, values)):
        raise InexactError
    try:
        return pa.array(values, pa.int64(), size=len(values))
    except (OverflowError, pa.ArrowInvalid):
        raise TooLargeError from None


def integers_from_numbers(values: Iterable[Decimal | float | None]) -> pa.Array:
    """Make an array of integers.

    Args:
        values: Integers, and decimals without a fraction.

    Raises:
        TooLargeError: If one needs more than 64 bits.
        ValueError: If one has a fraction.
    """
    return _integers(
        [to_integer(value) if isinstance(value, Decimal) else value for value in values]
    )


# Columns of files, and of texts.


def _as_text(array: pa.Array) -> pa.Array:
    """Texts, and what JSON has as a text: a number would be refused in a record too."""
    type_ = array.type
    if not (is_text_or_binary(type_) or pa.types.is_temporal(type_)):
        raise UnfitError(expected="a text", got=type_)
    return _as_any_text(array)


def _as_any_text(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_nested(type_) or pa.types.is_floating(type_):
        return arrow_json.json_texts(array)
    if pa.types.is_temporal(type_):
        return _strings(arrow_json.to_python(array))
    return array.cast(pa.string())


def _as_json(array: pa.Array) -> pa.Array:
    # An object or an array that comes as a text is JSON.
    if not is_text_or_binary(array.type):
        return arrow_json.json_texts(array)
    texts = array.cast(pa.string())
    return pc.if_else(pc.equal(texts, "null"), None, texts)


def _as_json_or_text(array: pa.Array) -> pa.Array:
    # In a file, only parsing tells the JSON of an object from a text.
    if not is_text_or_binary(array.type):
        return _as_encoded(array)
    texts = array.cast(pa.string())
    is_json = pa.array([arrow_json.is_nested_json(text) for text in texts.to_pylist()], pa.bool_())
    return pc.if_else(is_json, texts, _as_encoded(texts))


def _as_encoded(array: pa.Array) -> pa.Array:
    return arrow_json.json_texts(array.cast(pa.string()) if is_binary(array.type) else array)


def _as_integers(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_decimal(type_):
        if not all_true(pc.equal(pc.trunc(array), array)):
            raise UnfitError(expected="an integer", got="a fraction")
    elif pa.types.is_floating(type_):
        return _as_integers_from_floats(array)
    elif not pa.types.is_integer(type_):
        raise UnfitError(expected="an integer", got=type_)
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        raise TooLargeError from None


def _as_integers_from_floats(array: pa.Array) -> pa.Array:
    arrow_json.check_finite(array)
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        values = array.to_pylist()
        return integers_from_numbers(
            [None if value is None else Decimal(value) for value in values]
        )


def _as_numbers(array: pa.Array) -> pa.Array:
    type_ = array.type
    if not is_number(type_):
        raise UnfitError(expected="a number", got=type_)
    if pa.types.is_floating(type_):
        arrow_json.check_finite(array)
    return array


def _as_quoted_numbers(array: pa.Array) -> pa.Array:
    if not is_text(array.type):
        return _as_numbers(array)
    return _check_pattern(array.cast(pa.string()), f"^{_NUMBER}$", "a number")


def _as_booleans(array: pa.Array) -> pa.Array:
    if not pa.types.is_boolean(array.type):
        raise UnfitError(expected="a boolean", got=array.type)
    return array


def _as_uuids(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_fixed_size_binary(type_) and type_.byte_width == arrow_json.UUID_BYTES:
        return arrow_json.uuid_texts(array)
    return _check_pattern(_as_text(array), _UUID, "a UUID")


def _as_hex(array: pa.Array) -> pa.Array:
    if not is_text_or_binary(array.type):
        raise UnfitError(expected="hexadecimal digits", got=array.type)
    return pa.array([_hex(value) for value in array.to_pylist()], pa.string())


def _hex(value: str | bytes | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        # As in the stock target, a prefix is optional, and the number of digits may be odd.
        digits = value.removeprefix("\\x").removeprefix("0x")
        value = bytes.fromhex(f"0{digits}" if len(digits) % 2 else digits)
    return f"\\x{value.hex()}"


def _check_pattern(array: pa.Array, pattern: str, expected: str) -> pa.Array:
    if not all_true(pc.match_substring_regex(array, pattern)):
        raise UnfitError(expected=expected, got="another text")
    return array


def _numbers(values: Sequence[Raw]) -> pa.Array:
    # As they were written: a float would round money.
    texts = _raw_texts(values)
    if not all_true(pc.match_substring_regex(texts, "^[-0-9]")):
        raise UnfitError(expected="a number", got="another type")
    return texts


def _quoted_numbers(values: Sequence[Raw]) -> pa.Array:
    return _as_quoted_numbers(pc.utf8_trim(_raw_texts(values), '"'))


def _temporal(expected: str, convert: Callable[[pa.Array], pa.Array]) -> Codec:
    return Codec(expected, str, lambda values: convert(_strings(values)), convert)


def _array(element_type: str, declared_element: str = "") -> Codec:
    """Make a codec of arrays.

    Args:
        element_type: The type of the column's elements.
        declared_element: The family of the elements that the schema allows, if it is one.
    """
    write = {**ELEMENTS, "json": json_element}.get(type_family(element_type), text_element)
    check = ELEMENTS.get(declared_element, write)

    def check_and_write(raw: bytes) -> str:
        check(raw)
        return write(raw)

    write_element = write if check is write else check_and_write

    def literals(values: Iterable[Raw | str | None]) -> pa.Array:
        return pa.array([array_literal(value, write_element) for value in values], pa.string())

    return Codec(
        "an array",
        Raw,
        lambda values: literals(None if value == _NULL else value for value in values),
        lambda array: literals(_as_json(array).to_pylist()),
    )


#: For messages: what is expected of a field that the schema forbids.
NOTHING_ALLOWED = "no value, as the schema forbids the field"
#: For fields that the schema forbids: only null is decoded, and they have no column.
FORBIDDEN = Codec(NOTHING_ALLOWED, None, lambda values: pa.nulls(len(values)), lambda array: array)
TEXT = Codec("a text", str, _strings, _as_text)
ANY_TEXT = Codec("a value", Raw, lambda values: _strings([*map(_plain_text, values)]), _as_any_text)
JSON_SCALAR = Codec("a value", Raw, _raw_texts, _as_encoded)
JSON_OR_TEXT = Codec("a value", Raw, _raw_texts, _as_json_or_text)
QUOTED_NUMBER = Codec("a number", Raw, _quoted_numbers, _as_quoted_numbers)
_CODECS = {
    "text": ANY_TEXT,
    "other": ANY_TEXT,
    "integer": Codec("an integer", int | float, _integers, _as_integers),
    "number": Codec("a number", Raw, _numbers, _as_numbers),
    "boolean": Codec("a boolean", bool, lambda values: pa.array(values, pa.bool_()), _as_booleans),
    "date": _temporal("a date", timestamps.to_dates),
    "uuid": Codec(
        "a UUID", str, lambda values: _check_pattern(_strings(values), _UUID, "a UUID"), _as_uuids
    ),
    "json": Codec("JSON", Raw, _raw_texts, _as_json),
    "bytes": Codec("hexadecimal digits", str, lambda values: _as_hex(_strings(values)), _as_hex),
}
