"""What is known of a table's files: a stream's state."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from signalroom_singer import ExitCode, TapError
from tap_sticky_s3.day_files import DayFiles, parse, version_of, version_of_object
from tap_sticky_s3.file_filter import date_in_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from tap_sticky_s3.client import S3Object
    from tap_sticky_s3.day_files import LoadedFile, Version

DAYS, FLOOR = "days", "floor"
#: Of earlier versions: an entry for each file, with ETag, LastModified, size and rows.
_FILES = "files"
_ETAG, _MODIFIED, _SIZE, _ROWS = "e", "m", "s", "n"
#: Marks of pipelines that knew of files only up to where they had come: of the date in a name,
#: and of LastModified.
_DATE_MARKS = ("last_file_date",)
_MOMENT_MARKS = ("modified_since", "replication_key_value")
#: How many files the state has one by one: those of the newest days. Hourly ones of two weeks.
_FILES_APART = 336
_SECOND = timedelta(seconds=1)


class FileHistory:
    """The versions of files that were loaded, and the rows of each.

    No high-water mark can say that: files come late, within one second, and dated back. A name for
    each file would make a state of megabytes. So each is known by a hash, and those of a day that
    is past by a digest of all of them: the sum of their hashes, which says of a listing whether it
    has these files, and which others. Where one of them was overwritten or deleted nobody can tell
    which: then all of that day count as not loaded.

    Args:
        state: The stream's state; changed by `save`.
        stream: Its name, for messages.
        listed: The table's files.

    Attributes:
        read_again: The days whose files count as not loaded, as some were overwritten or deleted;
            with how many files there are.
    """

    def __init__(
        self, state: MutableMapping[str, Any], stream: str, listed: Iterable[S3Object] = ()
    ) -> None:
        self._state = state
        self._stream = stream
        self._versions: dict[S3Object, Version] = {}
        self._days: dict[str, DayFiles] = defaultdict(DayFiles)
        self.read_again: dict[str, int] = {}
        things = sorted(listed, key=lambda thing: (thing.modified, thing.key))
        try:
            self._read({thing.key: thing.size for thing in things})
            floor = self.floor
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            raise unreadable(stream) from None
        self._compare(things, floor.timestamp() if floor else None)

    def __len__(self) -> int:
        return sum(map(len, self._days.values()))

    def _read(self, sizes: Mapping[str, int]) -> None:
        for text in self._state.get(DAYS, ()):
            name, day = parse(text)
            self._days[name] = day
        for key, entry in self._state.get(_FILES, {}).items():
            # The first versions did not write the size.
            size = entry.get(_SIZE, sizes.get(key))
            modified = _moment(entry[_MODIFIED]).timestamp()
            version = version_of(key, entry[_ETAG], size, modified)
            rows = entry.get(_ROWS)
            is_count = isinstance(rows, int) and rows >= 0
            self._days[version.day].add(version, rows if is_count else None)

    def _compare(self, things: Iterable[S3Object], floor: float | None) -> None:
        by_day: dict[str, list[Version]] = defaultdict(list)
        for thing in things:
            version = self._version(thing)
            by_day[version.day].append(version)
        for name, versions in by_day.items():
            self._days[name].listed = versions
            if not self._days[name].open(floor):
                self._days[name] = DayFiles(listed=versions)
                self.read_again[name] = len(versions)

    def _version(self, thing: S3Object) -> Version:
        version = self._versions.get(thing)
        if version is None:
            version = self._versions[thing] = version_of_object(thing)
        return version

    def _file(self, version: Version) -> LoadedFile | None:
        day = self._days.get(version.day)
        return day.files.get(version.key) if day else None

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
        file = self._file(version_of(key, "", None, 0))
        return file.rows if file else None

    def has(self, thing: S3Object, *, by_time: bool = False) -> bool:
        """Whether this version of a file is loaded.

        Args:
            thing: The version.
            by_time: Whether a later LastModified makes another of it, though nothing else differs.
        """
        version = self._version(thing)
        file = self._file(version)
        if file is None:
            floor = self.floor
            return floor is not None and thing.modified <= floor
        if by_time and file.modified != version.modified:
            return False
        return file.content == version.content

    def add(self, thing: S3Object, rows: int | None) -> None:
        """Note that a version of a file is loaded.

        Args:
            thing: The version.
            rows: How many rows it has, if that is known.
        """
        version = self._version(thing)
        self._days[version.day].add(version, rows)

    def save(self) -> None:
        """Write what is known into the state."""
        self._state.pop(_FILES, None)
        apart, texts = 0, []
        days = [(name, day) for name, day in self._days.items() if len(day)]
        for name, day in sorted(days, key=lambda item: item[1].latest, reverse=True):
            closed = apart + len(day) > _FILES_APART
            apart += 0 if closed else len(day)
            texts.append(day.text(name, closed=closed))
        self._state[DAYS] = sorted(texts)

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
            named = date_in_key(thing.key)
            early = date is None or (named is not None and named < date)
            if self._file(self._version(thing)) is None and early and thing.modified < came_before:
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
        old = [name for name, day in self._days.items() if day.forget(floor.timestamp())]
        if not old:
            return
        for name in old:
            if self._days[name].digest:
                del self._days[name]
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
    return TapError(msg, exit_code=ExitCode.DATA)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
