"""Meltano's list of runs: the oldest go, which hold a copy of the state each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from meltano.core.db import project_engine
from meltano.core.job.job import Job, Payload, State
from meltano.core.job_state import JobState
from sqlalchemy import delete, func, inspect, select

from signalroom_cli.cleanup.model import Removed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from meltano.core.project import Project
    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.orm import Session

    from signalroom_cli.cleanup.model import Limits

_RUNS = cast("Table", Job.__table__)
#: Rows of up to megabytes; SQLite has no room for another writer meanwhile.
_AT_ONCE = 20


@dataclass(frozen=True)
class History:
    """What the list of runs says of files.

    Attributes:
        state_ids: Of all pipelines that ran, or have a state.
        kept: The ids of runs that stay in the list.
        running_since: When the first of the runs that are going on started (UTC); none if none is.
    """

    state_ids: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    running_since: datetime | None = None


def clean(project: Project, limits: Limits) -> tuple[Removed, History]:
    """Remove old runs from Meltano's database.

    The state is in a table of its own, or on S3, and is not touched. Of each pipeline the last run
    stays, the last successful one, those with the last state of either kind, and whatever is going
    on.

    Args:
        project: With its environment.
        limits: What is old enough.

    Returns:
        How many rows were removed, and what is left.

    Raises:
        SQLAlchemyError: If the database cannot be read or written.
    """
    engine, make_session = project_engine(project)
    with make_session() as session:
        if not inspect(engine).has_table(_RUNS.name):
            # Meltano makes its tables with its first command.
            return Removed("runs in Meltano's list", 0, 0), History()
        running = [one for one in _unfinished(session) if not one.is_stale()]
        old = _old(session, limits.before, {one.id for one in running})
        size = sum(old.values())
        gone = {*old}
        kept = frozenset(
            str(run_id)
            for id_, run_id in session.execute(select(_RUNS.c.id, _RUNS.c.run_id))
            if id_ not in gone
        )
        history = History(
            _state_ids(session, has_states=inspect(engine).has_table(JobState.__tablename__)),
            kept,
            min((one.started_at for one in running), default=None),
        )
        if not limits.dry_run:
            _delete(session, sorted(gone))
    return Removed("runs in Meltano's list", len(gone), size), history


def _unfinished(session: Session) -> list[Job]:
    return session.query(Job).filter(_RUNS.c.state == State.RUNNING.name).all()


def _old(session: Session, before: datetime, running: set[int]) -> dict[int, int]:
    """The rows that go, with the bytes of their states."""
    needed = {*running}
    for condition in (
        _RUNS.c.state != State.STATE_EDIT.name,
        _RUNS.c.state == State.SUCCESS.name,
        _RUNS.c.payload_flags == Payload.STATE,
        _RUNS.c.payload_flags == Payload.INCOMPLETE_STATE,
    ):
        needed |= _last(session, condition)
    found = select(_RUNS.c.id, func.length(_RUNS.c.payload)).where(_RUNS.c.started_at < before)
    return {id_: size or 0 for id_, size in session.execute(found) if id_ not in needed}


def _last(session: Session, condition: ColumnElement[bool]) -> set[int]:
    """The last row of each pipeline for which something holds."""
    place = func.row_number().over(
        partition_by=_RUNS.c.job_name, order_by=[_RUNS.c.started_at.desc(), _RUNS.c.id.desc()]
    )
    ranked = select(_RUNS.c.id, place.label("place")).where(condition).subquery()
    return {*session.scalars(select(ranked.c.id).where(ranked.c.place == 1))}


def _state_ids(session: Session, *, has_states: bool) -> frozenset[str]:
    names = {*session.scalars(select(_RUNS.c.job_name).distinct())}
    if has_states:
        names |= {*session.scalars(select(JobState.__table__.c.state_id))}
    return frozenset(names)


def _delete(session: Session, ids: Iterable[int]) -> None:
    left = [*ids]
    while left:
        some, left = left[:_AT_ONCE], left[_AT_ONCE:]
        session.execute(delete(_RUNS).where(_RUNS.c.id.in_(some)))
        session.commit()
