"""Meltano's schedules, as its command lists them: nothing is asked of Meltano here.

https://docs.meltano.com/reference/command-line-interface#schedule
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_TAP = re.compile(r"tap-(?P<source>[\w-]+?)(--(?P<client>[\w-]+))?")


class ScheduleError(Exception):
    """Schedules that cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Pipeline:
    """One run of a tap into the loader.

    Attributes:
        command: What follows ``meltano run``, as in ``tap-everflow--acme target-postgres``.
        source: The vendor, as in ``everflow``; it is also the pool's name.
        client: Whose data, if the tap is a client's.
    """

    command: tuple[str, ...]
    source: str
    client: str | None

    @property
    def task_id(self) -> str:
        """The tap's name, which is the tap and the client."""
        return self.command[0]


@dataclass(frozen=True)
class Schedule:
    """When to run which pipelines, one after the other.

    Attributes:
        name: Meltano's.
        cron: Five fields; none if it runs only when somebody starts it.
        env: What the schedule sets for its runs.
        pipelines: In order.
    """

    name: str
    cron: str | None
    env: dict[str, str]
    pipelines: tuple[Pipeline, ...]


def read(path: Path) -> list[Schedule]:
    """Read the list.

    Args:
        path: What ``meltano schedule list --format=json`` wrote.

    Raises:
        ScheduleError: If it is not there, or something else.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["schedules"]
        jobs, pairs = listed["job"], listed["elt"]
    except FileNotFoundError:
        msg = f"There is no {path}. Write it with `make airflow-schedules`."
        raise ScheduleError(msg) from None
    except (ValueError, KeyError, TypeError):
        msg = f"{path} is no list of schedules. Write it anew with `make airflow-schedules`."
        raise ScheduleError(msg) from None
    if pairs:
        names = ", ".join(one["name"] for one in pairs)
        msg = f"{names}: schedules of an extractor and a loader are not known; make jobs of them."
        raise ScheduleError(msg)
    return [_schedule(one) for one in jobs]


def _schedule(listed: dict[str, Any]) -> Schedule:
    tasks = listed["job"]["tasks"]
    commands = [(task if isinstance(task, str) else " ".join(task)).split() for task in tasks]
    return Schedule(
        name=listed["name"],
        cron=listed["cron_interval"],
        env={name: str(value) for name, value in listed["env"].items()},
        pipelines=tuple(_pipeline(command) for command in commands),
    )


def _pipeline(command: list[str]) -> Pipeline:
    if not (named := _TAP.fullmatch(command[0])):
        msg = (
            f"`{' '.join(command)}` does not begin with a tap. A task of a job is a tap and a "
            "loader, as in `tap-everflow target-postgres`."
        )
        raise ScheduleError(msg)
    return Pipeline(tuple(command), named["source"], named["client"])
