"""Old rows in the database that is loaded into: the log of loads, and rejected rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from psycopg import sql

from signalroom_cli.cleanup.model import Removed
from signalroom_cli.database import in_transaction
from signalroom_target_postgres.embedded import EmbeddedPostgresError
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.load_log import SCHEMA, TABLE
from signalroom_target_postgres.warehouse.naming import with_suffix
from signalroom_target_postgres.warehouse.rejected import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from psycopg import Cursor

    from signalroom_cli.cleanup.model import Limits

_MAY_DELETE = """
select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
and has_table_privilege(c.oid, 'delete')
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %s and c.relname = %s
"""
#: The last row of each stream stays: it says into which table the stream is loaded.
_OLD_LOADS = """
started_at < %(before)s and (run_id, stream) not in (
    select run_id, stream from (
        select run_id, stream, row_number() over (
            partition by state_id, extractor, stream, table_schema, table_name
            order by started_at desc
        ) as rank from signalroom.loads
    ) as ranked where rank = 1
)
"""
_OLD_REJECTED = "last_rejected_at < %(before)s"
_TABLES = "select distinct table_schema, table_name from signalroom.loads order by 1, 2"


def remove_rows(settings: Mapping[str, Any], limits: Limits) -> tuple[list[Removed], list[str]]:
    """Remove old rows of the log of loads and, if the limits say so, old rejected rows.

    Args:
        settings: The loader's settings by name.
        limits: What is old enough to be removed.

    Returns:
        What was removed, by table; and what could not be removed, in sentences.
    """
    try:
        return in_transaction(settings, partial(_remove_rows, limits=limits))
    except (EmbeddedPostgresError, TargetPostgresError) as error:
        return [], [str(error)]


def _remove_rows(cursor: Cursor[Any], *, limits: Limits) -> tuple[list[Removed], list[str]]:
    removed, problems = [], []

    def remove(table: tuple[str, str], condition: str, before: datetime) -> None:
        privilege = cursor.execute(_MAY_DELETE, table).fetchone()
        if privilege == (True,):
            removed.append(_delete(cursor, table, condition, before, dry_run=limits.dry_run))
        elif privilege:
            name = ".".join(table)
            role = cursor.connection.info.user
            problems.append(
                f"{role} may not delete rows of {name}. As its owner: GRANT SELECT, DELETE ON "
                f"{name} TO {role}"
            )

    if limits.rejected_before and cursor.execute(_MAY_DELETE, (SCHEMA, TABLE)).fetchone():
        for schema, name in cursor.execute(_TABLES).fetchall():
            table = (schema, with_suffix(name, SUFFIX))
            remove(table, _OLD_REJECTED, limits.rejected_before)
    remove((SCHEMA, TABLE), _OLD_LOADS, limits.before)
    return removed, problems


def _delete(
    cursor: Cursor[Any],
    table: tuple[str, str],
    condition: str,
    before: datetime,
    *,
    dry_run: bool,
) -> Removed:
    values = {"before": before}
    where = sql.SQL("from {} as old where " + condition).format(sql.Identifier(*table))
    query = sql.SQL("select count(*), coalesce(sum(pg_column_size(old.*)), 0)::int8 ") + where
    count, size = cursor.execute(query, values).fetchone() or (0, 0)
    if not dry_run and count:
        cursor.execute(sql.SQL("delete ") + where, values)
    return Removed(f"rows of {'.'.join(table)}", count, size)
