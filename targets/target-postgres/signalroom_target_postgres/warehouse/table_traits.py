"""What a table has that decides how rows are loaded into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import Cursor, sql

from signalroom_target_postgres.warehouse import history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.warehouse.table import Table

# COPY refuses tables with row-level security and most views, and passes over rules:
# https://www.postgresql.org/docs/18/sql-copy.html ("Notes"). Rules on SELECT are views.
_TRAITS = """
SELECT
    class.relkind IN ('r', 'p')
        AND NOT row_security_active(class.oid)
        AND NOT EXISTS (
            SELECT FROM pg_rewrite WHERE ev_class = class.oid AND ev_type = '3'
        ),
    ARRAY(
        SELECT ARRAY[nspname, conname]
        FROM pg_constraint JOIN pg_namespace ON pg_namespace.oid = connamespace
        WHERE condeferrable AND (
            conrelid = class.oid
            OR conrelid IN (SELECT relid FROM pg_partition_tree(class.oid))
        )
        ORDER BY nspname, conname
    ),
    CASE WHEN relkind IN ('r', 'p') AND current_setting('track_counts')::boolean
        THEN class.oid::bigint END,
    relhassubclass,
    NOT EXISTS (
        SELECT FROM pg_attribute JOIN pg_collation ON pg_collation.oid = attcollation
        WHERE attrelid = class.oid AND attname = ANY(%s) AND NOT collisdeterministic
    ),
    obj_description(to_regclass(%s), 'pg_class')
FROM pg_class AS class
WHERE class.oid = to_regclass(%s)
"""
# Rows are counted where they are: in partitions and other tables that inherit.
_UPDATES = "SELECT pg_stat_get_xact_tuples_updated({oid})"
_UPDATES_OF_ALL = """
WITH RECURSIVE parts AS (
    SELECT {oid}::oid AS oid
    UNION SELECT inhrelid FROM pg_inherits JOIN parts ON inhparent = parts.oid
)
SELECT sum(pg_stat_get_xact_tuples_updated(oid)) FROM parts
"""


@dataclass(frozen=True)
class TableTraits:
    """How a table takes rows.

    Args:
        takes_copy: Whether COPY has the same effect on it as INSERT.
        deferrable: Constraints that may be checked as late as with COMMIT.
        updates: The query for how many of its rows the session has updated so far. None where the
            server does not count them: of views, or if it counts nothing.
        exact_texts: Whether texts of the key are only equal if all their characters are.
        has_history: Whether it has a history with all of its rows.
    """

    takes_copy: bool = True
    deferrable: Sequence[sql.Identifier] = ()
    updates: bytes | None = None
    exact_texts: bool = True
    has_history: bool = False

    @classmethod
    def read(cls, cursor: Cursor[Any], table: Table) -> TableTraits:
        """Read a table's traits from the database."""
        tables = table.companion(history.SUFFIX), table
        names = [each.identifier.as_string(cursor) for each in tables]
        row = cursor.execute(_TRAITS, ([*table.keys], *names)).fetchone()
        if row is None:
            return cls()
        takes_copy, deferrable, oid, has_parts, exact_texts, comment = row
        updates = (_UPDATES_OF_ALL if has_parts else _UPDATES).format(oid=oid).encode()
        return cls(
            takes_copy,
            [sql.Identifier(*parts) for parts in deferrable],
            updates if oid else None,
            exact_texts,
            has_history=comment == history.COMPLETE,
        )

    @property
    def check_now(self) -> sql.Composed | None:
        """The statement that has constraints checked at once, if some are deferrable."""
        if not self.deferrable:
            return None
        return sql.SQL("SET CONSTRAINTS {} IMMEDIATE").format(sql.SQL(", ").join(self.deferrable))
