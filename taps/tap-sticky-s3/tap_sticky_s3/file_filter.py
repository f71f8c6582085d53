"""Which files are a table's, and which of them the settings let through."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from signalroom_singer import (
    before,
    or_null,
    parse_date_setting,
    parse_timestamp_setting,
    since,
)
from signalroom_singer.settings.dates import check_date_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from signalroom_singer import Conditions
    from tap_sticky_s3.client import S3Object

#: Default of the setting `pattern`.
DEFAULT_PATTERN = r"\.csv(\.gz)?$"
# The time zone in which a day begins first.
_FIRST_ZONE = timezone(timedelta(hours=14))
# With a lookahead, as matches overlap: digits of an id may run into those of a date.
_DATES = re.compile(r"(?=((?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}))")


def date_in_key(key: str) -> str | None:
    """Find the date in a key: the first valid one of the years 1900 to 2199.

    Args:
        key: Key of an object in the bucket.

    Returns:
        The date as ``YYYY-MM-DD``, or None. A date right after other digits, which may be the end
        of an id, counts only if there is no other.
    """
    dates = [match for match in _DATES.finditer(key) if _is_date(match[1])]
    separate = (match for match in dates if not key[: match.start(1)][-1:].isdigit())
    first = next(separate, dates[0] if dates else None)
    return first[1] if first else None


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_dates(config: Mapping[str, Any]) -> None:
    """Check the settings with dates.

    Args:
        config: The tap's settings.

    Raises:
        ConfigValidationError: If one is not a date, the first is in the future, or after the last.
    """
    check_date_range(config, UTC)
    # Exports may be dated in a zone ahead of UTC, where tomorrow begins earlier.
    check_date_range(config, _FIRST_ZONE, first="file_date_from", last="file_date_to")


class FileFilter:
    """Decides by the settings which files of a table are read.

    Args:
        config: The tap's settings.
        pattern: Regular expression that the keys of the table's files match.
    """

    def __init__(self, config: Mapping[str, Any], pattern: str) -> None:
        self.pattern = pattern
        self._compiled = re.compile(pattern)
        self._start = parse_timestamp_setting(config, "start_date")
        # Meltano passes dates as timestamps.
        self._from = parse_date_setting(config, "file_date_from")
        self._to = parse_date_setting(config, "file_date_to")
        self._settling_time = timedelta(seconds=config["settle_seconds"])
        self._max_files: int | None = config.get("max_files")
        self._newest_first = config["max_files_order"] == "newest"

    def matches(self, key: str) -> bool:
        """Whether a key matches the pattern.

        Args:
            key: Key of an object under the table's prefix.
        """
        return self._compiled.search(key) is not None

    def is_in_range(self, obj: S3Object) -> bool:
        """Whether the settings with dates and `settle_seconds` let a file through.

        Args:
            obj: A file of the table.
        """
        if self._settling_time and datetime.now(UTC) - obj.modified < self._settling_time:
            return False
        return self.is_in_dates(obj)

    def is_in_dates(self, obj: S3Object) -> bool:
        """Whether the settings with dates let a file through.

        Args:
            obj: A file of the table.
        """
        if self._start and obj.modified < self._start:
            return False
        text = date_in_key(obj.key)
        if text is None:
            # Unknown, so it is loaded: rather too many files than too few.
            return True
        day = date.fromisoformat(text)
        return (self._from or day) <= day <= (self._to or day)

    def conditions(self) -> Conditions:
        """What the rows of files meet that the settings with dates let through, by column."""
        conditions = {}
        if self._start:
            conditions["_file_last_modified"] = since(self._start)
        dates = since(self._from) if self._from else {}
        if self._to and self._to < date.max:
            dates = {**dates, **before(self._to + timedelta(days=1))}
        if dates:
            conditions["_file_date"] = or_null(dates)
        return conditions

    def select_for_run(self, objects: Iterable[S3Object]) -> list[S3Object]:
        """Select the files of a run: at most `max_files`, in the order of reading.

        Args:
            objects: Files that are not loaded yet.

        Returns:
            The selected files, the oldest first.
        """
        ordered = sorted(objects, key=lambda obj: (obj.modified, obj.key))
        if not self._max_files or len(ordered) <= self._max_files:
            return ordered
        if self._newest_first:
            return ordered[-self._max_files :]
        return ordered[: self._max_files]
