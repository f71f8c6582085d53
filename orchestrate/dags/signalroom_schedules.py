"""A DAG for each of Meltano's schedules, a task for each tap and client.

Meltano is not called here, as Airflow reads this file again and again: the list of schedules is
written when the project is deployed (`make airflow-schedules`).
"""

from __future__ import annotations

import shlex
from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, DeadlineAlert, DeadlineReference, SyncCallback, chain

from signalroom_orchestrate import alerts, place, retries, schedules

for schedule in schedules.read(place.schedules()):
    sources = {pipeline.source for pipeline in schedule.pipelines}
    clients = {pipeline.client for pipeline in schedule.pipelines if pipeline.client}
    with DAG(
        dag_id=schedule.name,
        schedule=schedule.cron,
        catchup=False,
        # A pipeline goes on from its own state: two runs of it at once would both read the same.
        max_active_runs=1,
        tags=sorted(sources | clients),
        deadline=DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=place.late_after(),
            callback=SyncCallback(alerts.late),
        ),
        default_args=retries.defaults() | {"execution_timeout": timedelta(hours=12)},
    ) as dag:
        chain(
            *(
                BashOperator(
                    task_id=pipeline.task_id,
                    bash_command=shlex.join(
                        [
                            *(str(place.programs() / "meltano"), "--log-format=uncolored"),
                            *("run", *pipeline.command),
                        ]
                    ),
                    cwd=str(place.project()),
                    env=place.environment() | schedule.env,
                    append_env=True,
                    pool=pipeline.source,
                )
                for pipeline in schedule.pipelines
            )
        )
    globals()[schedule.name] = dag
