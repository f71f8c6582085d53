"""The tap of a backfill: its settings, and the environment of the runs of its slices."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from signalroom_cli.backfill.limits import (
    TapSettings,
    max_parallel,
    read_tap_settings,
    share_limits,
)
from signalroom_cli.folders import read_project_file
from signalroom_cli.meltano_project import ENVIRONMENT_VARIABLE, open_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_cli.backfill.slices import Slice

#: The settings of taps for the first and the last day.
_DATE_SETTINGS = (("start_date", "end_date"), ("file_date_from", "file_date_to"))
_DATABASE = "MELTANO_DATABASE_URI"
_SUFFIX = "MELTANO_RUN_STATE_ID_SUFFIX"
#: The folder that Meltano writes to: in a container the project's folder may be read-only.
ROOT = "MELTANO_SYS_DIR_ROOT"


class BackfillError(Exception):
    """The backfill cannot be done; the message says why and what to do."""


@dataclass(frozen=True)
class Tap:
    """A tap, as its runs would see it.

    Attributes:
        name: The plugin's name.
        settings: The values of its settings.
        environ: The environment of its runs, with the variables of ``.env``.
        folder: The project's folder.
        environment: The name of the Meltano environment.
    """

    name: str
    settings: TapSettings
    environ: dict[str, str]
    folder: Path
    environment: str

    @property
    def prefix(self) -> str:
        """The prefix of its environment variables."""
        return self.name.replace("--", "__").replace("-", "_").upper()

    def variable(self, setting: str) -> str:
        """The environment variable of a setting."""
        return f"{self.prefix}_{setting.upper()}"

    def max_parallel(self, count: int) -> int:
        """How many of its slices can run at once, of ``count``."""
        return count if self.settings.has_store else max_parallel(self.settings.limits, count)


def read_tap(name: str, folder: Path, environment: str = "") -> Tap:
    """Read a tap's settings from the project, with those that it inherits.

    Args:
        name: The plugin's name.
        folder: The project's folder.
        environment: The Meltano environment; by default the one that Meltano would choose.

    Raises:
        BackfillError: If no environment is active: its name is part of the state IDs.
        ProjectError: If the tap does not exist, or a file or a setting is invalid.
    """
    meltano_yml = read_project_file(folder / "meltano.yml")
    project = open_project(folder, environment)
    if project.environment is None:
        msg = (
            "A backfill needs a Meltano environment, as its name is part of the state IDs. Pass "
            "--environment, or set MELTANO_ENVIRONMENT, or default_environment in meltano.yml."
        )
        raise BackfillError(msg)
    settings = read_tap_settings(project, name)
    dotenv = {key: value for key, value in project.dotenv_env.items() if value}
    # The states stay in the project's database, though each slice has its own working folder.
    environ = {ROOT: str(folder / ".meltano")} | dotenv | os.environ
    default = f"sqlite:///{Path(environ[ROOT]) / 'meltano.db'}"
    environ.setdefault(_DATABASE, meltano_yml.get("database_uri") or default)
    return Tap(name, settings, environ, folder, project.environment.name)


def slice_environment(
    tap: Tap, slice_: Slice, parallel: int, streams: Sequence[str] = ()
) -> dict[str, str]:
    """The variables that the run of a slice needs besides this process's environment.

    Args:
        tap: The tap to run.
        slice_: The days to load.
        parallel: How many slices run at once, and so share the account's limits.
        streams: The names of streams to load; by default those that are selected.

    Raises:
        BackfillError: If the tap has no settings for the first and the last day.
    """
    names = tap.settings.names
    dates = next((pair for pair in _DATE_SETTINGS if {*pair} <= names), None)
    if dates is None:
        msg = f"{tap.name} does not read by date: use --full-refresh instead."
        raise BackfillError(msg)
    env = {
        tap.variable(dates[0]): slice_.first.isoformat(),
        tap.variable(dates[1]): slice_.last.isoformat(),
        ROOT: str(Path(tap.environ[ROOT]) / "backfill" / tap.name / slice_.suffix),
        _DATABASE: tap.environ[_DATABASE],
        ENVIRONMENT_VARIABLE: tap.environment,
        # For the loader, which logs these loads apart from those of scheduled runs.
        _SUFFIX: slice_.suffix,
    }
    if not tap.settings.has_store:
        for name, share in share_limits(tap.settings.limits, parallel).items():
            env[tap.variable(name)] = share
    if streams:
        env[f"{tap.prefix}__SELECT"] = json.dumps([f"{name}.*" for name in streams])
    return env
