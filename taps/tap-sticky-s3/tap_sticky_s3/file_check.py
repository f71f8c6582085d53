"""Decides by their first lines which files may be loaded, and names their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_sticky_s3.csv.errors import BadFileError
from tap_sticky_s3.header_check import LOAD_ANYWAY, find_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_sticky_s3.client import S3Object
    from tap_sticky_s3.header_check import FilePreview
    from tap_sticky_s3.header_columns import HeaderColumns


class FileCheck:
    """Checks files before they are loaded; used by several threads at a time.

    Args:
        columns: The table's headers and columns.
        table: Name of the table, for messages.
        bucket: Name of the bucket, for messages.
        is_enabled: Whether bad headers are problems: the setting `check_header`.
    """

    def __init__(
        self, columns: HeaderColumns, table: str, bucket: str, *, is_enabled: bool
    ) -> None:
        self._columns = columns
        self._table = table
        self._bucket = bucket
        self._is_enabled = is_enabled
        self._errors: dict[tuple[str, str], BadFileError | None] = {}

    def check(
        self,
        previews: Mapping[S3Object, FilePreview | None],
        older: Iterable[FilePreview | None] = (),
    ) -> list[str]:
        """Check versions of files, and name the columns of the good ones.

        Args:
            previews: The files' first lines, the oldest file first, as its headers get the plain
                names; None for files that are empty, deleted or cannot be read.
            older: First lines of the oldest files of the table, while no header is known: they
                get the plain names even if this run does not load them. So runs of some files
                give the same names as a run of all.

        Returns:
            The columns of the good files.
        """
        problems = self._find_problems(previews)
        good_names = {
            name
            for obj, preview in previews.items()
            if preview and obj.key not in problems
            for name in preview.names
        }
        for preview in older:
            if preview and not preview.quote_problem and preview.names & good_names:
                self._columns.name_columns(preview.header)
        names: dict[str, None] = {}
        for obj, preview in previews.items():
            problem = problems.get(obj.key)
            self._errors[obj.key, obj.etag] = self._make_error(obj, problem) if problem else None
            if preview and not problem:
                names |= dict.fromkeys(self._columns.name_columns(preview.header))
        return [*names]

    def restore_columns(self, previews: Mapping[S3Object, FilePreview | None]) -> list[str]:
        """Learn the columns of files that an earlier version loaded, which saved no headers.

        Args:
            previews: The files' first lines, the oldest file first.

        Returns:
            The keys of files that would be bad files now.
        """
        problems = self._find_problems(previews)
        headers, bad_keys = [], []
        for obj, preview in previews.items():
            # Files of a second kind were loaded too, so the table has their columns.
            if (
                preview
                and obj.key in problems
                and (preview.quote_problem or preview.header_problem or preview.has_values)
            ):
                bad_keys.append(obj.key)
            elif preview:
                headers.append(preview.header)
        self._columns.restore(headers)
        return bad_keys

    def is_checked(self, obj: S3Object) -> bool:
        """Whether a version of a file has been checked.

        Args:
            obj: The version, as the bucket lists it.
        """
        return (obj.key, obj.etag) in self._errors

    def error(self, obj: S3Object) -> BadFileError | None:
        """Return why a version of a file may not be loaded; None if it may.

        Args:
            obj: A version that has been checked.
        """
        return self._errors[obj.key, obj.etag]

    def _find_problems(self, previews: Mapping[S3Object, FilePreview | None]) -> Mapping[str, str]:
        if not self._is_enabled:
            return {}
        by_key = {obj.key: preview for obj, preview in previews.items() if preview}
        return find_problems(
            *(by_key, self._columns.plain_names, self._table), has_files=self._columns.has_headers
        )

    def _make_error(self, obj: S3Object, problem: str) -> BadFileError:
        return BadFileError(f"{self._bucket}/{obj.key}", f"{problem} {LOAD_ANYWAY}")
