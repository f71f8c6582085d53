"""Plans a run: lists a table's files, and decides which of them to read."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from signalroom_singer import none_of
from tap_sticky_s3.file_filter import DEFAULT_PATTERN, FileFilter, date_in_key
from tap_sticky_s3.file_history import FileHistory
from tap_sticky_s3.file_log import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence

    from signalroom_singer import Conditions
    from tap_sticky_s3.client import Bucket, S3Object
    from tap_sticky_s3.table_settings import TableSettings

#: How many files or days a message names.
MAX_NAMES = 5


@dataclass(frozen=True)
class RunPlan:
    """Which files of a table a run reads.

    Attributes:
        objects: The table's files in the bucket.
        history: The versions that are loaded; the run adds those that it loads.
        due: The files to read, in that order.
        by_time: Whether a later LastModified alone makes another version.
        rereads: Whether the table may have rows of earlier versions of these files.
        deleted_rows: What rows of files meet that are no longer in the bucket, if they are to be
            removed and the table may have some.
        awaited: The files without which these rows stay: one may be theirs under another name.
    """

    objects: Sequence[S3Object]
    history: FileHistory
    due: Sequence[S3Object]
    by_time: bool
    rereads: bool = False
    deleted_rows: Conditions | None = None
    awaited: Sequence[S3Object] = ()

    def not_loaded(self) -> list[S3Object]:
        """Return the files in the bucket that are not loaded by now."""
        return _not_loaded(self.objects, self.history, by_time=self.by_time)

    def count_awaited(self, skipped: Collection[S3Object]) -> int:
        """Count the files that have to be loaded before rows of deleted files are removed.

        Args:
            skipped: Bad files that the settings let the run skip.
        """
        waiting = [obj for obj in self.awaited if obj not in skipped]
        return len(_not_loaded(waiting, self.history, by_time=self.by_time))


class RunPlanner:
    """Plans the runs of a table.

    Args:
        table: The table's settings.
        tables: The settings of all tables.
        bucket: The bucket that the files are in.
        config: The tap's settings.
        logger: Logger for what is read, and for files to check.
    """

    def __init__(
        self,
        table: TableSettings,
        tables: Sequence[TableSettings],
        bucket: Bucket,
        config: Mapping[str, Any],
        logger: logging.Logger,
    ) -> None:
        self._table = table
        self._tables = tables
        self._bucket = bucket
        self._filter = FileFilter(config, table.pattern)
        self._removes_deleted = config["remove_deleted_files"]
        # A run may have removed the rows of a file, and been stopped before it saved that. If the
        # file was stored again since, the time is all that shows it.
        self._by_time = config["reload_on"] == "last_modified" or self._removes_deleted
        self._logger = logger
        self._folder = f"{bucket.name}/{table.prefix}"

    def list_files(self) -> list[S3Object]:
        """List the table's files in the bucket, in the order of their keys."""
        objects, _ = self._list()
        return objects

    def _list(self) -> tuple[list[S3Object], list[str]]:
        """List the table's files, and the keys of others under the prefix."""
        objects, other_keys = [], []
        for obj in self._bucket.list_objects(self._table.prefix):
            if self._filter.matches(obj.key):
                objects.append(obj)
            else:
                other_keys.append(obj.key)
        return objects, other_keys

    def plan(self, state: MutableMapping[str, Any]) -> RunPlan:
        """List the table's files, and select those to read.

        Args:
            state: The stream's state; a bookmark of another pipeline is removed from it.

        Raises:
            TapError: If the bucket cannot be listed, or the state is not valid.
        """
        objects, other_keys = self._list()
        history = FileHistory(state, self._table.name, objects)
        if count := history.migrate_bookmark(objects):
            self._logger.info(
                "The state of an earlier pipeline stands for %d files: they count as loaded", count
            )
        self._warn_of_reread_days(history)
        not_loaded = _not_loaded(objects, history, by_time=self._by_time)
        due = self._filter.select_for_run(filter(self._filter.is_in_range, not_loaded))
        self._logger.info(
            "%s: %d files, %d not loaded, reading %d",
            *(self._folder, len(objects), len(not_loaded), len(due)),
        )
        if not objects:
            self._logger.warning(
                "%s has no files of this table. If it should, check `prefixes` and `tables`",
                self._folder,
            )
        self._report_unmatched(other_keys)
        self._warn_of_repeated_dates(objects, due)
        rereads = not history.is_certain or any(history.has_file(obj.key) for obj in due)
        plan = RunPlan(objects, history, due, self._by_time, rereads)
        # Nothing at all is rather a wrong prefix, or another bucket of that name.
        if self._removes_deleted and objects and history.may_have_deleted:
            keys = [*(obj.key for obj in objects), *other_keys]
            awaited = [obj for obj in not_loaded if self._filter.is_in_dates(obj)]
            plan = replace(plan, deleted_rows=self._deleted_rows(keys), awaited=awaited)
        history.begin()
        return plan

    def _deleted_rows(self, keys: Iterable[str]) -> Conditions:
        """Make the conditions of rows whose files are not in the bucket.

        Args:
            keys: All keys under the prefix, also of files that do not match the pattern: another
                pattern may have loaded them.
        """
        names = (f"{self._bucket.name}/{key}" for key in keys)
        is_deleted = none_of(names, prefix=self._folder)
        return {FILE_NAME: is_deleted, **self._filter.conditions()}

    def _warn_of_reread_days(self, history: FileHistory) -> None:
        """Name the days that are read again, as the changed file of such a day is not known."""
        if days := history.reread_days:
            more = len(days) - MAX_NAMES
            self._logger.warning(
                "%s: files of %s%s were overwritten or deleted after they were loaded. All %d "
                "files of these days are read again, as the state does not have them one by one.",
                *(self._folder, ", ".join(sorted(days)[:MAX_NAMES])),
                *(f" and {more} more days" if more > 0 else "", sum(days.values())),
            )

    def _report_unmatched(self, keys: Sequence[str]) -> None:
        """Name the files under the prefix that belong to no table."""
        unmatched = [key for key in keys if not any(table.contains(key) for table in self._tables)]
        if unmatched:
            more = len(unmatched) - MAX_NAMES
            self._logger.log(
                # Whoever set a pattern knows that some files do not match.
                logging.WARNING if self._filter.pattern == DEFAULT_PATTERN else logging.INFO,
                "%s: %d files do not match the pattern %s and are not read: %s%s",
                *(self._folder, len(unmatched), self._filter.pattern),
                *(", ".join(unmatched[:MAX_NAMES]), f" and {more} more" if more > 0 else ""),
            )

    def _warn_of_repeated_dates(self, objects: Sequence[S3Object], due: Sequence[S3Object]) -> None:
        """Warn of dates with several files, as the same orders may be in all of them."""
        keys: dict[str, list[str]] = {}
        for obj in objects:
            if date := date_in_key(obj.key):
                keys.setdefault(date, []).append(obj.key)
        for date in sorted({date for obj in due if (date := date_in_key(obj.key))}):
            if len(keys[date]) > 1:
                self._logger.warning(
                    "%d files under %s have the date %s: %s. Of an order that is in several of "
                    "them, take the row with the newest `_file_last_modified`.",
                    *(len(keys[date]), self._table.prefix, date, ", ".join(keys[date])),
                )


def _not_loaded(
    objects: Sequence[S3Object], history: FileHistory, *, by_time: bool
) -> list[S3Object]:
    return [obj for obj in objects if not history.is_loaded(obj, by_time=by_time)]
