"""Reads a table by id: all of it once, and from then on what has changed since."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from typing_extensions import override

from signalroom_singer import (
    ManualBookmarkStream,
    ReadAhead,
    invalid_state,
    parse_bookmark,
    utc_isoformat,
)
from tap_mautic.queries import Condition
from tap_mautic.streams._base import MauticStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers.types import Context, Record


#: In the state: the scan that is under way, and when the last full one began.
SCAN, _LAST_FULL = "sweep", "last_whole"
#: In the state: the highest id when the last scan began.
LAST_ID = "last_id"


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


class ScannedStream(ManualBookmarkStream, MauticStream):
    """A table that is read by id.

    Rows come in the order of their id, not of their time, so the bookmark moves once a scan is
    complete, to the time when it began. The state also has the scan that is under way, so that a
    killed run resumes after the last page that it sent.

    Rows that an earlier scan knew are found by their dates if they change. New rows are found by
    their id, as their dates may be older than any lookback: imports bring them along.
    """

    @abstractmethod
    def plan_steps(self, since: datetime | None) -> Sequence[Sequence[Condition]]:
        """Plan what to read of rows that earlier scans knew: each step is read by id.

        Args:
            since: The time from which changes are read, or None for everything.
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
        begun = scan.after
        if len(steps) == 1:
            self.progress.expect(scan.until - begun, "ids")
        while scan.step < len(steps):
            step = [steps[scan.step]]
            with ReadAhead(
                step, lambda conditions: self.read_step(conditions, scan.after), workers=1
            ) as pages:
                for _, rows in pages:
                    last = rows and int(rows[-1]["id"])
                    yield from rows or ()
                    if last:
                        scan.after = last
                        self.progress.done = last - begun
                        self._save(scan, context)
            scan.step, scan.after = scan.step + 1, 0
            self._save(scan, context)
        state = self.get_context_state(context)
        state.pop(SCAN, None)
        state[LAST_ID] = scan.until
        if not scan.since:
            state[_LAST_FULL] = scan.began
        self.save_bookmark(scan.began, context)

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
        newest, known = self.request_newest_id(), state.get(LAST_ID)
        if not isinstance(known, int | None):
            raise invalid_state(known, stream=self.name, field=LAST_ID)
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

    def _save(self, scan: ScanProgress, context: Context | None) -> None:
        state = self.get_context_state(context)
        state[SCAN] = asdict(scan)
        state.setdefault("replication_key", self.replication_key)
        self.state_manager.is_flushed = False
        self._write_state_message()

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        # A record may be dated in the future.
        return None


def _up_to(last_id: int) -> Condition:
    return Condition("id", "lte", last_id)
