"""Reads a table by id: all of it once, and from then on what has changed since.

Each page that was read is complete for its range of ids, so that rows of it that are gone at Mautic
can be removed from the table.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from signalroom_singer import (
    ManualBookmarkStream,
    ReadAhead,
    between,
    invalid_state,
    one_of,
    parse_bookmark,
    since,
    utc_isoformat,
)
from tap_mautic.queries import MAX_IDS, Condition
from tap_mautic.streams._base import MauticStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer import Condition as ScopeCondition


#: In the state: the scan that is under way, and when the last full one began.
SCAN, _LAST_FULL = "sweep", "last_whole"
#: In the state: the highest id when the last scan began.
LAST_ID = "last_id"
#: In the state: the highest id that the table may have, if it is above the last one and no scan has
#: said yet that it is gone.
_HIGHEST_ID = "highest_id"
#: How far before the bookmark the audit log is read: it has few entries, and none may be missed.
_AUDIT_LOOKBACK = timedelta(days=1)


@dataclass
class ScanProgress:
    """How far a scan of a table has come. The state has these fields by their names.

    Attributes:
        since: The time from which changes are read; empty if everything is.
        began: When the scan began: what changes later belongs to the next one.
        until: The highest id when it began: otherwise new rows would keep it from ending.
        known: The highest id of the scan before, if only changes are read.
        steps: How many steps the scan has.
        step: The number of the current step, counted from 0.
        after: The last id that was read in that step.
    """

    since: str
    began: str
    until: int
    known: int | None = None
    steps: int = 0
    step: int = 0
    after: int = 0

    def check(self) -> None:
        """Check that a state has been read as it was written.

        Raises:
            TypeError: If a number is something else.
            ValueError: If a time is not one.
        """
        for moment in (self.began, *([self.since] if self.since else [])):
            utc_isoformat(datetime.fromisoformat(moment))
        for number in (self.until, self.known or 0, self.steps, self.step, self.after):
            if not isinstance(number, int):
                raise TypeError


@dataclass(frozen=True)
class Lookup:
    """Rows that the audit log says have changed, however old they are.

    Attributes:
        column: The column of contacts' ids.
        ids: The contacts.
        are_gone: Whether these contacts were deleted: rows of them that Mautic no longer has are
            removed from the table.
        conditions: What these rows have to meet besides.
    """

    column: str
    ids: Sequence[int]
    are_gone: bool = False
    conditions: Sequence[Condition] = ()


class ScannedStream(ManualBookmarkStream, MauticStream):
    """A table that is read by id.

    Rows come in the order of their id, not of their time, so the bookmark moves once a scan is
    complete, to the time when it began. The state also has the scan that is under way, so that a
    killed run resumes after the last page that it sent.

    Rows that an earlier scan knew are found by their dates if they change. New rows are found by
    their id, as their dates may be older than any lookback: imports bring them along.
    """

    #: Whether rows that are gone at Mautic stay in the table.
    keeps_vanished: ClassVar[bool] = False
    #: Whether a page that was read shows which rows of its range of ids are gone.
    pages_are_complete = True

    @property
    def fixed_date(self) -> str | None:
        """The date that no row ever loses or moves back, if there is one.

        Of a step that reads by another date it is not known which rows of the table belong to it.
        """
        return None

    @property
    @override
    def scope_columns(self) -> Sequence[str]:
        if self.keeps_vanished:
            return ()
        return ("id", self.fixed_date) if self.fixed_date else ("id",)

    @abstractmethod
    def plan_steps(self, since: datetime | None) -> Sequence[Sequence[Condition]]:
        """Plan what to read of rows that earlier scans knew: each step is read by id.

        Args:
            since: The time from which changes are read, or None for everything.
        """

    @abstractmethod
    def plan_lookups(self, since: datetime) -> Iterable[Lookup]:
        """Plan which rows to read because of what the audit log has.

        Args:
            since: The time of the first entries that count.
        """

    @property
    def lookback(self) -> timedelta:
        """How far before the bookmark to begin: for late writes, and clocks that differ."""
        return timedelta(hours=float(self.config["lookback_hours"]))

    @property
    def full_scan_interval(self) -> timedelta | None:
        """How often to read everything again, if ever."""
        return None

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        if self.is_full_refresh:
            for page in self.read_step((_up_to(self.request_newest_id()),), 0):
                yield from page
            return
        scan = self.begin_scan(context)
        steps = self.plan_scan(scan)
        # First: of what the audit log names, more may be gone at once than of a page.
        yield from self._read_lookups(scan, context)
        begun = scan.after
        if len(steps) == 1:
            self.progress.expect(scan.until - begun, "ids")
        while scan.step < len(steps):
            conditions = steps[scan.step]
            yield from self._read_pages(conditions, scan, context, begun)
            rest = self._page_scope(conditions, scan.after)
            scan.step, scan.after = scan.step + 1, 0
            self._save(scan, context, rest)
        self._finish(scan, context)

    def _read_pages(
        self,
        conditions: Sequence[Condition],
        scan: ScanProgress,
        context: Context | None,
        begun: int,
    ) -> Iterator[Record]:
        """Read the pages of a step that are left, and save the state after each.

        Args:
            conditions: The conditions of the step.
            scan: How far the scan has come; changed in place.
            context: The stream's partition, if any.
            begun: The last id that earlier runs have read.
        """
        with ReadAhead(
            [conditions], lambda step: self.read_step(step, scan.after), workers=1
        ) as pages:
            for _, rows in pages:
                last = rows and int(rows[-1]["id"])
                yield from rows or ()
                if last:
                    scope = self._page_scope(conditions, scan.after, last)
                    scan.after = last
                    self.progress.done = last - begun
                    self._save(scan, context, scope)

    def _finish(self, scan: ScanProgress, context: Context | None) -> None:
        state = self.get_context_state(context)
        # Above the last id there was no row when the scan began.
        highest = max(self._id_in_state(state, name) for name in (LAST_ID, _HIGHEST_ID))
        above = self._page_scope((_up_to(highest),), scan.until)
        state.pop(SCAN, None)
        state.pop(_HIGHEST_ID, None)
        state[LAST_ID] = scan.until
        if highest > scan.until and above is None:
            state[_HIGHEST_ID] = highest
        if not scan.since:
            state[_LAST_FULL] = scan.began
        self.move_bookmark(scan.began, context)
        self.write_scope(above, is_page=True)

    def _id_in_state(self, state: Mapping[str, Any], field: str) -> int:
        value = state.get(field) or 0
        if not isinstance(value, int):
            raise invalid_state(value, stream=self.name, field=field)
        return value

    def _read_lookups(self, scan: ScanProgress, context: Context | None) -> Iterator[Record]:
        bookmark = self.get_context_state(context).get("replication_key_value")
        last_began = parse_bookmark(bookmark, stream=self.name)
        if last_began is None:
            return
        last_began = min(last_began, datetime.fromisoformat(scan.began))
        for lookup in self.plan_lookups(last_began - _AUDIT_LOOKBACK):
            dates = self._date_scope(lookup.conditions) if lookup.are_gone else None
            # Of what is said to be gone, all that is there; else newer rows are the next scan's.
            until = () if lookup.are_gone else (_up_to(scan.until),)
            for first in range(0, len(lookup.ids), MAX_IDS):
                ids = lookup.ids[first : first + MAX_IDS]
                named = Condition(lookup.column, "in", ",".join(map(str, ids)))
                for rows in self.read_step((named, *lookup.conditions, *until), 0):
                    yield from rows
                scope = None if dates is None else {lookup.column: one_of(ids), **dates}
                self.write_scope(scope, deleted=True)

    def _page_scope(
        self, conditions: Sequence[Condition], after: int, last: int | None = None
    ) -> Mapping[str, ScopeCondition] | None:
        """Make the scope of a page.

        Args:
            conditions: The conditions of its step.
            after: The id after which it begins.
            last: The last id that it has; that of the step if it is the last page.

        Returns:
            What its rows meet, by column; None if that is not known, or no id is in the range.
        """
        first = 1 + max([after, *_ids_of(conditions, "gt")])
        before = 1 + (min(_ids_of(conditions, "lte")) if last is None else last)
        dates = self._date_scope(conditions)
        if not self.pages_are_complete or dates is None or first >= before:
            return None
        return {"id": between(first, before), **dates}

    def _date_scope(self, conditions: Sequence[Condition]) -> Mapping[str, ScopeCondition] | None:
        """Make the scope of conditions other than those of ids; None if it is not known."""
        dates: dict[str, ScopeCondition] = {}
        for condition in conditions:
            column, operator = condition.column, condition.operator
            if column == "id" and operator in {"gt", "lte"}:
                continue
            if (column, operator) != (self.fixed_date, "gte"):
                return None
            moment = datetime.fromisoformat(str(condition.value))
            dates[column] = since(moment.replace(tzinfo=UTC))
        return dates

    def plan_scan(self, scan: ScanProgress) -> list[Sequence[Condition]]:
        """Plan the steps of a scan; one with another number of steps than these starts over.

        Args:
            scan: The scan that begins, or is resumed; changed in place.
        """
        since = datetime.fromisoformat(scan.since) if scan.since else None
        known = scan.until if scan.known is None else min(scan.known, scan.until)
        steps: list[Sequence[Condition]] = [
            (*step, _up_to(known)) for step in self.plan_steps(since)
        ]
        if known < scan.until:
            steps.append((Condition("id", "gt", known), _up_to(scan.until)))
        if len(steps) != scan.steps:
            scan.steps, scan.step, scan.after = len(steps), 0, 0
        return steps

    def read_step(self, conditions: Sequence[Condition], after: int) -> Iterator[list[Record]]:
        """Read a step; may run in a thread.

        Args:
            conditions: The conditions that rows must meet.
            after: The id after which to begin.

        Yields:
            Pages of rows in the order of their ids.
        """
        yield from self.client.iter_by_id(
            self.path, self.key, conditions, after=after, id_column=self.id_column
        )

    def begin_scan(self, context: Context | None) -> ScanProgress:
        """Resume the scan that the state has, or begin another one.

        Args:
            context: The stream's partition, if any.
        """
        state = self.get_context_state(context)
        if state.get("replication_key", self.replication_key) != self.replication_key:
            # Written with other settings: nothing in it is valid.
            state.clear()
        if saved := state.get(SCAN):
            try:
                scan = ScanProgress(**saved)
                scan.check()
            except (TypeError, ValueError):
                raise invalid_state(saved, stream=self.name, field=SCAN) from None
            self.logger.info("Resuming after id %d, where an earlier run stopped", scan.after)
            return scan
        began = self.client.instance.now()
        bookmark = parse_bookmark(state.get("replication_key_value"), stream=self.name)
        last_full = parse_bookmark(state.get(_LAST_FULL), stream=self.name)
        if bookmark and bookmark > began:
            self.logger.warning(
                "The bookmark %s is ahead of the clock; reading again from %s",
                utc_isoformat(bookmark),
                utc_isoformat(began - self.lookback),
            )
            bookmark = began
        newest = self.request_newest_id()
        known = self._id_in_state(state, LAST_ID) if LAST_ID in state else None
        if known and not newest:
            self.check_shrunk(1, 0, "no rows, where it showed some")
        interval = self.full_scan_interval
        is_due = interval and last_full and began - last_full >= interval
        since = None if is_due or not bookmark else bookmark - self.lookback
        self.logger.info(
            "Reading %s", f"what has changed since {utc_isoformat(since)}" if since else "all"
        )
        since_text = utc_isoformat(since) if since else ""
        return ScanProgress(since_text, utc_isoformat(began), newest, known if since else None)

    def request_newest_id(self) -> int:
        """Request the highest id; 0 if there are no rows."""
        return self.client.request_newest_id(self.path, self.key, self.id_column)

    def _save(
        self,
        scan: ScanProgress,
        context: Context | None,
        scope: Mapping[str, ScopeCondition] | None,
    ) -> None:
        state = self.get_context_state(context)
        state[SCAN] = asdict(scan)
        state.setdefault("replication_key", self.replication_key)
        self.state_manager.is_flushed = False
        self.write_scope(scope, is_page=True)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        # A record may be dated in the future.
        return None


def _up_to(last_id: int) -> Condition:
    return Condition("id", "lte", last_id)


def _ids_of(conditions: Iterable[Condition], operator: str) -> list[int]:
    return [
        int(condition.value)
        for condition in conditions
        if (condition.column, condition.operator) == ("id", operator)
    ]
