"""Settings of this deployment, from environment variables, and the paths of the project."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path


def project_folder() -> Path:
    """The Meltano project: ``SIGNALROOM_PROJECT``, by default the repository of this file."""
    return Path(os.environ.get("SIGNALROOM_PROJECT") or Path(__file__).parents[2])


def program(name: str) -> Path:
    """A program of the project's environment, whose folder is ``SIGNALROOM_PROGRAMS``.

    Args:
        name: The program's name, such as ``meltano``.
    """
    return _programs_folder() / name


def meltano_environment() -> dict[str, str]:
    """The variables that Meltano needs: it looks up the taps on ``PATH``."""
    path = [str(_programs_folder()), os.environ.get("PATH", os.defpath)]
    return {"PATH": os.pathsep.join(path)}


def schedules_file() -> Path:
    """The output of ``signalroom schedules``: ``SIGNALROOM_SCHEDULES``."""
    return Path(
        os.environ.get("SIGNALROOM_SCHEDULES")
        or project_folder() / "orchestrate" / "schedules.json"
    )


def pool_names() -> list[str]:
    """The names of Airflow's pools, which are imported from ``pools.json``."""
    return [*json.loads((Path(__file__).parents[1] / "pools.json").read_text("utf-8"))]


def retry_delay() -> timedelta:
    """The time before the first retry: ``SIGNALROOM_RETRY_SECONDS``, by default 120."""
    return timedelta(seconds=float(os.environ.get("SIGNALROOM_RETRY_SECONDS") or 120))


def late_after() -> timedelta:
    """How long a run may take before an alert: ``SIGNALROOM_LATE_MINUTES``, by default 120."""
    return timedelta(minutes=float(os.environ.get("SIGNALROOM_LATE_MINUTES") or 120))


def _programs_folder() -> Path:
    return Path(os.environ.get("SIGNALROOM_PROGRAMS") or project_folder() / ".venv" / "bin")
