"""A pipeline: its last runs, its bookmarks, its rows, and whether it is stale."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from cronsim import CronSim

#: A pipeline is stale although a run is under way, if that run takes longer than this.
_LONGEST_RUN = timedelta(days=1)


class Outcome(StrEnum):
    """How a run ended, if it has."""

    SUCCESS = "success"
    FAILED = "failed"
    RUNNING = "running"
    #: Its process was killed, or its machine stopped.
    DIED = "died"


class Condition(StrEnum):
    """The condition of a pipeline now."""

    OK = "ok"
    RUNNING = "running"
    #: The last run failed, but a successful one is recent enough.
    FAILED = "failed"
    #: A whole interval of its schedule passed without a successful run.
    LATE = "late"
    #: It has a schedule, but no run was successful yet.
    NEVER = "never"
    #: Required settings are missing, as where a vendor is not used.
    NOT_CONFIGURED = "not configured"
    #: Meltano cannot run it.
    BROKEN = "broken"


@dataclass(frozen=True)
class Run:
    """A run of a pipeline.

    Attributes:
        started_at: When it started (UTC).
        ended_at: When it ended (UTC); None while it runs, or if it was killed.
        outcome: How it ended, if it has.
    """

    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome


@dataclass(frozen=True)
class Load:
    """What a run loaded, according to the log of loads.

    Attributes:
        started_at: When the run started (UTC).
        read: The records that the tap sent.
        written: The rows that were inserted or updated.
        new: The rows that were inserted; None if the server does not report it.
        updated: The rows that were updated; None if the server does not report it.
        unchanged: The rows that came again as the table has them, and that were not written; None
            if a loader of an earlier version did not count them.
        removed: The rows that were deleted.
        rejected: The rows that could not be loaded.
    """

    started_at: datetime
    read: int
    written: int
    new: int | None
    updated: int | None
    unchanged: int | None
    removed: int
    rejected: int


@dataclass
class Rows:
    """The rows of a pipeline.

    Attributes:
        by_run: What each run loaded, in order.
        by_date: The number of rows by the date of their replication key.
        last_run: The rows that the last run has loaded, so far if it is under way.
        rejected: The rows in quarantine.
    """

    by_run: list[Load] = field(default_factory=list)
    by_date: dict[date, int] = field(default_factory=dict)
    last_run: int = 0
    rejected: int = 0

    @property
    def by_day(self) -> dict[date, int]:
        """The number of rows by the day on which they were loaded (UTC)."""
        counts: Counter[date] = Counter()
        for load in self.by_run:
            counts[load.started_at.astimezone(UTC).date()] += load.written
        return dict(counts)


@dataclass
class Pipeline:
    """A tap with the loader, on a schedule.

    Attributes:
        tap: The name of the tap, which includes the client's.
        state_id: The ID of its state in Meltano.
        schedule: The name of its schedule.
        cron: Five fields; None if it runs only when it is started by hand.
        client_id: The client of its rows, if the tap is a client's.
        log_id: Its ID in the log of loads.
        last: The last run, if it ran.
        last_success: The last successful run, if there is one.
        bookmarks: The bookmark of each stream, as it is in the state.
        rows: Its rows; None if they were not read.
        rows_problem: Why its rows could not be read; else empty.
        problem: Any other problem, in a sentence; else empty.
        unconfigured: The required variables that are not set, in a clause; else empty.
        is_partly_set: Whether some of the required settings are set.
        broken: Why Meltano cannot run it; else empty.
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
    rows_problem: str = ""
    problem: str = ""
    unconfigured: str = ""
    is_partly_set: bool = False
    broken: str = ""

    def condition(self, now: datetime) -> Condition:
        """Determine the condition.

        Args:
            now: The current time (UTC).
        """
        if self.broken:
            return Condition.BROKEN
        condition = self._condition_of_runs(now)
        # If its runs succeed, they have the variables from elsewhere, such as from cron.
        succeeds = condition is not Condition.LATE and self.last_success is not None
        if self.unconfigured and not succeeds and condition is not Condition.RUNNING:
            return Condition.NOT_CONFIGURED
        return condition

    def is_stale(self, now: datetime) -> bool:
        """Whether its data is older than it should be, so that somebody has to act.

        Args:
            now: The current time (UTC).
        """
        if self.condition(now) is Condition.NOT_CONFIGURED:
            return self.is_partly_set or self.last_success is not None
        return self.condition(now) in {Condition.LATE, Condition.NEVER, Condition.BROKEN}

    def is_unused(self, now: datetime) -> bool:
        """Whether no setting is set and it never ran, as where a vendor is not used.

        Args:
            now: The current time (UTC).
        """
        return self.condition(now) is Condition.NOT_CONFIGURED and not self.is_stale(now)

    @property
    def remarks(self) -> list[str]:
        """Its problems, each in a sentence."""
        return [text for text in (self.broken, self.unconfigured, self.problem) if text]

    def _condition_of_runs(self, now: datetime) -> Condition:
        is_running = self.last is not None and self.last.outcome is Outcome.RUNNING
        if self.last and is_running and now - self.last.started_at < _LONGEST_RUN:
            return Condition.RUNNING
        if self.cron is not None:
            if self.last_success is None:
                return Condition.NEVER
            # It may have been due only just now, so the time before that counts.
            *_, due = islice(CronSim(self.cron, now, reverse=True), 2)
            if self.last_success.started_at < due:
                return Condition.LATE
        if self.last and self.last.outcome in {Outcome.FAILED, Outcome.DIED}:
            return Condition.FAILED
        return Condition.OK

    def lag(self, now: datetime) -> timedelta | None:
        """The time since the last successful run started; None if there is none."""
        return now - self.last_success.started_at if self.last_success else None

    @property
    def bookmark(self) -> str:
        """The earliest bookmark of all streams whose bookmark is a date or a time; else empty."""
        times = [value for value in self.bookmarks.values() if _is_time(value)]
        return min(times, default="")

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """The pipeline with its condition, for JSON."""
        lag = self.lag(now)
        return {
            "tap": self.tap,
            "client_id": self.client_id,
            "schedule": self.schedule,
            "cron": self.cron,
            "state_id": self.state_id,
            "condition": self.condition(now),
            "stale": self.is_stale(now),
            "last_run": _run_as_dict(self.last),
            "last_success": _run_as_dict(self.last_success),
            "lag_seconds": None if lag is None else round(lag.total_seconds()),
            "bookmark": self.bookmark or None,
            "bookmarks": self.bookmarks,
            "rows_last_run": self.rows and self.rows.last_run,
            "rows_by_run": self.rows and [_load_as_dict(load) for load in self.rows.by_run],
            "rows_by_day": self.rows and _counts_as_dict(self.rows.by_day),
            "rows_by_date": self.rows and _counts_as_dict(self.rows.by_date),
            "rows_rejected": self.rows and self.rows.rejected,
            "problem": ". ".join(filter(None, [*self.remarks, self.rows_problem])) or None,
        }


def _run_as_dict(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at and run.ended_at.isoformat(),
        "outcome": run.outcome,
    }


def _load_as_dict(load: Load) -> dict[str, Any]:
    return asdict(load) | {"started_at": load.started_at.astimezone(UTC).isoformat()}


def _counts_as_dict(counts: dict[date, int]) -> dict[str, int]:
    return {day.isoformat(): count for day, count in sorted(counts.items())}


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return not value.isdecimal()


def utc_now() -> datetime:
    """The current time (UTC)."""
    return datetime.now(UTC)
