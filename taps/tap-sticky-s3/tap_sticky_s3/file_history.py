"""The history of a table's files: which versions are loaded. It is the stream's state."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from signalroom_singer import ExitCode, TapError
from tap_sticky_s3.day_files import DayFiles, hash_object, hash_version, parse_day
from tap_sticky_s3.file_filter import date_in_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from tap_sticky_s3.client import S3Object
    from tap_sticky_s3.day_files import FileVersion, LoadedFile

DAYS, FLOOR = "days", "floor"
#: How many runs in a row have begun and not ended. They may have loaded files, or versions of them,
#: that the state does not have.
UNFINISHED_RUNS = "unfinished_runs"
#: How many of the loaded files the bucket has, and the sum of the hashes of their keys: when a run
#: ended and the table had rows of no other file.
FILES_IN_BUCKET = "listed"
#: States of earlier versions: an entry for each file, with ETag, LastModified, size and rows.
_FILES = "files"
_ETAG, _MODIFIED, _SIZE, _ROWS = "e", "m", "s", "n"
#: Bookmarks of other pipelines, with one date or time for all files: the date in a file's name, or
#: its LastModified.
_DATE_BOOKMARKS = ("last_file_date",)
_TIME_BOOKMARKS = ("modified_since", "replication_key_value")
#: How many files the state has by themselves: those of the newest days. Two weeks of hourly ones.
_SEPARATE_FILES = 336
_SECOND = timedelta(seconds=1)


class FileHistory:
    """The versions of files that were loaded, and how many rows each has.

    A bookmark cannot say that: files come late, within the same second, or with an older date. An
    entry for each key would make a state of megabytes. So each file is identified by a hash, and
    the files of a past day by a digest, the sum of their hashes: compared with a listing, it tells
    whether these files are in it, and which others. After a file of such a day was overwritten or
    deleted nothing can tell which one it was: then all files of that day count as not loaded.

    Args:
        state: The stream's state; `save` changes it.
        stream: Name of the stream, for messages.
        objects: The table's files in the bucket.

    Attributes:
        reread_days: Days whose files count as not loaded, as some were overwritten or deleted,
            and how many files each has.
        is_certain: Whether all that is loaded is in the state: not after a run that did not end.
        may_have_deleted: Whether the table may have rows of files that are not in the bucket.
    """

    def __init__(
        self, state: MutableMapping[str, Any], stream: str, objects: Iterable[S3Object] = ()
    ) -> None:
        self._state = state
        self._stream = stream
        self._versions: dict[S3Object, FileVersion] = {}
        self._days: dict[str, DayFiles] = defaultdict(DayFiles)
        self.reread_days: dict[str, int] = {}
        ordered = sorted(objects, key=lambda obj: (obj.modified, obj.key))
        try:
            self._read_state({obj.key: obj.size for obj in ordered})
            floor = self.floor
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            raise invalid_state(stream) from None
        self._resolve_digests(ordered, floor.timestamp() if floor else None)
        self._objects = ordered
        self.is_certain = len(self) > 0 and state.get(UNFINISHED_RUNS, 0) <= 1
        self.may_have_deleted = (
            not self.is_certain or state.get(FILES_IN_BUCKET) != self._sum_listed()
        )

    def __len__(self) -> int:
        return sum(map(len, self._days.values()))

    def _read_state(self, sizes: Mapping[str, int]) -> None:
        for text in self._state.get(DAYS, ()):
            name, day = parse_day(text)
            self._days[name] = day
        for key, entry in self._state.get(_FILES, {}).items():
            # The first versions did not write the size.
            size = entry.get(_SIZE, sizes.get(key))
            modified = _parse_time(entry[_MODIFIED]).timestamp()
            version = hash_version(key, entry[_ETAG], size, modified)
            rows = entry.get(_ROWS)
            is_count = isinstance(rows, int) and rows >= 0
            self._days[version.day].add(version, rows if is_count else None)

    def _resolve_digests(self, objects: Iterable[S3Object], floor: float | None) -> None:
        by_day: dict[str, list[FileVersion]] = defaultdict(list)
        for obj in objects:
            version = self._version(obj)
            by_day[version.day].append(version)
        for name, versions in by_day.items():
            self._days[name].in_bucket = versions
            if not self._days[name].resolve_digest(floor):
                self._days[name] = DayFiles(in_bucket=versions)
                self.reread_days[name] = len(versions)

    def _version(self, obj: S3Object) -> FileVersion:
        version = self._versions.get(obj)
        if version is None:
            version = self._versions[obj] = hash_object(obj)
        return version

    def _find_file(self, version: FileVersion) -> LoadedFile | None:
        day = self._days.get(version.day)
        return day.files.get(version.key) if day else None

    @property
    def floor(self) -> datetime | None:
        """Files not modified after this time count as loaded, though the state has no entry."""
        text = self._state.get(FLOOR)
        return None if text is None else _parse_time(text)

    def has_file(self, key: str) -> bool:
        """Whether any version of a file may be loaded.

        Args:
            key: Key of the file in the bucket.
        """
        version = hash_version(key, "", None, 0)
        return version.day in self.reread_days or self._find_file(version) is not None

    def _sum_listed(self) -> str:
        """Sum up the keys of the loaded files that the bucket has."""
        floor = self.floor
        keys = [
            version.key
            for obj, version in ((obj, self._version(obj)) for obj in self._objects)
            if (floor is not None and obj.modified <= floor)
            or version.day in self.reread_days
            or self._find_file(version) is not None
        ]
        return f"{len(keys)} {sum(keys):x}"

    def row_count(self, key: str) -> int | None:
        """How many rows a file had when it was last loaded; None if that is not known.

        Args:
            key: Key of the file in the bucket.
        """
        file = self._find_file(hash_version(key, "", None, 0))
        return file.row_count if file else None

    def is_loaded(self, obj: S3Object, *, by_time: bool = False) -> bool:
        """Whether this version of a file is loaded.

        Args:
            obj: The version, as the bucket lists it.
            by_time: Whether a later LastModified alone makes it another version.
        """
        version = self._version(obj)
        file = self._find_file(version)
        if file is None:
            floor = self.floor
            return floor is not None and obj.modified <= floor
        if by_time and file.modified != version.modified:
            return False
        return file.content == version.content

    def add(self, obj: S3Object, row_count: int | None) -> None:
        """Add a version of a file that has been loaded.

        Args:
            obj: The version, as the bucket lists it.
            row_count: How many rows it has, if known.
        """
        version = self._version(obj)
        self._days[version.day].add(version, row_count)

    def save(self) -> None:
        """Write the history into the state."""
        self._state.pop(_FILES, None)
        separate, texts = 0, []
        days = [(name, day) for name, day in self._days.items() if len(day)]
        for name, day in sorted(days, key=lambda item: item[1].last_modified, reverse=True):
            as_digest = separate + len(day) > _SEPARATE_FILES
            separate += 0 if as_digest else len(day)
            texts.append(day.to_text(name, as_digest=as_digest))
        self._state[DAYS] = sorted(texts)

    def begin(self) -> None:
        """Note in the state that a run begins, where `begin_run` has not: it had no files."""
        self._state.setdefault(UNFINISHED_RUNS, 1)

    def finish(self) -> None:
        """Write the history into the state, at the end of a run that was not interrupted."""
        self.save()
        self._state.pop(UNFINISHED_RUNS, None)
        self._state.pop(FILES_IN_BUCKET, None)
        if not self.may_have_deleted:
            self._state[FILES_IN_BUCKET] = self._sum_listed()

    def migrate_bookmark(self, objects: Iterable[S3Object]) -> int:
        """Replace the bookmark of another pipeline by the files that it stands for.

        A file counts as loaded if the bookmark is later than the date in its name and than its
        LastModified. All others are loaded, perhaps for a second time.

        Args:
            objects: The table's files in the bucket.

        Returns:
            How many files count as loaded now.
        """
        dates = [self._state.pop(name, None) for name in _DATE_BOOKMARKS]
        times = [self._state.pop(name, None) for name in _TIME_BOOKMARKS]
        self._state.pop("replication_key", None)
        date = next((str(value)[:10] for value in dates if value), None)
        try:
            time = next((_parse_time(value) for value in times if value), None)
            limit = time or (date and _parse_time(date) + timedelta(days=1))
        except (OverflowError, TypeError, ValueError):
            # A bookmark of an unknown form stands for nothing: all files are read.
            return 0
        if not limit:
            return 0
        count = 0
        for obj in objects:
            day = date_in_key(obj.key)
            is_before = date is None or (day is not None and day < date)
            is_new = self._find_file(self._version(obj)) is None
            if is_new and is_before and obj.modified < limit:
                self.add(obj, None)
                count += 1
        return count

    def prune(self, not_loaded: Iterable[S3Object], *, days: int) -> None:
        """Remove old files from the history, and raise the floor instead.

        The floor never passes a file in the bucket that is not loaded, for whatever reason.

        Args:
            not_loaded: Files in the bucket that are not loaded.
            days: How many days files stay in the history.
        """
        floor = datetime.now(UTC) - timedelta(days=days)
        floor = min([floor, *(obj.modified - _SECOND for obj in not_loaded)])
        old = [name for name, day in self._days.items() if day.remove_until(floor.timestamp())]
        if not old:
            return
        for name in old:
            if self._days[name].digest:
                del self._days[name]
        self._state[FLOOR] = _format_time(max(filter(None, (floor, self.floor))))


def begin_run(state: MutableMapping[str, Any]) -> None:
    """Note in a stream's state that a run begins, before it loads anything.

    Args:
        state: The stream's state; one without files stays as it is.
    """
    if DAYS in state or _FILES in state:
        state[UNFINISHED_RUNS] = state.get(UNFINISHED_RUNS, 0) + 1


def invalid_state(stream: str) -> TapError:
    """Make the error for a state that this tap did not write.

    Args:
        stream: Name of the stream with that state.
    """
    msg = (
        f"The state of stream {stream} cannot be read. Fix it (`meltano state get`, `meltano state "
        "set`), or clear it (`meltano state clear`): then all files are read again, and rows that "
        "are there are updated."
    )
    return TapError(msg, exit_code=ExitCode.DATA)


def _format_time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z")


def _parse_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
