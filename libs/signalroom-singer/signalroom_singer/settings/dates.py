"""Dates and timestamps in settings, as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from signalroom_singer.settings.problems import invalid_setting
from signalroom_singer.settings.variables import setting_label
from signalroom_singer.timestamps import clamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ]|$)")


def parse_date_setting(config: Mapping[str, Any], setting: str) -> date | None:
    """Parse a date in the settings.

    Args:
        config: The settings of the tap.
        setting: The name of the setting; a timestamp, as Meltano may make of a date, means its day.

    Raises:
        ConfigValidationError: If it is not a date, written YYYY-MM-DD.
    """
    moment = parse_timestamp_setting(config, setting)
    return moment.date() if moment else None


def parse_timestamp_setting(config: Mapping[str, Any], setting: str) -> datetime | None:
    """Parse a timestamp in the settings.

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
    return clamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def parse_zone_setting(config: Mapping[str, Any], setting: str) -> ZoneInfo:
    """Parse a time zone in the settings.

    Args:
        config: The settings of the tap.
        setting: The name of the setting.

    Raises:
        ConfigValidationError: If it is not the IANA name of a time zone.
    """
    name = config[setting]
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        problem = "unknown time zone, use an IANA name such as America/New_York"
        raise invalid_setting(setting, problem, name) from None


def check_date_range(
    config: Mapping[str, Any],
    zone: tzinfo,
    *,
    first: str = "start_date",
    last: str = "end_date",
    now: datetime | None = None,
) -> None:
    """Check that there are days to read between the first and the last.

    Otherwise a run would succeed and report that everything is loaded, although nothing was.

    Args:
        config: The settings of the tap.
        zone: The time zone whose days these are.
        first: The name of the setting with the first day.
        last: The name of the setting with the last day.
        now: The time; the clock, by default.

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
    """Parse a date in the settings; the result is its midnight in UTC.

    Args:
        config: The settings of the tap.
        setting: The name of the setting.

    Raises:
        ConfigValidationError: If it is not a date, written YYYY-MM-DD.
    """
    day = parse_date_setting(config, setting)
    return datetime.combine(day, time.min, UTC) if day else None
