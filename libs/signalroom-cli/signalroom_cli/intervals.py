"""The interval of a schedule as a cron expression.

Meltano takes any text for an interval: https://docs.meltano.com/reference/command-line-interface#schedule
"""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError
from meltano.core.schedule import CRON_INTERVALS

_FIELDS = 5


class IntervalError(Exception):
    """An interval is not one that a scheduler can follow; the message says what is expected."""


def cron_expression(interval: object) -> str | None:
    """Read the interval of a schedule.

    Args:
        interval: The value in ``meltano.yml``: five fields, or a word such as ``@hourly``.

    Returns:
        Five fields; none for ``@manual``, ``@once`` and the like, and where there is no interval.

    Raises:
        IntervalError: If it is something else, such as six fields, ``@reboot`` or a number.
    """
    if not interval:
        return None
    text = str(interval)
    if text in CRON_INTERVALS:
        return CRON_INTERVALS[text]
    try:
        # CronSim takes six fields too, with seconds first: Airflow and cron do not.
        if len(text.split()) == _FIELDS:
            next(CronSim(text, datetime.now(UTC)))
            return text
    except (CronSimError, StopIteration):
        pass
    msg = (
        f"Invalid interval {text!r}: expected five fields, as in `5 * * * *`, or one of "
        f"{', '.join(sorted(CRON_INTERVALS))}."
    )
    raise IntervalError(msg)
