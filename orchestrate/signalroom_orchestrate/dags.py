"""DAGs of the project's schedules. One that cannot be made is a DAG that fails, and alerts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, chain, task
from airflow.sdk.exceptions import AirflowFailException
from croniter import croniter

from signalroom_orchestrate import alerts, place, retries, schedules
from signalroom_orchestrate.operator import MeltanoOperator

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from signalroom_orchestrate.schedules import Schedule, Task

#: The DAG that fails where the list of schedules is missing.
NO_LIST = "signalroom-schedules"
_DEFAULT_POOL = "default_pool"
#: As long as a task may take: a first load of years.
LONGEST = timedelta(hours=12)


def of_schedules(path: Path) -> list[DAG]:
    """Make a DAG of each schedule.

    Args:
        path: What ``signalroom schedules`` wrote.
    """
    try:
        found = schedules.read(path)
    except schedules.ScheduleError as error:
        return [_failing(NO_LIST, "@hourly", str(error))]
    pools = place.pools()
    dags: dict[str, DAG] = {}
    for schedule in found:
        dag_id = _key(schedule.name, dags)
        dags[dag_id] = _dag(dag_id, schedule, pools)
    return [*dags.values()]


def _dag(dag_id: str, schedule: Schedule, pools: Container[str]) -> DAG:
    problem = schedule.problem
    if not problem:
        try:
            dag = _loading(dag_id, schedule, pools)
            dag.validate()
        except Exception as error:  # noqa: BLE001 - Airflow refuses by errors of many types
            problem = str(error)
        else:
            return dag
    text = f"Schedule {schedule.name} cannot be run: {problem}"
    return _failing(dag_id, schedule.cron, text)


def _loading(dag_id: str, schedule: Schedule, pools: Container[str]) -> DAG:
    labels = {label for one in schedule.tasks for label in (one.source, one.client) if label}
    with DAG(
        dag_id=dag_id,
        dag_display_name=schedule.name,
        schedule=schedule.cron,
        # It is one of the file's only if all of it can be made.
        auto_register=False,
        catchup=False,
        # A pipeline continues from its own state: two runs of it at once would both read the same.
        max_active_runs=1,
        tags=sorted(labels),
        deadline=DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=place.late_after(),
            callback=AsyncCallback(alerts.late),
        ),
        default_args=retries.defaults() | {"execution_timeout": LONGEST},
    ) as dag:
        keys: set[str] = set()
        chain(*(_operator(one, schedule, pools, keys) for one in schedule.tasks))
    return dag


def _operator(
    one: Task, schedule: Schedule, pools: Container[str], keys: set[str]
) -> MeltanoOperator:
    key = _key(one.name, keys)
    keys.add(key)
    return MeltanoOperator(
        task_id=key,
        task_display_name=one.name,
        command=one.command,
        variables=schedule.env,
        # In a pool that does not exist, a task would wait forever.
        pool=one.source if one.source in pools else _DEFAULT_POOL,
    )


def _failing(dag_id: str, cron: str | None, text: str) -> DAG:
    """A DAG in the place of one that cannot be made: each run fails with the reason, and alerts."""
    with DAG(
        dag_id=dag_id,
        schedule=cron if cron is None or croniter.is_valid(cron) else "@hourly",
        auto_register=False,
        catchup=False,
        max_active_runs=1,
        tags=["broken"],
        doc_md=text,
        is_paused_upon_creation=False,
        default_args=retries.defaults(),
    ) as dag:

        @task(task_id="schedule", retries=0)  # type: ignore[untyped-decorator, unused-ignore]
        def fail() -> None:
            raise AirflowFailException(text)

        fail()
    return dag


def _key(name: str, taken: Container[str]) -> str:
    """A name as Airflow takes it for an id, and as no other has it."""
    key = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:200]
    number, found = 1, key
    while found in taken:
        number += 1
        found = f"{key}-{number}"
    return found
