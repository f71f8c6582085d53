"""Remove a client: its states, its rows, its schedules, and in the end its file.

``signalroom remove-client acme`` says what would go, and with ``--yes`` removes it. Its file is set
aside first, so that no run of it begins meanwhile, and deleted last: called again after it was
killed, the command does the rest.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import psycopg
from meltano.core.db import project_engine
from meltano.core.error import MeltanoError
from meltano.core.job.job import Job
from meltano.core.plugin.base import PluginType
from meltano.core.plugin.settings_service import PluginSettingsService
from meltano.core.schedule import ELTSchedule
from meltano.core.state_service import StateService
from meltano.core.utils import EnvironmentVariableNotSetError
from psycopg import sql
from sqlalchemy.exc import SQLAlchemyError

from signalroom_cli.clientproject import IncludedFile
from signalroom_cli.database import in_transaction
from signalroom_cli.folders import project_folder
from signalroom_cli.meltanoproject import (
    ENVIRONMENT_VARIABLE,
    ProjectError,
    extractors,
    open_project,
)
from signalroom_cli.status.project import LOADER, find, loader_settings
from signalroom_target_postgres.connection.url import is_configured, url_of
from signalroom_target_postgres.embedded import EmbeddedPostgresError
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.load_log import CLIENT_ID, SCHEMA, TABLE
from signalroom_target_postgres.warehouse.rejected import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project
    from psycopg import Cursor
    from sqlalchemy.orm import Session

_Result = TypeVar("_Result")
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
_LOADED = sql.SQL("select distinct table_schema from {} where client_id = any(%s)").format(
    sql.Identifier(SCHEMA, TABLE)
)
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
        clients = ", ".join(sorted(file.stem for file in path.parent.glob("*.yml")))
        msg = f"There is no client {path.stem!r}; there are {clients or 'none'}."
        raise RemovalError(msg)
    file = IncludedFile.read(path)
    if file.parse_problem:
        msg = f"{file.parse_problem} Correct the file, then call this again."
        raise RemovalError(msg)
    plugins = extractors(project)
    taps = tuple(name for name in plugins if name in file.names and "--" in name)
    if references := _references(project, file, taps):
        msg = f"{', '.join(references)} would have nothing to run: remove or change that first."
        raise RemovalError(msg)
    ids = {name: _setting(project, plugin, "client_id") for name, plugin in plugins.items()}
    for name in taps:
        reference = str(plugins[name].config.get("client_id") or "")
        if reference.startswith("$") and not ids[name]:
            msg = f"client_id of {name} is not known: {reference.strip('${}')} is not set. Set it."
            raise RemovalError(msg)
    own = {ids[name] for name in taps} - {""}
    if not own:
        msg = f"{path} has no tap with a client_id: remove what is left of it by hand."
        raise RemovalError(msg)
    if sharing := [name for name, value in ids.items() if name not in taps and value in own]:
        msg = (
            f"{', '.join(sharing)} has the same client_id, and so the same rows: change that first."
        )
        raise RemovalError(msg)
    schemas = {name: _setting(project, plugin, "_load_schema") for name, plugin in plugins.items()}
    others = {schema for name, schema in schemas.items() if name not in taps}
    mine = dict.fromkeys(schemas[name] for name in taps)
    return Client(
        name=path.stem,
        file=file,
        taps=taps,
        client_ids=tuple(sorted(own)),
        schemas=tuple(mine),
        own_schemas=tuple(schema for schema in mine if schema not in others),
    )


def _setting(project: Project, plugin: ProjectPlugin, name: str) -> str:
    """A setting of a tap; empty if it is not set, or Meltano cannot run the tap at all."""
    unset: dict[str, str] = {}
    while True:
        try:
            parented = project.plugins.ensure_parent(plugin)
            service = PluginSettingsService(project, parented, env_override=unset)
            value = service.get(name)
            return "" if value is None else str(value)
        except EnvironmentVariableNotSetError as error:
            # Meltano expands all settings of the tap first: keys that nobody needs here.
            unset[str(error.env_var)] = ""
        except MeltanoError:
            return ""


def _references(project: Project, file: IncludedFile, taps: Collection[str]) -> list[str]:
    """What other files have that needs a client's taps, as it is called there."""
    names = [
        f"tap {name}"
        for name, plugin in extractors(project).items()
        if name not in taps and plugin.inherit_from in taps
    ]
    jobs = {job.name: {*job.flat_args} for job in project.meltano.jobs if job.tasks}
    names += [
        f"job {name}" for name, words in jobs.items() if name not in file.names and words & {*taps}
    ]
    own = {*taps, *(name for name in jobs if name in file.names)}
    for schedule in project.meltano.schedules:
        runs = schedule.extractor if isinstance(schedule, ELTSchedule) else schedule.job
        if runs in own and schedule.name not in file.names:
            names.append(f"schedule {schedule.name}")
    return names


