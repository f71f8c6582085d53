"""The project's schedules, from the JSON that ``signalroom schedules`` writes.

``signalroom_cli.schedules`` declares the same classes. It cannot be imported here, as Airflow and
Meltano are in different environments; `tests/commands/test_schedules.py` compares them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class ScheduleError(Exception):
    """The schedules cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class Task:
    """A unit of running and retrying: a tap with its loader, or a plugin's command.

    Attributes:
        name: The name of the tap, or the command, such as ``dbt-postgres:run``.
        command: The arguments of ``meltano``, such as ``run tap-everflow--acme target-postgres``.
        source: The vendor, such as ``everflow``; empty without a tap.
        client: The client, if the tap is a client's; else empty.
    """

    name: str
    command: list[str]
    source: str
    client: str


@dataclass(frozen=True)
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
    tasks: list[Task]
    problem: str


def read_schedules(path: Path) -> list[TaskSchedule]:
    """Read the schedules.

    Args:
        path: The file that ``signalroom schedules`` wrote.

    Raises:
        ScheduleError: If the file is missing, or has another structure.
    """
    try:
        return [_schedule(each) for each in json.loads(path.read_text("utf-8"))["schedules"]]
    except FileNotFoundError:
        msg = f"{path} is missing. Write it with `make airflow-schedules`."
        raise ScheduleError(msg) from None
    except (ValueError, KeyError, TypeError):
        msg = f"{path} is not a list of schedules. Rewrite it with `make airflow-schedules`."
        raise ScheduleError(msg) from None


def _schedule(content: dict[str, Any]) -> TaskSchedule:
    schedule = TaskSchedule(**content)
    return replace(schedule, tasks=[Task(**task) for task in content["tasks"]])
