"""Reading a table by id, once whole, and from then on what has changed since."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from typing_extensions import override

from signalroom_singer import (
    OwnBookmarkStream,
    ReadAhead,
    spoiled_state,
    stored_moment,
    utc_isoformat,
)
from tap_mautic.client import MauticStream
from tap_mautic.queries import Is

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers.types import Context, Record


_SWEEP, _WHOLE = "sweep", "last_whole"
#: In the state: the highest id that there was when the last sweep began.
LAST_ID = "last_id"


@dataclass
class Sweep:
    """A way through a table that is under way.

    Attributes:
        since: The moment from which changes are read; empty if everything is.
        began: When it began: what changes later is the next one's.
        until: The last id that there was then: else new rows would keep it from ending.
        known: The last id of the sweep before, if only changes are read.
        steps: How many steps it has.
        step: Which of them.
        after: The last id that was read in it.
    """

    since: str
    began: str
    until: int
    known: int | None = None
    steps: int = 0
    step: int = 0
    after: int = 0

    def check(self) -> None:
        """See that it was read as it was written.

        Raises:
            TypeError: If it was not.
            ValueError: If it was not.
        """
        for moment in (self.began, *([self.since] if self.since else [])):
            utc_isoformat(datetime.fromisoformat(moment))
        for number in (self.until, self.known or 0, self.steps, self.step, self.after):
            if not isinstance(number, int):
                raise TypeError


class SweptStream(OwnBookmarkStream, MauticStream):
    """A table that is read by id.

    Rows come in order of their id, not of their time, so the bookmark moves once a sweep is
    through, to the moment when it began. The state also has the sweep that is under way, so that
    a killed run goes on after the last page that it gave.

    What an earlier sweep knew is looked for by its dates. What is new is found by its id, as its
    dates may be older than any lookback: imports bring them along.
    """

    @abstractmethod
    def steps(self, since: datetime | None) -> Sequence[Sequence[Is]]:
        """What to read of old rows, one after the other: each is read by id.

        Args:
            since: The moment from which changes are wanted, or none for everything.
        """

    @property
    def lookback(self) -> timedelta:
        """How far before the bookmark to begin: what is written late, and clocks that differ."""
        return timedelta(hours=float(self.config["lookback_hours"]))

    @property
    def whole_every(self) -> timedelta | None:
        """How often to read everything again, if ever."""
        return None

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        if self.replaces:
            for page in self.read_step((self._up_to(self.newest()),), 0):
                yield from page
            return
        sweep = self._sweep(context)
        steps = self._planned(sweep)
        begun = sweep.after
        if len(steps) == 1:
            self.progress.expect(sweep.until - begun, "ids")
        while sweep.step < len(steps):
            wanted = [steps[sweep.step]]
            with ReadAhead(wanted, lambda step: self.read_step(step, sweep.after), workers=1) as (
                pages
            ):
                for _, rows in pages:
                    last = rows and int(rows[-1]["id"])
                    yield from rows or ()
                    if last:
                        sweep.after = last
                        self.progress.done = last - begun
                        self._save(sweep, context)
            sweep.step, sweep.after = sweep.step + 1, 0
            self._save(sweep, context)
        state = self.get_context_state(context)
        state.pop(_SWEEP, None)
        state[LAST_ID] = sweep.until
        if not sweep.since:
            state[_WHOLE] = sweep.began
        self.save_bookmark(sweep.began, context)

    def _planned(self, sweep: Sweep) -> list[Sequence[Is]]:
        """The steps of a sweep; one that was begun by others starts over."""
        since = datetime.fromisoformat(sweep.since) if sweep.since else None
        known = sweep.until if sweep.known is None else min(sweep.known, sweep.until)
        steps: list[Sequence[Is]] = [(*step, self._up_to(known)) for step in self.steps(since)]
        if known < sweep.until:
            steps.append((Is("id", "gt", known), self._up_to(sweep.until)))
        if len(steps) != sweep.steps:
            sweep.steps, sweep.step, sweep.after = len(steps), 0, 0
        return steps

    def read_step(self, conditions: Sequence[Is], after: int) -> Iterator[list[Record]]:
        """Read a step; may run in a thread.

        Args:
            conditions: What rows must be like.
            after: The id to begin after.

        Yields:
            Pages in order of their ids.
        """
        yield from self.by_id(self.path, self.key, conditions, after=after)

    def _sweep(self, context: Context | None) -> Sweep:
        state = self.get_context_state(context)
        if state.get("replication_key", self.replication_key) != self.replication_key:
            # Of other settings: nothing in it holds.
            state.clear()
        if found := state.get(_SWEEP):
            try:
                sweep = Sweep(**found)
                sweep.check()
            except (TypeError, ValueError):
                raise spoiled_state(found, stream=self.name, field=_SWEEP) from None
            self.logger.info("Going on after id %d, where a run was stopped", sweep.after)
            return sweep
        began = self._tap.server_now()
        bookmark = stored_moment(state.get("replication_key_value"), stream=self.name)
        whole = stored_moment(state.get(_WHOLE), stream=self.name)
        if bookmark and bookmark > began:
            self.logger.warning(
                "The bookmark %s is ahead of the clock; reading again from %s",
                utc_isoformat(bookmark),
                utc_isoformat(began - self.lookback),
            )
            bookmark = began
        newest, known = self.newest(), state.get(LAST_ID)
        if not isinstance(known, int | None):
            raise spoiled_state(known, stream=self.name, field=LAST_ID)
        if known and not newest:
            self.check_shrunk(1, 0, "no rows, where it showed some")
        is_due = self.whole_every and whole and began - whole >= self.whole_every
        since = None if is_due or not bookmark else bookmark - self.lookback
        self.logger.info(
            "Reading %s", f"what has changed since {utc_isoformat(since)}" if since else "all"
        )
        since_text = utc_isoformat(since) if since else ""
        return Sweep(since_text, utc_isoformat(began), newest, known if since else None)

    def newest(self) -> int:
        """The highest id that there is; 0 where there are no rows."""
        rows = self.ask(self.path, self.key, self.in_order("DESC"), most=1)
        return int(rows[0]["id"]) if rows else 0

    @staticmethod
    def _up_to(last: int) -> Is:
        return Is("id", "lte", last)

    def _save(self, sweep: Sweep, context: Context | None) -> None:
        state = self.get_context_state(context)
        state[_SWEEP] = asdict(sweep)
        state.setdefault("replication_key", self.replication_key)
        self.state_manager.is_flushed = False
        self._write_state_message()

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        # A record may be dated in the future.
        return None
