"""Days in the settings and moments in the state: what people may have written by hand."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.settings.problems import invalid_setting
from signalroom_singer.settings.variables import setting_label
from signalroom_singer.state_merge import FIELDS, are_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

#: Days before and after them, and hours of zones, can be added without an overflow.
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ]|$)")


def parse_date_setting(config: Mapping[str, Any], setting: str) -> date | None:
    """Read a day from the settings.

    Args:
        config: The settings of the tap.
        setting: The name of the setting; a timestamp, as Meltano makes of a date, means its day.

    Raises:
        ConfigValidationError: If it is not a date, written YYYY-MM-DD.
    """
    moment = parse_timestamp_setting(config, setting)
    return moment.date() if moment else None


def parse_timestamp_setting(config: Mapping[str, Any], setting: str) -> datetime | None:
    """Read a timestamp from the settings.

    Args:
        config: The settings of the tap.
        setting: The name of the setting; a date means midnight, no offset means UTC.

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


def check_date_range(
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
        config: The settings of the tap.
        zone: Whose days these are.
        first: The setting of the first day.
        last: The setting of the last day.
        now: The time, unless given.

    Raises:
        ConfigValidationError: If one is not a date, the first is in the future, or after the last.
    """
    begin, end = parse_date_setting(config, first), parse_date_setting(config, last)
    today = (now or datetime.now(UTC)).astimezone(zone).date()
    if begin and begin > today:
        problem = f"it is in the future (today is {today} in {zone})"
        raise invalid_setting(first, problem, str(begin))
    if begin and end and begin > end:
        raise invalid_setting(first, f"it is after {setting_label(last)}, {end}", str(begin))


def parse_midnight_setting(config: Mapping[str, Any], setting: str) -> datetime | None:
    """Read a day from the settings, as the moment when it begins (UTC).

    Args:
        config: The settings of the tap.
        setting: The name of the setting.

    Raises:
        ConfigValidationError: If it is not a date, written YYYY-MM-DD.
    """
    day = parse_date_setting(config, setting)
    return datetime.combine(day, time.min, UTC) if day else None


def parse_bookmark(value: object, *, stream: str) -> datetime | None:
    """Read a moment from the state.

    Args:
        value: As it stands there; without a zone it is UTC. What is earlier than 1900, or later
            than a clock can show everywhere, counts as the first or the last moment in between.
        stream: The name of the stream.

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
        raise invalid_bookmark(value, stream=stream) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _within_range(aware).astimezone(UTC)


def _within_range(moment: datetime) -> datetime:
    return min(max(moment, _EARLIEST), _LATEST)


def validate_state(state: Mapping[str, Any]) -> None:
    """See that each stream, and each of its partitions, has a state of its own.

    Args:
        state: A tap's, as it was given.

    Raises:
        TapError: If one has not.
    """
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        raise invalid_state(bookmarks, field="bookmarks")
    for stream, bookmark in bookmarks.items():
        if not isinstance(bookmark, dict) or not _is_text(bookmark):
            raise invalid_state(bookmark, stream=stream)
        partitions = bookmark.get("partitions", [])
        if not isinstance(partitions, list) or not all(
            isinstance(partition, dict) and isinstance(partition.get("context"), dict)
            for partition in partitions
        ):
            raise invalid_state(partitions, stream=stream, field="partitions")
        if not are_fields(bookmark.get(FIELDS, [])):
            raise invalid_state(bookmark[FIELDS], stream=stream, field=FIELDS)


def _is_text(bookmark: Mapping[str, Any]) -> bool:
    try:
        json.dumps(bookmark, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a character: nobody could write the state again
        return False
    return True


def invalid_state(value: object, *, stream: str = "", field: str = "") -> TapError:
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


def invalid_bookmark(value: object, *, stream: str) -> TapError:
    """The error for a state that is not as the stream writes it.

    Args:
        value: As it stands there.
        stream: The name of the stream.
    """
    msg = (
        f"{stream}: {str(value)[:100]!r} in the state is not a timestamp (2026-01-31T12:00:00Z). "
        "Fix it with `meltano state edit`, or read everything again with --full-refresh."
    )
    return TapError(msg, exit_code=ExitCode.DATA)
