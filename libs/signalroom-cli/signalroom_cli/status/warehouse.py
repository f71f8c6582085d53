"""What arrived: rows of each run, from the loader's log, and rows by the date that they are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from signalroom_cli.database import in_transaction
from signalroom_cli.status.model import Loaded, Rows
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
_RUNS = """
select state_id, min(started_at), sum(rows_read)::int8, sum(rows_written)::int8,
    sum(rows_new)::int8, sum(rows_updated)::int8, sum(rows_removed)::int8, sum(rows_rejected)::int8
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
select {client}, {date}, count(*) from {table} where {key} >= %s {own} group by 1, 2
"""
_REJECTED = "select record->>'_client_id', count(*) from {} group by 1"
#: How a column of a type is a date; others are none.
_DATES = {
    "date": "{}",
    "timestamp without time zone": "{}::date",
    "timestamp with time zone": "({} at time zone 'UTC')::date",
}
_CLIENT = "_client_id"
#: In the planner's units: reading a table of some 500 MB.
_DEAR = 100_000


@dataclass(frozen=True)
class _Table:
    schema: str
    name: str

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def rejected(self) -> _Table:
        return _Table(self.schema, with_suffix(self.name, SUFFIX))


def look_up(
    pipelines: Sequence[Pipeline],
    settings: Mapping[str, Any],
    now: datetime,
    *,
    days: int,
    seconds: int,
    dates: bool = True,
) -> str:
    """Find the rows of pipelines.

    What a run loaded is in the log of loads. Only rows by date are counted in the tables.

    Args:
        pipelines: To which they are added.
        settings: The loader's.
        now: The time, in UTC.
        days: How many to look back.
        seconds: How long each table may take.
        dates: Whether to count rows by date.

    Returns:
        Why the database could not be asked, or an empty text.
    """
    since = (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    work = partial(_look_up, pipelines=pipelines, since=since, seconds=seconds, dates=dates)
    try:
        in_transaction(settings, work)
    except (EmbeddedPostgresError, TargetPostgresError) as error:
        return str(error)
    return ""


def _look_up(
    cursor: Cursor[Any],
    *,
    pipelines: Sequence[Pipeline],
    since: datetime,
    seconds: int,
    dates: bool,
) -> None:
    found = cursor.execute(_CAN_READ, (SCHEMA, TABLE)).fetchone()
    if found != (True,):
        why = (
            f"{cursor.connection.info.user} may not read the log of loads"
            if found
            else "there is no log of loads yet; the loader writes it with its next run"
        )
        for one in pipelines:
            # Of one that never ran, nothing is expected.
            one.rows = Rows() if one.last is None else None
            one.no_rows = "" if one.last is None else why
        return
    cursor.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(f"{seconds}s")))
    for one in pipelines:
        one.rows = Rows()
    _add_runs(cursor, pipelines, since)
    for table, (key, together) in _tables(cursor, pipelines, since).items():
        try:
            with cursor.connection.transaction():
                if dates:
                    _add_dates(cursor, table, key, together, since)
                _add_rejected(cursor, table.rejected, together)
        except errors.QueryCanceled:
            for one in together:
                one.problem = (
                    f"{table.name} takes more than {seconds} s to count: give it more with "
                    "--seconds, or leave rows out with --no-rows"
                )


def _add_runs(cursor: Cursor[Any], pipelines: Sequence[Pipeline], since: datetime) -> None:
    ids = list({one.log_id for one in pipelines})
    earliest = min([since, *(one.last.started_at for one in pipelines if one.last)])
    for state_id, started_at, *counts in cursor.execute(_RUNS, (ids, earliest)).fetchall():
        loaded = Loaded(started_at, *counts)
        for one in pipelines:
            if one.log_id != state_id or one.rows is None:
                continue
            if one.last and started_at >= one.last.started_at:
                one.rows.last_run += loaded.written
            if started_at >= since:
                one.rows.by_run.append(loaded)


def _tables(
    cursor: Cursor[Any], pipelines: Sequence[Pipeline], since: datetime
) -> dict[_Table, tuple[str | None, list[Pipeline]]]:
    """The tables that pipelines loaded into, each with the column that their bookmark is of."""
    ids = list({one.log_id for one in pipelines})
    found: dict[_Table, tuple[str | None, list[Pipeline]]] = {}
    for state_id, schema, name, key in cursor.execute(_TABLES, (ids, since)).fetchall():
        table = _Table(schema, name)
        _, together = found.get(table, (None, []))
        together += [one for one in pipelines if one.log_id == state_id and one not in together]
        found[table] = (key, together)
    return found


def _add_dates(
    cursor: Cursor[Any],
    table: _Table,
    key: str | None,
    together: Sequence[Pipeline],
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
        own=_own(together) if is_shared else sql.SQL(""),
    )
    if _reads_all(cursor, query, since):
        needed = f"{_CLIENT}, {key}" if is_shared else key
        for pipeline in together:
            pipeline.problem = (
                f"{table.name} is large and has no index for its rows by date, which are not "
                f"counted: CREATE INDEX ON {table.schema}.{table.name} ({needed})"
            )
        return
    for one, date_, count in _of_each(together, cursor.execute(query, (since,)).fetchall()):
        one.by_date[date_] = one.by_date.get(date_, 0) + count


def _reads_all(cursor: Cursor[Any], query: Composed, since: datetime) -> bool:
    """Whether a query would read all of a large table, to find what is in a few days."""
    found = cursor.execute(sql.SQL("explain (format json) ") + query, (since,)).fetchone()
    plans = [found[0][0]["Plan"]] if found else []
    is_dear = any(plan["Total Cost"] > _DEAR for plan in plans)
    while plans:
        plan = plans.pop()
        plans += plan.get("Plans", ())
        if is_dear and plan["Node Type"] == "Seq Scan":
            return True
    return False


def _add_rejected(cursor: Cursor[Any], table: _Table, together: Sequence[Pipeline]) -> None:
    if cursor.execute(_CAN_READ, (table.schema, table.name)).fetchone() != (True,):
        return
    query = sql.SQL(_REJECTED).format(table.identifier)
    counts = [(client, None, count) for client, count in cursor.execute(query).fetchall()]
    for one, _, count in _of_each(together, counts):
        one.rejected += count


def _own(together: Sequence[Pipeline]) -> Composed:
    """Of few clients, the rows are found by the table's key."""
    names = [one.client_id for one in together if one.client_id is not None]
    nobody = sql.SQL(" or _client_id is null" if len(names) < len(together) else "")
    return sql.SQL("and (_client_id = any({}){})").format(names, nobody)


def _of_each(
    together: Sequence[Pipeline], counts: Iterable[tuple[str | None, Any, int]]
) -> Iterator[tuple[Rows, Any, int]]:
    """Whose counts are whose: where rows have no client, they are of pipelines without one."""
    for client, value, count in counts:
        for one in together:
            if one.client_id == client and one.rows is not None:
                yield one.rows, value, count
