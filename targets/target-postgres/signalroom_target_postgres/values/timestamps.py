"""Dates and times: from their texts, or from a file's columns, to Arrow columns in UTC.

Texts are ISO 8601, which includes RFC 3339. Other texts that Python or PostgreSQL would accept, or
would read as another time, are rejected: `2024-05-01+02:00`, a date with a zone; 24:00; leap
seconds; the year 0. Digits beyond a microsecond, PostgreSQL's limit, are cut off: rounded up, the
end of a day would be in the next day.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from signalroom_target_postgres.values.arrow_checks import all_true, any_true, is_text
from signalroom_target_postgres.values.errors import UnfitError

TIMESTAMP = pa.timestamp("us", "UTC")
_TIME_TYPE = pa.time64("us")

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
# What Arrow does not read: another day, such as 20240501 or 2024-W18-3, or seconds in a zone.
_ANY_DAY = rf"({_DAY}|[0-9]{{8}}|[0-9]{{4}}-W[0-9]{{2}}-[1-7]|[0-9]{{4}}W[0-9]{{2}}[1-7])"
_HOUR = r"([01][0-9]|2[0-3])"
_TIME = rf"{_HOUR}(:?[0-9]{{2}}(:?[0-9]{{2}}([.,][0-9]+)?)?)?"
_ZONE = rf"(Z|[+-]{_HOUR}(:?[0-5][0-9](:?[0-5][0-9])?)?)"
_TIMESTAMP_TEXT = re.compile(rf"{_ANY_DAY}([T ]{_TIME}( ?{_ZONE})?)?")
_DAY_TEXT = re.compile(_ANY_DAY)
_MIDNIGHT = rf"^({_DAY})[Tt ]00:00(:00([.,]0+)?)?([Zz]|[+-]00:?00)?$"
_TIME_OF_DAY_TEXT = r"^[Tt]?[0-9]{2}:?[0-9]{2}"
#: A day to read times of day by.
_ANY = "2000-01-02T"

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC, as all that is counted from it
# From the start of the year 1 to the last time that a zone can make of 9999-12-31, in UTC. Before
# it is BC; and past the year 32767 Arrow (26) writes another year.
_FIRST = (datetime(1, 1, 1) - _EPOCH) // _MICROSECOND  # noqa: DTZ001
_LAST = (datetime(9999, 12, 31) - _EPOCH + timedelta(days=2)) // _MICROSECOND - 1  # noqa: DTZ001
_FIRST_DAY = (date(1, 1, 1) - _EPOCH.date()).days
_LAST_DAY = (date(9999, 12, 31) - _EPOCH.date()).days
_DAY_MICROSECONDS = 24 * 60 * 60 * 1_000_000


def to_timestamps(array: pa.Array, *, exact: bool = False) -> pa.Array:
    """Convert a column to timestamps.

    Args:
        array: Texts, timestamps or dates; those without a zone are in UTC.
        exact: Whether a fraction finer than a microsecond is rejected, not cut off.

    Returns:
        Microseconds in UTC.

    Raises:
        ValueError: If one is not a date and time, or not in the years 1 to 9999.
    """
    type_ = array.type
    if is_text(type_):
        result = _of_texts(array.cast(pa.string()), exact=exact)
    elif pa.types.is_timestamp(type_):
        if type_.unit == "ns":
            array = _cut_to_microseconds(array.cast(pa.timestamp("ns", "UTC")), exact=exact)
        result = array.cast(TIMESTAMP)
    elif pa.types.is_date(type_):
        result = array.cast(pa.timestamp("ms")).cast(TIMESTAMP)
    else:
        raise UnfitError(expected="a date and time", got=type_)
    return _check_range(result, pa.int64(), _FIRST, _LAST, "a date and time")


def to_dates(array: pa.Array) -> pa.Array:
    """Convert a column to dates.

    Args:
        array: Texts, dates, or timestamps of midnight.

    Raises:
        ValueError: If one is not a date, or not in the years 1 to 9999.
    """
    type_ = array.type
    if is_text(type_):
        result = _days_of_texts(array.cast(pa.string()))
    elif pa.types.is_date(type_):
        result = array.cast(pa.date32())
    elif pa.types.is_timestamp(type_) and type_.tz in {None, "UTC", "Z", "+00:00", "Etc/UTC"}:
        result = _days_of_timestamps(array)
    else:
        raise UnfitError(expected="a date", got=type_)
    return _check_range(result, pa.int32(), _FIRST_DAY, _LAST_DAY, "a date")


def to_times(array: pa.Array, *, exact: bool = False) -> pa.Array:
    """Convert a column to times of day in UTC.

    Args:
        array: Texts or times; those without a zone are in UTC.
        exact: Whether a fraction finer than a microsecond is rejected, not cut off.

    Returns:
        Microseconds since midnight.

    Raises:
        ValueError: If one is not a time of day.
    """
    type_ = array.type
    if is_text(type_):
        return _of_texts(_with_any_day(array), exact=exact).cast(_TIME_TYPE)
    if not pa.types.is_time(type_):
        raise UnfitError(expected="a time", got=type_)
    if type_ == pa.time64("ns"):
        counts = array.cast(pa.int64())
        if exact and not all_true(pc.equal(pc.multiply(pc.divide(counts, 1000), 1000), counts)):
            raise ValueError(_TOO_FINE)
        result = pc.divide(counts, 1000).cast(_TIME_TYPE)
    else:
        result = array.cast(_TIME_TYPE)
    return _check_range(result, pa.int64(), 0, _DAY_MICROSECONDS - 1, "a time")


def to_times_with_zone(array: pa.Array, *, exact: bool = False) -> pa.Array:
    """Convert a column to texts of times of day that keep their zone.

    Args:
        array: Texts or times; those without a zone are in UTC, whatever the session's is.
        exact: Whether a fraction finer than a microsecond is rejected, not cut off.

    Raises:
        ValueError: If one is not a time of day.
    """
    if not is_text(array.type):
        texts = to_times(array, exact=exact).cast(pa.string())
        return pc.binary_join_element_wise(texts, "Z", "")
    texts = _with_any_day(array)
    _of_texts(texts, exact=exact)
    return pc.utf8_slice_codeunits(_normalize(texts), len(_ANY))


def iso_texts(array: pa.Array) -> pa.Array:
    """Write dates and times as JSON has them.

    Args:
        array: Timestamps, dates or times; every digit is kept.

    Returns:
        Texts, those of timestamps with a zone in UTC.

    Raises:
        ValueError: If one is not in the years 1 to 9999, or not a time of day.
    """
    type_ = array.type
    if pa.types.is_date(type_):
        return to_dates(array).cast(pa.string())
    if pa.types.is_timestamp(type_):
        if type_.tz is not None:
            array = array.cast(pa.timestamp(type_.unit, "UTC"))
        to_timestamps(array)
        texts = pc.replace_substring(array.cast(pa.string()), " ", "T", max_replacements=1)
    else:
        to_times(array)
        texts = array.cast(pa.string())
    texts = pc.replace_substring_regex(texts, r"\.0+(Z?)$", r"\1")
    return pc.replace_substring_regex(texts, r"(\.[0-9]*[1-9])0+(Z?)$", r"\1\2")


_TOO_FINE = "expected at most 6 digits of a second in a key, got more"


def _of_texts(texts: pa.Array, *, exact: bool) -> pa.Array:
    """Read texts: at once what has a zone and at most 6 digits, as most have."""
    try:
        return texts.cast(TIMESTAMP)
    except pa.ArrowInvalid:
        if exact and any_true(pc.match_substring_regex(texts, r"[.,][0-9]{6}[0-9]*[1-9]")):
            raise ValueError(_TOO_FINE) from None
        texts = _normalize(texts)
    try:
        return texts.cast(TIMESTAMP)
    except pa.ArrowInvalid:
        counts = [_parse_microseconds(text) for text in texts.to_pylist()]
        return pa.array(counts, pa.int64()).cast(TIMESTAMP)


def _normalize(texts: pa.Array) -> pa.Array:
    """Rewrite texts in the form that Arrow reads, without changing their meaning."""
    for pattern, replacement in (
        (rf"^({_DAY})$", r"\1T00:00:00Z"),
        (r"^([0-9W-]+)[Tt ]", r"\1T"),
        (r" ?z$| Z$", "Z"),
        (r" ([+-][0-9:]+)$", r"\1"),
        (r"(:?[0-9]{2}:?[0-9]{2}:?[0-9]{2})[.,]([0-9]{1,6})[0-9]*", r"\1.\2"),
        (rf"^({_DAY}T[0-9:.]+)$", r"\1Z"),
    ):
        texts = pc.replace_substring_regex(texts, pattern, replacement)
    return texts


def _parse_microseconds(text: str | None) -> int | None:
    """Read a text that Arrow does not; years that another zone makes BC or 10000 are counted."""
    if text is None:
        return None
    if _TIMESTAMP_TEXT.fullmatch(text) is None:
        raise ValueError
    timestamp = datetime.fromisoformat(text)
    offset = timestamp.utcoffset() or timedelta(0)
    return (timestamp.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND


def _cut_to_microseconds(nanoseconds: pa.Array, *, exact: bool) -> pa.Array:
    cut = pc.floor_temporal(nanoseconds, unit="microsecond")
    if exact and not all_true(pc.equal(cut, nanoseconds)):
        raise ValueError(_TOO_FINE)
    return cut


def _days_of_texts(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(pa.date32())
    except pa.ArrowInvalid:
        # Many taps write a date as its midnight.
        texts = pc.replace_substring_regex(texts, _MIDNIGHT, r"\1")
    try:
        return texts.cast(pa.date32())
    except pa.ArrowInvalid:
        return pa.array([_day(text) for text in texts.to_pylist()], pa.date32())


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    if _DAY_TEXT.fullmatch(text) is None:
        raise ValueError
    return date.fromisoformat(text)


def _days_of_timestamps(array: pa.Array) -> pa.Array:
    array = array.cast(pa.timestamp(array.type.unit))
    days = array.cast(pa.date32())
    if not all_true(pc.equal(days.cast(array.type), array)):
        raise UnfitError(expected="a date", got="a time of a day")
    return days


def _with_any_day(array: pa.Array) -> pa.Array:
    """Prepend a day to times of day."""
    texts = array.cast(pa.string())
    if not all_true(pc.match_substring_regex(texts, _TIME_OF_DAY_TEXT)):
        raise ValueError
    texts = pc.replace_substring_regex(texts, "^[Tt]", "")
    return pc.binary_join_element_wise(pa.scalar(_ANY), texts, "")


def _check_range(array: pa.Array, unit: pa.DataType, first: int, last: int, kind: str) -> pa.Array:
    ends = pc.min_max(array.cast(unit)).as_py()
    if ends["min"] is not None and not first <= ends["min"] <= ends["max"] <= last:
        raise UnfitError(expected=kind, got="one out of range")
    return array
