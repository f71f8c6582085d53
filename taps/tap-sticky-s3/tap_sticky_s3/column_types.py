"""Types that a user asks for: by default all is text."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from signalroom_singer import DateFormat, to_utc

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

    Raises:
        ValueError: If the format cannot be used.
    """

    def __init__(self, text: str) -> None:
        self._name, _, written = text.partition(":")
        self._format = DateFormat(written) if written else None

    @property
    def schema(self) -> dict[str, Any]:
        """The column's JSON schema."""
        kind = _TYPES[self._name].type_dict
        return {**kind, "type": [*kind["type"], "null"]}

    @property
    def has_format(self) -> bool:
        """Whether cells are read by a format, and by nothing else."""
        return self._format is not None

    def read(self, value: str) -> str | None:
        """Read a date by the format.

        Args:
            value: The cell.

        Returns:
            It as ISO 8601 has it: the date, or with the time (UTC) where that is the type; nothing
            of a blank cell.

        Raises:
            ValueError: If it is not written so.
        """
        if not self._format or not value.strip():
            return None
        found = self._format.read(value)
        return found.date().isoformat() if self._name == "date" else to_utc(found)
