"""Remove a client: its states, its rows, its schedules, and in the end its file.

``signalroom remove-client acme`` says what would go, and with ``--yes`` removes it. Its file is set
aside first, so that no run of it begins meanwhile, and deleted last: called again after it was
killed, the command does the rest.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meltano.core.db import project_engine
from meltano.core.error import MeltanoError
from meltano.core.job.job import Job
from meltano.core.plugin.base import PluginType
from meltano.core.plugin.settings_service import PluginSettingsService
from meltano.core.state_service import StateService
from psycopg import sql
from sqlalchemy.exc import SQLAlchemyError

from signalroom_cli.clientproject import IncludedFile
from signalroom_cli.database import in_transaction
from signalroom_cli.folders import project_folder
from signalroom_cli.meltanoproject import ProjectError
from signalroom_cli.status.project import find, loader_settings
from signalroom_target_postgres.embedded import EmbeddedPostgresError
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.load_log import CLIENT_ID, SCHEMA, TABLE
from signalroom_target_postgres.warehouse.rejected import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project
    from psycopg import Cursor
    from sqlalchemy.orm import Session

#: Of a client's file while the client is being removed: Meltano does not read it.
_SET_ASIDE = ".removing"
#: Tables with a column or a record of the client's, but partitions, whose rows their table has.
_TABLES = """
select n.nspname, c.relname, exists (
    select from pg_attribute where attrelid = c.oid and attname = %s and not attisdropped
)
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any(%s) and c.relkind in ('r', 'p') and not c.relispartition
order by 1, 2
"""
_OWN = sql.SQL("{} = any(%s)").format(sql.Identifier(CLIENT_ID))
_REJECTED = sql.SQL("record->>{} = any(%s)").format(sql.Literal(CLIENT_ID))


class RemovalError(Exception):
    """A client cannot be removed; the message says why and what to do."""


@dataclass(frozen=True)
class Client:
    """What a client has in the project.

    Attributes:
        name: As of its file.
        file: With its plugins, jobs and schedules.
        taps: The names of its taps.
        client_ids: What its rows have in ``_client_id``.
        schemas: Where its tables are.
        own_schemas: Those of them that no other tap loads into.
    """

    name: str
    file: IncludedFile
    taps: tuple[str, ...]
    client_ids: tuple[str, ...]
    schemas: tuple[str, ...]
    own_schemas: tuple[str, ...]


def read_client(project: Project, path: Path) -> Client:
    """Read what a client has.

    Args:
        project: With its environment.
        path: Of the client's file.

    Raises:
        RemovalError: If there is none, it is no client's, or another has the same ``client_id``.
    """
    if not path.is_file():
        clients = ", ".join(sorted(one.stem for one in path.parent.glob("*.yml")))
        msg = f"There is no client {path.stem!r}; there are {clients or 'none'}."
        raise RemovalError(msg)
    file = IncludedFile(path.resolve(), path.read_text(encoding="utf-8"))
    plugins = {one.name: one for one in project.plugins.get_plugins_of_type(PluginType.EXTRACTORS)}
    taps = tuple(name for name in plugins if name in file.names and "--" in name)
    ids = {name: _client_id(plugin) for name, plugin in plugins.items()}
    own = {ids[name] for name in taps} - {None}
    if not own:
        msg = f"{path} has no tap with a client_id: remove what is left of it by hand."
        raise RemovalError(msg)
    if sharing := [name for name, value in ids.items() if name not in taps and value in own]:
        msg = (
            f"{', '.join(sharing)} has the same client_id, and so the same rows: change that first."
        )
        raise RemovalError(msg)
    schemas = {name: _schema(project, plugin) for name, plugin in plugins.items()}
    others = {schema for name, schema in schemas.items() if name not in taps}
    mine = dict.fromkeys(schemas[name] for name in taps)
    return Client(
        name=path.stem,
        file=file,
        taps=taps,
        client_ids=tuple(sorted(filter(None, own))),
        schemas=tuple(mine),
        own_schemas=tuple(schema for schema in mine if schema not in others),
    )


def _client_id(plugin: ProjectPlugin) -> str | None:
    value = plugin.config.get("client_id")
    return None if value is None else str(value)


def _schema(project: Project, plugin: ProjectPlugin) -> str:
    return str(PluginSettingsService(project, plugin).get("_load_schema"))


class States:
    """The states and the list of runs of a client's taps, in Meltano's database."""

    def __init__(self, project: Project, session: Session, taps: Sequence[str]) -> None:
        """Look them up.

        Args:
            project: With its environment.
            session: Of Meltano's database.
            taps: Their names.
        """
        self._session = session
        self._service = StateService(project, session)
        stored = self._service.state_store_manager.get_state_ids()
        named = {one for (one,) in session.query(Job.job_name).distinct()}
        #: Of all environments.
        self.ids = sorted(
            {one for one in {*stored, *named} if any(f":{tap}-to-" in f":{one}" for tap in taps)}
        )

    @property
    def running(self) -> list[str]:
        """The ids of those of which a run is under way."""
        runs = self._session.query(Job).filter(Job.job_name.in_(self.ids))
        return sorted({one.job_name for one in runs if one.is_running() and not one.is_stale()})

    def remove(self) -> None:
        """Remove them, in all environments."""
        for state_id in self.ids:
            self._service.clear_state(state_id)
        self._session.query(Job).filter(Job.job_name.in_(self.ids)).delete()
        self._session.commit()


@dataclass(frozen=True)
class _Rows:
    """A table, and the condition for the rows of a client."""

    schema: str
    name: str
    condition: sql.Composable

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    def count(self, cursor: Cursor[Any], client: Client) -> int:
        query = sql.SQL("select count(*) from {} where {}").format(self.table, self.condition)
        row = cursor.execute(query, [[*client.client_ids]]).fetchone()
        return row[0] if row else 0

    def delete(self, cursor: Cursor[Any], client: Client) -> None:
        query = sql.SQL("delete from {} where {}").format(self.table, self.condition)
        cursor.execute(query, [[*client.client_ids]])

    def drop_if_empty(self, cursor: Cursor[Any]) -> None:
        is_empty = sql.SQL("select not exists (select from {})").format(self.table)
        if cursor.execute(is_empty).fetchone() == (True,):
            cursor.execute(sql.SQL("drop table {}").format(self.table))


def _rows(cursor: Cursor[Any], client: Client) -> Iterator[_Rows]:
    """The rows of a client, in its taps' tables, in quarantine, and in the log of loads."""
    for schema, name, has_client in cursor.execute(
        _TABLES, [CLIENT_ID, [*client.schemas]]
    ).fetchall():
        if has_client:
            yield _Rows(schema, name, _OWN)
        elif name.endswith(SUFFIX):
            yield _Rows(schema, name, _REJECTED)
    if cursor.execute("select to_regclass(%s)", [f"{SCHEMA}.{TABLE}"]).fetchone() != (None,):
        yield _Rows(SCHEMA, TABLE, sql.SQL("client_id = any(%s)"))


