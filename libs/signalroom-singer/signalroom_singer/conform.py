"""Conforms vendors' records to their schemas; values that do not fit go into ``_extra``."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalroom_singer.cell_values import parse_number
from signalroom_singer.errors import TapError
from signalroom_singer.privacy.field_names import judge
from signalroom_singer.timestamps import to_date, to_utc

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Mapping, Sequence

#: The column of fields that the schema has no column for.
EXTRA = "_extra"

_NONE = type(None)
_NULL_ALONE = frozenset({_NONE})
# What Python raises for values that it cannot convert: a timestamp after the year 9999, a number
# of a billion digits, a text that is nested too deeply.
_UNREADABLE = (ValueError, ArithmeticError, TypeError, RecursionError, MemoryError)


class RecordError(TapError):
    """A record cannot be loaded: its key is missing or unreadable."""


class RecordConformer:
    """Conforms records to a stream's schema, at a fraction of the cost of the SDK's way.

    - A value of another JSON type that means the same is converted: ``12.0`` and ``"12"``
      to the integer 12, ``12`` to text, ``0`` and ``"true"`` to booleans, ``""`` to null
      unless the column is text, every timestamp to UTC in one format.
    - A field without a column, and a value that cannot be read as its column's type, go
      into the ``_extra`` column under their own names. The latter are counted and logged.
    - A key column must be there and readable.

    The log has no values, only their kind, their length, and the key of the record.
    """

    def __init__(
        self,
        stream: str,
        schema: Mapping[str, Any],
        keys: Sequence[str],
        logger: logging.Logger,
        *,
        readers: Mapping[str, Callable[[Any], Any]] | None = None,
        deselected: Collection[str] = (),
    ) -> None:
        """Prepare for the records of one stream.

        Args:
            stream: The name of the stream, for messages.
            schema: The JSON schema of the stream.
            keys: The key columns that each record must have.
            logger: The logger of values that could not be converted.
            readers: Functions that convert values of columns with a format of their own. They get
                any value but null, and raise ValueError for values that they cannot convert.
            deselected: Columns that are not loaded, or not completely: their values do not go into
                ``_extra`` either.
        """
        self.unreadable: Counter[str] = Counter()
        self._stream = stream
        self._keys = tuple(keys)
        self._logger = logger
        self._deselected = frozenset(deselected)
        self._known = frozenset(schema["properties"]) - {EXTRA}
        own = readers or {}
        self._columns = tuple(
            (name, *_CONVERSIONS[kind])
            for name, column in schema["properties"].items()
            if name != EXTRA and name not in own and (kind := _kind(column)) in _CONVERSIONS
        )
        self._columns += tuple((name, _NULL_ALONE, reader, _AS_SET) for name, reader in own.items())

    def conform(self, record: dict[str, Any]) -> dict[str, Any]:
        """Conform one record, in place.

        Args:
            record: The record as the vendor sent it.

        Returns:
            The same dict.

        Raises:
            RecordError: If a key column is missing, null or unreadable.
        """
        extra = {}
        if not record.keys() <= self._known:
            extra = {name: record.pop(name) for name in record.keys() - self._known}
            extra |= extra.pop(EXTRA, None) or {}
        for name, fitting, convert, expected in self._columns:
            value = record.get(name)
            if value.__class__ in fitting:
                continue
            try:
                record[name] = convert(value)
            except _UNREADABLE:
                record[name] = None
                if name not in self._deselected:
                    extra[name] = value
                    self._report(name, value, expected, record)
        if extra:
            record[EXTRA] = extra
        for key in self._keys:
            if record.get(key) is None:
                msg = (
                    f"{self._stream}: a record without its key column {key!r} cannot be loaded: "
                    f"{self._format_key(record)}"
                )
                raise RecordError(msg)
        return record

    def _report(self, column: str, value: Any, expected: str, record: Mapping[str, Any]) -> None:
        self.unreadable[column] += 1
        if self.unreadable[column] == 1:
            self._logger.warning(
                "column %s: %s but %s, in %s; the column is null there and the value is kept in %s",
                column,
                expected,
                describe_value(value),
                self._format_key(record),
                EXTRA,
            )

    def _format_key(self, record: Mapping[str, Any]) -> str:
        """Format the record's key for a message: ids, numbers and dates."""
        values = {key: _loggable_key_value(key, record.get(key)) for key in self._keys}
        return json.dumps(values, default=str)


def describe_value(value: Any) -> str:
    """Describe the kind of a value, without the value, for logs and errors.

    Args:
        value: A value of a record.

    Returns:
        Such as "a text of 12 characters", "a list of 3" or "a number".
    """
    kind = value.__class__
    if kind is str:
        return f"a text of {len(value)} character{'s' * (len(value) != 1)}"
    if kind is list:
        return f"a list of {len(value)}"
    if kind is dict:
        return f"an object of {len(value)} field{'s' * (len(value) != 1)}"
    if kind is bool:
        return "true or false"
    return "null" if value is None else "a number"


def _kind(column: Mapping[str, Any]) -> str:
    types = [name for name in _as_list(column.get("type")) if name != "null"]
    if len(types) != 1:
        return "any"
    return str(column.get("format", "string")) if types == ["string"] else str(types[0])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _loggable_key_value(name: str, value: Any) -> Any:
    if value.__class__ in {dict, list} or (
        value.__class__ is str and ("@" in value or judge(name))
    ):
        return describe_value(value)
    return value


def _integer(value: Any) -> int | None:
    if (number := _number(value)) is None:
        return None
    integer = int(number)
    if integer != number:
        raise ValueError
    return integer


def _number(value: Any) -> Decimal | None:
    if value == "":
        return None
    return Decimal(value) if isinstance(value, bool) else parse_number(str(value))


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def _boolean(value: Any) -> bool | None:
    text = str(value).strip().lower()
    if text in {"1", "true", "yes"}:
        return True
    if text in {"0", "false", "no"}:
        return False
    if text == "":
        return None
    raise ValueError


def _object(value: Any) -> dict[str, Any] | None:
    # PHP writes an empty map as an empty list; some vendors as an empty text.
    if value in ([], ""):
        return None
    raise ValueError


def _array(value: Any) -> list[Any] | None:
    if value == "":
        return None
    raise ValueError


#: For each kind of column: the classes that need no conversion, the conversion of others, and what
#: the log says about a value that cannot be converted.
_CONVERSIONS: dict[str, tuple[frozenset[type], Callable[[Any], Any], str]] = {
    "integer": (frozenset({int, _NONE}), _integer, "not an integer"),
    "number": (frozenset({int, Decimal, _NONE}), _number, "not a number"),
    "string": (frozenset({str, _NONE}), _text, "not a text"),
    "boolean": (frozenset({bool, _NONE}), _boolean, "neither true nor false"),
    "object": (frozenset({dict, _NONE}), _object, "not an object"),
    "array": (frozenset({list, _NONE}), _array, "not a list"),
    "date": (_NULL_ALONE, to_date, "not a date"),
    "date-time": (_NULL_ALONE, to_utc, "not a timestamp"),
}
_AS_SET = "not as the settings say"
