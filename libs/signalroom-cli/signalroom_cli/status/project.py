"""What Meltano knows: schedules, runs, and states, wherever it keeps them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meltano.core.db import project_engine
from meltano.core.error import MeltanoError
from meltano.core.job.job import Job, State
from meltano.core.plugin.base import PluginType
from meltano.core.schedule import ELTSchedule
from meltano.core.schedule_service import ScheduleService
from meltano.core.state_service import StateService
from meltano.core.task_sets_service import JobNotFoundError, TaskSetsService
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from signalroom_cli.intervals import IntervalError, cron_expression
from signalroom_cli.meltanoproject import ENVIRONMENT_VARIABLE, ProjectError, open_project
from signalroom_cli.status.configured import configuration
from signalroom_cli.status.model import Outcome, Pipeline, Run
from signalroom_singer import unseal_state
from signalroom_singer.settings.client_names import shared_variables_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project
    from meltano.core.schedule import Schedule
    from sqlalchemy.orm import Session

    from signalroom_cli.clientproject import ClientProject

LOADER = "target-postgres"
#: Under which keys taps keep how far a stream is.
_PLACES = ("replication_key_value", "last_file_date")


def find(folder: Path) -> ClientProject:
    """Find the project and choose its environment. Its files are read once.

    Args:
        folder: In it.

    Raises:
        ProjectError: If there is none, or its files cannot be read.
    """
    project = open_project(folder)
    # Where the embedded database is, which the loader finds by these.
    if project.environment:
        os.environ[ENVIRONMENT_VARIABLE] = project.environment.name
    os.environ["MELTANO_PROJECT_ROOT"] = str(folder)
    return project


def pipelines(project: Project) -> list[Pipeline]:
    """Read all scheduled pipelines.

    Args:
        project: With its environment.

    Raises:
        ProjectError: If there are none, or Meltano's database cannot be read.
    """
    found = [*_unreadable(project), *_scheduled(project)]
    if not found:
        msg = (
            "The project has no schedules. Add one to meltano.yml, or with `signalroom new-client`."
        )
        raise ProjectError(msg)
    # As each command of Meltano's does: its database is a file in there, by default.
    project.dirs.meltano()
    try:
        engine, make_session = project_engine(project)
        with make_session() as session:
            if not inspect(engine).has_table(Job.__tablename__):
                # Meltano makes its tables with its first command.
                return found
            states = StateService(project, session)
            for pipeline in found:
                _look_up(pipeline, session, states)
    except (SQLAlchemyError, MeltanoError) as error:
        first, *_ = str(error).splitlines()
        msg = f"Meltano's database cannot be read: {first}"
        raise ProjectError(msg) from None
    return found


def loader_settings(project: Project, name: str = LOADER) -> dict[str, Any]:
    """The settings of a loader, as Meltano would give them to it.

    Args:
        project: A project with its environment.
        name: The loader's name in the project.

    Raises:
        ProjectError: If there is no such loader, or a variable that its settings name is not set.
    """
    try:
        plugin = project.plugins.find_plugin(name, plugin_type=PluginType.LOADERS)
        loader = configuration(project, plugin, whole=True)
    except MeltanoError as error:
        msg = f"Meltano cannot read the settings of {name}: {error}"
        raise ProjectError(msg) from None
    if loader.missing:
        msg = f"{name}: {loader.problem}"
        raise ProjectError(msg)
    return loader.values


@dataclass
class _Plugins:
    """The project's plugins by name."""

    extractors: dict[str, ProjectPlugin]
    loaders: set[str]

    @classmethod
    def of(cls, project: Project) -> _Plugins:
        by_type = project.plugins.get_plugins_of_type
        # Without parents: Meltano asks the Hub for one that the project does not have.
        extractors = by_type(PluginType.EXTRACTORS, ensure_parent=False)
        loaders = by_type(PluginType.LOADERS, ensure_parent=False)
        return cls({tap.name: tap for tap in extractors}, {loader.name for loader in loaders})

    def runs(self, words: list[str]) -> Iterator[tuple[str, str]]:
        """The taps of a command, each with the loader that follows it, mappers or not between."""
        tap = None
        for word in words:
            if word in self.loaders and tap:
                yield tap, word
                tap = None
            elif word in self.extractors or word.startswith("tap-"):
                tap = word


def _unreadable(project: Project) -> Iterator[Pipeline]:
    """A broken pipeline in place of those in each file that cannot be read."""
    for problem in getattr(project, "unusable", ()):
        # The sentence begins with the file's path.
        name = Path(problem.partition(" cannot be read")[0]).name
        yield Pipeline(tap=name, state_id="", schedule="", cron=None, broken=problem)


def _scheduled(project: Project) -> Iterator[Pipeline]:
    plugins = _Plugins.of(project)
    for schedule in ScheduleService(project).schedules():
        name, cron = schedule.name, None
        try:
            cron = cron_expression(schedule.interval)
            words = _command(project, schedule)
        except (IntervalError, JobNotFoundError) as error:
            yield Pipeline(tap=name, state_id="", schedule=name, cron=cron, broken=str(error))
            continue
        for tap, loader in plugins.runs(words):
            yield _pipeline(
                project, plugins.extractors.get(tap), (tap, loader), (schedule.name, cron)
            )


def _command(project: Project, schedule: Schedule) -> list[str]:
    """What follows `meltano run` for a schedule."""
    if isinstance(schedule, ELTSchedule):
        return [schedule.extractor, schedule.loader]
    tasks = TaskSetsService(project).get(schedule.job).tasks
    lines = [task if isinstance(task, str) else " ".join(task) for task in tasks]
    return " ".join(lines).split()


def _pipeline(
    project: Project,
    plugin: ProjectPlugin | None,
    run: tuple[str, str],
    schedule: tuple[str, str | None],
) -> Pipeline:
    tap, loader = run
    environment = project.environment
    parts = [environment.name if environment else "", f"{tap}-to-{loader}"]
    suffix = (environment and environment.state_id_suffix) or ""
    found = Pipeline(
        tap=tap,
        state_id=":".join(filter(None, [*parts, suffix])),
        # The environment's suffix is Meltano's alone: the loader is not told.
        log_id=":".join(filter(None, parts)),
        schedule=schedule[0],
        cron=schedule[1],
    )
    if plugin is None:
        found.broken = f"There is no plugin {tap}; its schedule is {schedule[0]}"
        return found
    try:
        settings = configuration(project, project.plugins.ensure_parent(plugin))
    except (MeltanoError, ValueError, TypeError) as error:
        found.broken = f"Meltano cannot read its settings: {error}"
        return found
    client = settings.values.get("client_id")
    # YAML has a client that is named 12 as a number, its rows have it as text.
    found.client_id = None if client is None else str(client)
    found.unconfigured = settings.problem
    found.begun = settings.begun
    root = str(project.root)
    names = {"MELTANO_EXTRACTOR_NAME": tap, "MELTANO_PROJECT_ROOT": root}
    found.problem = shared_variables_warning(names) or ""
    return found


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
    valid, _ = unseal_state(state.get("singer_state") or {})
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