class _Pipeline(NamedTuple):
    environment: str
    tap: str
    loader: str


def _pipeline(state_id: str, taps: Collection[str], loaders: Collection[str]) -> _Pipeline | None:
    """Read a state id, as in ``prod:tap-everflow--acme-to-target-postgres:suffix``.

    Args:
        state_id: Meltano's id of a state.
        taps: The names of the project's taps.
        loaders: The names of the project's loaders.

    Returns:
        The parts; none of an id that somebody has chosen.
    """
    for number, part in enumerate(state_id.split(":")[:2]):
        ends = [match.start() for match in re.finditer("-to-", part)]
        # A tap's name may have "-to-" in it: one that the project has goes first, then the longest.
        for end in sorted(ends, key=lambda end: (part[:end] in taps, end), reverse=True):
            loader = part[end + len("-to-") :]
            if loader in loaders or loader.startswith("target-"):
                return _Pipeline(state_id.partition(":")[0] if number else "", part[:end], loader)
    return None


class States:
    """The states and the list of runs of a client's taps, in Meltano's database."""

    def __init__(self, project: Project, session: Session, client: Client) -> None:
        """Look them up.

        Args:
            project: A project with its environment.
            session: A session of Meltano's database.
            client: The client whose taps' states they are.
        """
        taps, loaders = (
            extractors(project),
            project.plugins.get_plugins_of_type(PluginType.LOADERS, ensure_parent=False),
        )
        # `meltano elt` keeps a schedule's state by the schedule's name.
        names = client.file.names - {*client.taps}

        self._session = session
        self._service = StateService(project, session)
        stored = self._service.state_store_manager.get_state_ids()
        run = {job_name for (job_name,) in session.query(Job.job_name).distinct()}
        #: Of all environments.
        self._runs = {
            state_id: pair
            for state_id in {*stored, *run}
            if (pair := _pipeline(state_id, taps, {loader.name for loader in loaders}))
            and pair.tap in client.taps
        }
        self.ids = sorted({*self._runs, *(names & {*stored, *run})})

    @property
    def running(self) -> list[str]:
        """The ids of those of which a run is under way."""
        runs = self._session.query(Job).filter(Job.job_name.in_(self.ids))
        return sorted({one.job_name for one in runs if one.is_running() and not one.is_stale()})

    @property
    def pipelines(self) -> set[tuple[str, str]]:
        """The environments and loaders that the client's taps have run with."""
        return {(run.environment, run.loader) for run in self._runs.values()}

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
    log = cursor.execute("select to_regclass(%s)", [f"{SCHEMA}.{TABLE}"]).fetchone()
    has_log = log != (None,)
    schemas = {*client.schemas}
    if has_log:
        # A loader of the client's own may have put its tables elsewhere.
        cursor.execute(_LOADED, [[*client.client_ids]])
        schemas |= {schema for (schema,) in cursor}
    for schema, name, has_client in cursor.execute(_TABLES, [CLIENT_ID, [*schemas]]).fetchall():
        if has_client:
            yield _Rows(schema, name, _OWN)
        elif name.endswith(SUFFIX):
            yield _Rows(schema, name, _REJECTED)
    if has_log:
        yield _Rows(SCHEMA, TABLE, sql.SQL("client_id = any(%s)"))


