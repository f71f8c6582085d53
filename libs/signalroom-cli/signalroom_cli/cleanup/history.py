"""Meltano's list of runs, each with a copy of the state: the oldest are removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from meltano.core.db import project_engine
from meltano.core.job.job import Job, Payload, State
from meltano.core.job_state import JobState
from sqlalchemy import delete, func, inspect, select

from signalroom_cli.cleanup.model import Removed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from meltano.core.project import Project
    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.orm import Session

    from signalroom_cli.cleanup.model import Limits

_RUNS = cast("Table", Job.__table__)
_KIND = "runs in Meltano's list"
#: Rows per transaction. A row may have megabytes, and SQLite lets nobody else write meanwhile.
_BATCH_SIZE = 20


@dataclass(frozen=True)
class RemainingRuns:
    """The runs that stay in the list.

    Attributes:
        state_ids: The state IDs of all pipelines that ran or have a state.
        run_ids: The IDs of the runs that stay.
        active_since: The start of the first active run (UTC); None without active runs.
    """

    state_ids: frozenset[str] = frozenset()
    run_ids: frozenset[str] = frozenset()
    active_since: datetime | None = None


def remove_runs(project: Project, limits: Limits) -> tuple[Removed, RemainingRuns]:
    """Remove old runs from Meltano's database.

    States are in another table, or on S3, and are not touched. Of each pipeline these runs stay:
    the last one, the last successful one, the last ones with either kind of state, and all that are
    active.

    Args:
        project: A project whose environment is active.
        limits: What is old enough to be removed.

    Returns:
        The number and size of the removed rows, and the remaining runs.

    Raises:
        SQLAlchemyError: If the database cannot be read or written.
    """
    engine, make_session = project_engine(project)
    with make_session() as session:
        if not inspect(engine).has_table(_RUNS.name):
            # Meltano creates its tables with its first command.
            return Removed(_KIND, 0, 0), RemainingRuns()
        active = [run for run in _unfinished_runs(session) if not run.is_stale()]
        sizes = _removable_sizes(session, limits.before, {run.id for run in active})
        remaining = RemainingRuns(
            _state_ids(session, has_states=inspect(engine).has_table(JobState.__tablename__)),
            frozenset(
                str(run_id)
                for id_, run_id in session.execute(select(_RUNS.c.id, _RUNS.c.run_id))
                if id_ not in sizes
            ),
            min((run.started_at for run in active), default=None),
        )
        if not limits.dry_run:
            _delete(session, sorted(sizes))
    return Removed(_KIND, len(sizes), sum(sizes.values())), remaining


def _unfinished_runs(session: Session) -> list[Job]:
    return session.query(Job).filter(_RUNS.c.state == State.RUNNING.name).all()


def _removable_sizes(session: Session, before: datetime, active: set[int]) -> dict[int, int]:
    """The IDs of the rows to remove, with the bytes of their states."""
    needed = {*active}
    for condition in (
        _RUNS.c.state != State.STATE_EDIT.name,
        _RUNS.c.state == State.SUCCESS.name,
        _RUNS.c.payload_flags == Payload.STATE,
        _RUNS.c.payload_flags == Payload.INCOMPLETE_STATE,
    ):
        needed |= _last_ids(session, condition)
    old = select(_RUNS.c.id, func.length(_RUNS.c.payload)).where(_RUNS.c.started_at < before)
    return {id_: size or 0 for id_, size in session.execute(old) if id_ not in needed}


def _last_ids(session: Session, condition: ColumnElement[bool]) -> set[int]:
    """The last row of each pipeline that meets a condition."""
    rank = func.row_number().over(
        partition_by=_RUNS.c.job_name, order_by=[_RUNS.c.started_at.desc(), _RUNS.c.id.desc()]
    )
    ranked = select(_RUNS.c.id, rank.label("rank")).where(condition).subquery()
    return {*session.scalars(select(ranked.c.id).where(ranked.c.rank == 1))}


def _state_ids(session: Session, *, has_states: bool) -> frozenset[str]:
    names = {*session.scalars(select(_RUNS.c.job_name).distinct())}
    if has_states:
        names |= {*session.scalars(select(JobState.__table__.c.state_id))}
    return frozenset(names)


def _delete(session: Session, ids: Sequence[int]) -> None:
    for start in range(0, len(ids), _BATCH_SIZE):
        batch = ids[start : start + _BATCH_SIZE]
        session.execute(delete(_RUNS).where(_RUNS.c.id.in_(batch)))
        session.commit()
