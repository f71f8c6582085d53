"""The Meltano project, in the environment that Meltano itself would choose."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import structlog
from meltano.core.plugin.base import PluginType

from signalroom_cli.client_project import project_for, project_without_invalid_files
from signalroom_cli.folders import ProjectError

if TYPE_CHECKING:
    from pathlib import Path

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project
    from meltano.core.task_sets import TaskSets

    from signalroom_cli.client_project import ClientProject

ENVIRONMENT_VARIABLE = "MELTANO_ENVIRONMENT"


def open_project(folder: Path, environment: str = "") -> ClientProject:
    """Parse the project's files, each once, and activate an environment.

    A client's file that cannot be read is skipped, which standard error and the project's
    ``file_problems`` say.

    Args:
        folder: The project's folder, which has its ``meltano.yml``.
        environment: The environment's name; by default the one that Meltano would choose.

    Raises:
        ProjectError: If the folder has no project, or a file of it cannot be parsed.
    """
    # Meltano logs each state that it reads.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if not (folder / "meltano.yml").is_file():
        msg = f"There is no meltano.yml in {folder}. Run this command in the project's folder."
        raise ProjectError(msg)
    project = project_for(folder)
    try:
        try:
            _ = project.meltano
        except Exception:  # noqa: BLE001 - as below; it takes long to determine which file it is
            project = project_without_invalid_files(folder)
        if name := environment or environment_name(project):
            project.activate_environment(name)
        _ = project.meltano
    except Exception as error:  # noqa: BLE001 - Meltano raises a plain one, see below
        # Errors of YAML, of Meltano, or a plain Exception where two files declare the same plugin.
        msg = f"Meltano cannot read the project's files: {error}"
        raise ProjectError(msg) from None
    for problem in project.file_problems:
        sys.stderr.write(f"Not read: {problem}\n")
    return project


def activate_project(folder: Path) -> ClientProject:
    """Open the project and set the variables by which the loader locates it.

    Args:
        folder: The project's folder, which has its ``meltano.yml``.

    Raises:
        ProjectError: If the folder has no project, or a file of it cannot be parsed.
    """
    project = open_project(folder)
    # The loader derives the embedded database's folder from these.
    if project.environment:
        os.environ[ENVIRONMENT_VARIABLE] = project.environment.name
    os.environ["MELTANO_PROJECT_ROOT"] = str(folder)
    return project


def environment_name(project: Project) -> str:
    """The environment of a command that names none, as Meltano chooses it; empty if none.

    https://docs.meltano.com/concepts/environments#activation

    Args:
        project: A project of which no environment is active yet.
    """
    dotenv = project.dotenv_env.get(ENVIRONMENT_VARIABLE)
    name = os.environ.get(ENVIRONMENT_VARIABLE, dotenv)
    if name and name.lower() == "null":
        return ""
    return str(name or project.settings.get("default_environment") or "")


def find_taps(project: Project) -> dict[str, ProjectPlugin]:
    """The project's taps by name, in the order of its files.

    Their parents are not resolved yet, so that one with a missing parent does not affect others.
    ``project.plugins.ensure_parent`` resolves a parent; it looks up a missing one in the Hub.

    Args:
        project: A project whose environment is active.
    """
    taps = project.plugins.get_plugins_of_type(PluginType.EXTRACTORS, ensure_parent=False)
    return {tap.name: tap for tap in taps}


def words_of_job(job: TaskSets) -> list[str]:
    """The plugins, commands and jobs that a job names, in order; none if it has no tasks.

    Args:
        job: A job of Meltano's project files.
    """
    try:
        return [word for word in job.flat_args if word]
    except TypeError:
        # As Meltano fails where `tasks` is null, or has a null in it.
        return []


def state_id_of(project: Project, tap: str, loader: str) -> str:
    """The ID under which `meltano run` keeps the state of a pipeline.

    Args:
        project: A project; its active environment, and that one's suffix, are parts of the ID.
        tap: The name of the tap in the project.
        loader: The name of the loader in the project.
    """
    suffix = project.environment.state_id_suffix if project.environment else None
    return ":".join(filter(None, (log_id_of(project, tap, loader), suffix)))


def log_id_of(project: Project, tap: str, loader: str) -> str:
    """The same ID as the log of loads has it: Meltano does not tell the loader the suffix.

    Args:
        project: A project; its active environment is a part of the ID.
        tap: The name of the tap in the project.
        loader: The name of the loader in the project.
    """
    environment = project.environment.name if project.environment else ""
    return ":".join(filter(None, (environment, f"{tap}-to-{loader}")))
