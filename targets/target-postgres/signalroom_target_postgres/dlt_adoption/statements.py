"""Statements that share the parts they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import LiteralString

    from psycopg import Cursor
    from psycopg.sql import Composable, Composed


class Statements:
    """Runs them.

    Args:
        cursor: Within a transaction.
        parts: What stands for ``{name}`` in each.
    """

    def __init__(self, cursor: Cursor[tuple[Any, ...]], **parts: Composable) -> None:
        self.cursor = cursor
        self._parts = parts

    def having(self, **parts: Composable) -> Statements:
        """Make those that have more parts.

        Args:
            parts: They.
        """
        return Statements(self.cursor, **self._parts, **parts)

    def composed(self, template: LiteralString, **parts: Composable) -> Composed:
        """Fill in a statement, or a piece of one.

        Args:
            template: The statement.
            parts: What it has besides those of all.
        """
        return sql.SQL(template).format(**self._parts, **parts)

    def shown(self, template: LiteralString, **parts: Composable) -> str:
        """Fill in a statement, for a person.

        Args:
            template: The statement.
            parts: What it has besides those of all.
        """
        return self.composed(template, **parts).as_string(self.cursor)

    def do(self, template: LiteralString, **parts: Composable) -> Cursor[tuple[Any, ...]]:
        """Run a statement.

        Args:
            template: The statement.
            parts: What it has besides those of all.
        """
        return self.cursor.execute(self.composed(template, **parts))

    def rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """Run a query without parts.

        Args:
            query: The query.
            values: Its parameters.
        """
        return self.cursor.execute(query, values).fetchall()


def listed(
    template: LiteralString, names: Iterable[str], separator: LiteralString = ", "
) -> Composable:
    """List something of each column.

    Args:
        template: With one place, for the column.
        names: The columns.
        separator: What stands between.
    """
    item = sql.SQL(template)
    return sql.SQL(separator).join(item.format(sql.Identifier(name)) for name in names)
