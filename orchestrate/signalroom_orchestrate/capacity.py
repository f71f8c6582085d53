"""Settings of Airflow that follow from the number of workers and their slots."""

from __future__ import annotations

#: The maximum seconds that a task may wait in Celery's queue; Airflow's default is 600. The task's
#: token expires then, and it would fail without having run.
QUEUE_TIMEOUT = 14_400


def capacity_settings(*, workers: int, slots: int, schedulers: int = 1) -> dict[str, str]:
    """Compute the settings.

    Schedulers queue only as many tasks as workers have slots. Other tasks wait in the scheduler,
    however long that takes; tasks wait in Celery's queue only while a worker is down.

    Args:
        workers: The number of workers.
        slots: The number of tasks that each worker runs at once.
        schedulers: The number of schedulers, which share the slots.

    Returns:
        The settings by environment variable.
    """
    return {
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(slots),
        "AIRFLOW__CORE__PARALLELISM": str(max(workers * slots // schedulers, 1)),
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": str(QUEUE_TIMEOUT),
    }
