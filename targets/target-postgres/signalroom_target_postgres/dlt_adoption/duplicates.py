"""Rows of the same key as a newer one, moved into a table beside their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.values.sql_types import type_sql
from signalroom_target_postgres.warehouse.naming import with_suffix
from signalroom_target_postgres.warehouse.table import column_list

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg.sql import Composable

    from signalroom_target_postgres.dlt_adoption.statements import Statements

_LOAD_ID = "_dlt_load_id"
_SUFFIX = "__duplicates"
# Tells our table of duplicates from a child table that dlt made of a field `duplicates`.
_REMARK = "Older rows of the same key, moved here by signalroom-postgres take-over"


class Archive:
    """The table beside a table that dlt made.

    Args:
        statements: Such as have the ``{table}``.
        schema: The table's schema.
        table: The table.
    """

    def __init__(self, statements: Statements, schema: str, table: str) -> None:
        self._schema = schema
        self._table = with_suffix(table, _SUFFIX)
        self._sql = statements.having(archive=sql.Identifier(schema, self._table))

    def __str__(self) -> str:
        return f"{self._schema}.{self._table}"

    def take(self, key: Sequence[Composable], types: Mapping[str, str]) -> int:
        """Move all rows but the newest of each key.

        Args:
            key: What the key is made of.
            types: The table's columns by name, as the server's `format_type` names them.

        Returns:
            How many there were.

        Raises:
            TargetPostgresError: If another table has the name of this one.
        """
        newest: Composable = sql.SQL("ctid DESC")
        if _LOAD_ID in types:
            # When dlt began to load it, in seconds; whoever wrote another text is not asked.
            newest = sql.SQL(
                "CASE WHEN {load}::text ~ '^[0-9]+(\\.[0-9]+)?$' THEN {load}::text::numeric END"
                " DESC NULLS LAST, ctid DESC"
            ).format(load=sql.Identifier(_LOAD_ID))
        ranks = self._sql.composed(
            "SELECT ctid AS place, row_number() OVER (PARTITION BY {parts} ORDER BY {newest})"
            " AS rank FROM {table}",
            parts=sql.SQL(", ").join(key),
            newest=newest,
        )
        ((count,),) = self._sql.do("SELECT count(*) FROM ({ranks}) r WHERE r.rank > 1", ranks=ranks)
        if not count:
            return 0
        self._make(types)
        moved = self._sql.do(
            "WITH moved AS (DELETE FROM {table} t USING ({ranks}) r"
            " WHERE t.ctid = r.place AND r.rank > 1 RETURNING t.*)"
            " INSERT INTO {archive} ({columns}) SELECT {columns} FROM moved",
            ranks=ranks,
            columns=column_list([*types]),
        )
        return moved.rowcount

    def _make(self, types: Mapping[str, str]) -> None:
        """Make the table, or make it fit if it is there from the last time."""
        found = self._sql.rows(
            "SELECT obj_description(c.oid, 'pg_class') FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s",
            self._schema,
            self._table,
        )
        if not found:
            self._sql.do("CREATE TABLE {archive} (LIKE {table})")
            self._sql.do("COMMENT ON TABLE {archive} IS {remark}", remark=sql.Literal(_REMARK))
        elif found != [(_REMARK,)]:
            msg = (
                f"{self}, where duplicates are moved to, is something else: rename it, and run "
                "this again. Nothing was changed."
            )
            raise TargetPostgresError(msg)
        for name, type_ in types.items():
            self._sql.do(
                "ALTER TABLE {archive} ADD COLUMN IF NOT EXISTS {name} {type_}",
                name=sql.Identifier(name),
                type_=type_sql(type_),
            )
