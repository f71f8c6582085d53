"""What Meltano knows: schedules, runs, and states, wherever it keeps them."""

from __future__ import annotations

import logging
import os
from datetime import UTC
from typing import TYPE_CHECKING, Any

import structlog
from meltano.core.db import project_engine
from meltano.core.job.job import Job, State
from meltano.core.plugin.base import PluginType
from meltano.core.plugin.settings_service import PluginSettingsService
from meltano.core.project import Project
from meltano.core.schedule import CRON_INTERVALS
from meltano.core.schedule_service import ScheduleService
from meltano.core.state_service import StateService
from meltano.core.task_sets_service import TaskSetsService
from sqlalchemy import inspect

from signalroom_cli.status.model import Outcome, Pipeline, Run
from signalroom_singer import unsealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy.orm import Session

#: Under which keys taps keep how far a stream is.
_PLACES = ("replication_key_value", "last_file_date")


class ProjectError(Exception):
    """There is nothing to tell of; the message says why and what to do."""


def find(folder: Path) -> Project:
    """Find the project and choose its environment.

    Args:
        folder: In it.

    Raises:
        ProjectError: If there is none.
    """
    # Meltano tells of each state that it reads.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if not (folder / "meltano.yml").is_file():
        msg = f"There is no meltano.yml in {folder}. Call this in the project's folder."
        raise ProjectError(msg)
    project = Project(folder)
    name = os.environ.get("MELTANO_ENVIRONMENT") or project.settings.get("default_environment")
    if name:
        project.activate_environment(name)
        # Where the embedded database is, which the loader finds by these.
        os.environ["MELTANO_ENVIRONMENT"] = name
    os.environ["MELTANO_PROJECT_ROOT"] = str(folder)
    return project


def pipelines(project: Project) -> list[Pipeline]:
    """Read all scheduled pipelines.

    Args:
        project: With its environment.

    Raises:
        ProjectError: If there are none.
    """
    found = list(_scheduled(project))
    if not found:
        msg = "The project has no schedules. Add one to meltano.yml, or with `make new-client`."
        raise ProjectError(msg)
    engine, make_session = project_engine(project)
    with make_session() as session:
        if not inspect(engine).has_table(Job.__tablename__):
            # Meltano makes its tables with its first command.
            return found
        states = StateService(project, session)
        for pipeline in found:
            _look_up(pipeline, session, states)
    return found


def loader_settings(project: Project) -> dict[str, Any]:
    """The settings of the loader, as Meltano would give them to it.

    Args:
        project: With its environment.
    """
    plugin = project.plugins.find_plugin("target-postgres", plugin_type=PluginType.LOADERS)
    settings = PluginSettingsService(project, plugin).as_dict()
    return {
        name: value
        for name, value in settings.items()
        if value is not None and not name.startswith("_")
    }


def _scheduled(project: Project) -> Iterator[Pipeline]:
    jobs = TaskSetsService(project)
    environment = project.environment
    prefix = f"{environment.name}:" if environment else ""
    for schedule in ScheduleService(project).schedules():
        interval = schedule.interval or "@manual"
        cron = CRON_INTERVALS.get(interval, interval)
        for task in jobs.get(schedule.job).tasks:
            tap, loader = (task.split() if isinstance(task, str) else task)[:2]
            plugin = project.plugins.find_plugin(tap, plugin_type=PluginType.EXTRACTORS)
            settings = PluginSettingsService(project, plugin)
            client = settings.get("client_id")
            yield Pipeline(
                tap=tap,
                state_id=f"{prefix}{tap}-to-{loader}",
                schedule=schedule.name,
                cron=cron,
                # YAML has a client that is named 12 as a number, its rows have it as text.
                client_id=None if client is None else str(client),
                load_schema=settings.get("_load_schema"),
            )


def _look_up(pipeline: Pipeline, session: Session, states: StateService) -> None:
    column = Job.__table__.c.state
    runs = (
        session.query(Job)
        .filter(Job.job_name == pipeline.state_id, column != State.STATE_EDIT.name)
        .order_by(Job.started_at.desc())
    )
    last = runs.first()
    pipeline.last = _run(last)
    pipeline.last_success = _run(runs.filter(column == State.SUCCESS.name).first())
    state = states.get_state(pipeline.state_id)
    if last and last.is_running() and last.payload.get("singer_state"):
        # How far it has come is not yet what the next run begins with.
        state = last.payload
    # Meltano merges the states of a full refresh into those before: what it replaced is left out.
    valid, _ = unsealed(state.get("singer_state") or {})
    bookmarks = valid["bookmarks"]
    pipeline.bookmarks = dict(_bookmarks(bookmarks))


def _run(job: Job | None) -> Run | None:
    if job is None:
        return None
    if job.is_running():
        outcome = Outcome.DIED if job.is_stale() else Outcome.RUNNING
    else:
        outcome = Outcome.SUCCESS if job.state is State.SUCCESS else Outcome.FAILED
    ended = job.ended_at and job.ended_at.astimezone(UTC)
    return Run(job.started_at.astimezone(UTC), ended, outcome)


def _bookmarks(streams: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for stream, state in streams.items():
        # A stream by project or account is as far as the last of them.
        parts = state.get("partitions") or [state]
        values = [str(part[key]) for part in parts for key in _PLACES if part.get(key)]
        if values:
            yield stream, min(values)