def count_rows(cursor: Cursor[Any], client: Client) -> dict[str, int]:
    """Count a client's rows.

    Args:
        cursor: On the warehouse.
        client: Whose.

    Returns:
        By table; those without any are left out.
    """
    counts = {
        f"{rows.schema}.{rows.name}": rows.count(cursor, client) for rows in _rows(cursor, client)
    }
    return {table: count for table, count in counts.items() if count}


def delete_rows(cursor: Cursor[Any], client: Client) -> None:
    """Delete a client's rows, and the tables and schemas that no other tap loads into.

    Args:
        cursor: On the warehouse.
        client: Whose.
    """
    for rows in [*_rows(cursor, client)]:
        rows.delete(cursor, client)
        if rows.schema in client.own_schemas:
            rows.drop_if_empty(cursor)
    for schema in client.own_schemas:
        rest = "select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        if cursor.execute(f"{rest} where nspname = %s limit 1", [schema]).fetchone() is None:
            cursor.execute(sql.SQL("drop schema if exists {}").format(sql.Identifier(schema)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 1 if the client cannot be removed, or not all of it.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom remove-client",
        description=(
            "Say what a client has: states and runs in all environments, rows, schedules, "
            "variables. With --yes remove it."
        ),
    )
    parser.add_argument("name", help="of its file in clients, as in acme")
    parser.add_argument("--yes", action="store_true", help="remove it; there is no way back")
    parser.add_argument("--keep-rows", action="store_true", help="leave the tables as they are")
    parser.add_argument("--folder", type=Path, default=project_folder(), help="the project's")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    path = folder / "clients" / f"{options.name}.yml"
    aside = path.with_name(path.name + _SET_ASIDE)
    try:
        if aside.exists():
            # The command was killed: from the beginning.
            aside.rename(path)
        project = find(folder)
        client = read_client(project, path)
        settings = {} if options.keep_rows else loader_settings(project)
        _remove(project, client, settings, is_meant=options.yes)
    except (RemovalError, ProjectError, EmbeddedPostgresError, TargetPostgresError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (SQLAlchemyError, MeltanoError) as error:
        sys.stderr.write(f"Meltano's database cannot be read: {str(error).splitlines()[0]}\n")
        return 1
    return 0


def _remove(
    project: Project, client: Client, settings: Mapping[str, Any], *, is_meant: bool
) -> None:
    """Say what a client has, and remove it if that is meant; its rows if there are settings."""
    path = client.file.path
    aside = path.with_name(path.name + _SET_ASIDE)
    _, make_session = project_engine(project)
    with make_session() as session:
        states = States(project, session, client.taps)
        _say(f"{client.name} has:")
        _say(f"  {path}: {', '.join(client.taps)}")
        _say(*(f"  state and runs: {state_id}" for state_id in states.ids))
        if settings:
            counts = in_transaction(settings, partial(count_rows, client=client))
            _say(*(f"  {table}: {count:,} rows" for table, count in counts.items()))
        if not is_meant:
            _say(
                f"Nothing was removed. Remove it with: signalroom remove-client {client.name} --yes"
            )
            return
        path.rename(aside)
        if running := states.running:
            aside.rename(path)
            msg = (
                f"{', '.join(running)} is running. Wait for its end, or stop it, and call this "
                "again. Nothing was removed."
            )
            raise RemovalError(msg)
        if settings:
            in_transaction(settings, partial(delete_rows, client=client))
        states.remove()
    aside.unlink()
    variables = sorted(name for name in client.file.variables if _is_own(name, client.file))
    _say(
        f"{client.name} is removed{'' if settings else ', but for its rows'}. Remove also, where "
        f"they are set: {', '.join(variables)}."
    )


def _is_own(variable: str, file: IncludedFile) -> bool:
    return bool(file.prefix) and variable.startswith(str(file.prefix))


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
