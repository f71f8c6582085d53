"""From a stream's values to Arrow columns that COPY can write, checked on the way.

Each kind of column knows what msgspec shall read from a record, how a column of such values
becomes an Arrow array, and how a column of a Parquet file does. Values that do not fit raise
`ValueError` (Arrow's and msgspec's errors are such); which record it was is found by the caller.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from signalroom_target_postgres.sqltypes import family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_MOMENT = pa.timestamp("us", "UTC")
_NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_UUID = r"^\{?[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\}?$"
_NULL = Raw(b"null")
_ARRAY_SPECIAL = re.compile(r'["\\]')


class TooLargeError(ValueError):
    """Integers that need more than 64 bits."""


@dataclass(frozen=True)
class Kind:
    """What a column's values are read as, and how they become an array.

    Args:
        expects: For messages: what a value should have been.
        read_as: The type msgspec reads a field as; `Raw` where the JSON text itself is wanted.
        gather: Makes an array of what msgspec read.
        convert: Makes that array of a file's column.
    """

    expects: str
    read_as: Any
    gather: Callable[[Sequence[Any]], pa.Array]
    convert: Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class Column:
    """A column of a stream: what its schema says, where it goes.

    Args:
        name: The column's name.
        type: The column's type in the database.
        kind: How its values are read.
        required: Whether a record must have a value.
        field: What records and files call it; as the column, if not given.
    """

    name: str
    type: str
    kind: Kind
    required: bool = False
    field: str = ""

    @property
    def source(self) -> str:
        """What records and files call it."""
        return self.field or self.name

    def gather(self, values: Sequence[Any]) -> pa.Array:
        """Make an array of what msgspec read.

        Args:
            values: One a record.

        Returns:
            The array.

        Raises:
            ValueError: If a value does not fit.
        """
        return self._checked(self.kind.gather(values))

    def convert(self, array: pa.Array) -> pa.Array:
        """Make an array of a file's column.

        Args:
            array: The column, of whatever type the file has.

        Returns:
            The array.

        Raises:
            ValueError: If a value does not fit.
        """
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_null(array.type):
            array = array.cast(pa.string())
        return self._checked(self.kind.convert(array))

    def _checked(self, array: pa.Array) -> pa.Array:
        if self.required and array.null_count:
            msg = f"expected {self.kind.expects}, got null"
            raise ValueError(msg)
        return array


def column(
    name: str,
    schema: dict[str, Any],
    type_: str,
    *,
    required: bool = False,
    key: bool = False,
    field: str = "",
) -> Column:
    """Say how a stream's field becomes a column's values.

    Args:
        name: The column.
        schema: The field's JSON schema.
        type_: The column's type in the database; at least as wide as the schema wants.
        required: Whether the schema says that a record must have it.
        key: Whether it is one of the keys, which cannot be null.
        field: The field's name, where it is not the column's.

    Returns:
        The column.
    """
    types = json_types(schema)
    nullable = not types or "null" in types or not required
    return Column(name, type_, _kind(types - {"null"}, type_), key or not nullable, field)


def json_types(schema: dict[str, Any]) -> set[str]:
    """Collect the types a JSON schema allows.

    Args:
        schema: A field's.

    Returns:
        The types, `null` among them; nothing if it allows all.
    """
    types = schema.get("type", ())
    found = {types} if isinstance(types, str) else set(types)
    for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        found |= json_types(inner)
    return found


def _kind(types: set[str], type_: str) -> Kind:
    held = family(type_)
    if held == "text" and types == {"string"}:
        return TEXT
    if held == "json" and types and not types & {"array", "object"}:
        return JSON_SCALAR
    if held == "number" and "string" in types:
        return QUOTED_NUMBER
    if held == "integer" and "string" in types:
        return ANY_TEXT  # an x-sql-datatype; the server reads it
    if held == "array" and type_.lower().startswith("json"):
        return JSON_ARRAY
    return _KINDS.get(held, ANY_TEXT)


# Values that msgspec reads.


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
        values = [*map(_whole, values)]  # Arrow would cut the fraction off
    try:
        return pa.array(values, pa.int64(), size=len(values))
    except (OverflowError, pa.ArrowInvalid):
        raise TooLargeError from None


def _whole(value: float | None) -> int | None:
    if value is None or int(value) == value:
        return value if value is None else int(value)
    msg = "expected an integer, got a fraction"
    raise ValueError(msg)


# Columns of files, and of texts.


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _as_text(array: pa.Array) -> pa.Array:
    if pa.types.is_nested(array.type):
        return _as_json(array)
    return array.cast(pa.string())


def _as_json(array: pa.Array) -> pa.Array:
    # What is an object or an array to the schema comes as JSON where it comes as a text.
    return array.cast(pa.string()) if _is_text(array.type) else _as_encoded(array)


def _as_encoded(array: pa.Array) -> pa.Array:
    encoded = [
        None if value is None else msgspec.json.encode(value, enc_hook=str).decode()
        for value in array.to_pylist()
    ]
    return pa.array(encoded, pa.string())


def _as_integers(array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        msg = "expected an integer, got bool"
        raise ValueError(msg)
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        if pa.types.is_uint64(array.type) or pa.types.is_decimal(array.type):
            raise TooLargeError from None
        raise


def _as_numbers(array: pa.Array) -> pa.Array:
    if _is_text(array.type):
        return _matching(array.cast(pa.string()), f"^{_NUMBER}$", "a number")
    if not (
        pa.types.is_integer(array.type)
        or pa.types.is_floating(array.type)
        or pa.types.is_decimal(array.type)
    ):
        msg = f"expected a number, got {array.type}"
        raise ValueError(msg)
    return array


def _as_moments(array: pa.Array) -> pa.Array:
    if not _is_text(array.type):
        return array.cast(_MOMENT)
    try:
        return array.cast(_MOMENT)
    except pa.ArrowInvalid:
        # Some have no zone, or a form that Arrow does not read.
        return pa.array([_moment(text) for text in array.to_pylist()], _MOMENT)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _as_dates(array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.date32())
    except pa.ArrowInvalid:
        if not _is_text(array.type):
            raise
        texts = array.to_pylist()
        return pa.array([text and date.fromisoformat(text) for text in texts], pa.date32())


def _as_times(array: pa.Array) -> pa.Array:
    # As text: a `time with time zone` keeps its zone.
    texts = array.cast(pa.string())
    for text in texts.to_pylist():
        if text is not None:
            time.fromisoformat(text)
    return texts


def _as_booleans(array: pa.Array) -> pa.Array:
    if not pa.types.is_boolean(array.type):
        msg = f"expected a boolean, got {array.type}"
        raise ValueError(msg)
    return array


def _as_hex(array: pa.Array) -> pa.Array:
    return pa.array([_hex(value) for value in array.to_pylist()], pa.string())


def _hex(value: str | bytes | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        # As the stock target: with a prefix or without, and an odd number of digits.
        digits = value.removeprefix("\\x").removeprefix("0x")
        value = bytes.fromhex(f"0{digits}" if len(digits) % 2 else digits)
    return f"\\x{value.hex()}"


def _as_array_literals(array: pa.Array, *, json_elements: bool = False) -> pa.Array:
    values = array.to_pylist()
    if _is_text(array.type):
        values = [value if value is None else msgspec.json.decode(value) for value in values]
    literals = [_array_literal(value, json_elements=json_elements) for value in values]
    return pa.array(literals, pa.string())


def _array_literal(value: object, *, json_elements: bool) -> str | None:
    """A list in PostgreSQL's own form, ``{"a","b",NULL}``."""
    if value is None:
        return None
    if not isinstance(value, list):
        msg = f"expected an array, got {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - one kind of error for what does not fit
    return f"{{{','.join(_array_element(one, as_json=json_elements) for one in value)}}}"


