"""``signalroom schedules``: Meltano's schedules as tasks, from which Airflow's DAGs are generated.

All schedules are checked: the blocks into which `meltano run` would split a job, and whether their
plugins exist. A schedule that cannot be run is listed with the reason.
https://docs.meltano.com/reference/command-line-interface#run

``signalroom_orchestrate.schedules`` reads the JSON. It runs in Airflow's environment, where this
package is not installed, so it declares `Task` and `TaskSchedule` again; a test compares them.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from meltano.core.error import MeltanoError
from meltano.core.plugin.base import PluginType
from meltano.core.schedule import ELTSchedule

from signalroom_cli.folders import ProjectError, add_folder_option
from signalroom_cli.intervals import IntervalError, cron_expression
from signalroom_cli.meltano_project import activate_project, words_of_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project
    from meltano.core.project_plugins_service import ProjectPluginsService
    from meltano.core.schedule import Schedule
    from meltano.core.task_sets import TaskSets

_HAS_PROBLEMS = 1
_NO_LIST = 2


class ScheduleError(Exception):
    """The schedule cannot be run; the message says why and what to do."""


@dataclass(frozen=True)
class Task:
    """A unit of running and retrying: a tap with its loader, or a plugin's command.

    Attributes:
        name: The name of the tap, or the command, such as ``dbt-postgres:run``.
        command: The arguments of ``meltano``, such as ``run tap-everflow--acme target-postgres``.
        source: The vendor, such as ``everflow``, also of a tap that inherits from another; empty
            without a tap.
        client: The client, if the tap is a client's; else empty.
    """

    name: str
    command: list[str]
    source: str = ""
    client: str = ""


@dataclass
class TaskSchedule:
    """A schedule of Meltano, as tasks.

    Attributes:
        name: The schedule's name in Meltano.
        cron: Five fields; None if it runs only when it is started by hand.
        env: The environment variables that the schedule sets.
        tasks: The tasks, which run one after the other.
        problem: Why it cannot be run; empty if it can.
    """

    name: str
    cron: str | None
    env: dict[str, str]
    tasks: list[Task] = field(default_factory=list)
    problem: str = ""


def main(arguments: Sequence[str]) -> int:
    """List the schedules.

    Args:
        arguments: The command line after ``signalroom schedules``.

    Returns:
        The exit code: 0; 1 if a schedule cannot be run, or a client's file cannot be read; 2 if
        the schedules cannot be listed.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom schedules",
        description="List the project's schedules as tasks, in JSON, and check them.",
        epilog=(
            "Exit code: 1 if a schedule cannot be run or a client's file cannot be read, 2 if the "
            "schedules cannot be listed, else 0."
        ),
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to this file")
    add_folder_option(parser)
    options = parser.parse_args(arguments)
    try:
        project = activate_project(options.folder.resolve())
        schedules = read_schedules(project)
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return _NO_LIST
    text = json.dumps({"schedules": [asdict(each) for each in schedules]}, indent=1) + "\n"
    if options.output is None:
        sys.stdout.write(text)
    else:
        # Airflow may be reading the file.
        new_file = options.output.with_name(f"{options.output.name}.new")
        new_file.write_text(text, encoding="utf-8")
        new_file.replace(options.output)
    problems = [f"Schedule {each.name}: {each.problem}\n" for each in schedules if each.problem]
    sys.stderr.write("".join(problems))
    return _HAS_PROBLEMS if problems or project.file_problems else 0


def read_schedules(project: Project) -> list[TaskSchedule]:
    """Read and check all schedules.

    Args:
        project: A project whose environment is active.
    """
    jobs = {job.name: job for job in project.meltano.jobs}
    splitter = _JobSplitter(project.plugins, jobs)
    return [splitter.convert(schedule) for schedule in project.meltano.schedules]


