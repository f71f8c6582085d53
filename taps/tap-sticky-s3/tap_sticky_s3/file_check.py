"""Which files are of a table, by their first lines, and what their columns are called."""

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
    """Looks at files before they are read; in several threads at once.

    Args:
        headers: The table's headers.
        table: Its name.
        bucket: Where the files are, for messages.
        checks: Whether any file is refused.
    """

    def __init__(self, headers: HeaderColumns, table: str, bucket: str, *, checks: bool) -> None:
        self._headers = headers
        self._table = table
        self._bucket = bucket
        self._checks = checks
        self._refusals: dict[tuple[str, str], BadFileError | None] = {}

    def admit(
        self,
        heads: Mapping[S3Object, FilePreview | None],
        before: Iterable[FilePreview | None] = (),
    ) -> list[str]:
        """Decide on versions of files, and name their columns.

        Args:
            heads: The files' first lines; none of those that are empty, gone or bad. The oldest
                comes first: its headers have the plain names.
            before: Those of older files of the table, which are not read now, where no header is
                known: theirs come before. So runs of some files agree with a run of all.

        Returns:
            The columns of those that may be loaded.
        """
        wrong = self._problems(heads)
        good = {
            name
            for thing, head in heads.items()
            if head and thing.key not in wrong
            for name in head.names
        }
        for head in before:
            if head and not head.quotes and head.names & good:
                self._headers.names(head.header)
        names: dict[str, None] = {}
        for thing, head in heads.items():
            problem = wrong.get(thing.key)
            self._refusals[thing.key, thing.etag] = self._error(thing, problem) if problem else None
            if head and not problem:
                names |= dict.fromkeys(self._headers.names(head.header))
        return [*names]

    def recall(self, heads: Mapping[S3Object, FilePreview | None]) -> list[str]:
        """Learn the columns of files that were loaded by a version of the tap that kept none.

        Args:
            heads: Their first lines, the oldest first.

        Returns:
            The keys of those that would be refused now.
        """
        strange = self._problems(heads)
        good, wrong = [], []
        for thing, head in heads.items():
            # Files of a second kind are the table's, too: it has their columns.
            if head and thing.key in strange and (head.quotes or head.sign or head.has_values):
                wrong.append(thing.key)
            elif head:
                good.append(head.header)
        self._headers.recall(good)
        return wrong

    def is_known(self, thing: S3Object) -> bool:
        """Whether a version of a file was decided on.

        Args:
            thing: The version.
        """
        return (thing.key, thing.etag) in self._refusals

    def refusal(self, thing: S3Object) -> BadFileError | None:
        """Why a version of a file may not be loaded, if it may not.

        Args:
            thing: A version that was decided on.
        """
        return self._refusals[thing.key, thing.etag]

    def _problems(self, heads: Mapping[S3Object, FilePreview | None]) -> Mapping[str, str]:
        if not self._checks:
            return {}
        found = {thing.key: head for thing, head in heads.items() if head}
        return find_problems(
            *(found, self._headers.plain_names, self._table),
            has_files=bool(self._headers),
        )

    def _error(self, thing: S3Object, problem: str) -> BadFileError:
        return BadFileError(f"{self._bucket}/{thing.key}", f"{problem} {LOAD_ANYWAY}")
