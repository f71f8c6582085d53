"""Which schedules are due."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from cronsim import CronSim

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


def due_schedules(
    schedules: Iterable[Mapping[str, str | None]], after: datetime, until: datetime
) -> list[str]:
    """The schedules with a time in a period, those that were due first at the beginning.

    A schedule with several times in the period, as when the machine was asleep, is due once.

    Args:
        schedules: The ``name`` and the ``cron`` expression of each, which may be None.
        after: The beginning of the period, which is not part of it, in the zone of the schedules.
        until: The end of the period, which is part of it.

    Returns:
        The names of schedules.
    """
    times = []
    for schedule in schedules:
        if cron := schedule["cron"]:
            first = next(CronSim(cron, after), None)
            # In UTC: Python compares times of one zone by its clock, which may have been set back.
            if first and first.astimezone(UTC) <= until.astimezone(UTC):
                times.append((first.astimezone(UTC), str(schedule["name"])))
    return [name for _, name in sorted(times)]
