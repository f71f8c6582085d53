"""Types that people declare for columns; a type is never guessed from the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from signalroom_singer import ExitCode, TapError, named, number_in
from tap_gsheets.cells import Moment, cell_text
from tap_gsheets.moments import NoDayError, date_format, day_of, in_utc, read_moment
from tap_gsheets.numbers import number_format

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
#: Those that are days to Google, whatever a cell shows of them.
DATES = frozenset(("date", "datetime"))
#: What reads the formats of the types that have some.
_FORMATS: dict[str, Callable[[str], Any]] = {
    "integer": number_format,
    "number": number_format,
    "date": date_format,
    "datetime": date_format,
}


@dataclass(frozen=True)
class Declared:
    """A column's type.

    Attributes:
        kind: One of ``TYPES``.
        pattern: How dates are written (``%d/%m/%Y``), or numbers that are text (``1.234,5``).
        zone: The sheet's time zone: its clock tells no other.
    """

    kind: str
    pattern: str = ""
    zone: str = "Etc/GMT"

    def read(self, value: Any) -> Any:
        """Read a cell that is not blank.

        Args:
            value: As Google sent it.

        Returns:
            What the column's type wants.

        Raises:
            ValueError: If it cannot be read so; the message says what it is not.
        """
        if isinstance(value, Moment) and self.kind not in DATES:
            value = value.shown
        return _READERS[self.kind](self, value)

    def is_doubtful(self, value: Any) -> bool:
        """Whether a cell is another day to Google than its text is by the column's format.

        So are cells that people typed as 04/03/2026, with the day first, into a spreadsheet whose
        locale has the month first; and cells that only show their day in another way.

        Args:
            value: A cell.
        """
        if not isinstance(value, Moment) or self.kind not in DATES or not self.pattern:
            return False
        try:
            return read_moment(value.shown, self.pattern).date() != day_of(value).date()
        except (ValueError, OverflowError):
            return False


def check_formats(spreadsheets: Sequence[Mapping[str, Any]]) -> None:
    """See that the columns' types and formats can be used, before anything is read.

    Args:
        spreadsheets: The setting.

    Raises:
        TapError: If one cannot; it names the setting, the column, and what is accepted.
    """
    for book, one in enumerate(spreadsheets):
        for tab, asked in enumerate(one.get("tabs") or ()):
            columns = asked.get("columns") or ()
            names = [column["name"] for column in columns]
            for place, column in enumerate(columns):
                setting = f"spreadsheets[{book}].tabs[{tab}].columns[{place}]"
                if column["name"] in names[:place]:
                    msg = (
                        f"Invalid {named(setting)}: the column {column['name']!r} is listed twice."
                    )
                    raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
                try:
                    _check_format(column["type"], column.get("format") or "")
                except ValueError as error:
                    msg = (
                        f"Invalid {named(f'{setting}.format')} (column {column['name']!r}): {error}"
                    )
                    raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None


def _check_format(kind: str, pattern: str) -> None:
    if not pattern:
        return
    if kind not in _FORMATS:
        msg = f"a {kind} has no format; leave it out, or set type to one of {', '.join(_FORMATS)}."
        raise ValueError(msg)
    _FORMATS[kind](pattern)


def _string(_: Declared, value: Any) -> str | None:
    return cell_text(value)


def _number(column: Declared, value: Any) -> Decimal:
    try:
        if isinstance(value, str) and column.pattern:
            return number_format(column.pattern).read(value)
        # A tick is not a number, though Python's True is 1.
        return number_in("" if isinstance(value, bool) else str(value))
    except ValueError:
        written = column.pattern or "1234.5 (set format)"
        msg = f"not a number written as {written}" if isinstance(value, str) else "not a number"
        raise ValueError(msg) from None


def _integer(column: Declared, value: Any) -> int:
    number = _number(column, value)
    if number != int(number):
        msg = "not a whole number"
        raise ValueError(msg)
    return int(number)


def _boolean(_: Declared, value: Any) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    found = known.get(str(value).strip().lower())
    if found is None:
        msg = "neither true nor false"
        raise ValueError(msg)
    return found


def _moment(column: Declared, value: Any) -> datetime:
    try:
        if isinstance(value, Moment):
            return day_of(value)
        return read_moment(value, column.pattern)
    except NoDayError:
        msg = f"a time of day or a duration, not a {column.kind}"
        raise ValueError(msg) from None
    except (ValueError, OverflowError):
        written = column.pattern or "YYYY-MM-DD (set format)"
        msg = f"not a {column.kind} written as {written}"
        raise ValueError(msg) from None


def _date(column: Declared, value: Any) -> str:
    return _moment(column, value).date().isoformat()


def _datetime(column: Declared, value: Any) -> str:
    found = _moment(column, value)
    try:
        return in_utc(found, column.zone)
    except ValueError:
        msg = f"not a moment in the sheet's time zone, {column.zone}"
        raise ValueError(msg) from None


_READERS: dict[str, Callable[[Declared, Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
}
