"""Types that people declare for columns; a type is never guessed from the cells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from singer_sdk import typing as th

from signalroom_singer import utc_isoformat

if TYPE_CHECKING:
    from collections.abc import Callable

# https://developers.google.com/sheets/api/reference/rest/v4/DateTimeRenderOption
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's clock has no zone
_DIGITS = 300
TYPES: dict[str, type[th.JSONTypeHelper[Any]]] = {
    "string": th.StringType,
    "integer": th.IntegerType,
    "number": th.NumberType,
    "boolean": th.BooleanType,
    "date": th.DateType,
    "datetime": th.DateTimeType,
}


@dataclass(frozen=True)
class Declared:
    """A column's type.

    Attributes:
        kind: One of ``TYPES``.
        pattern: How dates are written (``%d/%m/%Y``), or numbers (``1.234,5``).
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
        return _READERS[self.kind](self, value)


def _string(_: Declared, value: Any) -> str:
    from tap_gsheets.tables import cell_text  # noqa: PLC0415 - tables know of types too

    return cell_text(value) or ""


def _number(column: Declared, value: Any) -> Decimal:
    text = str(value).strip()
    if isinstance(value, str):
        # By an example of the format: what stands between its thousands, and before its tenths.
        group, point = {"1.234,5": (".", ","), "1,234.5": (",", ".")}.get(column.pattern, ("", "."))
        text = text.replace(group, "") if group else text
        text = text.replace(point, ".")
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    # Nobody counts so far; writing out 1e999999999 would take all memory.
    if isinstance(value, bool) or not number.is_finite() or abs(number.adjusted()) > _DIGITS:
        msg = "no number"
        raise ValueError(msg)
    return number


def _integer(column: Declared, value: Any) -> int:
    number = _number(column, value)
    if number != int(number):
        msg = "no whole number"
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
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return _EPOCH + timedelta(days=value)
        except OverflowError:
            pass
    text = str(value).strip()
    try:
        if column.pattern:
            return datetime.strptime(text, column.pattern)  # noqa: DTZ007
        return datetime.fromisoformat(text)
    except ValueError:
        written = column.pattern or "YYYY-MM-DD (set format)"
        msg = f"no {column.kind} written as {written}"
        raise ValueError(msg) from None


def _date(column: Declared, value: Any) -> str:
    found: date = _moment(column, value).date()
    return found.isoformat()


def _datetime(column: Declared, value: Any) -> str:
    found = _moment(column, value)
    try:
        local = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(column.zone))
        return utc_isoformat(local.astimezone(UTC))
    except (KeyError, OverflowError):
        msg = f"no moment in the sheet's time zone, {column.zone}"
        raise ValueError(msg) from None


_READERS: dict[str, Callable[[Declared, Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
}
