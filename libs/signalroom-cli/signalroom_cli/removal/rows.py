"""A client's rows in the database that is loaded into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from signalroom_target_postgres.warehouse.load_log import CLIENT_ID, SCHEMA, TABLE
from signalroom_target_postgres.warehouse.rejected import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Cursor

    from signalroom_cli.removal.client import Client

#: Tables of some schemas, and whether each has a certain column. Partitions are left out: their
#: rows belong to the partitioned table, too.
_TABLES = """
select n.nspname, c.relname, exists (
    select from pg_attribute where attrelid = c.oid and attname = %s and not attisdropped
)
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any(%s) and c.relkind in ('r', 'p') and not c.relispartition
order by 1, 2
"""
_SCHEMAS_IN_LOG = sql.SQL("select distinct table_schema from {} where client_id = any(%s)").format(
    sql.Identifier(SCHEMA, TABLE)
)
_IN_TABLE = sql.SQL("{} = any(%s)").format(sql.Identifier(CLIENT_ID))
_IN_QUARANTINE = sql.SQL("record->>{} = any(%s)").format(sql.Literal(CLIENT_ID))
_IN_LOG = sql.SQL("client_id = any(%s)")


@dataclass(frozen=True)
class _ClientRows:
    """A table, and the condition that selects a client's rows in it."""

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

    def drop_table_if_empty(self, cursor: Cursor[Any]) -> None:
        is_empty = sql.SQL("select not exists (select from {})").format(self.table)
        if cursor.execute(is_empty).fetchone() == (True,):
            cursor.execute(sql.SQL("drop table {}").format(self.table))


def _client_rows(cursor: Cursor[Any], client: Client) -> Iterator[_ClientRows]:
    """The rows of a client: in its taps' tables, in quarantine, and in the log of loads."""
    log = cursor.execute("select to_regclass(%s)", [f"{SCHEMA}.{TABLE}"]).fetchone()
    has_log = log != (None,)
    schemas = {*client.schemas}
    if has_log:
        # A loader of the client's own may load into other schemas.
        cursor.execute(_SCHEMAS_IN_LOG, [[*client.client_ids]])
        schemas |= {schema for (schema,) in cursor}
    tables = cursor.execute(_TABLES, [CLIENT_ID, [*schemas]]).fetchall()
    for schema, name, has_client_id in tables:
        if has_client_id:
            yield _ClientRows(schema, name, _IN_TABLE)
        elif name.endswith(SUFFIX):
            yield _ClientRows(schema, name, _IN_QUARANTINE)
    if has_log:
        yield _ClientRows(SCHEMA, TABLE, _IN_LOG)


def count_rows(cursor: Cursor[Any], client: Client) -> dict[str, int]:
    """Count a client's rows.

    Args:
        cursor: A cursor on the database.
        client: The client to look for.

    Returns:
        The number of rows by table; tables without any are left out.
    """
    counts = {
        f"{rows.schema}.{rows.name}": rows.count(cursor, client)
        for rows in _client_rows(cursor, client)
    }
    return {table: count for table, count in counts.items() if count}


def delete_rows(cursor: Cursor[Any], client: Client) -> None:
    """Delete a client's rows, and its own tables and schemas once they are empty.

    Args:
        cursor: A cursor on the database.
        client: The client to remove.
    """
    for rows in [*_client_rows(cursor, client)]:
        rows.delete(cursor, client)
        if rows.schema in client.own_schemas:
            rows.drop_table_if_empty(cursor)
    for schema in client.own_schemas:
        tables = "select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        if cursor.execute(f"{tables} where nspname = %s limit 1", [schema]).fetchone() is None:
            cursor.execute(sql.SQL("drop schema if exists {}").format(sql.Identifier(schema)))
