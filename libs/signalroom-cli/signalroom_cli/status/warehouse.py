"""Rows of pipelines: by run, from the log of loads; by date, and in quarantine, from the tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from signalroom_cli.database import in_transaction
from signalroom_cli.status.model import Load, Rows
from signalroom_target_postgres.embedded import EmbeddedPostgresError
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.load_log import SCHEMA, TABLE
from signalroom_target_postgres.warehouse.naming import with_suffix
from signalroom_target_postgres.warehouse.rejected import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from psycopg import Cursor
    from psycopg.sql import Composed

    from signalroom_cli.status.model import Pipeline

_CAN_READ = """
select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %s and c.relname = %s
"""
#: Logs of earlier versions have no rows_unchanged.
_RUNS = """
select state_id, min(started_at), sum(rows_read)::int8, sum(rows_written)::int8,
    sum(rows_new)::int8, sum(rows_updated)::int8,
    sum((to_jsonb(loads)->>'rows_unchanged')::int8)::int8,
    sum(rows_removed)::int8, sum(rows_rejected)::int8
from signalroom.loads where state_id = any(%s) and started_at >= %s
group by run_id, state_id order by 2
"""
_TABLES = """
select distinct state_id, table_schema, table_name, replication_key
from signalroom.loads where state_id = any(%s) and started_at >= %s
"""
_COLUMNS = """
select attname, format_type(atttypid, null) from pg_attribute
join pg_class as c on c.oid = attrelid join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %s and c.relname = %s and attname = any(%s) and not attisdropped
"""
_BY_DATE = """
select {client}, {date}, count(*) from {table} where {key} >= %s {of_clients} group by 1, 2
"""
_REJECTED = "select record->>'_client_id', count(*) from {} group by 1"
#: Expressions for the date of a column, by its type; columns of other types have none.
_DATES = {
    "date": "{}",
    "timestamp without time zone": "{}::date",
    "timestamp with time zone": "({} at time zone 'UTC')::date",
}
_CLIENT = "_client_id"
#: In units of the planner: about the cost of reading a table of 500 MB.
_EXPENSIVE = 100_000


@dataclass(frozen=True)
class _Table:
    schema: str
    name: str

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def quarantine(self) -> _Table:
        return _Table(self.schema, with_suffix(self.name, SUFFIX))


def add_rows(
    pipelines: Sequence[Pipeline],
    settings: Mapping[str, Any],
    now: datetime,
    *,
    days: int,
    seconds: int,
    by_date: bool = True,
) -> str:
    """Add their rows to pipelines.

    Rows by run are in the log of loads. Only rows by date are counted in the tables.

    Args:
        pipelines: The pipelines whose rows to read, and to add to.
        settings: The loader's settings by name.
        now: The current time (UTC).
        days: The number of days to read, up to today.
        seconds: The maximum seconds to count each table.
        by_date: Whether to count rows by date.

    Returns:
        Why the database could not be queried; empty if it was.
    """
    since = (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    work = partial(_add_rows, pipelines=pipelines, since=since, seconds=seconds, by_date=by_date)
    try:
        in_transaction(settings, work)
    except (EmbeddedPostgresError, TargetPostgresError) as error:
        return str(error)
    return ""


def _add_rows(
    cursor: Cursor[Any],
    *,
    pipelines: Sequence[Pipeline],
    since: datetime,
    seconds: int,
    by_date: bool,
) -> None:
    privilege = cursor.execute(_CAN_READ, (SCHEMA, TABLE)).fetchone()
    if privilege != (True,):
        problem = (
            f"{cursor.connection.info.user} may not read the log of loads"
            if privilege
            else "there is no log of loads yet; the loader writes it with its next run"
        )
        for pipeline in pipelines:
            # A pipeline that never ran has no rows anyway.
            pipeline.rows = Rows() if pipeline.last is None else None
            pipeline.rows_problem = "" if pipeline.last is None else problem
        return
    cursor.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(f"{seconds}s")))
    for pipeline in pipelines:
        pipeline.rows = Rows()
    _add_runs(cursor, pipelines, since)
    for table, (key, loaded_by) in _tables(cursor, pipelines, since).items():
        try:
            with cursor.connection.transaction():
                if by_date:
                    _add_dates(cursor, table, key, loaded_by, since)
                _add_rejected(cursor, table.quarantine, loaded_by)
        except errors.QueryCanceled:
            for pipeline in loaded_by:
                pipeline.problem = (
                    f"{table.name} takes more than {seconds} s to count: allow more with "
                    "--seconds, or skip counting with --no-rows"
                )


def _add_runs(cursor: Cursor[Any], pipelines: Sequence[Pipeline], since: datetime) -> None:
    ids = list({pipeline.log_id for pipeline in pipelines})
    last_runs = [pipeline.last.started_at for pipeline in pipelines if pipeline.last]
    for state_id, started_at, *counts in cursor.execute(
        _RUNS, (ids, min([since, *last_runs]))
    ).fetchall():
        load = Load(started_at, *counts)
        for pipeline in pipelines:
            if pipeline.log_id != state_id or pipeline.rows is None:
                continue
            if pipeline.last and started_at >= pipeline.last.started_at:
                pipeline.rows.last_run += load.written
            if started_at >= since:
                pipeline.rows.by_run.append(load)


def _tables(
    cursor: Cursor[Any], pipelines: Sequence[Pipeline], since: datetime
) -> dict[_Table, tuple[str | None, list[Pipeline]]]:
    """The tables that pipelines loaded into, each with its replication key and the pipelines."""
    ids = list({pipeline.log_id for pipeline in pipelines})
    tables: dict[_Table, tuple[str | None, list[Pipeline]]] = {}
    for state_id, schema, name, key in cursor.execute(_TABLES, (ids, since)).fetchall():
        table = _Table(schema, name)
        _, loaded_by = tables.get(table, (None, []))
        loaded_by += [
            pipeline
            for pipeline in pipelines
            if pipeline.log_id == state_id and pipeline not in loaded_by
        ]
        tables[table] = (key, loaded_by)
    return tables


def _add_dates(
    cursor: Cursor[Any],
    table: _Table,
    key: str | None,
    loaded_by: Sequence[Pipeline],
    since: datetime,
) -> None:
    names = [key, _CLIENT]
    columns = dict(cursor.execute(_COLUMNS, (table.schema, table.name, names)).fetchall())
    date = _DATES.get(columns.get(key or "", ""))
    if key is None or date is None:
        return
    is_shared = _CLIENT in columns
    query = sql.SQL(_BY_DATE).format(
        client=sql.SQL(_CLIENT if is_shared else "null"),
        date=sql.SQL(date).format(sql.Identifier(key)),
        key=sql.Identifier(key),
        table=table.identifier,
        of_clients=_client_condition(loaded_by) if is_shared else sql.SQL(""),
    )
    if _reads_all(cursor, query, since):
        index = f"{_CLIENT}, {key}" if is_shared else key
        for pipeline in loaded_by:
            pipeline.problem = (
                f"{table.name} is large and has no index for its rows by date, which are not "
                f"counted: CREATE INDEX ON {table.schema}.{table.name} ({index})"
            )
        return
    for rows, date_, count in _match_clients(loaded_by, cursor.execute(query, (since,)).fetchall()):
        rows.by_date[date_] = rows.by_date.get(date_, 0) + count


def _reads_all(cursor: Cursor[Any], query: Composed, since: datetime) -> bool:
    """Whether a query would read all of a large table to count the rows of a few days."""
    row = cursor.execute(sql.SQL("explain (format json) ") + query, (since,)).fetchone()
    plans = [row[0][0]["Plan"]] if row else []
    is_expensive = any(plan["Total Cost"] > _EXPENSIVE for plan in plans)
    while plans:
        plan = plans.pop()
        plans += plan.get("Plans", ())
        if is_expensive and plan["Node Type"] == "Seq Scan":
            return True
    return False


def _add_rejected(cursor: Cursor[Any], table: _Table, loaded_by: Sequence[Pipeline]) -> None:
    if cursor.execute(_CAN_READ, (table.schema, table.name)).fetchone() != (True,):
        return
    query = sql.SQL(_REJECTED).format(table.identifier)
    counts = [(client, None, count) for client, count in cursor.execute(query).fetchall()]
    for rows, _, count in _match_clients(loaded_by, counts):
        rows.rejected += count


def _client_condition(loaded_by: Sequence[Pipeline]) -> Composed:
    """Select the rows of some clients, which the table's key makes fast."""
    ids = [pipeline.client_id for pipeline in loaded_by if pipeline.client_id is not None]
    or_null = sql.SQL(" or _client_id is null" if len(ids) < len(loaded_by) else "")
    return sql.SQL("and (_client_id = any({}){})").format(ids, or_null)


def _match_clients(
    loaded_by: Sequence[Pipeline], counts: Iterable[tuple[str | None, Any, int]]
) -> Iterator[tuple[Rows, Any, int]]:
    """Assign counts to pipelines by client; rows without one are of pipelines without one."""
    for client, value, count in counts:
        for pipeline in loaded_by:
            if pipeline.client_id == client and pipeline.rows is not None:
                yield pipeline.rows, value, count
