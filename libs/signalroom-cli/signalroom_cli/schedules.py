"""``signalroom schedules``: Meltano's schedules as tasks, from which Airflow's DAGs are made.

The whole list is read and checked at once: which blocks `meltano run` would make of a job, and
whether their plugins exist. A schedule that cannot be run is listed with the reason.
https://docs.meltano.com/reference/command-line-interface#run
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

from signalroom_cli.folders import project_folder
from signalroom_cli.intervals import IntervalError, cron_expression
from signalroom_cli.meltanoproject import ProjectError
from signalroom_cli.status.project import find

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
    """A schedule cannot be run; the message says why and what to do."""


@dataclass(frozen=True)
class Task:
    """What is run, retried and limited by itself: a tap with its loader, or a plugin's command.

    Attributes:
        name: The tap's, or the command as in ``dbt-postgres:run``.
        command: What follows ``meltano``, as in ``run tap-everflow--acme target-postgres``.
        source: The vendor, as in ``everflow``, also if the tap inherits from one; empty if there
            is no tap.
        client: Whose data, if the tap is a client's.
    """

    name: str
    command: list[str]
    source: str = ""
    client: str = ""


@dataclass
class Listed:
    """A schedule.

    Attributes:
        name: Meltano's.
        cron: Five fields; none if it runs only when somebody starts it.
        env: What the schedule sets for its runs.
        tasks: In order.
        problem: Why it cannot be run; empty if it can.
    """

    name: str
    cron: str | None
    env: dict[str, str]
    tasks: list[Task] = field(default_factory=list)
    problem: str = ""


def main(arguments: Sequence[str]) -> int:
    """Write the list.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 0; 1 if a schedule in the list cannot be run, or a file cannot be read; 2 if
        they cannot be listed.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom schedules",
        description="List the project's schedules as tasks, in JSON, and check them.",
        epilog=(
            "The exit code is 1 if a schedule cannot be run or a client's file cannot be read, "
            "2 if they cannot be listed."
        ),
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="instead of standard output")
    parser.add_argument("--folder", type=Path, default=project_folder(), help="the project's")
    options = parser.parse_args(arguments)
    try:
        project = find(options.folder.resolve())
        found = schedules(project)
    except ProjectError as error:
        sys.stderr.write(f"{error}\n")
        return _NO_LIST
    text = json.dumps({"schedules": [asdict(one) for one in found]}, indent=1) + "\n"
    if options.output is None:
        sys.stdout.write(text)
    else:
        # Airflow may be reading it.
        written = options.output.with_name(f"{options.output.name}.new")
        written.write_text(text, encoding="utf-8")
        written.replace(options.output)
    problems = [f"Schedule {one.name}: {one.problem}\n" for one in found if one.problem]
    sys.stderr.write("".join(problems))
    return _HAS_PROBLEMS if problems or project.unusable else 0


def schedules(project: Project) -> list[Listed]:
    """Read and check all schedules.

    Args:
        project: With its environment, from :func:`signalroom_cli.status.project.find`.
    """
    jobs = {job.name: job for job in project.meltano.jobs}
    blocks = _Blocks(project.plugins, jobs)
    return [blocks.listed(schedule) for schedule in project.meltano.schedules]


class _Blocks:
    """What the words of a job are to `meltano run`.

    Args:
        service: Knows the project's plugins.
        jobs: All of the project's, by name.
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

    def listed(self, schedule: Schedule) -> Listed:
        """Describe a schedule.

        Args:
            schedule: Meltano's.
        """
        env = {name: str(value) for name, value in schedule.env.items()}
        entry = Listed(schedule.name, None, env)
        try:
            entry.cron = cron_expression(schedule.interval)
            entry.tasks = [*self._tasks(schedule)]
        except (IntervalError, ScheduleError) as error:
            entry.problem = str(error)
        return entry

    def _tasks(self, schedule: Schedule) -> Iterator[Task]:
        if isinstance(schedule, ELTSchedule):
            blocks = [*self._split([schedule.extractor, schedule.loader])]
            # Its state has the schedule's name, which `meltano run` would not find.
            yield self._task(blocks[0], ["elt", *schedule.elt_args])
            return
        if (job := self._jobs.get(schedule.job)) is None:
            msg = f"there is no job {schedule.job!r}. Add it to `jobs`, or remove the schedule."
            raise ScheduleError(msg)
        try:
            words = [word for word in job.flat_args if word]
        except TypeError:
            words = []
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
        """Split a job into what runs by itself, as `meltano run` does."""
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
