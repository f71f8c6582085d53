"""Lists, read page by page with OFFSET though they may change meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from typing_extensions import override

from signalroom_singer import TapError
from tap_posthog.client import PostHogStream, project_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record

_PAGE = 100
_ATTEMPTS = 4


class ChangedWhileReadError(Exception):
    """Rows moved between two pages: some may be missing."""


class ListStream(PostHogStream):
    """A list, whole each time: what is deleted at PostHog only shows by not being there.

    Pages overlap by a row, so that a list that changes between two pages is seen to, and read
    again. ``next`` is not followed: behind a proxy it leads elsewhere.
    """

    #: What is asked, one after the other.
    passes: ClassVar[tuple[Mapping[str, str], ...]] = ({},)
    #: What asks for the rows that the list leaves out unless it is asked for them. A PostHog that
    #: does not know the parameter ignores it, and answers with the same list again.
    hidden: ClassVar[Mapping[str, str]] = {}
    # Nothing is kept of any project.
    state_partitioning_keys = ()

    def questions(self, project: int) -> Iterator[Mapping[str, str]]:  # noqa: ARG002
        """What to ask, one after the other; each answer is a list of its own."""
        yield from self.passes

    @override
    def read_project(self, context: Context | None) -> Iterator[Record]:
        project = project_of(context)
        if self.hidden:
            yield from self._with_hidden(project)
            return
        for question in self.questions(project):
            for record in self._whole(project, question):
                yield {**record, **self.added(question)}

    def _with_hidden(self, project: int) -> Iterator[Record]:
        """Read a list, then what it hides; each row once, and again only if it changed.

        What is archived or restored between the two passes is in both of them or in neither. The
        latter shows by the count of the list, which then is another than before.
        """
        read: dict[tuple[Any, ...], int] = {}
        (shown,) = self.passes
        for attempt in range(_ATTEMPTS):
            counts = []
            for question in (shown, {**shown, **self.hidden}):
                for record in self._whole(project, question):
                    key, content = self._key(record), hash(repr(record))
                    if read.get(key) != content:
                        read[key] = content
                        yield record
                counts.append(self._count)
            if counts[0] is None or counts[0] == self._count_now(project, shown):
                return
            self.logger.info("Rows were hidden or shown while the list was read (%d)", attempt + 1)
        self._refuse_changes()

    #: How many rows the list that was read last has, if PostHog says so.
    _count: int | None = None

    def _count_now(self, project: int, question: Mapping[str, str]) -> int | None:
        path = self.path.format(project_id=project)
        answer = self.get(path, {**question, "limit": 1, "offset": 0})
        return answer.get("count") if isinstance(answer, dict) else None

    def added(self, question: Mapping[str, str]) -> Record:  # noqa: ARG002
        """What a record does not tell of itself."""
        return {}

    def _whole(self, project: int, question: Mapping[str, str]) -> Iterator[Record]:
        for attempt in range(_ATTEMPTS):
            try:
                yield from self._pages(project, question)
            except ChangedWhileReadError:
                self.logger.info("The list changed while it was read (%d): again", attempt + 1)
            else:
                return
        self._refuse_changes()

    def _refuse_changes(self) -> NoReturn:
        msg = (
            f"{self.name}: the list was another each of the {_ATTEMPTS} times that it was read, so "
            "rows could be missing; the table is as it was. Run it again when nobody changes it."
        )
        raise TapError(msg)

    def _pages(self, project: int, question: Mapping[str, str]) -> Iterator[Record]:
        path = self.path.format(project_id=project)
        offset, last, count, given = 0, None, None, 0
        while True:
            answer = self.get(path, {**question, "limit": _PAGE, "offset": offset})
            rows = self.results(answer)
            told = answer.get("count") if isinstance(answer, dict) else None
            self._count = told
            keys = [self._key(row) for row in rows]
            if last is not None:
                # New rows may have pushed it down; what follows it was not read yet.
                if last not in keys or told != count:
                    raise ChangedWhileReadError
                rows = rows[keys.index(last) + 1 :]
            yield from rows
            given += len(rows)
            if not rows or not _has_more(answer, len(keys)):
                if told is not None and given < told:
                    raise ChangedWhileReadError
                return
            # Of rows that were given, not asked for: the size may be clamped.
            offset += len(keys) - 1
            last, count = keys[-1], told

    def results(self, answer: Any) -> list[Record]:
        """The rows of an answer.

        Args:
            answer: In an envelope, or bare.

        Raises:
            TapError: If there are none in it.
        """
        rows = answer.get("results") if isinstance(answer, dict) else answer
        if not isinstance(rows, list):
            msg = f"{self.name}: PostHog answered without results; nothing was loaded"
            raise TapError(msg)
        return rows

    def _key(self, row: Record) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in self.record_keys)


def _has_more(answer: Any, count: int) -> bool:
    """Whether there may be more pages; where PostHog does not say, a full one may be followed."""
    if isinstance(answer, dict) and "next" in answer:
        return bool(answer["next"])
    if isinstance(answer, dict) and "has_next" in answer:
        return bool(answer["has_next"])
    return isinstance(answer, dict) and count >= _PAGE
