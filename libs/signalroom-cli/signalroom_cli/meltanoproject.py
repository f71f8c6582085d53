"""The Meltano project, in the environment that Meltano itself would choose."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import structlog
from meltano.core.plugin.base import PluginType

from signalroom_cli.clientproject import project_for, usable_project

if TYPE_CHECKING:
    from pathlib import Path

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project

    from signalroom_cli.clientproject import ClientProject

ENVIRONMENT_VARIABLE = "MELTANO_ENVIRONMENT"


class ProjectError(Exception):
    """The project cannot be read; the message says why and what to do."""


def open_project(folder: Path, environment: str = "") -> ClientProject:
    """Read the project's files, once, and activate its environment.

    A client's file that cannot be read is left out; ``unusable`` says so, and a line on standard
    error.

    Args:
        folder: The folder with ``meltano.yml``.
        environment: A name, in place of the one that Meltano would choose.

    Raises:
        ProjectError: If there is no project, or its files cannot be read.
    """
    # Meltano tells of each state that it reads.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if not (folder / "meltano.yml").is_file():
        msg = f"There is no meltano.yml in {folder}. Call this in the project's folder."
        raise ProjectError(msg)
    project = project_for(folder)
    try:
        try:
            _ = project.meltano
        except Exception:  # noqa: BLE001 - as below; which file it is takes long to find out
            project = usable_project(folder)
        if name := environment or environment_name(project):
            project.activate_environment(name)
        _ = project.meltano
    except Exception as error:  # noqa: BLE001 - Meltano raises a plain one, see below
        # YAML's, Meltano's own, or a plain one where two files have a plugin of the same name.
        msg = f"Meltano cannot read the project's files: {error}"
        raise ProjectError(msg) from None
    for problem in project.unusable:
        sys.stderr.write(f"Not read: {problem}\n")
    return project


def extractors(project: Project) -> dict[str, ProjectPlugin]:
    """The taps of a project, by name.

    Meltano has not looked at what they inherit from: one whose parent does not exist does no harm
    to the others. ``project.plugins.ensure_parent`` does so, and asks the Hub for a missing one.

    Args:
        project: A project with its environment.
    """
    plugins = project.plugins.get_plugins_of_type(PluginType.EXTRACTORS, ensure_parent=False)
    return {plugin.name: plugin for plugin in plugins}


def environment_name(project: Project) -> str:
    """The environment of a command that names none; empty if that has none.

    https://docs.meltano.com/concepts/environments#activation

    Args:
        project: Without an environment yet.
    """
    dotenv = project.dotenv_env.get(ENVIRONMENT_VARIABLE)
    name = os.environ.get(ENVIRONMENT_VARIABLE, dotenv)
    if name and name.lower() == "null":
        return ""
    return str(name or project.settings.get("default_environment") or "")
