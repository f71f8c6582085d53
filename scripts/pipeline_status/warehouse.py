"""What arrived: rows by the day when they were loaded, and those that could not be."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from pipeline_status.model import Rows
from signalroom_target_postgres.errors import ConnectionFailedError, LoadError
from signalroom_target_postgres.rejected import SUFFIX
from signalroom_target_postgres.target import TargetPostgres

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from psycopg import Cursor

    from pipeline_status.model import Pipeline

_TABLES = """
select table_name, bool_or(column_name = '_client_id')
from information_schema.columns where table_schema = %s
group by 1 having bool_or(column_name = '_loaded_at')
"""
_REJECTED_TABLES = """
select table_name from information_schema.tables where table_schema = %s and table_name like %s
"""
_COUNT = """
select (_loaded_at at time zone 'UTC')::date, count(*), count(*) filter (where _loaded_at >= %s)
from {table} where _loaded_at >= %s {own} group by 1
"""


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
        for pipeline in pipelines:
            count = partial(_count, pipeline=pipeline, since=since, seconds=seconds)
            connector.in_transaction(count)
    except (ConnectionFailedError, LoadError) as error:
        return str(error)
    finally:
        connector.disconnect()
    return ""


def _count(cursor: Cursor[Any], *, pipeline: Pipeline, since: datetime, seconds: int) -> None:
    cursor.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(f"{seconds}s")))
    schema = pipeline.load_schema or ""
    rows = Rows()
    started = pipeline.last.started_at if pipeline.last else since
    for table, is_shared in cursor.execute(_TABLES, (schema,)).fetchall():
        # Rows of all clients, or of one that has no name, are in one table.
        own = sql.SQL("and _client_id is not distinct from {}").format(pipeline.client_id)
        query = sql.SQL(_COUNT).format(
            table=sql.Identifier(schema, table), own=own if is_shared else sql.SQL("")
        )
        try:
            with cursor.connection.transaction():
                found = cursor.execute(query, (started, since)).fetchall()
        except errors.QueryCanceled:
            pipeline.problem = (
                f"{table} takes more than {seconds} s to count: give it more with --seconds, or "
                "leave rows out with --no-rows"
            )
            continue
        for day, count, latest in found:
            rows.by_day[day] = rows.by_day.get(day, 0) + count
            rows.last_run += latest
    like = "%" + SUFFIX.replace("_", r"\_")
    for (table,) in cursor.execute(_REJECTED_TABLES, (schema, like)).fetchall():
        query = sql.SQL(
            "select count(*) from {} where record->>'_client_id' is not distinct from {}"
        ).format(sql.Identifier(schema, table), pipeline.client_id)
        rows.rejected += sum(count for (count,) in cursor.execute(query).fetchall())
    pipeline.rows = rows
