"""Where things are, on whatever machine this runs: read from the environment."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path


def project() -> Path:
    """The Meltano project: ``SIGNALROOM_PROJECT``, or where this file is."""
    return Path(os.environ.get("SIGNALROOM_PROJECT") or Path(__file__).parents[2])


def programs() -> Path:
    """The folder of Meltano and Python in the project's environment: ``SIGNALROOM_PROGRAMS``."""
    return Path(os.environ.get("SIGNALROOM_PROGRAMS") or project() / ".venv" / "bin")


def environment() -> dict[str, str]:
    """What Meltano needs besides: it looks for the taps on ``PATH``, not where it is itself."""
    return {"PATH": os.pathsep.join([str(programs()), os.environ.get("PATH", os.defpath)])}


def schedules() -> Path:
    """What ``signalroom schedules`` wrote: ``SIGNALROOM_SCHEDULES``."""
    return Path(
        os.environ.get("SIGNALROOM_SCHEDULES") or project() / "orchestrate" / "schedules.json"
    )


def pools() -> set[str]:
    """The names of Airflow's pools, as ``pools.json`` makes them."""
    return set(json.loads((Path(__file__).parents[1] / "pools.json").read_text("utf-8")))


def retry_delay() -> timedelta:
    """Before the first retry: ``SIGNALROOM_RETRY_SECONDS``, 120 unless set."""
    return timedelta(seconds=float(os.environ.get("SIGNALROOM_RETRY_SECONDS") or 120))


def late_after() -> timedelta:
    """How long a run may take before somebody is told: ``SIGNALROOM_LATE_MINUTES``, 120."""
    return timedelta(minutes=float(os.environ.get("SIGNALROOM_LATE_MINUTES") or 120))
