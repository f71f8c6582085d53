"""A table that dlt created, and statements about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor, sql

from signalroom_target_postgres.errors import TargetPostgresError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import LiteralString


class DltTable:
    """A table that dlt created.

    Args:
        cursor: A cursor within a transaction.
        schema: The schema of the table.
        name: The name of the table.
        parts: What replaces ``{part}`` in statements, in addition to the ``{table}``.
    """

    def __init__(
        self, cursor: Cursor[tuple[Any, ...]], schema: str, name: str, **parts: sql.Composable
    ) -> None:
        self.cursor = cursor
        self.schema = schema
        self.name = name
        self._parts = {"table": sql.Identifier(schema, name)} | parts

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def not_found_error(self) -> TargetPostgresError:
        """Make the error for a table that does not exist."""
        database = self.cursor.connection.info.dbname
        return TargetPostgresError(
            f"The table {self} does not exist in the database {database!r}. Check its name, upper "
            "and lower case included, and that TARGET_POSTGRES_* name the database that dlt loaded "
            "into."
        )

    def compose(self, template: LiteralString, **parts: sql.Composable) -> sql.Composed:
        """Compose a statement, or a piece of one."""
        return sql.SQL(template).format(**self._parts, **parts)

    def as_text(self, template: LiteralString, **parts: sql.Composable) -> str:
        """Compose a statement as text, for messages."""
        return self.compose(template, **parts).as_string(self.cursor)

    def execute(self, template: LiteralString, **parts: sql.Composable) -> Cursor[tuple[Any, ...]]:
        """Execute a statement."""
        return self.cursor.execute(self.compose(template, **parts))

    def json_keys(self, column: str, path: Sequence[str] = ()) -> list[str]:
        """Return the keys of the JSON objects at a path, in all rows.

        Args:
            column: A column of type `json` or `jsonb`.
            path: The keys that lead to the objects; none for the column's own.
        """
        rows = self.execute(
            "SELECT DISTINCT k FROM (SELECT ({column}::jsonb) #> {path} AS value"
            " FROM {table} WHERE {column} IS NOT NULL) v,"
            " LATERAL jsonb_object_keys("
            "CASE jsonb_typeof(value) WHEN 'object' THEN value ELSE '{{}}' END) k"
            " ORDER BY 1",
            column=sql.Identifier(column),
            path=sql.Literal([*path]),
        )
        return [key for (key,) in rows]

    def fetch(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """Execute a query without parts, and return its rows.

        Args:
            query: The query with its parameters' placeholders.
            values: The values of the parameters.
        """
        return self.cursor.execute(query, values).fetchall()


def list_columns(
    template: LiteralString, names: Iterable[str], separator: LiteralString = ", "
) -> sql.Composable:
    """Compose a list with an item for each column.

    Args:
        template: An item with one placeholder, for the column.
        names: The names of the columns.
        separator: The text between two items.
    """
    item = sql.SQL(template)
    return sql.SQL(separator).join(item.format(sql.Identifier(name)) for name in names)
