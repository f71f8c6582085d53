"""The databases that a client's taps have loaded into."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from signalroom_cli.database import in_transaction
from signalroom_cli.folders import ProjectError
from signalroom_cli.meltano_project import ENVIRONMENT_VARIABLE, open_project
from signalroom_cli.plugin_settings import LOADER, loader_settings
from signalroom_cli.removal.client import RemovalError
from signalroom_target_postgres.connection.url import is_configured, url_of
from signalroom_target_postgres.errors import TargetPostgresError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from meltano.core.project import Project
    from psycopg import Cursor

    from signalroom_cli.removal.client import Client

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Warehouse:
    """A database that a client's taps have loaded into.

    Attributes:
        environment: The Meltano environment, from which the loader derives the embedded database.
        settings: The loader's settings in this environment, by name.
    """

    environment: str
    settings: Mapping[str, Any]

    def in_transaction(self, work: Callable[[Cursor[Any]], _Result]) -> _Result:
        """Connect as the loader does, and run a function in one transaction.

        Args:
            work: The function, which is called again if the connection is lost.
        """
        before = os.environ.get(ENVIRONMENT_VARIABLE)
        os.environ[ENVIRONMENT_VARIABLE] = self.environment
        try:
            return in_transaction(self.settings, work)
        finally:
            if before is None:
                del os.environ[ENVIRONMENT_VARIABLE]
            else:
                os.environ[ENVIRONMENT_VARIABLE] = before


def find_warehouses(
    project: Project, client: Client, runs: set[tuple[str, str]]
) -> list[Warehouse]:
    """Find the databases that a client's taps have loaded into.

    Args:
        project: A project whose environment is active.
        client: The client, whose file may have loaders of its own.
        runs: The environments and loaders of the client's runs.

    Returns:
        The databases, each once; that of the active environment is the first.

    Raises:
        RemovalError: If the settings of a loader cannot be read.
    """
    active = project.environment.name if project.environment else ""
    loaders = {name for name in client.file.names if name.startswith(LOADER)}
    runs = runs | {(active, loader) for loader in (LOADER, *loaders)}
    by_server: dict[str, Warehouse] = {}
    for environment, loader in sorted(runs, key=lambda run: (run[0] != active, run)):
        if not loader.startswith(LOADER):
            continue
        try:
            opened = project if environment == active else open_project(project.root, environment)
            settings = loader_settings(opened, loader)
            server = str(url_of(settings)) if is_configured(settings) else environment
        except (ProjectError, TargetPostgresError) as error:
            msg = (
                f"Rows in the environment {environment!r} cannot be looked up: {error} Nothing was "
                "removed. Correct that, or leave all rows with --keep-rows."
            )
            raise RemovalError(msg) from None
        by_server.setdefault(server, Warehouse(environment, settings))
    return [*by_server.values()]
