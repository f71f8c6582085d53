"""Each client's rows of each table, as a digest: to tell whether two clients have the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from psycopg import Connection

#: What differs from run to run: when a row was loaded, and whose it is.
_OF_THE_RUN = "^(_loaded_at|_sdc_.*|_client_id)$"
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


def digests(connection: Connection[Any]) -> dict[tuple[str, str], dict[str, list[Any]]]:
    """Look at all tables of all clients.

    Args:
        connection: To the database.

    Returns:
        Of each table (schema and name) each client's rows: how many, and a digest of all that is
        in them.
    """
    found = {}
    for schema, table in connection.execute(_TABLES).fetchall():
        columns = connection.execute(_COLUMNS, (schema, table, _OF_THE_RUN)).fetchall()
        query = sql.SQL(_DIGESTS).format(
            row=sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns),
            table=sql.Identifier(schema, table),
        )
        rows = connection.execute(query).fetchall()
        found[schema, table] = {client: rest for client, *rest in rows}
    return found
