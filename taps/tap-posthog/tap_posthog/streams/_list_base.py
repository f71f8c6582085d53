"""The base of lists, read page by page with OFFSET although they may change meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from typing_extensions import override

from signalroom_singer import TapError
from tap_posthog.streams._base import PostHogStream, parse_results

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record

_PAGE_SIZE = 100
_ATTEMPTS = 4


class ListChangedError(Exception):
    """Rows moved between two pages: some may be missing."""


class ListStream(PostHogStream):
    """A list, read in full: only that way it shows what was deleted at PostHog.

    Pages overlap by a row, so that a change between two pages is noticed, and the list is read
    again. ``next`` is not followed: behind a proxy it has another address.
    """

    primary_keys: Sequence[str] = ("id",)
    #: The queries of the lists that make up the stream, one after another.
    queries: ClassVar[tuple[Mapping[str, str], ...]] = ({},)
    #: What a query needs to return the rows that the list hides by default. A PostHog that does
    #: not know the parameter ignores it, and returns the same list again.
    hidden_query: ClassVar[Mapping[str, str]] = {}
    # The state has nothing of any project.
    state_partitioning_keys = ()
    #: How many rows the list has that was read last, if PostHog says so.
    _count: int | None = None

    def list_queries(self, project: int) -> Iterator[Mapping[str, str]]:  # noqa: ARG002
        """The queries to send, one after another; each returns a list of its own.

        Args:
            project: The id of the project to read.
        """
        yield from self.queries

    @override
    def read_project(self, project: int, context: Context | None) -> Iterator[Record]:
        if self.hidden_query:
            yield from self._read_with_hidden(project)
            return
        for query in self.list_queries(project):
            for record in self.read_list(project, query):
                yield {**record, **self.extra_fields(query)}

    def _read_with_hidden(self, project: int) -> Iterator[Record]:
        """Read a list, then its hidden rows; each row once, and again only if it changed.

        A row that is archived or restored between the two is in both of them or in neither. The
        latter shows in the count of the list, which then differs from the one before.
        """
        hashes: dict[tuple[Any, ...], int] = {}
        (visible,) = self.queries
        for attempt in range(_ATTEMPTS):
            counts = []
            for query in (visible, {**visible, **self.hidden_query}):
                for record in self.read_list(project, query):
                    key, content = self._key(record), hash(repr(record))
                    if hashes.get(key) != content:
                        hashes[key] = content
                        yield record
                counts.append(self._count)
            if counts[0] is None or counts[0] == self._request_count(project, visible):
                return
            self.logger.info("Rows were hidden or shown while the list was read (%d)", attempt + 1)
        self._fail_as_changing()

    def _request_count(self, project: int, query: Mapping[str, str]) -> int | None:
        path = self.path.format(project_id=project)
        payload = self.client.get(path, {**query, "limit": 1, "offset": 0})
        return payload.get("count") if isinstance(payload, dict) else None

    def extra_fields(self, query: Mapping[str, str]) -> Record:  # noqa: ARG002
        """The fields that a row lacks, and that follow from the query.

        Args:
            query: The query that returned the row.
        """
        return {}

    def read_list(self, project: int, query: Mapping[str, str]) -> Iterator[Record]:
        """Read a list, again where it changed meanwhile.

        Args:
            project: The id of the project to read.
            query: The parameters of the list.

        Yields:
            Rows; those of a list that changed may come again.

        Raises:
            TapError: If the list changes each time.
        """
        for attempt in range(_ATTEMPTS):
            try:
                yield from self.read_list_once(project, query)
            except ListChangedError:
                self.logger.info("The list changed while it was read (%d): again", attempt + 1)
            else:
                return
        self._fail_as_changing()

    def _fail_as_changing(self) -> NoReturn:
        msg = (
            f"{self.name}: the list was different each of the {_ATTEMPTS} times that it was read, "
            "so rows could be missing; the table is as it was. Run it again when nobody changes it."
        )
        raise TapError(msg)

    def read_list_once(self, project: int, query: Mapping[str, str]) -> Iterator[Record]:
        """Read the pages of a list.

        Args:
            project: The id of the project to read.
            query: The parameters of the list.

        Yields:
            Rows.

        Raises:
            ListChangedError: If the list changed meanwhile.
        """
        path = self.path.format(project_id=project)
        offset, last_key, previous_count, row_count = 0, None, None, 0
        while True:
            payload = self.client.get(path, {**query, "limit": _PAGE_SIZE, "offset": offset})
            rows = self.parse_rows(payload)
            self._count = count = payload.get("count") if isinstance(payload, dict) else None
            keys = [self._key(row) for row in rows]
            if last_key is not None:
                # New rows may have pushed it down; the rows after it were not read yet.
                if last_key not in keys or count != previous_count:
                    raise ListChangedError
                rows = rows[keys.index(last_key) + 1 :]
            yield from rows
            row_count += len(rows)
            if not rows or not _has_more(payload, len(keys)):
                if count is not None and row_count < count:
                    raise ListChangedError
                return
            # By the rows of the response, not by the limit, which may be clamped.
            offset += len(keys) - 1
            last_key, previous_count = keys[-1], count

    @override
    def parse_rows(self, payload: Any) -> list[Record]:
        """Take the rows out of a page, in an envelope or bare.

        Args:
            payload: The decoded response.

        Raises:
            TapError: If there are none in it.
        """
        rows = parse_results(payload)
        if rows is None:
            msg = f"{self.name}: PostHog responded without results; nothing was loaded"
            raise TapError(msg)
        return rows

    def _key(self, row: Record) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in self.record_keys)


def _has_more(payload: Any, count: int) -> bool:
    """Whether more pages may follow; where PostHog does not say, after each full page."""
    if isinstance(payload, dict) and "next" in payload:
        return bool(payload["next"])
    if isinstance(payload, dict) and "has_next" in payload:
        return bool(payload["has_next"])
    return isinstance(payload, dict) and count >= _PAGE_SIZE
