"""The interval of a schedule as a cron expression.

Meltano does not check intervals: https://docs.meltano.com/reference/command-line-interface#schedule
"""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError
from meltano.core.schedule import CRON_INTERVALS

_FIELDS = 5


class IntervalError(Exception):
    """The interval is invalid; the message says what is expected."""


def cron_expression(interval: object) -> str | None:
    """Convert the interval of a schedule to a cron expression.

    Args:
        interval: The value in ``meltano.yml``: five fields, or a word such as ``@hourly``.

    Returns:
        Five fields; None without an interval, and for those without times, such as ``@manual``.

    Raises:
        IntervalError: If it is anything else, such as six fields, ``@reboot`` or a number.
    """
    if not interval:
        return None
    text = str(interval)
    if text in CRON_INTERVALS:
        return CRON_INTERVALS[text]
    try:
        # CronSim accepts six fields, too, the first for seconds; Airflow and cron do not.
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
