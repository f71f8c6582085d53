"""What is known of a table's files: a stream's state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from signalroom_singer import TapError
from tap_sticky_s3.selection import name_date

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from tap_sticky_s3.client import S3Object

FILES, FLOOR = "files", "floor"
#: Marks of pipelines that knew of files only up to where they had come: of the date in a name,
#: and of LastModified.
_DATE_MARKS = ("last_file_date",)
_MOMENT_MARKS = ("modified_since", "replication_key_value")
_ETAG, _MODIFIED, _SIZE, _ROWS = "e", "m", "s", "n"
_SECOND = timedelta(seconds=1)


class Ledger:
    """The files that were loaded, by key: their etag, size, time and rows.

    No high-water mark can say that: files come late, within one second, and dated back.

    Args:
        state: The stream's state; changed in place.
        stream: Its name, for messages.
    """

    def __init__(self, state: MutableMapping[str, Any], stream: str) -> None:
        self._state = state
        self._stream = stream
        self._check()
        self._files: dict[str, dict[str, Any]] = state.setdefault(FILES, {})

    def __len__(self) -> int:
        return len(self._files)

    def _check(self) -> None:
        try:
            for entry in self._state.get(FILES, {}).values():
                _ = entry[_ETAG], _moment(entry[_MODIFIED])
            _ = self.floor
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            raise unreadable(self._stream) from None

    @property
    def floor(self) -> datetime | None:
        """Files not modified since are known to be loaded, though not by name any more."""
        text = self._state.get(FLOOR)
        return None if text is None else _moment(text)

    def rows(self, key: str) -> int | None:
        """How many rows a file had when it was last loaded; none if it was not, or is not known.

        Args:
            key: The file.
        """
        return self._files.get(key, {}).get(_ROWS)

    def has(self, thing: S3Object, *, by_time: bool = False) -> bool:
        """Whether this version of a file is loaded.

        Args:
            thing: The version.
            by_time: Whether a later LastModified makes another of it, though nothing else differs.
        """
        entry = self._files.get(thing.key)
        if entry is None:
            floor = self.floor
            return floor is not None and thing.modified <= floor
        if by_time and entry.get(_MODIFIED) != _written(thing.modified):
            return False
        return bool(entry[_ETAG] == thing.etag and entry.get(_SIZE, thing.size) == thing.size)

    def add(self, thing: S3Object, rows: int | None) -> None:
        """Note that a version of a file is loaded.

        Args:
            thing: The version.
            rows: How many rows it has, if that is known.
        """
        self._files[thing.key] = {
            _ETAG: thing.etag,
            _MODIFIED: _written(thing.modified),
            _SIZE: thing.size,
            _ROWS: rows,
        }

    def take_over(self, listed: Iterable[S3Object]) -> int:
        """Replace a mark that another pipeline left by the files that it stands for.

        A file counts as loaded if its mark is before it in every way that can be seen: by the
        date in its name, and by when it came. Any other is loaded, again perhaps.

        Args:
            listed: The table's files.

        Returns:
            How many count as loaded.
        """
        dates = [self._state.pop(name, None) for name in _DATE_MARKS]
        moments = [self._state.pop(name, None) for name in _MOMENT_MARKS]
        self._state.pop("replication_key", None)
        date = next((str(mark)[:10] for mark in dates if mark), None)
        try:
            moment = next((_moment(mark) for mark in moments if mark), None)
            came_before = moment or (date and _moment(date) + timedelta(days=1))
        except (OverflowError, TypeError, ValueError):
            # A mark of no known form stands for nothing: all is read.
            return 0
        if not came_before:
            return 0
        count = 0
        for thing in listed:
            named = name_date(thing.key)
            early = date is None or (named is not None and named < date)
            if thing.key not in self._files and early and thing.modified < came_before:
                self.add(thing, None)
                count += 1
        return count

    def prune(self, missing: Iterable[S3Object], *, days: int) -> None:
        """Forget old files by name, and raise the floor instead.

        The floor never passes a file that is there and not loaded, whatever the reason.

        Args:
            missing: Files that are listed and not loaded.
            days: How long files are known by name.
        """
        floor = datetime.now(UTC) - timedelta(days=days)
        floor = min([floor, *(thing.modified - _SECOND for thing in missing)])
        old = [key for key, entry in self._files.items() if _moment(entry[_MODIFIED]) <= floor]
        if not old:
            return
        for key in old:
            del self._files[key]
        self._state[FLOOR] = _written(max(filter(None, (floor, self.floor))))


def unreadable(stream: str) -> TapError:
    """The error for a state that this tap did not write.

    Args:
        stream: Whose state.
    """
    msg = (
        f"The state of stream {stream} cannot be read. Fix it (`meltano state get`, `meltano state "
        "set`), or clear it (`meltano state clear`): then all files are read again, and rows that "
        "are there are updated."
    )
    return TapError(msg)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
