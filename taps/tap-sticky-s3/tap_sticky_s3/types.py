"""Types that a user asks for: by default all is text."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from singer_sdk import typing as th

_TYPES: dict[str, Any] = {
    "boolean": th.BooleanType,
    "date": th.DateType,
    "date-time": th.DateTimeType,
    "integer": th.IntegerType,
    "number": th.NumberType,
    "string": th.StringType,
}
#: What the setting column_types takes.
PATTERN = r"^(boolean|integer|number|string|date|date-time|(date|date-time):.*%.*)$"


class ColumnType:
    """A type, such as ``number`` or ``date:%m/%d/%Y``.

    Args:
        text: The name of a type; of dates, with the format of the values.
    """

    def __init__(self, text: str) -> None:
        self._name, _, self._format = text.partition(":")

    @property
    def schema(self) -> dict[str, Any]:
        """The column's JSON schema."""
        kind = _TYPES[self._name].type_dict
        return {**kind, "type": [*kind["type"], "null"]}

    def prepared(self, value: str) -> str:
        """Write a date as ISO 8601 does; a value that does not have the format stays as it is.

        Args:
            value: The cell.
        """
        if not self._format:
            return value
        try:
            return datetime.strptime(value, self._format).isoformat()  # noqa: DTZ007
        except ValueError:
            return value
