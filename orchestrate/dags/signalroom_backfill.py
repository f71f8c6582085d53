"""Days of a tap once more, in slices side by side: each is a task, on whichever worker is free.

A slice takes a slot of the vendor's pool, as scheduled runs do. A task's pool is known before it is
mapped, so that there is one for each vendor, of which a run chooses one.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from signalroom_orchestrate import place, retries

# JSON schema looks for a pattern anywhere in a text: these are all of it.
_DAY = r"^\d{4}-\d{2}-\d{2}$"
_POOLS = [*json.loads((Path(__file__).parents[1] / "pools.json").read_text(encoding="utf-8"))]


def _backfill(*step: str) -> str:
    params: dict[str, Any] = get_current_context()["params"]
    return shlex.join(
        [
            *(str(place.programs() / "signalroom"), "backfill"),
            *(params["tap"], params["first_day"], params["last_day"]),
            *(f"--slices={params['slices']}", f"--streams={params['streams']}", *step),
        ]
    )


with DAG(
    dag_id="signalroom-backfill",
    schedule=None,
    # Without a rate limit store, slices share the account's limits with a scheduled run alone.
    max_active_runs=1,
    tags=["backfill"],
    params={
        "tap": Param("tap-everflow", type="string", pattern=r"^tap-[\w-]+$", title="Tap"),
        "first_day": Param("2026-01-01", type="string", pattern=_DAY, title="First day"),
        "last_day": Param("2026-01-31", type="string", pattern=_DAY, title="Last day"),
        "slices": Param(4, type="integer", minimum=1, maximum=64, title="Slices"),
        "streams": Param(
            "", type="string", pattern=r"^[\w,]*$", title="Streams, with commas; all if empty"
        ),
    },
    default_args=retries.defaults(),
) as dag:
    _here = {"cwd": str(place.project()), "env": place.environment(), "append_env": True}

    @task.bash(**_here, output_processor=json.loads, retries=0)
    def plan() -> str:
        """Cut the days into slices."""
        return _backfill("--plan")

    @task.branch(retries=0)
    def choose_pool() -> str:
        """Choose the vendor's tasks; the others are skipped."""
        tap: str = get_current_context()["params"]["tap"]
        source, _, _ = tap.removeprefix("tap-").partition("--")
        if source not in _POOLS:
            msg = f"There is no pool for {tap}. Add {source} to orchestrate/pools.json."
            raise ValueError(msg)
        return f"load-{source}"

    @task.bash(**_here)
    def load(number: int) -> str:
        """Load a slice; one that failed goes on where it stopped."""
        return _backfill(f"--only={number}")

    @task.bash(**_here, trigger_rule="none_failed_min_one_success")
    def finish() -> str:
        """Remove the states of the slices."""
        return _backfill("--finish")

    numbers, chosen, finished = plan(), choose_pool(), finish()
    for name in _POOLS:
        slices = load.override(task_id=f"load-{name}", pool=name).expand(number=numbers)
        chosen >> slices >> finished
