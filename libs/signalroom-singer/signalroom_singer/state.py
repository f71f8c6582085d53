"""Days in the settings and moments in the state: what people may have written by hand."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.settings.problems import invalid_setting
from signalroom_singer.settings.variables import named
from signalroom_singer.state_merge import FIELDS, are_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

#: Days before and after them, and hours of zones, can be added without an overflow.
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ]|$)")


def configured_day(config: Mapping[str, Any], setting: str) -> date | None:
    """Read a day from the settings.

    Args:
        config: The settings.
        setting: Which; a timestamp, as Meltano makes of a date, means its day.

    Raises:
        ConfigValidationError: If it is not a date, written YYYY-MM-DD.
    """
    moment = configured_moment(config, setting)
    return moment.date() if moment else None


def configured_moment(config: Mapping[str, Any], setting: str) -> datetime | None:
    """Read a timestamp from the settings.

    Args:
        config: The settings.
        setting: Which; a date means its midnight, and without an offset it is UTC.

    Raises:
        ConfigValidationError: If it is neither a date, written YYYY-MM-DD, nor a timestamp that
            begins with one.
    """
    value = config.get(setting)
    if not value:
        return None
    text = str(value).strip()
    try:
        if not _DATED.match(text):
            raise ValueError  # noqa: TRY301 - of ISO 8601's forms the one that sorts as text
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid_setting(setting, "expected YYYY-MM-DD", text) from None
    return _within_range(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def check_days(
    config: Mapping[str, Any],
    zone: tzinfo,
    *,
    first: str = "start_date",
    last: str = "end_date",
    now: datetime | None = None,
) -> None:
    """See that the first and the last day to read leave something to read.

    Without that a run would end well and say that everything is loaded, while nothing ever was.

    Args:
        config: The settings.
        zone: Whose days these are.
        first: The setting of the first day.
        last: The setting of the last day.
        now: The time, unless given.

    Raises:
        ConfigValidationError: If one is not a date, the first is in the future, or after the last.
    """
    begin, end = configured_day(config, first), configured_day(config, last)
    today = (now or datetime.now(UTC)).astimezone(zone).date()
    if begin and begin > today:
        problem = f"it is in the future (today is {today} in {zone})"
        raise invalid_setting(first, problem, str(begin))
    if begin and end and begin > end:
        raise invalid_setting(first, f"it is after {named(last)}, {end}", str(begin))


def configured_midnight(config: Mapping[str, Any], setting: str) -> datetime | None:
    """Read a day from the settings, as the moment when it begins (UTC).

    Args:
        config: The settings.
        setting: Which.

    Raises:
        ConfigValidationError: If it is not a date, written YYYY-MM-DD.
    """
    day = configured_day(config, setting)
    return datetime.combine(day, time.min, UTC) if day else None


def stored_moment(value: object, *, stream: str) -> datetime | None:
    """Read a moment from the state.

    Args:
        value: As it stands there; without a zone it is UTC. What is earlier than 1900, or later
            than a clock can show everywhere, counts as the first or the last moment in between.
        stream: Whose state.

    Returns:
        The moment in UTC.

    Raises:
        TapError: If it is none.
    """
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise unreadable_state(value, stream=stream) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _within_range(aware).astimezone(UTC)


def _within_range(moment: datetime) -> datetime:
    return min(max(moment, _EARLIEST), _LATEST)


def check_bookmarks(state: Mapping[str, Any]) -> None:
    """See that each stream, and each of its partitions, has a state of its own.

    Args:
        state: A tap's, as it was given.

    Raises:
        TapError: If one has not.
    """
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        raise spoiled_state(bookmarks, field="bookmarks")
    for stream, found in bookmarks.items():
        if not isinstance(found, dict) or not _is_text(found):
            raise spoiled_state(found, stream=stream)
        partitions = found.get("partitions", [])
        if not isinstance(partitions, list) or not all(
            isinstance(one, dict) and isinstance(one.get("context"), dict) for one in partitions
        ):
            raise spoiled_state(partitions, stream=stream, field="partitions")
        if not are_fields(found.get(FIELDS, [])):
            raise spoiled_state(found[FIELDS], stream=stream, field=FIELDS)


def _is_text(found: Mapping[str, Any]) -> bool:
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a character: nobody could write the state again
        return False
    return True


def spoiled_state(value: object, *, stream: str = "", field: str = "") -> TapError:
    """The error for a state, or a part of one, that no tap writes.

    Args:
        value: What stands there.
        stream: Whose state, if it is one's.
        field: Where in it.
    """
    of = f" of stream {stream}" if stream else ""
    msg = (
        f"The state{of}{f' ({field})' if field else ''} cannot be used: {str(value)[:100]!r} is "
        "nothing that the tap writes there. Fix it with `meltano state edit`, or read everything "
        "again with --full-refresh."
    )
    return TapError(msg, exit_code=ExitCode.DATA)


def unreadable_state(value: object, *, stream: str) -> TapError:
    """The error for a state that is not as the stream writes it.

    Args:
        value: As it stands there.
        stream: Whose state.
    """
    msg = (
        f"{stream}: {str(value)[:100]!r} in the state is not a timestamp (2026-01-31T12:00:00Z). "
        "Fix it with `meltano state edit`, or read everything again with --full-refresh."
    )
    return TapError(msg, exit_code=ExitCode.DATA)
