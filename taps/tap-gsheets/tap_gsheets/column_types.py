"""Types that the settings declare for columns; a type is never guessed from the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from signalroom_singer import ExitCode, TapError, parse_number, setting_label
from tap_gsheets.cells import DateCell, cell_text
from tap_gsheets.dates import NoDateError, date_format, date_of, parse_datetime, to_utc
from tap_gsheets.number_formats import number_format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

TYPES: dict[str, type[th.JSONTypeHelper[Any]]] = {
    "string": th.StringType,
    "integer": th.IntegerType,
    "number": th.NumberType,
    "boolean": th.BooleanType,
    "date": th.DateType,
    "datetime": th.DateTimeType,
}
#: The types for which Google's date counts, whatever a cell displays.
DATE_TYPES = frozenset(("date", "datetime"))
#: Parsers of the format, for the types that have one.
_FORMAT_PARSERS: dict[str, Callable[[str], Any]] = {
    "integer": number_format,
    "number": number_format,
    "date": date_format,
    "datetime": date_format,
}


@dataclass(frozen=True)
class ColumnType:
    """The type of a column.

    Attributes:
        name: One of ``TYPES``.
        format: The format of dates (``%d/%m/%Y``), or of numbers that are text (``1.234,5``).
        time_zone: IANA name of the sheet's time zone, in which its times are.
    """

    name: str
    format: str = ""
    time_zone: str = "Etc/GMT"

    def convert(self, value: Any) -> Any:
        """Convert a cell that is not blank.

        Args:
            value: The cell as Google sent it.

        Returns:
            A value of the column's type.

        Raises:
            ValueError: If the cell does not fit; the message says what it is not.
        """
        if isinstance(value, DateCell) and self.name not in DATE_TYPES:
            value = value.displayed
        return _CONVERTERS[self.name](self, value)

    def is_ambiguous_date(self, value: Any) -> bool:
        """Whether a cell is another date to Google than its text is by the column's format.

        That is the case for 04/03/2026, typed with the day first into a spreadsheet whose locale
        has the month first; and for cells that only display their date in another format.

        Args:
            value: The cell as Google sent it.
        """
        if not isinstance(value, DateCell) or self.name not in DATE_TYPES or not self.format:
            return False
        try:
            displayed = parse_datetime(value.displayed, self.format)
            return displayed.date() != date_of(value).date()
        except (ValueError, OverflowError):
            return False


def check_formats(spreadsheets: Sequence[Mapping[str, Any]]) -> None:
    """Check the columns' types and formats, before anything is read.

    Args:
        spreadsheets: Value of the setting `spreadsheets`.

    Raises:
        TapError: If one is invalid; it names the setting, the column, and what is accepted.
    """
    for number, spreadsheet in enumerate(spreadsheets):
        for tab_number, tab in enumerate(spreadsheet.get("tabs") or ()):
            columns = tab.get("columns") or ()
            names = [column["name"] for column in columns]
            for position, column in enumerate(columns):
                setting = f"spreadsheets[{number}].tabs[{tab_number}].columns[{position}]"
                if column["name"] in names[:position]:
                    msg = (
                        f"Invalid {setting_label(setting)}: the column {column['name']!r} is "
                        "listed twice."
                    )
                    raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
                try:
                    _check_format(column["type"], column.get("format") or "")
                except ValueError as error:
                    msg = (
                        f"Invalid {setting_label(f'{setting}.format')} (column "
                        f"{column['name']!r}): {error}"
                    )
                    raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None


def _check_format(type_name: str, text: str) -> None:
    if not text:
        return
    if type_name not in _FORMAT_PARSERS:
        names = ", ".join(_FORMAT_PARSERS)
        msg = f"a {type_name} has no format; leave it out, or set type to one of {names}."
        raise ValueError(msg)
    _FORMAT_PARSERS[type_name](text)


def _to_string(_: ColumnType, value: Any) -> str | None:
    return cell_text(value)


def _to_number(column_type: ColumnType, value: Any) -> Decimal:
    try:
        if isinstance(value, str) and column_type.format:
            return number_format(column_type.format).read(value)
        # A checkbox is not a number, though Python's True is 1.
        return parse_number("" if isinstance(value, bool) else str(value))
    except ValueError:
        expected = column_type.format or "1234.5 (set format)"
        msg = f"not a number written as {expected}" if isinstance(value, str) else "not a number"
        raise ValueError(msg) from None


def _to_integer(column_type: ColumnType, value: Any) -> int:
    number = _to_number(column_type, value)
    if number != int(number):
        msg = "not a whole number"
        raise ValueError(msg)
    return int(number)


def _to_boolean(_: ColumnType, value: Any) -> bool:
    booleans = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    boolean = booleans.get(str(value).strip().lower())
    if boolean is None:
        msg = "neither true nor false"
        raise ValueError(msg)
    return boolean


def _parse_cell(column_type: ColumnType, value: Any) -> datetime:
    try:
        if isinstance(value, DateCell):
            return date_of(value)
        return parse_datetime(value, column_type.format)
    except NoDateError:
        msg = f"a time of day or a duration, not a {column_type.name}"
        raise ValueError(msg) from None
    except (ValueError, OverflowError):
        expected = column_type.format or "YYYY-MM-DD (set format)"
        msg = f"not a {column_type.name} written as {expected}"
        raise ValueError(msg) from None


def _to_date(column_type: ColumnType, value: Any) -> str:
    return _parse_cell(column_type, value).date().isoformat()


def _to_datetime(column_type: ColumnType, value: Any) -> str:
    moment = _parse_cell(column_type, value)
    try:
        return to_utc(moment, column_type.time_zone)
    except ValueError:
        msg = f"not a time that exists in the sheet's time zone, {column_type.time_zone}"
        raise ValueError(msg) from None


_CONVERTERS: dict[str, Callable[[ColumnType, Any], Any]] = {
    "string": _to_string,
    "integer": _to_integer,
    "number": _to_number,
    "boolean": _to_boolean,
    "date": _to_date,
    "datetime": _to_datetime,
}
