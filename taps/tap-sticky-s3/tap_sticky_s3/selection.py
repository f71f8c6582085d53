"""Which files of a table a run reads."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from signalroom_singer import to_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_sticky_s3.client import S3Object

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def name_date(key: str) -> str | None:
    """The first date in a key, as ``YYYY-MM-DD``; none if there is none.

    Args:
        key: The key.
    """
    found = _DATE.search(key)
    return found[0] if found else None


class Filter:
    """The files that the settings let through.

    Args:
        config: The tap's settings.
        pattern: What a key has to match.
    """

    def __init__(self, config: Mapping[str, Any], pattern: str) -> None:
        self._pattern = re.compile(pattern)
        start = to_utc(config.get("start_date"))
        self._start = datetime.fromisoformat(start) if start else None
        self._from: str | None = config.get("file_date_from")
        self._to: str | None = config.get("file_date_to")
        self._settled = timedelta(seconds=config["settle_seconds"])
        self._most: int | None = config.get("max_files")
        self._newest_first = config["max_files_order"] == "newest"

    def is_of_table(self, thing: S3Object) -> bool:
        """Whether it is a file of the table at all.

        Args:
            thing: A file under the table's prefix.
        """
        return self._pattern.search(thing.key) is not None

    def wants(self, thing: S3Object) -> bool:
        """Whether the settings let it through.

        Args:
            thing: A file of the table.
        """
        if self._start and thing.modified < self._start:
            return False
        if self._settled and datetime.now(UTC) - thing.modified < self._settled:
            return False
        named = name_date(thing.key)
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
