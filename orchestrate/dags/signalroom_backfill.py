"""Days of a tap once more, in slices side by side: each is a task, on whichever worker is free."""

from __future__ import annotations

import json
import shlex
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from signalroom_orchestrate import place, retries

# JSON schema looks for a pattern anywhere in a text: these are all of it.
_DAY = r"^\d{4}-\d{2}-\d{2}$"


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
    # Slices share the vendor's limits out among those of one run.
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

    @task.bash(**_here)
    def load(number: int) -> str:
        """Load a slice; one that failed goes on where it stopped."""
        return _backfill(f"--only={number}")

    @task.bash(**_here)
    def finish() -> str:
        """Remove the states of the slices."""
        return _backfill("--finish")

    load.expand(number=plan()) >> finish()