def _array_element(value: object, *, as_json: bool) -> str:
    if value is None:
        return "NULL"
    is_plain = isinstance(value, str) and not as_json
    text = str(value) if is_plain else json.dumps(value, ensure_ascii=False)
    return '"{}"'.format(_ARRAY_SPECIAL.sub(r"\\\g<0>", text))


def _matching(array: pa.Array, pattern: str, expected: str) -> pa.Array:
    if pc.all(pc.match_substring_regex(array, pattern)).as_py() is False:
        msg = f"expected {expected}, got another text"
        raise ValueError(msg)
    return array


def _numbers(values: Sequence[Raw]) -> pa.Array:
    # As they were written: a float would round money.
    texts = _raw_texts(values)
    if pc.all(pc.match_substring_regex(texts, "^[-0-9]")).as_py() is False:
        msg = "expected a number, got another type"
        raise ValueError(msg)
    return texts


def _quoted_numbers(values: Sequence[Raw]) -> pa.Array:
    return _as_numbers(pc.utf8_trim(_raw_texts(values), '"'))


TEXT = Kind("a text", str, _strings, _as_text)
ANY_TEXT = Kind("a value", Raw, lambda values: _strings([*map(_plain_text, values)]), _as_text)
JSON_SCALAR = Kind("a value", Raw, _raw_texts, _as_encoded)
QUOTED_NUMBER = Kind("a number", Raw, _quoted_numbers, _as_numbers)
JSON_ARRAY = Kind(
    "an array",
    Raw,
    lambda values: _as_array_literals(_raw_texts(values), json_elements=True),
    lambda array: _as_array_literals(array, json_elements=True),
)
_KINDS = {
    "text": ANY_TEXT,
    "other": ANY_TEXT,
    "integer": Kind("an integer", int | float, _integers, _as_integers),
    "number": Kind("a number", Raw, _numbers, _as_numbers),
    "boolean": Kind("a boolean", bool, lambda values: pa.array(values, pa.bool_()), _as_booleans),
    "timestamp": Kind(
        "a date and time", str, lambda values: _as_moments(_strings(values)), _as_moments
    ),
    "date": Kind("a date", str, lambda values: _as_dates(_strings(values)), _as_dates),
    "time": Kind("a time", str, lambda values: _as_times(_strings(values)), _as_times),
    "uuid": Kind(
        "a UUID",
        str,
        lambda values: _matching(_strings(values), _UUID, "a UUID"),
        lambda array: _matching(_as_text(array), _UUID, "a UUID"),
    ),
    "json": Kind("JSON", Raw, _raw_texts, _as_json),
    "bytes": Kind("hexadecimal digits", str, lambda values: _as_hex(_strings(values)), _as_hex),
    "array": Kind(
        "an array",
        Raw,
        lambda values: _as_array_literals(_raw_texts(values)),
        _as_array_literals,
    ),
}
