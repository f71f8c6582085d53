"""Which files of a table a run reads."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from signalroom_singer import check_days, configured_day, configured_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_sticky_s3.client import S3Object

#: The keys of a table's files, if nobody says otherwise.
DEFAULT_PATTERN = r"\.csv(\.gz)?$"
# Where each day begins first.
_FIRST_ZONE = timezone(timedelta(hours=14))
# Overlapping: the digits of an id may run into those of a date.
_DATES = re.compile(r"(?=((?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}))")


def date_in_key(key: str) -> str | None:
    """The date in a key: the first real day of the years 1900 to 2199.

    Args:
        key: The key.

    Returns:
        The day as ``YYYY-MM-DD``, or nothing. A day right after other digits, which may be the end
        of an id, counts only if there is no other.
    """
    found = [match for match in _DATES.finditer(key) if _is_day(match[1])]
    alone = (match for match in found if not key[: match.start(1)][-1:].isdigit())
    first = next(alone, found[0] if found else None)
    return first[1] if first else None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_dates(config: Mapping[str, Any]) -> None:
    """See that the settings about dates can be used.

    Args:
        config: The tap's settings.

    Raises:
        ConfigValidationError: If one is not a date, the first is in the future, or after the last.
    """
    check_days(config, UTC)
    # Exports may be dated by a zone that is ahead: theirs is tomorrow before ours is.
    check_days(config, _FIRST_ZONE, first="file_date_from", last="file_date_to")


class FileFilter:
    """The files that the settings let through.

    Args:
        config: The tap's settings.
        pattern: What a key has to match.
    """

    def __init__(self, config: Mapping[str, Any], pattern: str) -> None:
        self.pattern = pattern
        self._pattern = re.compile(pattern)
        self._start = configured_moment(config, "start_date")
        # Meltano makes timestamps of dates.
        first, last = (configured_day(config, name) for name in ("file_date_from", "file_date_to"))
        self._from = first and first.isoformat()
        self._to = last and last.isoformat()
        self._settled = timedelta(seconds=config["settle_seconds"])
        self._most: int | None = config.get("max_files")
        self._newest_first = config["max_files_order"] == "newest"

    def is_of_table(self, thing: S3Object) -> bool:
        """Whether it is a file of the table at all.

        Args:
            thing: A file under the table's prefix.
        """
        return self.matches(thing.key)

    def matches(self, key: str) -> bool:
        """Whether a key matches the pattern.

        Args:
            key: The key.
        """
        return self._pattern.search(key) is not None

    def wants(self, thing: S3Object) -> bool:
        """Whether the settings let it through.

        Args:
            thing: A file of the table.
        """
        if self._start and thing.modified < self._start:
            return False
        if self._settled and datetime.now(UTC) - thing.modified < self._settled:
            return False
        named = date_in_key(thing.key)
        if named is None:
            # Nobody can tell: better twice than never.
            return True
        return (self._from or named) <= named <= (self._to or named)

    def of_this_run(self, things: Iterable[S3Object]) -> list[S3Object]:
        """Take as many as a run may, in the order in which they are read.

        Args:
            things: Files that are not loaded.

        Returns:
            The oldest first, whichever were taken.
        """
        ordered = sorted(things, key=lambda thing: (thing.modified, thing.key))
        if not self._most or len(ordered) <= self._most:
            return ordered
        return ordered[-self._most :] if self._newest_first else ordered[: self._most]
