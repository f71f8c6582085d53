"""What arrived: rows by the day when they were loaded, and those that could not be."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from signalroom_cli.status.model import Rows
from signalroom_target_postgres.errors import ConnectionFailedError, LoadError
from signalroom_target_postgres.rejected import SUFFIX
from signalroom_target_postgres.target import TargetPostgres

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from psycopg import Cursor

    from signalroom_cli.status.model import Pipeline

_TABLES = """
select table_name, bool_or(column_name = '_client_id')
from information_schema.columns where table_schema = %s
group by 1 having bool_or(column_name = '_loaded_at')
"""
_REJECTED_TABLES = """
select table_name from information_schema.tables where table_schema = %s and table_name like %s
"""
# Which runs had begun when a row was loaded is told by a place among their beginnings.
_COUNT = """
select {client}, (_loaded_at at time zone 'UTC')::date, width_bucket(_loaded_at, %s::timestamptz[]),
    count(*)
from {table} where _loaded_at >= %s {own} group by 1, 2, 3
"""
_REJECTED = "select record->>'_client_id', count(*) from {} group by 1"


def look_up(
    pipelines: Iterable[Pipeline],
    settings: Mapping[str, Any],
    now: datetime,
    *,
    days: int,
    seconds: int,
) -> str:
    """Count the rows of pipelines.

    Args:
        pipelines: To which it is added.
        settings: The loader's.
        now: The time, in UTC.
        days: How many to look back.
        seconds: How long each table may take.

    Returns:
        Why nothing could be counted, or an empty text.
    """
    connector = TargetPostgres(config=dict(settings), validate_config=False).target_connector
    since = (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        for together in _by_schema(pipelines):
            count = partial(_count, pipelines=together, since=since, seconds=seconds)
            connector.in_transaction(count)
    except (ConnectionFailedError, LoadError) as error:
        return str(error)
    finally:
        connector.disconnect()
    return ""


def _by_schema(pipelines: Iterable[Pipeline]) -> Iterable[list[Pipeline]]:
    found: dict[str | None, list[Pipeline]] = {}
    for pipeline in pipelines:
        found.setdefault(pipeline.load_schema, []).append(pipeline)
    return found.values()


def _count(
    cursor: Cursor[Any], *, pipelines: Sequence[Pipeline], since: datetime, seconds: int
) -> None:
    """Count the rows of all pipelines of a schema, each table once."""
    cursor.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(f"{seconds}s")))
    schema = pipelines[0].load_schema or ""
    began = [one.last.started_at if one.last else since for one in pipelines]
    begins = sorted({*began})
    counted = [
        (one, begins.index(start), Rows()) for one, start in zip(pipelines, began, strict=True)
    ]
    # Of few clients, the rows are found by the table's key.
    names = [one.client_id for one in pipelines if one.client_id is not None]
    nobody = sql.SQL(" or _client_id is null" if len(names) < len(pipelines) else "")
    own = sql.SQL("and (_client_id = any({}){})").format(names, nobody)
    for table, is_shared in cursor.execute(_TABLES, (schema,)).fetchall():
        # Rows of all clients, or of one that has no name, are in one table.
        query = sql.SQL(_COUNT).format(
            client=sql.SQL("_client_id" if is_shared else "null"),
            table=sql.Identifier(schema, table),
            own=own if is_shared else sql.SQL(""),
        )
        try:
            with cursor.connection.transaction():
                found = cursor.execute(query, (begins, since)).fetchall()
        except errors.QueryCanceled:
            for one in pipelines:
                one.problem = (
                    f"{table} takes more than {seconds} s to count: give it more with --seconds, "
                    "or leave rows out with --no-rows"
                )
            continue
        for client, day, begun, count in found:
            for one, place, rows in counted:
                # Where rows have no client, they are nobody's but the pipeline's without one.
                if client == one.client_id:
                    rows.by_day[day] = rows.by_day.get(day, 0) + count
                    rows.last_run += count if begun > place else 0
    like = "%" + SUFFIX.replace("_", r"\_")
    for (table,) in cursor.execute(_REJECTED_TABLES, (schema, like)).fetchall():
        query = sql.SQL(_REJECTED).format(sql.Identifier(schema, table))
        rejected = dict(cursor.execute(query).fetchall())
        for one, _, rows in counted:
            rows.rejected += rejected.get(one.client_id, 0)
    for one, _, rows in counted:
        one.rows = rows
