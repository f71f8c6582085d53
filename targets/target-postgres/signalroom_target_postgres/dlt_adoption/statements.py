"""Statements that share some of their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import LiteralString

    from psycopg import Cursor
    from psycopg.sql import Composable, Composed


class Statements:
    """Runs statements.

    Args:
        cursor: A cursor within a transaction.
        parts: The parts that replace ``{name}`` in each statement.
    """

    def __init__(self, cursor: Cursor[tuple[Any, ...]], **parts: Composable) -> None:
        self.cursor = cursor
        self._parts = parts

    def bind(self, **parts: Composable) -> Statements:
        """Return statements with more parts.

        Args:
            parts: Parts in addition to these.
        """
        return Statements(self.cursor, **self._parts, **parts)

    def compose(self, template: LiteralString, **parts: Composable) -> Composed:
        """Compose a statement, or a piece of one."""
        return sql.SQL(template).format(**self._parts, **parts)

    def as_text(self, template: LiteralString, **parts: Composable) -> str:
        """Compose a statement as text, for messages."""
        return self.compose(template, **parts).as_string(self.cursor)

    def execute(self, template: LiteralString, **parts: Composable) -> Cursor[tuple[Any, ...]]:
        """Execute a statement."""
        return self.cursor.execute(self.compose(template, **parts))

    def rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """Execute a query without parts, and return its rows.

        Args:
            query: The query with its parameters' placeholders.
            values: The values of the parameters.
        """
        return self.cursor.execute(query, values).fetchall()


def list_columns(
    template: LiteralString, names: Iterable[str], separator: LiteralString = ", "
) -> Composable:
    """Compose a list with an item for each column.

    Args:
        template: An item with one placeholder, for the column.
        names: The names of the columns.
        separator: The text between two items.
    """
    item = sql.SQL(template)
    return sql.SQL(separator).join(item.format(sql.Identifier(name)) for name in names)
