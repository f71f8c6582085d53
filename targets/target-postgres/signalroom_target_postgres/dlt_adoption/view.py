"""A view with dlt's columns that no new row fills, for queries that use them.

In rows that dlt loaded they have dlt's values; in rows that were loaded since, values that the
stream has in JSON or under another name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from signalroom_target_postgres.dlt_adoption.column_types import convert_to, is_text
from signalroom_target_postgres.dlt_adoption.dlt_table import DltTable
from signalroom_target_postgres.dlt_adoption.extra_columns import EXTRA, extra_sources
from signalroom_target_postgres.dlt_adoption.names import dlt_name, likely_keys
from signalroom_target_postgres.dlt_adoption.nested_columns import (
    Source,
    base_of_variant,
    find_source,
    nested_columns,
)
from signalroom_target_postgres.dlt_adoption.new_rows import (
    LOADED_AT,
    loaded_since,
    without_new_values,
)
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.naming import with_suffix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


SUFFIX = "_dlt"
# Distinguishes a view of this command from one that somebody wrote.
_REMARK = "Columns of the dlt pipeline, made by signalroom-postgres dlt-view"

_TABLE = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v')
  AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_DESCRIBED = """
SELECT obj_description(c.oid, 'pg_class') FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
"""
_READERS = """
SELECT DISTINCT CASE g.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(g.grantee) END::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
LATERAL aclexplode(c.relacl) g
WHERE n.nspname = %s AND c.relname = %s AND g.privilege_type = 'SELECT' AND g.grantee <> c.relowner
"""


@dataclass(frozen=True)
class DltView:
    """A view, and where its values come from.

    Args:
        view: The qualified name of the view.
        served: Columns that have the new rows' values too, and where these are.
        waiting: Columns among them for which no new row has a value: there dlt's values stay.
        ended: Columns of nested data that have a value in rows of dlt only.
        empty: Other columns that are NULL in all rows that came since dlt's last load.
        statement: The statement that created it.
    """

    view: str
    served: dict[str, str]
    waiting: tuple[str, ...]
    ended: tuple[str, ...]
    empty: tuple[str, ...]
    statement: str


def make_view(
    connection: psycopg.Connection[Any], schema: str, table: str, *, dry_run: bool = False
) -> DltView:
    """Create the view of a table, or replace it by one with the table's present columns.

    Args:
        connection: A connection to the database, as the table's owner.
        schema: The schema of the table.
        table: The table, taken over and loaded into.
        dry_run: Whether to undo it at the end.

    Returns:
        The view, and where its values come from.

    Raises:
        TargetPostgresError: If it cannot be created; then nothing is changed.
    """
    try:
        with (
            connection.transaction(force_rollback=dry_run),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            return _ViewBuilder(cursor, schema, table).run()
    except psycopg.Error as error:
        reason = (error.diag.message_primary or str(error)).partition("\n")[0]
        msg = f"The view of {schema}.{table} cannot be made: {reason}. Nothing was changed."
        raise TargetPostgresError(msg) from None


def describe_view(result: DltView) -> str:
    """Describe a view, in lines for a user."""
    lines = [f"{result.view} is made: query it in place of the table."]
    width = max(map(len, result.served), default=0)
    lines += [f"{column:<{width}}  {place}" for column, place in result.served.items()]
    if result.waiting:
        lines.append(
            f"No new row has a value yet for {', '.join(result.waiting)}: until then dlt's values "
            "stay there."
        )
    if result.ended:
        lines.append(
            f"As dlt left them, and NULL in new rows: {', '.join(result.ended)}: the new pipeline "
            "does not have these values."
        )
    if result.empty:
        lines.append(
            f"NULL in all rows that came since dlt's last load: {', '.join(result.empty)}."
        )
    return "\n".join(lines)


class _ViewBuilder:
    """The view of one table, within a transaction."""

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]], schema: str, table: str) -> None:
        self._view = with_suffix(table, SUFFIX)
        self._table = DltTable(cursor, schema, table, view=sql.Identifier(schema, self._view))
        #: The types of the table's columns, by name.
        self._types: dict[str, str] = dict(self._table.fetch(_TABLE, schema, table))
        self._since = loaded_since(self._table, [*self._types])
        self._keys: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        self._guessed: set[str] = set()

    def run(self) -> DltView:
        """Create the view.

        Returns:
            The view, and where its values come from.
        """
        nested = nested_columns(self._table, self._types)
        sources = self._find_sources(nested)
        self._check(nested, sources)
        served: dict[str, str] = {}
        columns: dict[str, sql.Composable] = {}
        for column in self._types:
            columns[column] = sql.Identifier(column)
            source = sources.get(column)
            if source and (value := self._value(column, source)):
                columns[column] = value
                served[column] = self._describe_source(source)
        empty = without_new_values(self._table, [*self._types])
        return DltView(
            view=f"{self._table.schema}.{self._view}",
            served=served,
            waiting=tuple(column for column in served if column in self._guessed),
            ended=tuple(column for column in nested if column not in served),
            empty=tuple(name for name in empty if name not in served and name not in nested),
            statement=self._make(columns),
        )

    def _find_sources(self, nested: Sequence[str]) -> dict[str, Source]:
        """Return where new rows have the values of dlt's columns, by column."""
        sources = extra_sources(self._table, self._types)
        for column in nested:
            if source := find_source(self._table, column, self._types):
                sources[column] = source
        return sources

    def _check(self, nested: Sequence[str], sources: Mapping[str, Source]) -> None:
        """Fail where the table does not exist, needs no view, or has no new rows yet."""
        if not self._types:
            raise self._table.not_found_error()
        if not nested and not sources and LOADED_AT in self._types:
            msg = (
                f"{self._table} needs no view: dlt created no columns of nested data in it, and no "
                f"new row has a value of its columns in `{EXTRA}`, so that queries on the table "
                "work as before."
            )
            raise TargetPostgresError(msg)
        if LOADED_AT not in self._types:
            msg = (
                f"{self._table} has no row of the new pipeline yet: take it over, load the stream "
                "once, and run this again."
            )
            raise TargetPostgresError(msg)

    def _value(self, column: str, source: Source) -> sql.Composable | None:
        """Return an expression for the column's value in every row."""
        new = self._new_value(column, source)
        base = base_of_variant(column)
        if new is not None and base in self._types:
            # dlt has a value in a variant only where the column itself does not take it.
            base_value = self._new_value(base, source)
            new = (
                sql.SQL("CASE WHEN {} IS NULL THEN {} END").format(base_value, new)
                if base_value
                else new
            )
        if new is None:
            return None
        old = sql.Identifier(column)
        is_new = self._has_extra(source) if source.column == EXTRA else self._since
        if is_new is None or column in self._guessed:
            return sql.SQL("coalesce({}, {})").format(new, old)
        return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(is_new, new, old)

    def _has_extra(self, source: Source) -> sql.Composable:
        """Return a condition for rows that have the source's field in `_extra`.

        Other rows have the value in the column: dlt's, and those whose value fits.
        """
        (field, *_) = source.path
        keys = [key for key in self._keys_at(EXTRA, ()) if dlt_name(key) == field]
        return sql.SQL("{} ?| {}").format(self._as_jsonb(EXTRA), sql.Literal(keys))

    def _new_value(self, column: str, source: Source) -> sql.Composable | None:
        """Return an expression for the stream's value, converted to the column's type."""
        type_ = self._types[column]
        if not source.path:
            own = self._types[source.column]
            value = convert_to(type_, own, sql.Identifier(source.column))
            if value and source.is_blank_for_null and is_text(type_):
                return sql.SQL("coalesce({}, '')").format(value)
            return value
        keys, is_found = self._candidates(source)
        if not is_found:
            self._guessed.add(column)
        stored = self._as_jsonb(source.column)
        values = [sql.SQL("{} #> {}").format(stored, sql.Literal([*path])) for path in keys]
        return convert_to(
            type_, "jsonb", sql.SQL("coalesce({})").format(sql.SQL(", ").join(values))
        )

    def _as_jsonb(self, column: str) -> sql.Composable:
        """Return a JSON column, as jsonb."""
        template = sql.SQL("{}" if self._types[column] == "jsonb" else "{}::jsonb")
        return template.format(sql.Identifier(column))

    def _candidates(self, source: Source) -> tuple[list[tuple[str, ...]], bool]:
        """Return the paths of keys that dlt gives the source's names, and whether rows have them.

        Where no row has one, keys that dlt may have given the name are guessed.
        """
        paths: list[tuple[str, ...]] = [()]
        is_found = True
        for part in source.path:
            matches = [
                (*path, key)
                for path in paths
                for key in self._keys_at(source.column, path)
                if dlt_name(key) == part
            ]
            is_found = is_found and bool(matches)
            paths = matches or [(*path, key) for path in paths for key in likely_keys(part)]
        return paths, is_found

    def _keys_at(self, column: str, path: tuple[str, ...]) -> list[str]:
        """Return the keys of the objects at a path, in all rows."""
        if (column, path) not in self._keys:
            self._keys[column, path] = self._table.json_keys(column, path)
        return self._keys[column, path]

    def _describe_source(self, source: Source) -> str:
        if not source.path:
            return source.column
        return ".".join((source.column, *self._candidates(source)[0][0]))

    def _make(self, columns: dict[str, sql.Composable]) -> str:
        """Create the view, or replace it.

        Returns:
            The statement.
        """
        there = self._table.fetch(_DESCRIBED, self._table.schema, self._view)
        if there not in ([], [(_REMARK,)]):
            msg = (
                f"{self._table.schema}.{self._view} exists, and was not created by this command: "
                "rename it, and run this again. Nothing was changed."
            )
            raise TargetPostgresError(msg)
        # PostgreSQL replaces a view only by one that begins with the same columns.
        before = [name for name, _ in self._table.fetch(_TABLE, self._table.schema, self._view)]
        ordered = dict.fromkeys([name for name in before if name in columns]) | columns
        statement: sql.Composed = self._table.compose(
            "CREATE OR REPLACE VIEW {view} AS SELECT {columns} FROM {table}",
            columns=sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(columns[name], sql.Identifier(name)) for name in ordered
            ),
        )
        if len(before) > len([name for name in before if name in columns]):
            self._table.execute("DROP VIEW {view}")
        self._table.cursor.execute(statement)
        self._table.execute("COMMENT ON VIEW {view} IS {remark}", remark=sql.Literal(_REMARK))
        for (reader,) in self._table.fetch(_READERS, self._table.schema, self._table.name):
            self._table.execute(
                "GRANT SELECT ON {view} TO {reader}",
                reader=sql.Identifier(reader) if reader else sql.SQL("PUBLIC"),
            )
        return statement.as_string(self._table.cursor)
