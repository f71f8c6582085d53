"""How much runs at once: settings of Airflow that follow from the number of workers."""

from __future__ import annotations

#: Seconds that a task may wait in Celery's queue. Its token lives as long; one that is picked up
#: later fails without having run. By default that is 600.
QUEUED_AT_MOST = 14_400


def settings(*, workers: int, slots: int, schedulers: int = 1) -> dict[str, str]:
    """Make the settings.

    Schedulers hand out as many tasks as workers have slots for. The others wait in the scheduler
    for as long as they have to, and in Celery's queue only while a worker is gone.

    Args:
        workers: How many run.
        slots: Tasks that each runs at once.
        schedulers: How many run; each has its share of the slots.

    Returns:
        Them by their variables.
    """
    return {
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(slots),
        "AIRFLOW__CORE__PARALLELISM": str(max(workers * slots // schedulers, 1)),
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": str(QUEUED_AT_MOST),
    }
