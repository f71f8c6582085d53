"""`signalroom clean-up`, once a week, on one of the workers."""

from __future__ import annotations

import shlex

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param

from signalroom_orchestrate import config, retries

with DAG(
    dag_id="signalroom-clean-up",
    schedule="17 3 * * 0",
    catchup=False,
    max_active_runs=1,
    tags=["maintenance"],
    params={
        "days": Param(30, type="integer", minimum=1, title="Days of runs, logs and loads to keep"),
        "rejected_days": Param(
            None, type=["null", "integer"], minimum=1, title="Days of rejected rows; all if empty"
        ),
    },
    default_args=retries.default_args(),
) as dag:
    BashOperator(
        task_id="clean-up",
        bash_command=(
            f"{shlex.quote(str(config.program('signalroom')))} clean-up"
            " --days={{ params.days }}"
            "{% if params.rejected_days %} --rejected-days={{ params.rejected_days }}{% endif %}"
        ),
        cwd=str(config.project_folder()),
        env=config.meltano_environment(),
        append_env=True,
    )