class _JobSplitter:
    """Splits jobs into blocks as `meltano run` does.

    Args:
        service: Meltano's service for the project's plugins.
        jobs: The project's jobs by name.
    """

    def __init__(self, service: ProjectPluginsService, jobs: Mapping[str, TaskSets]) -> None:
        self._service = service
        self._jobs = jobs
        self._plugins: dict[str, ProjectPlugin] = {}
        self._mappings: set[str] = set()
        for plugin in service.plugins(ensure_parent=False):
            mapping = plugin.extra_config.get("_mapping_name")
            if mapping:
                self._mappings.add(mapping)
            self._plugins.setdefault(mapping or plugin.name, plugin)

    def convert(self, schedule: Schedule) -> TaskSchedule:
        """Convert a schedule to tasks, or record why it cannot be run.

        Args:
            schedule: A schedule as Meltano has it.
        """
        env = {name: str(value) for name, value in schedule.env.items()}
        converted = TaskSchedule(schedule.name, None, env)
        try:
            converted.cron = cron_expression(schedule.interval)
            converted.tasks = [*self._tasks(schedule)]
        except (IntervalError, ScheduleError) as error:
            converted.problem = str(error)
        return converted

    def _tasks(self, schedule: Schedule) -> Iterator[Task]:
        if isinstance(schedule, ELTSchedule):
            blocks = [*self._split([schedule.extractor, schedule.loader])]
            # Its state ID is the schedule's name, which `meltano run` does not use.
            yield self._task(blocks[0], ["elt", *schedule.elt_args])
            return
        if (job := self._jobs.get(schedule.job)) is None:
            msg = f"there is no job {schedule.job!r}. Add it to `jobs`, or remove the schedule."
            raise ScheduleError(msg)
        words = words_of_job(job)
        if not words:
            msg = f"job {job.name!r} has no tasks, such as `tap-everflow target-postgres`."
            raise ScheduleError(msg)
        for block in self._split(words):
            yield self._task(block, ["run", *block])

    def _task(self, block: list[str], command: list[str]) -> Task:
        name = block[0]
        plugin = self._plugin(name)
        if plugin.type != PluginType.EXTRACTORS:
            return Task(name, command)
        while (parent := plugin.inherit_from) in self._plugins:
            plugin = self._plugins[parent]
        source = (parent or plugin.name).removeprefix("tap-")
        return Task(name, command, source, name.partition("--")[2])

    def _split(self, words: Iterable[str]) -> Iterator[list[str]]:
        """Split a job into blocks: a tap with mappings and a loader, or a single command."""
        block: list[str] = []
        for word in words:
            kind = self._plugin(word).type
            if kind == PluginType.EXTRACTORS and not block:
                block = [word]
            elif kind == PluginType.LOADERS and block:
                yield [*block, word]
                block = []
            elif kind == PluginType.MAPPERS and block:
                block.append(word)
            elif block:
                break
            elif kind in {PluginType.LOADERS, PluginType.MAPPERS}:
                msg = (
                    f"{word} has no tap before it. In a job, a tap is followed by its mappings and "
                    "one loader, as in `tap-everflow target-postgres`."
                )
                raise ScheduleError(msg)
            else:
                yield [word]
        if block:
            msg = f"{block[0]} has no loader after it. Add one, as in `{block[0]} target-postgres`."
            raise ScheduleError(msg)

    def _plugin(self, word: str) -> ProjectPlugin:
        name, _, command = word.partition(":")
        plugin = self._plugins.get(name)
        if plugin is None:
            msg = f"there is no plugin {name!r}. Add it (`meltano add`), or correct the name."
        elif word in self._jobs:
            msg = f"{word!r} is a job and a plugin: rename the job."
        elif plugin.type == PluginType.MAPPERS and name not in self._mappings:
            msg = f"{name} is a mapper: name one of its mappings instead."
        elif command and command not in (known := self._commands(plugin)):
            msg = f"{name} has no command {command!r} (it has: {', '.join(known) or 'none'})."
        else:
            return plugin
        raise ScheduleError(msg)

    def _commands(self, plugin: ProjectPlugin) -> list[str]:
        try:
            return sorted(self._service.ensure_parent(plugin).all_commands)
        except MeltanoError as error:
            msg = f"Meltano has no definition of {plugin.name}: {error}"
            raise ScheduleError(msg) from None
