"""Column types of the setting `column_types`; without it all columns are text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from signalroom_singer import invalid_setting, setting_label, to_utc
from signalroom_singer.cell_values import DateFormat

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterable, Mapping

_TYPES: dict[str, Any] = {
    "boolean": th.BooleanType,
    "date": th.DateType,
    "date-time": th.DateTimeType,
    "integer": th.IntegerType,
    "number": th.NumberType,
    "string": th.StringType,
}
#: Pattern of a type in the setting `column_types`.
TYPE_PATTERN = r"^(boolean|integer|number|string|date|date-time|(date|date-time):.*%.*)$"


class ColumnType:
    """A type, such as ``number`` or ``date:%m/%d/%Y``.

    Args:
        text: The name of the type; for dates, optionally a colon and the format of the values.

    Raises:
        ValueError: If the format is invalid.
    """

    def __init__(self, text: str) -> None:
        self._name, _, date_format = text.partition(":")
        self._format = DateFormat(date_format) if date_format else None

    @property
    def schema(self) -> dict[str, Any]:
        """The column's JSON schema."""
        kind = _TYPES[self._name].type_dict
        return {**kind, "type": [*kind["type"], "null"]}

    @property
    def has_format(self) -> bool:
        """Whether cells are dates in a format of their own."""
        return self._format is not None

    def read(self, value: str) -> str | None:
        """Parse a date by the type's format.

        Args:
            value: Text of the cell.

        Returns:
            The date in ISO 8601, for `date-time` with the time (UTC); None for a blank cell.

        Raises:
            ValueError: If the cell is not in that format.
        """
        if not self._format or not value.strip():
            return None
        parsed = self._format.read(value)
        return parsed.date().isoformat() if self._name == "date" else to_utc(parsed)


def check_column_types(types: Mapping[str, str]) -> None:
    """Check the formats in the setting `column_types`.

    Args:
        types: The types by header or column name.

    Raises:
        ConfigValidationError: If a format is invalid.
    """
    for column, text in types.items():
        try:
            ColumnType(text)
        except ValueError as error:
            raise invalid_setting("column_types", f"{column}: {error}") from None


class TypeUsage:
    """Warns of names in `column_types` that no table has, once all tables know their headers.

    Args:
        names: The names in the setting: headers or columns.
        selected_tables: Returns the names of the tables that are selected.
        logger: Logger for the warning.
    """

    def __init__(
        self,
        names: Collection[str],
        selected_tables: Callable[[], Collection[str]],
        logger: logging.Logger,
    ) -> None:
        self._names = names
        self._selected_tables = selected_tables
        self._logger = logger
        self._used: set[str] = set()
        self._tables: set[str] = set()
        self._has_headers = False
        self._is_reported = False

    def add(self, table: str, used: Iterable[str], *, has_headers: bool) -> None:
        """Add a table whose headers are known now.

        Args:
            table: Name of the table.
            used: Names in the setting that are columns of the table.
            has_headers: Whether the header of any file of the table is known.
        """
        self._tables.add(table)
        self._used.update(used)
        self._has_headers = self._has_headers or has_headers
        if self._is_reported or not {*self._selected_tables()} <= self._tables:
            return
        self._is_reported = True
        unknown = [name for name in self._names if name not in self._used]
        if unknown and self._has_headers:
            self._logger.warning(
                "%s: no file of any table has %s, neither as a header nor as a column's name",
                setting_label("column_types"),
                ", ".join(map(repr, unknown)),
            )
