"""Making a vendor's record fit its schema, without losing what does not fit."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalroom_singer.cells import number_in
from signalroom_singer.errors import TapError
from signalroom_singer.timestamps import to_date, to_utc

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

#: The column that keeps what the schema has no column for.
EXTRA = "_extra"

_NONE = type(None)
_NULL_ALONE = frozenset({_NONE})
_SHOWN = 60


class RecordError(TapError):
    """A record cannot be loaded: its key is missing or unreadable."""


class RecordShaper:
    """Fits records to a stream's schema, a fraction of the SDK's type conformance's cost.

    - A value of another JSON type that means the same is converted: ``12.0`` and ``"12"``
      to the integer 12, ``12`` to text, ``0`` and ``"true"`` to booleans, ``""`` to null
      where the column is no text, every timestamp to UTC in one format.
    - A field without a column, and a value that cannot be read as its column's type, go
      into the ``_extra`` column under their own names. The latter are counted and logged.
    - A key column must be there and readable.
    """

    def __init__(
        self,
        stream: str,
        schema: Mapping[str, Any],
        keys: Sequence[str],
        logger: logging.Logger,
        readers: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        """Prepare for one stream.

        Args:
            stream: Its name, for messages.
            schema: Its JSON schema.
            keys: Its key columns.
            logger: Where unreadable values are reported.
            readers: For columns whose values are written in a way of their own: what reads any
                value but null, and raises ValueError for what it cannot read.
        """
        self.unreadable: Counter[str] = Counter()
        self._stream = stream
        self._keys = tuple(keys)
        self._logger = logger
        self._known = frozenset(schema["properties"]) - {EXTRA}
        own = readers or {}
        self._columns = tuple(
            (name, *_CONVERSIONS[kind])
            for name, column in schema["properties"].items()
            if name != EXTRA and name not in own and (kind := _kind(column)) in _CONVERSIONS
        )
        self._columns += tuple((name, _NULL_ALONE, reader) for name, reader in own.items())

    def shape(self, record: dict[str, Any]) -> dict[str, Any]:
        """Fit one record, in place.

        Args:
            record: As the vendor sent it.

        Returns:
            The same dict, fitted.

        Raises:
            RecordError: If a key column is missing, null or unreadable.
        """
        extra = {}
        if not record.keys() <= self._known:
            extra = {name: record.pop(name) for name in record.keys() - self._known}
            extra |= extra.pop(EXTRA, None) or {}
        for name, fitting, convert in self._columns:
            value = record.get(name)
            if value.__class__ in fitting:
                continue
            try:
                record[name] = convert(value)
            except ValueError as error:
                extra[name] = value
                record[name] = None
                self._report(name, error, record)
        if extra:
            record[EXTRA] = extra
        for key in self._keys:
            if record.get(key) is None:
                msg = (
                    f"{self._stream}: a record without its key column {key!r} cannot be loaded: "
                    f"{self._named(record)}"
                )
                raise RecordError(msg)
        return record

    def _report(self, column: str, error: Exception, record: Mapping[str, Any]) -> None:
        self.unreadable[column] += 1
        if self.unreadable[column] == 1:
            self._logger.warning(
                "column %s: %s, in %s; the column is null there and the value is kept in %s",
                column,
                error,
                self._named(record),
                EXTRA,
            )

    def _named(self, record: Mapping[str, Any]) -> str:
        shown = {key: record.get(key) for key in self._keys}
        return json.dumps(shown, default=str)


def _kind(column: Mapping[str, Any]) -> str:
    types = [name for name in _as_list(column.get("type")) if name != "null"]
    if len(types) != 1:
        return "any"
    return str(column.get("format", "string")) if types == ["string"] else str(types[0])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _integer(value: Any) -> int | None:
    if value == "":
        return None
    try:
        number = Decimal(value) if isinstance(value, bool) else number_in(str(value))
        whole = int(number)
    except ValueError:
        whole = None
    if whole is None or whole != number:
        msg = f"not an integer: {_shown(value)}"
        raise ValueError(msg)
    return whole


def _number(value: Any) -> Decimal | None:
    if value == "":
        return None
    try:
        return Decimal(value) if isinstance(value, bool) else number_in(str(value))
    except ValueError:
        msg = f"not a number: {_shown(value)}"
        raise ValueError(msg) from None


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
    msg = f"neither true nor false: {_shown(value)}"
    raise ValueError(msg)


def _object(value: Any) -> dict[str, Any] | None:
    # PHP writes an empty map as an empty list; some vendors as an empty text.
    if value in ([], ""):
        return None
    msg = f"not an object: {_shown(value)}"
    raise ValueError(msg)


def _array(value: Any) -> list[Any] | None:
    if value == "":
        return None
    msg = f"not a list: {_shown(value)}"
    raise ValueError(msg)


#: For each kind of column: the classes that need nothing done, and what to do with others.
_CONVERSIONS: dict[str, tuple[frozenset[type], Callable[[Any], Any]]] = {
    "integer": (frozenset({int, _NONE}), _integer),
    "number": (frozenset({int, Decimal, _NONE}), _number),
    "string": (frozenset({str, _NONE}), _text),
    "boolean": (frozenset({bool, _NONE}), _boolean),
    "object": (frozenset({dict, _NONE}), _object),
    "array": (frozenset({list, _NONE}), _array),
    "date": (_NULL_ALONE, to_date),
    "date-time": (_NULL_ALONE, to_utc),
}
