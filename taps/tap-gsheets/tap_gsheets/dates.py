"""Dates and times: Google's serial numbers, digits that people typed, and text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from signalroom_singer import utc_isoformat
from signalroom_singer.cell_values import DateFormat

if TYPE_CHECKING:
    from tap_gsheets.cells import DateCell

# https://developers.google.com/sheets/api/reference/rest/v4/DateTimeRenderOption
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's clock has no zone
#: The day after 9999-12-31, the last that a sheet displays as a date.
_SERIAL_LIMIT = 2_958_466
_MILLISECONDS = 24 * 60 * 60 * 1000
#: Its parts have their full width, and all are digits where a format has only numbers.
_SAMPLE = datetime(2027, 11, 23, 16, 35, 47, tzinfo=UTC)

_HOURS = 24
# Languages write morning and afternoon before the time or after it: 12:00 p. m., 오후 12:00.
_CLOCK = re.compile(r"\D*?-?([0-9]{1,6})[:.][0-9]{2}(?:[:.][0-9]{2})?(?:[.,][0-9]+)?\D*")

date_format = cache(DateFormat)


class NoDateError(ValueError):
    """A cell has a time of day or a duration, and no date."""


def from_serial(serial: float) -> datetime:
    """Convert a serial number: 0 is 1899-12-30, and the fraction is the time of day.

    Args:
        serial: The number as Google has it: a double, which is exact to the millisecond.

    Raises:
        OverflowError: If the year is not from 1 to 9999.
    """
    return _EPOCH + timedelta(milliseconds=round(serial * _MILLISECONDS))


def date_of(cell: DateCell) -> datetime:
    """Convert a cell that is a date to Google, whatever it displays.

    Args:
        cell: The cell with its serial number.

    Raises:
        NoDateError: If it displays a time of day or a duration, which have serial numbers too.
        OverflowError: If the year is not from 1 to 9999.
    """
    text = cell.displayed.strip()
    if clock := _CLOCK.fullmatch(text):
        # No clock displays the hour 24, so that is a duration; 31.03 is a date.
        is_duration = ":" in text and (text.startswith("-") or int(clock[1]) >= _HOURS)
        if is_duration or 0 <= cell.serial < 1:
            raise NoDateError(text)
    return from_serial(cell.serial)


def parse_datetime(value: Any, pattern: str) -> datetime:
    """Parse a cell that is not a date to Google.

    Args:
        value: Text, or a number: a serial number, or with a pattern the digits of a date.
        pattern: The format in `strptime`'s notation; ISO 8601 if it is empty.

    Returns:
        The date and time, aware if the cell has an offset.

    Raises:
        ValueError: If the cell is not in that format.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if pattern:
        text = _restore_digits(value, pattern) if is_number else str(value)
        return date_format(pattern).read(text)
    if is_number and value < _SERIAL_LIMIT:
        try:
            return from_serial(value)
        except OverflowError as error:
            raise ValueError(value) from error
    return datetime.fromisoformat(str(value).strip())


def _restore_digits(number: float, pattern: str) -> str:
    """Restore digits as they were typed.

    A sheet takes them for a number and drops the zeros before it: 050126 by ``%d%m%y`` is 50126.
    None is missing before a year of four digits: 2012 by ``%Y%m`` is not December of the year 20.
    Zeros at the end of a fraction are dropped as well, and cannot be known: 2026.10 is 2026.1.
    """
    if number != int(number):
        raise ValueError(number)
    sample = _SAMPLE.strftime(pattern.strip())
    has_zeros = sample.isdecimal() and not pattern.strip().startswith(("%Y", "%G"))
    return str(int(number)).zfill(len(sample) if has_zeros else 0)


def to_utc(moment: datetime, zone: str) -> str:
    """Convert a date and time to UTC, in ISO 8601.

    A time that the clock shows twice, when summer ends, is the first of the two; one that it leaves
    out, when summer begins, is as much later (02:30 is 03:30), as in PEP 495 and Java.

    Args:
        moment: The date and time; by the sheet's clock if it has no offset.
        zone: IANA name of the sheet's time zone.

    Raises:
        ValueError: If the time or the zone does not exist.
    """
    try:
        local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
        return utc_isoformat(local.astimezone(UTC))
    except (KeyError, OverflowError, ValueError) as error:
        raise ValueError(zone) from error
