"""A pipeline as somebody on call looks at it: when it ran, how far it is, whether that is fine."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from cronsim import CronSim

#: A run that goes on for longer is no excuse any more.
_LONGEST_RUN = timedelta(days=1)


class Outcome(StrEnum):
    """How a run ended, or that it has not."""

    SUCCESS = "success"
    FAILED = "failed"
    RUNNING = "running"
    #: Its machine or its process ended without a word.
    DIED = "died"


class Condition(StrEnum):
    """What is to be thought of a pipeline now."""

    OK = "ok"
    RUNNING = "running"
    #: The last run failed; the one before is not too long ago.
    FAILED = "failed"
    #: A whole interval of its schedule passed without a good run.
    LATE = "late"
    #: It has a schedule, and no run was good yet.
    NEVER = "never"
    #: What it needs is not set, as where a vendor is not used.
    NOT_CONFIGURED = "not configured"
    #: Meltano cannot run it at all.
    BROKEN = "broken"


@dataclass(frozen=True)
class Run:
    """A run of a pipeline.

    Attributes:
        started_at: UTC.
        ended_at: UTC; none as long as it runs, or if it died.
        outcome: How it ended.
    """

    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome


@dataclass(frozen=True)
class Loaded:
    """What a run loaded, as the loader's log has it.

    Attributes:
        started_at: UTC.
        read: Rows that the tap sent.
        written: Rows that were inserted or updated.
        new: Rows that were inserted; none where the server does not tell.
        updated: Rows that were written again.
        removed: Rows that are no longer there.
        rejected: Rows that could not be loaded.
    """

    started_at: datetime
    read: int
    written: int
    new: int | None
    updated: int | None
    removed: int
    rejected: int


@dataclass
class Rows:
    """What a pipeline loaded, and what its tables hold.

    Attributes:
        by_run: What each run loaded, in order.
        by_date: Rows by the date that they are of: the day of the replication key.
        last_run: Rows that the last run loaded, so far.
        rejected: Rows in quarantine.
    """

    by_run: list[Loaded] = field(default_factory=list)
    by_date: dict[date, int] = field(default_factory=dict)
    last_run: int = 0
    rejected: int = 0

    @property
    def by_day(self) -> dict[date, int]:
        """Rows by the day when they were loaded (UTC)."""
        found: dict[date, int] = {}
        for one in self.by_run:
            day = one.started_at.astimezone(UTC).date()
            found[day] = found.get(day, 0) + one.written
        return found


@dataclass
class Pipeline:
    """A tap into the loader, on a schedule.

    Attributes:
        tap: The plugin's name, which has the client's.
        state_id: Meltano's.
        schedule: Its name.
        cron: Five fields; none if it runs only when somebody starts it.
        client_id: Whose rows, if they are told apart.
        log_id: As the loader's log names it.
        last: The last run, if there was any.
        last_success: The last good one.
        bookmarks: How far each stream is, as it is in the state.
        rows: What it loaded; none if that was not looked up.
        no_rows: Why it was not found, if it was looked up.
        problem: What else is to be said of it.
        unconfigured: Which variables are missing that it needs; empty if none is.
        begun: Whether some of what it needs is set.
        broken: Why Meltano cannot run it; empty if it can.
    """

    tap: str
    state_id: str
    schedule: str
    cron: str | None
    client_id: str | None = None
    log_id: str = ""
    last: Run | None = None
    last_success: Run | None = None
    bookmarks: dict[str, str] = field(default_factory=dict)
    rows: Rows | None = None
    no_rows: str = ""
    problem: str = ""
    unconfigured: str = ""
    begun: bool = False
    broken: str = ""

    def condition(self, now: datetime) -> Condition:
        """Judge it.

        Args:
            now: The time, in UTC.
        """
        if self.broken:
            return Condition.BROKEN
        by_runs = self._by_runs(now)
        # If its runs are good, something runs it that has the variables, such as cron.
        is_good = by_runs is not Condition.LATE and self.last_success is not None
        if self.unconfigured and not is_good and by_runs is not Condition.RUNNING:
            return Condition.NOT_CONFIGURED
        return by_runs

    def is_stale(self, now: datetime) -> bool:
        """Whether somebody should do something.

        Args:
            now: The time, in UTC.
        """
        if self.condition(now) is Condition.NOT_CONFIGURED:
            return self.begun or self.last_success is not None
        return self.condition(now) in {Condition.LATE, Condition.NEVER, Condition.BROKEN}

    def is_unused(self, now: datetime) -> bool:
        """Whether nothing of it is set and it never ran, as where a vendor is not used.

        Args:
            now: The time, in UTC.
        """
        return self.condition(now) is Condition.NOT_CONFIGURED and not self.is_stale(now)

    @property
    def remarks(self) -> list[str]:
        """What is to be said of it, in sentences."""
        return [text for text in (self.broken, self.unconfigured, self.problem) if text]

    def _by_runs(self, now: datetime) -> Condition:
        runs = self.last is not None and self.last.outcome is Outcome.RUNNING
        if self.last and runs and now - self.last.started_at < _LONGEST_RUN:
            return Condition.RUNNING
        if self.cron is not None:
            if self.last_success is None:
                return Condition.NEVER
            # The last time that it was due may be a moment ago: it is given an interval.
            *_, before = islice(CronSim(self.cron, now, reverse=True), 2)
            if self.last_success.started_at < before:
                return Condition.LATE
        if self.last and self.last.outcome in {Outcome.FAILED, Outcome.DIED}:
            return Condition.FAILED
        return Condition.OK

    def lag(self, now: datetime) -> timedelta | None:
        """How long ago the last good run began: what came later is not loaded."""
        return now - self.last_success.started_at if self.last_success else None

    @property
    def bookmark(self) -> str:
        """The stream that is furthest behind, of those that go by time."""
        moments = [value for value in self.bookmarks.values() if _is_time(value)]
        return min(moments, default="")

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """All of it, for JSON."""
        lag = self.lag(now)
        return {
            "tap": self.tap,
            "client_id": self.client_id,
            "schedule": self.schedule,
            "cron": self.cron,
            "state_id": self.state_id,
            "condition": self.condition(now),
            "stale": self.is_stale(now),
            "last_run": _run(self.last),
            "last_success": _run(self.last_success),
            "lag_seconds": None if lag is None else round(lag.total_seconds()),
            "bookmark": self.bookmark or None,
            "bookmarks": self.bookmarks,
            "rows_last_run": self.rows and self.rows.last_run,
            "rows_by_run": self.rows and [_loaded(one) for one in self.rows.by_run],
            "rows_by_day": self.rows and _by_date(self.rows.by_day),
            "rows_by_date": self.rows and _by_date(self.rows.by_date),
            "rows_rejected": self.rows and self.rows.rejected,
            "problem": ". ".join([*self.remarks, *([self.no_rows] if self.no_rows else [])])
            or None,
        }


def _run(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at and run.ended_at.isoformat(),
        "outcome": run.outcome,
    }


def _loaded(one: Loaded) -> dict[str, Any]:
    return asdict(one) | {"started_at": one.started_at.astimezone(UTC).isoformat()}


def _by_date(counts: dict[date, int]) -> dict[str, int]:
    return {day.isoformat(): count for day, count in sorted(counts.items())}


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return not value.isdecimal()


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)
