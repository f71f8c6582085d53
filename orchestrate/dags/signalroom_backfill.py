"""`signalroom backfill`, with each slice as a task on any free worker.

Slices use slots of the vendor's pool, as scheduled runs do. The pool of a mapped task is fixed, so
there is a mapped task for each pool, and each run branches to one of them.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from signalroom_orchestrate import config, retries

# JSON Schema does not anchor patterns.
_DAY = r"^\d{4}-\d{2}-\d{2}$"
_POOLS = config.pool_names()


def _command(*step: str) -> str:
    params: dict[str, Any] = get_current_context()["params"]
    return shlex.join(
        [
            *(str(config.program("signalroom")), "backfill"),
            *(params["tap"], params["first_day"], params["last_day"]),
            *(f"--slices={params['slices']}", f"--streams={params['streams']}", *step),
        ]
    )


with DAG(
    dag_id="signalroom-backfill",
    schedule=None,
    # Without a rate limit store, the limits are shared among one backfill and a scheduled run.
    max_active_runs=1,
    tags=["backfill"],
    params={
        "tap": Param("tap-everflow", type="string", pattern=r"^tap-[\w-]+$", title="Tap"),
        "first_day": Param("2026-01-01", type="string", pattern=_DAY, title="First day"),
        "last_day": Param("2026-01-31", type="string", pattern=_DAY, title="Last day"),
        "slices": Param(4, type="integer", minimum=1, maximum=64, title="Slices"),
        "streams": Param(
            "",
            type="string",
            pattern=r"^[\w,]*$",
            title="Streams, separated by commas; all if empty",
        ),
    },
    default_args=retries.default_args(),
) as dag:
    _in_project = {
        "cwd": str(config.project_folder()),
        "env": config.meltano_environment(),
        "append_env": True,
    }

    @task.bash(**_in_project, output_processor=json.loads, retries=0)
    def plan() -> str:
        """Split the days into slices."""
        return _command("--plan")

    @task.branch(retries=0)
    def choose_pool() -> str:
        """Branch to the tasks in the vendor's pool."""
        tap: str = get_current_context()["params"]["tap"]
        source, _, _ = tap.removeprefix("tap-").partition("--")
        if source not in _POOLS:
            msg = f"There is no pool for {tap}. Add {source} to orchestrate/pools.json."
            raise ValueError(msg)
        return f"load-{source}"

    @task.bash(**_in_project)
    def load(number: int) -> str:
        """Load a slice; a retry resumes it."""
        return _command(f"--only={number}")

    @task.bash(**_in_project, trigger_rule="none_failed_min_one_success")
    def finish() -> str:
        """Remove the states of the slices."""
        return _command("--finish")

    numbers, branch, last = plan(), choose_pool(), finish()
    for name in _POOLS:
        slices = load.override(task_id=f"load-{name}", pool=name).expand(number=numbers)
        branch >> slices >> last
