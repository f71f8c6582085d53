"""From a stream's values to Arrow columns that COPY can write, checked on the way.

Each kind of column knows what msgspec shall read from a record, how a column of such values
becomes an Arrow array, and how a column of a Parquet file does. Values that do not fit raise
`ValueError` (Arrow's and msgspec's errors are such); which record it was is found by the caller.
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
from signalroom_target_postgres.values import array_literals, timestamps
from signalroom_target_postgres.values.arrow_json import (
    NOT_FINITE,
    UUID_BYTES,
    is_binary,
    is_nested_json,
    json_texts,
    plain,
    uuid_texts,
)
from signalroom_target_postgres.values.arrow_json import (
    values as json_values,
)
from signalroom_target_postgres.values.copy_format import has_nul, nul_escape
from signalroom_target_postgres.values.limits import limit_of
from signalroom_target_postgres.values.sql_types import common_type, family
from signalroom_target_postgres.values.timestamps import is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from signalroom_target_postgres.values.limits import Limit
    from signalroom_target_postgres.values.schema_types import DeclaredType

_NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_UUID = r"^\{?[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\}?$"
_NULL = Raw(b"null")
#: The type for integers of more than 64 bits.
LARGE = "numeric"


class TooLargeError(ValueError):
    """Integers that need more than 64 bits."""


class InexactError(ValueError):
    """Integers that were written as floats, and have lost digits by being read as such."""


class TooNarrowError(ValueError):
    """Values that are valid, and that the column's type does not hold.

    Args:
        to: The type that does.
    """

    def __init__(self, to: str) -> None:
        super().__init__(f"expected a value that fits, got one that needs {to}")
        self.to = to


@dataclass(frozen=True)
class Codec:
    """What a column's values are read as, and how they become an array.

    Args:
        expects: For messages: what a value should have been.
        read_as: The type msgspec reads a field as; `Raw` where the JSON text itself is wanted.
        gather: Makes an array of what msgspec read.
        convert: Makes that array of a file's column.
    """

    expected: str
    read_as: Any
    from_json: Callable[[Sequence[Any]], pa.Array]
    from_arrow: Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class Column:
    """A column of a stream: what its schema says, where it goes.

    Args:
        name: The column's name.
        type: The column's type in the database.
        kind: How its values are read.
        required: Whether a record must have a value.
        field: What records and files call it; as the column, if not given.
        limit: Which values its type does not hold.
        wider: The type that holds all that the schema allows, where its own does not.
        json_types: The JSON types that the schema allows; none if all.
        fixed: Why its type cannot change, if so: what is wider is a bad value then.
        key: Whether it is one of the keys, which are loaded as they are or not at all.
        allowed: The JSON types that are not refused, whatever the column holds; none if all.
    """

    name: str
    type: str
    codec: Codec
    required: bool = False
    field: str = ""
    limit: Limit | None = None
    wider: str | None = None
    json_types: frozenset[str] = frozenset()
    fixed: str | None = None
    key: bool = False
    allowed: frozenset[str] = frozenset()

    @property
    def source(self) -> str:
        """What records and files call it."""
        return self.field or self.name

    def from_json(self, values: Sequence[Any]) -> pa.Array:
        """Make an array of what msgspec read.

        Args:
            values: One a record.

        Returns:
            The array.

        Raises:
            InexactError: If the values are to be read again by `from_exact_json`.
            TooNarrowError: If a value needs a wider column.
            ValueError: If a value does not fit.
        """
        return self._checked(self.codec.from_json, values)

    def from_exact_json(self, values: Sequence[Decimal | float | None]) -> pa.Array:
        """Make an array of integers, some of which were written as floats.

        Args:
            values: One a record, no floats among them.

        Returns:
            The array.

        Raises:
            ValueError: If a value does not fit.
        """
        return self._checked(_whole_numbers, values)

    def from_arrow(self, array: pa.Array) -> pa.Array:
        """Make an array of a file's column.

        Args:
            array: The column, of whatever type the file has.

        Returns:
            The array.

        Raises:
            TooNarrowError: If a value needs a wider column.
            ValueError: If a value does not fit.
        """
        array = plain(array)
        if array.null_count == len(array):
            # Of whatever type: nothing in it is of another.
            array = pa.nulls(len(array), self.codec.from_json(()).type)
            return self._checked(lambda nulls: nulls, array)
        return self._checked(self.codec.from_arrow, array)

    def _checked(self, make: Callable[[Any], pa.Array], values: Any) -> pa.Array:
        limit = self.limit
        try:
            array = make(values)
        except TooLargeError:
            raise self._too_narrow(LARGE) from None
        if limit is not None and not limit.holds(array):
            raise self._too_narrow(limit.wider)
        if self.required and array.null_count:
            msg = f"expected {self.codec.expected}, got null"
            raise ValueError(msg)
        if self.key and pa.types.is_string(array.type) and has_nul(array, nul_escape(self.type)):
            # Replaced, two keys could become one.
            msg = "expected a key without the character NUL, which PostgreSQL cannot store"
            raise ValueError(msg)
        return array

    def _too_narrow(self, to: str) -> ValueError:
        if self.fixed is None:
            return TooNarrowError(to)
        return ValueError(
            f"expected a value that {self.type} holds exactly, got another; {self.fixed}"
        )


def make_column(
    name: str,
    declared: DeclaredType,
    type_: str,
    *,
    required: bool = False,
    key: bool = False,
    field: str = "",
    fixed: str | None = None,
) -> Column:
    """Say how a stream's field becomes a column's values.

    Args:
        name: The column.
        declared: What the stream's schema declares of the field.
        type_: The column's type in the database.
        required: Whether the schema says that a record must have it.
        key: Whether it is one of the keys, which cannot be null.
        field: The field's name, where it is not the column's.
        fixed: Why the column's type cannot change, if so.

    Returns:
        The column.
    """
    wider = common_type(type_, declared.type)
    allowed = JsonTypes.of(declared)
    return Column(
        name,
        type_,
        _restricted(_codec(declared.held_by(type_), type_, key=key), type_, allowed),
        required=key or (required and not declared.nullable),
        limit=limit_of(type_),
        wider=wider if wider != type_ else None,
        json_types=frozenset(declared.json_types),
        allowed=allowed.types,
        fixed=fixed,
        field=field,
        key=key,
    )


def _codec(types: set[str] | None, type_: str, *, key: bool) -> Codec:
    """Choose how values are read.

    Args:
        types: The JSON types of those that the column holds; empty for any, None for none.
        type_: The column's type.
        key: Whether it is one of the keys.
    """
    held = family(type_)
    codec = _CODECS.get(held, ANY_TEXT)
    if held == "array":
        codec = _array(type_.removesuffix("[]"))
    elif held == "timestamp":
        codec = _timely("a date and time", partial(timestamps.moments, exact=key))
    elif held == "time":
        read = (
            timestamps.clocks_with_zone if type_.endswith("with time zone") else timestamps.clocks
        )
        codec = _timely("a time", partial(read, exact=key))
    return codec if types is None else _codec_by(types, held, codec)


def _codec_by(types: set[str], held: str, codec: Codec) -> Codec:
    """Where it depends on what the schema allows."""
    if held == "text" and types == {"string"}:
        codec = TEXT
    elif held == "json":
        codec = _json_codec(types)
    elif held == "number" and "string" in types:
        codec = QUOTED_NUMBER
    elif held == "integer" and "string" in types:
        codec = ANY_TEXT  # an x-sql-datatype; the server reads it
    return codec


def _restricted(codec: Codec, type_: str, allowed: JsonTypes) -> Codec:
    """Have a kind refuse what the schema does not allow, where the column would hold it."""
    held = family(type_)
    if held == "array":
        return _array(type_.removesuffix("[]"), allowed.elements)
    if codec.read_as is not Raw or not allowed.types:
        return codec
    if held == "number":
        if "number" in allowed.types and "string" not in allowed.types:
            return codec
        allowed = JsonTypes(allowed.types & {"integer", "number", "string"})

    def from_json(values: Sequence[Raw]) -> pa.Array:
        texts = _raw_texts(values)
        allowed.check(texts)
        return texts if codec.from_json is _raw_texts else codec.from_json(values)

    def from_arrow(array: pa.Array) -> pa.Array:
        converted = codec.from_arrow(array)
        if held == "json":
            allowed.check(converted)
        else:
            allowed.check_column(array, lambda: converted.cast(pa.string()))
        return converted

    return replace(codec, expected=allowed.expected, from_json=from_json, from_arrow=from_arrow)


def _json_codec(types: set[str]) -> Codec:
    if types and not types & {"array", "object"}:
        return JSON_SCALAR
    return _CODECS["json"] if types and "string" not in types else JSON_OR_TEXT


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
        raise InexactError
    try:
        return pa.array(values, pa.int64(), size=len(values))
    except (OverflowError, pa.ArrowInvalid):
        raise TooLargeError from None


def _whole_numbers(values: Iterable[Decimal | float | None]) -> pa.Array:
    return _integers(
        [array_literals.whole(value) if isinstance(value, Decimal) else value for value in values]
    )


# Columns of files, and of texts.


def _as_text(array: pa.Array) -> pa.Array:
    """Texts, and what JSON has as a text: a number would be refused in a record too."""
    type_ = array.type
    if not (is_text(type_) or is_binary(type_) or pa.types.is_temporal(type_)):
        msg = f"expected a text, got {type_}"
        raise ValueError(msg)
    return _as_any_text(array)


def _as_any_text(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_nested(type_) or pa.types.is_floating(type_):
        return json_texts(array)
    if pa.types.is_temporal(type_):
        return _strings(json_values(array))
    return array.cast(pa.string())


def _as_json(array: pa.Array) -> pa.Array:
    # What is an object or an array to the schema comes as JSON where it comes as a text.
    if not (is_text(array.type) or is_binary(array.type)):
        return json_texts(array)
    texts = array.cast(pa.string())
    return pc.if_else(pc.equal(texts, "null"), None, texts)


def _as_json_or_text(array: pa.Array) -> pa.Array:
    # A file has no sign by which an object's JSON differs from a text, but that it can be read.
    if not (is_text(array.type) or is_binary(array.type)):
        return _as_encoded(array)
    texts = array.cast(pa.string())
    is_json = pa.array([is_nested_json(text) for text in texts.to_pylist()], pa.bool_())
    return pc.if_else(is_json, texts, _as_encoded(texts))


def _as_encoded(array: pa.Array) -> pa.Array:
    return json_texts(array.cast(pa.string()) if is_binary(array.type) else array)


def _as_integers(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_decimal(type_):
        if pc.all(pc.equal(pc.trunc(array), array)).as_py() is False:
            msg = "expected an integer, got a fraction"
            raise ValueError(msg)
    elif pa.types.is_floating(type_):
        return _as_whole_numbers(array)
    elif not pa.types.is_integer(type_):
        msg = f"expected an integer, got {type_}"
        raise ValueError(msg)
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        raise TooLargeError from None


def _as_whole_numbers(array: pa.Array) -> pa.Array:
    _check_finite(array)
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        values = array.to_pylist()
        return _whole_numbers([None if one is None else Decimal(one) for one in values])


def _as_numbers(array: pa.Array) -> pa.Array:
    type_ = array.type
    if not (
        pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    ):
        msg = f"expected a number, got {type_}"
        raise ValueError(msg)
    _check_finite(array)
    return array


def _as_quoted_numbers(array: pa.Array) -> pa.Array:
    if not is_text(array.type):
        return _as_numbers(array)
    return _matching(array.cast(pa.string()), f"^{_NUMBER}$", "a number")


def _check_finite(array: pa.Array) -> None:
    """JSON has no NaN: a record with one is a bad one."""
    if pa.types.is_floating(array.type) and pc.all(pc.is_finite(array)).as_py() is False:
        raise ValueError(NOT_FINITE)


def _as_booleans(array: pa.Array) -> pa.Array:
    if not pa.types.is_boolean(array.type):
        msg = f"expected a boolean, got {array.type}"
        raise ValueError(msg)
    return array


def _as_uuids(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_fixed_size_binary(type_) and type_.byte_width == UUID_BYTES:
        return uuid_texts(array)
    return _matching(_as_text(array), _UUID, "a UUID")


def _as_hex(array: pa.Array) -> pa.Array:
    if not (is_text(array.type) or is_binary(array.type)):
        msg = f"expected hexadecimal digits, got {array.type}"
        raise ValueError(msg)
    return pa.array([_hex(value) for value in array.to_pylist()], pa.string())


def _hex(value: str | bytes | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        # As the stock target: with a prefix or without, and an odd number of digits.
        digits = value.removeprefix("\\x").removeprefix("0x")
        value = bytes.fromhex(f"0{digits}" if len(digits) % 2 else digits)
    return f"\\x{value.hex()}"


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
    return _as_quoted_numbers(pc.utf8_trim(_raw_texts(values), '"'))


def _timely(expected: str, read: Callable[[pa.Array], pa.Array]) -> Codec:
    return Codec(expected, str, lambda values: read(_strings(values)), read)


def _array(element_type: str, wanted: str = "") -> Codec:
    """Arrays; `wanted` is the family of the elements that the schema allows, if it is one."""
    write = {**ELEMENTS, "json": array_literals.json_element}.get(
        family(element_type), array_literals.text_element
    )
    check = ELEMENTS.get(wanted, write)

    def element(raw: bytes) -> str:
        check(raw)
        return write(raw)

    def written(values: Iterable[Raw | str | None]) -> pa.Array:
        elements = write if check is write else element
        return pa.array(
            [array_literals.array_literal(one, elements) for one in values], pa.string()
        )

    return Codec(
        "an array",
        Raw,
        lambda values: written(None if one == _NULL else one for one in values),
        lambda array: written(_as_json(array).to_pylist()),
    )


#: For messages: of a field that has no column.
NOTHING_ALLOWED = "no value, as the schema forbids the field"
#: Of fields that the schema forbids: only null is read, and nothing comes of it.
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
    "date": _timely("a date", timestamps.dates),
    "uuid": Codec(
        "a UUID", str, lambda values: _matching(_strings(values), _UUID, "a UUID"), _as_uuids
    ),
    "json": Codec("JSON", Raw, _raw_texts, _as_json),
    "bytes": Codec("hexadecimal digits", str, lambda values: _as_hex(_strings(values)), _as_hex),
}
