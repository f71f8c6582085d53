"""Learns a table's columns from the headers of its files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tap_sticky_s3.client import HEADER_THREADS
from tap_sticky_s3.file_check import FileCheck
from tap_sticky_s3.file_preview import preview_object
from tap_sticky_s3.header_columns import HeaderColumns
from tap_sticky_s3.known_columns import KNOWN_COLUMNS
from tap_sticky_s3.run_plan import MAX_NAMES

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Mapping, MutableMapping, Sequence

    from signalroom_singer import TapError
    from tap_sticky_s3.client import Bucket, S3Object
    from tap_sticky_s3.file_history import FileHistory
    from tap_sticky_s3.header_check import FilePreview
    from tap_sticky_s3.table_settings import TableSettings

#: How many of the oldest and of the newest files are read for a catalog, and for a state of an
#: earlier version.
_FILES_AT_DISCOVERY, _FILES_TO_RESTORE = 5, 250


class ColumnDiscovery:
    """Reads headers of a table's files, and refuses files that are not as expected.

    Args:
        state: The stream's state, which has the headers.
        table: The table's settings.
        bucket: The bucket that the files are in.
        logger: Logger for names of columns, and for files to check.

    Attributes:
        headers: The table's headers and the column of each.
    """

    def __init__(
        self,
        state: MutableMapping[str, Any],
        table: TableSettings,
        bucket: Bucket,
        logger: logging.Logger,
    ) -> None:
        known = KNOWN_COLUMNS.get(table.name, ())
        self.headers = HeaderColumns(state, table.name, known, logger)
        self._check = FileCheck(
            self.headers, table.name, bucket.name, is_enabled=table.check_header
        )
        self._dialect = table.dialect
        self._bucket = bucket
        self._logger = logger

    def learn(
        self, due: Sequence[S3Object], objects: Sequence[S3Object], history: FileHistory
    ) -> list[str]:
        """Read the headers of the files of a run.

        Args:
            due: The files that the run reads.
            objects: The table's files in the bucket.
            history: The versions that are loaded.

        Returns:
            The columns of those files that may be loaded.
        """
        older: Mapping[S3Object, FilePreview | None] = {}
        if due:
            self._restore_headers(objects, history)
            if not self.headers.has_headers and len(due) < len(objects):
                older = self._preview(oldest_and_newest(objects, _FILES_AT_DISCOVERY))
        return self._check.check(self._preview(due), older.values())

    def learn_from_some(self, objects: Sequence[S3Object], history: FileHistory) -> list[str]:
        """Read the headers of the newest files, for a catalog, and of the oldest.

        The oldest decide which header has the plain name, as in a run that reads all files.

        Args:
            objects: The table's files in the bucket.
            history: The versions that are loaded.

        Returns:
            The columns of these files.
        """
        return self.learn(oldest_and_newest(objects, _FILES_AT_DISCOVERY), objects, history)

    def error(self, obj: S3Object) -> TapError | None:
        """Return why a version of a file may not be loaded; None if it may.

        Args:
            obj: The version; it is checked now if it was stored after the others were.
        """
        if not self._check.is_checked(obj):
            self._check.check(self._preview([obj]))
        return self._check.error(obj)

    def _preview(self, objects: Iterable[S3Object]) -> dict[S3Object, FilePreview | None]:
        objects = [*objects]
        known = self.headers.plain_names
        with ThreadPoolExecutor(HEADER_THREADS) as pool:
            previews = pool.map(
                lambda obj: preview_object(self._bucket, obj, self._dialect, known), objects
            )
            return dict(zip(objects, previews, strict=True))

    def _restore_headers(self, objects: Sequence[S3Object], history: FileHistory) -> None:
        """Learn the headers of loaded files, if the state is of a version that saved none."""
        if self.headers.has_headers or not len(history):
            return
        loaded = [obj for obj in objects if history.is_loaded(obj)]
        previews = self._preview(oldest_and_newest(loaded, _FILES_TO_RESTORE))
        if bad_keys := self._check.restore_columns(previews):
            self._logger.warning(
                "%d files that count as loaded would be refused now, as they are not what the "
                "settings say: %s. Look at their rows; --full-refresh reads them again.",
                *(len(bad_keys), ", ".join(bad_keys[:MAX_NAMES])),
            )


def oldest_and_newest(objects: Iterable[S3Object], count: int) -> list[S3Object]:
    """Select the oldest and the newest files, the oldest first.

    Args:
        objects: Any files of a table.
        count: How many to select of each.
    """
    ordered = sorted(objects, key=lambda obj: (obj.modified, obj.key))
    return [*ordered[:count], *ordered[max(count, len(ordered) - count) :]]
