"""Converts vendors' timestamps to one format: UTC, ISO 8601, microseconds, ``Z``."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# A date, or a date and a time, without separators.
_COMPACT = re.compile(r"(?:19|20|21)[0-9]{6}(?:[0-9]{6})?")
# A date, or the date of a timestamp; what follows it is not read, but has to be a time of day.
_DAY_FIRST = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]+(?:[0-9]{1,2}:[0-9]{2}|[0-9]{6}).*", re.DOTALL
)
# Python reads at most microseconds; vendors written in Go send nanoseconds.
_TOO_FINE = re.compile(r"(\.\d{6})\d+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Go and .NET write "no date" as year 1; nothing these vendors track is older than this.
_FIRST_YEAR = 1900
#: Days before and after them, and offsets of zones, can be added without an overflow.
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
_DAY_LENGTH = len("2026-01-31")
_WITHOUT_OFFSET = len("2026-01-31T23:59:59.000000")
# An epoch number is in seconds up to the year 5138, then ms, µs and ns by its size.
_EPOCH_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))


def utc_isoformat(moment: datetime) -> str:
    """Format a timestamp as all tables have it.

    Args:
        moment: An aware datetime.

    Returns:
        For example ``2026-01-31T23:59:59.000000Z``; sorts as text in order of time.

    Raises:
        ValueError: If the datetime is naive: its moment is not known; or if its year in UTC is
            before 1 or after 9999.
    """
    if moment.tzinfo is None:
        msg = f"a datetime without a time zone is not a timestamp: {moment.isoformat()}"
        raise ValueError(msg)
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        # 9999-12-31T23:59:59-05:00, which some vendors write for "never ends".
        msg = f"the year in UTC is out of range: {moment.isoformat()}"
        raise ValueError(msg) from None
    return _write_utc(in_utc)


def _write_utc(moment: datetime) -> str:
    # Without its offset, which is that of UTC.
    return moment.isoformat(timespec="microseconds")[:_WITHOUT_OFFSET] + "Z"


def to_utc(value: object) -> str | None:
    """Read a vendor's timestamp.

    Args:
        value: Epoch seconds, milliseconds, microseconds or nanoseconds (number or numeric
            text), ISO 8601 text with any offset and precision (no offset means UTC), the same
            without separators (``20260131``, ``20260131235959``), or a datetime. ``None``,
            ``""``, ``0`` and years before 1900 mean "no date".

    Returns:
        The moment as :func:`utc_isoformat` writes it, or ``None`` for "no date".

    Raises:
        ValueError: If it is none of these.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str) and (moment := _read_usual(value)) is not None:
        return None if moment.year < _FIRST_YEAR else _write_utc(moment)
    if isinstance(value, bool):
        msg = f"not a timestamp: {value!r}"
        raise ValueError(msg)  # noqa: TRY004 - one kind of error for callers that keep bad values
    if isinstance(value, (int, float, Decimal)):
        return _from_epoch(Decimal(str(value)))
    if isinstance(value, datetime):
        return _format(value if value.tzinfo else value.replace(tzinfo=UTC))
    text = str(value).strip()
    if _COMPACT.fullmatch(text):
        # An epoch time would be of 1970, or of the year 2600.
        text = f"{text[:8]}T{text[8:] or '000000'}"
    if _NUMBER.fullmatch(text):
        return _from_epoch(Decimal(text))
    try:
        parsed = datetime.fromisoformat(_TOO_FINE.sub(r"\1", text))
    except ValueError:
        msg = f"not a timestamp: {text[:40]!r}"
        raise ValueError(msg) from None
    return _format(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def _read_usual(text: str) -> datetime | None:
    """Read a timestamp as nearly all are: with separators, in UTC, and without a fraction."""
    # None that is an epoch time, or too fine for Python.
    if text[4:5] != "-" or "." in text or "," in text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is None or moment.tzinfo is UTC else None


def to_date(value: object) -> str | None:
    """Read a calendar date: ISO text, the date part of a timestamp, or a date.

    Args:
        value: ``YYYY-MM-DD``, the same before a time of day, a date, or ``None`` or ``""`` for
            "no date".

    Returns:
        ``YYYY-MM-DD``, or ``None``.

    Raises:
        ValueError: If it is none of these.
    """
    if value is None or value == "":
        return None
    if isinstance(value, date):
        return value.isoformat()[:10]
    text = str(value).strip()
    match = None if len(text) == _DAY_LENGTH else _DAY_FIRST.fullmatch(text)
    try:
        return date.fromisoformat(match[1] if match else text).isoformat()
    except ValueError:
        msg = f"not a date: {str(value)[:40]!r}"
        raise ValueError(msg) from None


def clamp(moment: datetime) -> datetime:
    """Move a moment into the range in which days and offsets can be added without an overflow.

    Args:
        moment: A moment with its time zone.

    Returns:
        The same moment, or the first of 1900, or the last but one day of 9999.
    """
    return min(max(moment, _EARLIEST), _LATEST)


def _from_epoch(number: Decimal) -> str | None:
    if not number.is_finite():
        msg = f"not an epoch time: {number}"
        raise ValueError(msg)
    if number == 0:
        return None
    for limit, unit in _EPOCH_UNITS:
        if abs(number) < limit:
            try:
                microseconds = int(number * 1_000_000 / unit)
                return _format(_EPOCH + timedelta(microseconds=microseconds))
            except (InvalidOperation, OverflowError):
                break
    msg = f"not an epoch time: {number}"
    raise ValueError(msg)


def _format(moment: datetime) -> str | None:
    return None if moment.year < _FIRST_YEAR else utc_isoformat(moment)
