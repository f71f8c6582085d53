"""DAGs of the project's schedules. A schedule that cannot be run becomes a DAG that fails."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, chain, task
from airflow.sdk.exceptions import AirflowFailException
from croniter import croniter

from signalroom_orchestrate import alerts, config, retries
from signalroom_orchestrate.operator import MeltanoOperator
from signalroom_orchestrate.schedules import ScheduleError, read_schedules

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from signalroom_orchestrate.schedules import Task, TaskSchedule

#: The ID of the DAG that fails if the list of schedules is missing.
NO_SCHEDULES = "signalroom-schedules"
_DEFAULT_POOL = "default_pool"
#: The timeout of a task, long enough for a first load of several years.
TASK_TIMEOUT = timedelta(hours=12)


def create_dags(path: Path) -> list[DAG]:
    """Create a DAG for each schedule.

    Args:
        path: The file that ``signalroom schedules`` wrote.
    """
    try:
        schedules = read_schedules(path)
    except ScheduleError as error:
        return [_failing_dag(NO_SCHEDULES, "@hourly", str(error))]
    pools = config.pool_names()
    dags: dict[str, DAG] = {}
    for schedule in schedules:
        dag_id = _unique_id(schedule.name, dags)
        dags[dag_id] = _dag(dag_id, schedule, pools)
    return [*dags.values()]


def _dag(dag_id: str, schedule: TaskSchedule, pools: Container[str]) -> DAG:
    problem = schedule.problem
    if not problem:
        try:
            dag = _loading_dag(dag_id, schedule, pools)
            dag.validate()
        except Exception as error:  # noqa: BLE001 - Airflow raises errors of many types
            problem = str(error)
        else:
            return dag
    text = f"Schedule {schedule.name} cannot be run: {problem}"
    return _failing_dag(dag_id, schedule.cron, text)


def _loading_dag(dag_id: str, schedule: TaskSchedule, pools: Container[str]) -> DAG:
    tags = {tag for each in schedule.tasks for tag in (each.source, each.client) if tag}
    with DAG(
        dag_id=dag_id,
        dag_display_name=schedule.name,
        schedule=schedule.cron,
        # Airflow may only get DAGs that are complete and valid.
        auto_register=False,
        catchup=False,
        # Each run starts at the state that the one before saved.
        max_active_runs=1,
        tags=sorted(tags),
        deadline=DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=config.late_after(),
            callback=AsyncCallback(alerts.alert_delay),
        ),
        default_args=retries.default_args() | {"execution_timeout": TASK_TIMEOUT},
    ) as dag:
        task_ids: set[str] = set()
        chain(*(_operator(each, schedule, pools, task_ids) for each in schedule.tasks))
    return dag


def _operator(
    task_: Task, schedule: TaskSchedule, pools: Container[str], task_ids: set[str]
) -> MeltanoOperator:
    task_id = _unique_id(task_.name, task_ids)
    task_ids.add(task_id)
    return MeltanoOperator(
        task_id=task_id,
        task_display_name=task_.name,
        command=task_.command,
        variables=schedule.env,
        # A task in a pool that does not exist would wait forever.
        pool=task_.source if task_.source in pools else _DEFAULT_POOL,
    )


def _failing_dag(dag_id: str, cron: str | None, text: str) -> DAG:
    """A DAG for a schedule that cannot be run: each run fails with the reason, and alerts."""
    with DAG(
        dag_id=dag_id,
        schedule=cron if cron is None or croniter.is_valid(cron) else "@hourly",
        auto_register=False,
        catchup=False,
        max_active_runs=1,
        tags=["broken"],
        doc_md=text,
        is_paused_upon_creation=False,
        default_args=retries.default_args(),
    ) as dag:

        @task(task_id="schedule", retries=0)  # type: ignore[untyped-decorator, unused-ignore]
        def fail() -> None:
            raise AirflowFailException(text)

        fail()
    return dag


def _unique_id(name: str, used: Container[str]) -> str:
    """Convert a name to an ID that is valid in Airflow and not used yet."""
    prefix = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:200]
    number, id_ = 1, prefix
    while id_ in used:
        number += 1
        id_ = f"{prefix}-{number}"
    return id_
