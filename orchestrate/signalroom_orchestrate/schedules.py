"""The project's schedules, as ``signalroom schedules`` lists and checks them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class ScheduleError(Exception):
    """Schedules that cannot be run; the message says why and what to do."""


@dataclass(frozen=True)
class Task:
    """What is run, retried and limited by itself.

    Attributes:
        name: The tap's, or a plugin's command as in ``dbt-postgres:run``.
        command: What follows ``meltano``, as in ``run tap-everflow--acme target-postgres``.
        source: The vendor, as in ``everflow``; empty if there is no tap.
        client: Whose data, if the tap is a client's.
    """

    name: str
    command: tuple[str, ...]
    source: str
    client: str


@dataclass(frozen=True)
class Schedule:
    """When to run which tasks, one after the other.

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
    tasks: tuple[Task, ...]
    problem: str


def read(path: Path) -> list[Schedule]:
    """Read the list.

    Args:
        path: What ``signalroom schedules`` wrote.

    Raises:
        ScheduleError: If it is missing, or not such a list.
    """
    try:
        return [_schedule(one) for one in json.loads(path.read_text("utf-8"))["schedules"]]
    except FileNotFoundError:
        msg = f"{path} is missing. Write it with `make airflow-schedules`."
        raise ScheduleError(msg) from None
    except (ValueError, KeyError, TypeError):
        msg = f"{path} is not a list of schedules. Rewrite it with `make airflow-schedules`."
        raise ScheduleError(msg) from None


def _schedule(listed: dict[str, Any]) -> Schedule:
    return Schedule(
        name=listed["name"],
        cron=listed["cron"],
        env={name: str(value) for name, value in listed["env"].items()},
        tasks=tuple(
            Task(one["name"], (*one["command"],), one["source"], one["client"])
            for one in listed["tasks"]
        ),
        problem=listed["problem"],
    )
