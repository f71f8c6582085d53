"""Digests of each client's rows, by which to compare what two clients have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from psycopg import Connection

#: Columns that differ between clients: when a row was loaded, and the client.
_IGNORED = "^(_loaded_at|_sdc_.*|_client_id)$"
_TABLES = """
select table_schema, table_name from information_schema.columns
where column_name = '_client_id' order by 1, 2
"""
_COLUMNS = """
select column_name from information_schema.columns
where table_schema = %s and table_name = %s and column_name !~ %s order by 1
"""
_DIGESTS = """
select _client_id, count(*), md5(string_agg(line, '' order by line))
from (select _client_id, md5(row({row})::text) as line from {table}) as lines group by 1
"""


def digest_rows(connection: Connection[Any]) -> dict[tuple[str, str], dict[str, list[Any]]]:
    """Count and digest the rows of all clients in all tables.

    Args:
        connection: A connection to the database that was loaded into.

    Returns:
        By table (schema and name) and client: the number of rows, and a digest of their values.
    """
    digests = {}
    for schema, table in connection.execute(_TABLES).fetchall():
        columns = connection.execute(_COLUMNS, (schema, table, _IGNORED)).fetchall()
        query = sql.SQL(_DIGESTS).format(
            row=sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns),
            table=sql.Identifier(schema, table),
        )
        rows = connection.execute(query).fetchall()
        digests[schema, table] = {client: digest for client, *digest in rows}
    return digests
