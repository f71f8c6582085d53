"""Pipelines from Meltano: schedules, runs, and states from any state backend."""

from __future__ import annotations

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

from signalroom_cli.folders import ProjectError
from signalroom_cli.intervals import IntervalError, cron_expression
from signalroom_cli.meltano_project import find_taps, log_id_of, state_id_of
from signalroom_cli.plugin_settings import read_plugin_settings
from signalroom_cli.status.model import Outcome, Pipeline, Run
from signalroom_singer.settings.client_names import shared_variables_warning
from signalroom_singer.state_merge import unseal_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project
    from meltano.core.schedule import Schedule
    from sqlalchemy.orm import Session

    from signalroom_cli.client_project import ClientProject

#: The keys of bookmarks in a stream's state.
_BOOKMARK_KEYS = ("replication_key_value", "last_file_date")


def read_pipelines(project: ClientProject) -> list[Pipeline]:
    """Read all scheduled pipelines.

    Args:
        project: A project whose environment is active.

    Raises:
        ProjectError: If there are no schedules, or Meltano's database cannot be read.
    """
    pipelines = [*_unreadable_pipelines(project), *_scheduled_pipelines(project)]
    if not pipelines:
        msg = (
            "The project has no schedules. Add one to meltano.yml, or with `signalroom new-client`."
        )
        raise ProjectError(msg)
    # Each command of Meltano creates this folder, too: by default its database is in it.
    project.dirs.meltano()
    try:
        engine, make_session = project_engine(project)
        with make_session() as session:
            if not inspect(engine).has_table(Job.__tablename__):
                # Meltano creates its tables with its first command.
                return pipelines
            states = StateService(project, session)
            for pipeline in pipelines:
                _add_runs(pipeline, session, states)
    except (SQLAlchemyError, MeltanoError) as error:
        first, *_ = str(error).splitlines()
        msg = f"Meltano's database cannot be read: {first}"
        raise ProjectError(msg) from None
    return pipelines


@dataclass
class _Plugins:
    """The project's taps and loaders."""

    taps: dict[str, ProjectPlugin]
    loaders: set[str]

    @classmethod
    def of(cls, project: Project) -> _Plugins:
        # Their parents are not needed: Meltano would look up a missing one in the Hub.
        loaders = project.plugins.get_plugins_of_type(PluginType.LOADERS, ensure_parent=False)
        return cls(find_taps(project), {loader.name for loader in loaders})

    def pairs(self, words: list[str]) -> Iterator[tuple[str, str]]:
        """The taps of a command, each with the next loader; mappers in between are skipped."""
        tap = None
        for word in words:
            if word in self.loaders and tap:
                yield tap, word
                tap = None
            elif word in self.taps or word.startswith("tap-"):
                tap = word


def _unreadable_pipelines(project: ClientProject) -> Iterator[Pipeline]:
    """A broken pipeline for each client's file that cannot be read."""
    for problem in project.file_problems:
        # The sentence begins with the path of the file.
        name = Path(problem.partition(" cannot be read")[0]).name
        yield Pipeline(tap=name, state_id="", schedule="", cron=None, broken=problem)


def _scheduled_pipelines(project: Project) -> Iterator[Pipeline]:
    plugins = _Plugins.of(project)
    for schedule in ScheduleService(project).schedules():
        name, cron = schedule.name, None
        try:
            cron = cron_expression(schedule.interval)
            words = _command(project, schedule)
        except (IntervalError, JobNotFoundError) as error:
            yield Pipeline(tap=name, state_id="", schedule=name, cron=cron, broken=str(error))
            continue
        for pair in plugins.pairs(words):
            yield _pipeline(project, plugins.taps.get(pair[0]), pair, (name, cron))


def _command(project: Project, schedule: Schedule) -> list[str]:
    """The arguments of `meltano run` for a schedule."""
    if isinstance(schedule, ELTSchedule):
        return [schedule.extractor, schedule.loader]
    tasks = TaskSetsService(project).get(schedule.job).tasks
    lines = [task if isinstance(task, str) else " ".join(task) for task in tasks]
    return " ".join(lines).split()


def _pipeline(
    project: Project,
    plugin: ProjectPlugin | None,
    pair: tuple[str, str],
    schedule: tuple[str, str | None],
) -> Pipeline:
    tap, loader = pair
    pipeline = Pipeline(
        tap=tap,
        state_id=state_id_of(project, tap, loader),
        log_id=log_id_of(project, tap, loader),
        schedule=schedule[0],
        cron=schedule[1],
    )
    if plugin is None:
        pipeline.broken = f"There is no plugin {tap}; its schedule is {schedule[0]}"
        return pipeline
    try:
        settings = read_plugin_settings(project, plugin)
    except (MeltanoError, ValueError, TypeError) as error:
        pipeline.broken = f"Meltano cannot read its settings: {error}"
        return pipeline
    client = settings.values.get("client_id")
    # In YAML a client named 12 is a number, in its rows it is text.
    pipeline.client_id = None if client is None else str(client)
    pipeline.unconfigured = settings.problem
    pipeline.is_partly_set = settings.is_partly_set
    root = str(project.root)
    names = {"MELTANO_EXTRACTOR_NAME": tap, "MELTANO_PROJECT_ROOT": root}
    pipeline.problem = shared_variables_warning(names) or ""
    return pipeline


def _add_runs(pipeline: Pipeline, session: Session, states: StateService) -> None:
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
        # Its state so far is in the run; it is not saved as the pipeline's state yet.
        state = last.payload
    # Meltano merges the state of a full refresh into the one before, whose bookmarks are invalid.
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
        # A stream with partitions is as far as the last of them.
        partitions = state.get("partitions") or [state]
        values = [
            str(partition[key])
            for partition in partitions
            for key in _BOOKMARK_KEYS
            if partition.get(key)
        ]
        if values:
            yield stream, min(values)
