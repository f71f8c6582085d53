"""``signalroom remove-client``: remove a client's states, rows, schedules, and last its file.

``signalroom remove-client acme`` lists what would be removed; with ``--yes`` it is. The client's
file is renamed first, so that no run of the client can start, and deleted last. If the command is
killed, running it again removes the rest.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from meltano.core.db import project_engine
from meltano.core.error import MeltanoError
from sqlalchemy.exc import SQLAlchemyError

from signalroom_cli.folders import ProjectError, add_folder_option
from signalroom_cli.meltano_project import activate_project
from signalroom_cli.output import print_lines
from signalroom_cli.plugin_settings import LOADER
from signalroom_cli.removal.client import RemovalError, read_client
from signalroom_cli.removal.rows import count_rows, delete_rows
from signalroom_cli.removal.states import States
from signalroom_cli.removal.warehouses import find_warehouses
from signalroom_target_postgres.embedded import EmbeddedPostgresError
from signalroom_target_postgres.errors import TargetPostgresError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from meltano.core.project import Project

    from signalroom_cli.removal.client import Client


def main(arguments: Sequence[str] | None = None) -> int:
    """Remove a client, or list what it has.

    Args:
        arguments: The command line after ``signalroom remove-client``.

    Returns:
        The exit code: 1 if the client cannot be removed completely.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom remove-client",
        description=(
            "List what a client has: states and runs in all environments, rows, schedules, "
            "variables. With --yes remove it."
        ),
    )
    parser.add_argument("name", metavar="NAME", help="the name of its file in clients: acme")
    parser.add_argument("--yes", action="store_true", help="remove it; this cannot be undone")
    parser.add_argument("--keep-rows", action="store_true", help="leave the tables as they are")
    add_folder_option(parser)
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    path = folder / "clients" / f"{options.name}.yml"
    try:
        _restore_file(path)
        project = activate_project(folder)
        client = read_client(project, path)
        _remove(project, client, is_confirmed=options.yes, keeps_rows=options.keep_rows)
    except (RemovalError, ProjectError, EmbeddedPostgresError, TargetPostgresError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (SQLAlchemyError, MeltanoError) as error:
        sys.stderr.write(f"Meltano's database cannot be read: {str(error).splitlines()[0]}\n")
        return 1
    return 0


def _disabled_path(path: Path) -> Path:
    """The name of a client's file during the removal, under which Meltano does not read it."""
    return path.with_name(f"{path.name}.removing")


def _restore_file(path: Path) -> None:
    """Undo the renaming by a removal that was killed, to start over."""
    disabled = _disabled_path(path)
    if not disabled.exists():
        return
    if path.exists():
        msg = (
            f"{disabled} is left from a removal that was killed, but {path.name} exists again: "
            f"delete {disabled.name}, then run this command again."
        )
        raise RemovalError(msg)
    disabled.rename(path)


def _remove(project: Project, client: Client, *, is_confirmed: bool, keeps_rows: bool) -> None:
    """List what a client has, and remove it if that is confirmed."""
    path = client.file.path
    disabled = _disabled_path(path)
    _, make_session = project_engine(project)
    with make_session() as session:
        states = States(project, session, client)
        runs = states.environments_and_loaders()
        warehouses = [] if keeps_rows else find_warehouses(project, client, runs)
        print_lines(f"{client.name} has:", f"  {path}: {', '.join(client.taps)}")
        print_lines(*(f"  state and runs: {state_id}" for state_id in states.ids))
        for number, warehouse in enumerate(warehouses):
            counts = warehouse.in_transaction(partial(count_rows, client=client))
            suffix = f" ({warehouse.environment})" if number else ""
            print_lines(*(f"  {table}: {count:,} rows{suffix}" for table, count in counts.items()))
        others = sorted({loader for _, loader in runs if not loader.startswith(LOADER)})
        print_lines(*(f"  the data that {loader} has written, which stays" for loader in others))
        if not is_confirmed:
            print_lines(
                f"Nothing was removed. Remove it with: signalroom remove-client {client.name} --yes"
            )
            return
        path.rename(disabled)
        if active := states.ids_of_active_runs():
            disabled.rename(path)
            msg = (
                f"{', '.join(active)} is running. Wait for it to end, or stop it, and run this "
                "command again. Nothing was removed."
            )
            raise RemovalError(msg)
        try:
            for warehouse in warehouses:
                warehouse.in_transaction(partial(delete_rows, client=client))
        except (EmbeddedPostgresError, TargetPostgresError, psycopg.Error) as error:
            disabled.rename(path)
            msg = (
                f"The rows of {client.name} cannot be removed, so its states and file stay: {error}"
            )
            raise RemovalError(msg) from None
        states.remove()
    disabled.unlink()
    print_lines(
        f"{client.name} is removed{', except for its rows' if keeps_rows else ''}. Remove also, "
        f"where they are set: {', '.join(client.variables)}."
    )
