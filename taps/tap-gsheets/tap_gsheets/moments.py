"""Dates and times: Google's serial days, digits that people typed, and text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from signalroom_singer import DateFormat, utc_isoformat

if TYPE_CHECKING:
    from tap_gsheets.cells import Moment

# https://developers.google.com/sheets/api/reference/rest/v4/DateTimeRenderOption
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's clock has no zone
#: Of 9999-12-31, the last that a sheet shows as a date.
_LAST_SERIAL = 2_958_466
_MILLISECONDS = 24 * 60 * 60 * 1000
#: Its parts have their full width, and all are digits where a format has only numbers.
_SAMPLE = datetime(2027, 11, 23, 16, 35, 47, tzinfo=UTC)

_HOURS = 24
# Languages write morning and afternoon before the time or after it: 12:00 p. m., 오후 12:00.
_CLOCK = re.compile(r"\D*?-?([0-9]{1,6})[:.][0-9]{2}(?:[:.][0-9]{2})?(?:[.,][0-9]+)?\D*")

date_format = cache(DateFormat)


class NoDayError(ValueError):
    """A cell has a time of day or a duration, and no day."""


def from_serial(serial: float) -> datetime:
    """Read a serial day: 0 is 1899-12-30, and the fraction is the time of day.

    Args:
        serial: As Google has it. It is a double, which holds no more than milliseconds.

    Raises:
        OverflowError: If it is in no year from 1 to 9999.
    """
    return _EPOCH + timedelta(milliseconds=round(serial * _MILLISECONDS))


def day_of(cell: Moment) -> datetime:
    """Read a cell that is a date to Google, however it is shown.

    Raises:
        NoDayError: If it shows a time of day, or hours that were counted: both are serial days too.
        OverflowError: If it is in no year from 1 to 9999.
    """
    text = cell.shown.strip()
    if clock := _CLOCK.fullmatch(text):
        # No clock shows the hour 24; 31.03 is a day.
        is_counted = ":" in text and (text.startswith("-") or int(clock[1]) >= _HOURS)
        if is_counted or 0 <= cell.serial < 1:
            raise NoDayError(text)
    return from_serial(cell.serial)


def read_moment(value: Any, pattern: str) -> datetime:
    """Read what people typed into a cell.

    Args:
        value: Text, or a number: a serial day, or with a format the digits of a date.
        pattern: The format of `strptime`; ISO 8601 if it is empty.

    Returns:
        The date and time, aware if it was written with an offset.

    Raises:
        ValueError: If it is not written so.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if pattern:
        text = _digits(value, pattern) if is_number else str(value)
        return date_format(pattern).read(text)
    if is_number and value < _LAST_SERIAL:
        try:
            return from_serial(value)
        except OverflowError as error:
            raise ValueError(value) from error
    return datetime.fromisoformat(str(value).strip())


def _digits(number: float, pattern: str) -> str:
    """Write digits as they were typed.

    A sheet takes them for a number and drops the zeros before it: 050126 by ``%d%m%y`` is 50126.
    None is missing before a year of four digits: 2012 by ``%Y%m`` is not December of the year 20.
    Zeros at the end of a fraction are dropped as well, and cannot be known: 2026.10 is 2026.1.
    """
    if number != int(number):
        raise ValueError(number)
    sample = _SAMPLE.strftime(pattern.strip())
    has_zeros = sample.isdecimal() and not pattern.strip().startswith(("%Y", "%G"))
    return str(int(number)).zfill(len(sample) if has_zeros else 0)


def in_utc(found: datetime, zone: str) -> str:
    """Write a moment as UTC.

    A time that the clock shows twice, when summer ends, is the first of the two; one that it leaves
    out, when summer begins, is as much later (02:30 is 03:30), as in PEP 495 and Java.

    Args:
        found: The date and time, by the sheet's clock if it has no offset.
        zone: The sheet's time zone.

    Raises:
        ValueError: If there is no such moment, or no such zone.
    """
    try:
        local = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))
        return utc_isoformat(local.astimezone(UTC))
    except (KeyError, OverflowError, ValueError) as error:
        raise ValueError(zone) from error