@dataclass(frozen=True)
class Warehouse:
    """A database that a client's taps have loaded into.

    Attributes:
        environment: Meltano's environment, by which the loader finds the embedded PostgreSQL.
        settings: The loader's settings there.
    """

    environment: str
    settings: Mapping[str, Any]

    def in_transaction(self, work: Callable[[Cursor[Any]], _Result]) -> _Result:
        """Do something in one transaction, connected as the loader is.

        Args:
            work: Takes a cursor; called again where the connection is lost.
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


def warehouses(project: Project, client: Client, runs: set[tuple[str, str]]) -> list[Warehouse]:
    """Find the databases that a client's taps have loaded into.

    Args:
        project: A project with its environment.
        client: The client to look for.
        runs: The environments and loaders of its runs; the current environment is looked at anyway.

    Raises:
        RemovalError: If the settings of one cannot be read.
    """
    current = project.environment.name if project.environment else ""
    loaders = {name for name in client.file.names if name.startswith(LOADER)}
    runs = runs | {(current, loader) for loader in (LOADER, *loaders)}
    by_server: dict[str, Warehouse] = {}
    # The current one first: others that load into the same server are that one again.
    for environment, loader in sorted(runs, key=lambda run: (run[0] != current, run)):
        if not loader.startswith(LOADER):
            continue
        try:
            place = project if environment == current else open_project(project.root, environment)
            settings = loader_settings(place, loader)
            server = str(url_of(settings)) if is_configured(settings) else environment
        except (ProjectError, TargetPostgresError) as error:
            msg = (
                f"Rows in the environment {environment!r} cannot be looked up: {error} Nothing was "
                "removed. Correct that, or leave all rows with --keep-rows."
            )
            raise RemovalError(msg) from None
        by_server.setdefault(server, Warehouse(environment, settings))
    return [*by_server.values()]


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
        _put_back(aside, path)
        project = find(folder)
        client = read_client(project, path)
        _remove(project, client, is_meant=options.yes, keeps_rows=options.keep_rows)
    except (RemovalError, ProjectError, EmbeddedPostgresError, TargetPostgresError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (SQLAlchemyError, MeltanoError) as error:
        sys.stderr.write(f"Meltano's database cannot be read: {str(error).splitlines()[0]}\n")
        return 1
    return 0


def _put_back(aside: Path, path: Path) -> None:
    """Begin again with a removal that was killed."""
    if not aside.exists():
        return
    if path.exists():
        msg = (
            f"{aside} is left of a removal that was killed, and {path.name} is there again: delete "
            f"{aside.name}, then call this again."
        )
        raise RemovalError(msg)
    aside.rename(path)


def _remove(project: Project, client: Client, *, is_meant: bool, keeps_rows: bool) -> None:
    """Say what a client has, and remove it if that is meant."""
    path = client.file.path
    aside = path.with_name(path.name + _SET_ASIDE)
    _, make_session = project_engine(project)
    with make_session() as session:
        states = States(project, session, client)
        runs = states.pipelines
        places = [] if keeps_rows else warehouses(project, client, runs)
        _say(f"{client.name} has:")
        _say(f"  {path}: {', '.join(client.taps)}")
        _say(*(f"  state and runs: {state_id}" for state_id in states.ids))
        for number, place in enumerate(places):
            counts = place.in_transaction(partial(count_rows, client=client))
            where = f" ({place.environment})" if number else ""
            _say(*(f"  {table}: {count:,} rows{where}" for table, count in counts.items()))
        others = sorted({loader for _, loader in runs if not loader.startswith(LOADER)})
        _say(*(f"  what {loader} has written, which stays" for loader in others))
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
        try:
            for place in places:
                place.in_transaction(partial(delete_rows, client=client))
        except (EmbeddedPostgresError, TargetPostgresError, psycopg.Error) as error:
            aside.rename(path)
            msg = (
                f"The rows of {client.name} cannot be removed, so its states and file stay: {error}"
            )
            raise RemovalError(msg) from None
        states.remove()
    aside.unlink()
    variables = sorted(name for name in client.file.variables if _is_own(name, client.file))
    _say(
        f"{client.name} is removed{', but for its rows' if keeps_rows else ''}. Remove also, where "
        f"they are set: {', '.join(variables)}."
    )


def _is_own(variable: str, file: IncludedFile) -> bool:
    return bool(file.prefix) and variable.startswith(str(file.prefix))


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
