"""Rows that are outdated once a version of their stream is complete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import Cursor, errors, sql

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.rows.metadata import SYNC_STARTED_AT, VERSION
from signalroom_target_postgres.values.schema_types import constants
from signalroom_target_postgres.values.sql_types import type_family, type_sql
from signalroom_target_postgres.warehouse.policies import check_policies
from signalroom_target_postgres.warehouse.row_keys import noting_keys
from signalroom_target_postgres.warehouse.table import Table, fetch_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalroom_target_postgres.spec import StreamSpec

#: Counting reads the whole table, only for a message.
_COUNT_SECONDS = 10
# Policies leave out rows from DELETE and UPDATE without an error.
_LEFT = "SELECT row_security_active({}::regclass) AND EXISTS (SELECT FROM {} WHERE {})"


@dataclass(frozen=True)
class Activation:
    """A version of a stream whose rows are complete.

    Args:
        version: The version of the ACTIVATE_VERSION.
        complete: Whether this run loaded all rows of the stream, whatever their versions.
    """

    version: int
    complete: bool = False


class OutdatedRows:
    """The rows of a stream's table that are not of its latest version, or not of this run.

    Args:
        spec: The stream that is loaded.
        table: The table that it is loaded into.
        columns: The column of each field.
    """

    def __init__(self, spec: StreamSpec, table: Table, columns: Mapping[str, str]) -> None:
        self._spec = spec
        self._table = table
        self._columns = columns
        #: Fields that the stream map sets to the same value in all records.
        self.map_constants: Mapping[str, Any] = {}

    @property
    def constants(self) -> dict[str, Any]:
        """The values that all rows of the stream share; rows of other accounts have others."""
        root = self._spec.schema
        declared = {
            field: value
            for field, schema in root["properties"].items()
            for value in constants(schema, root)
        }
        by_column = {
            self._columns[field]: value
            for field, value in {**declared, **self.map_constants}.items()
            if field in self._columns
        }
        return {name: value for name, value in by_column.items() if name in self._table.types}

    @property
    def marks_deleted(self) -> bool:
        """Whether rows are only marked as deleted."""
        return not self._spec.hard_delete

    def _older_than(self, version: int | None) -> RowSelection:
        mark = self._spec.deletion_column if self.marks_deleted else None
        run = self._spec.sync_started_at
        return RowSelection(self._table, self.constants, run, version=version, mark=mark)

    def delete_all(self, cursor: Cursor[Any], *, notes_keys: bool = False) -> int:
        """Delete all rows of the stream that this run did not load.

        Args:
            cursor: A cursor within a transaction.
            notes_keys: Whether `ROW_KEYS` gets their keys.

        Returns:
            How many rows were deleted.
        """
        rows = RowSelection(self._table, self.constants, self._spec.sync_started_at)
        return rows.retire(cursor, notes_keys=notes_keys)

    def retire(
        self, cursor: Cursor[Any], activation: Activation, *, notes_keys: bool = False
    ) -> int:
        """Delete the rows of older versions, or mark them as deleted.

        Args:
            cursor: A cursor within a transaction.
            activation: The version that is complete.
            notes_keys: Whether `ROW_KEYS` gets their keys.

        Returns:
            How many rows were deleted or marked.
        """
        version = None if activation.complete else activation.version
        return self._older_than(version).retire(cursor, notes_keys=notes_keys)

    def exist(self, cursor: Cursor[Any], version: int) -> bool:
        """Whether the table has rows of older versions."""
        return VERSION in self._table.types and self._older_than(version).exist(cursor)

    def count(self, cursor: Cursor[Any], version: int) -> int:
        """Count the rows of older versions; 0 also where counting would take long."""
        return self._older_than(version).count(cursor) if VERSION in self._table.types else 0

    def unscoped_columns(self, cursor: Cursor[Any]) -> list[str]:
        """Columns of the scope in which rows are null, so that a full refresh left them."""
        scope = self.constants
        columns = [name for name, value in scope.items() if value is not None]

        def has_null(name: str) -> bool:
            return RowSelection(self._table, scope | {name: None}, run=0).exist(cursor)

        return [*filter(has_null, columns)]


@dataclass(frozen=True)
class RowSelection:
    """The rows of a stream that a version, or a run as a whole, does not have.

    Rows without a version that this run loaded are never among them: the tap sent them, and
    some taps give versions to none of their records.

    Args:
        table: The table of the stream.
        scope: The values that all rows of this stream share, by column; others' rows stay.
        run: When this run began (`_sdc_sync_started_at` of its rows).
        version: Older versions, and rows without one, are outdated. Without it all rows are that
            this run did not load.
        mark: The column that says when a row was deleted, where rows are marked and not deleted.
            Marked rows are not outdated again.
    """

    table: Table
    scope: Mapping[str, Any]
    run: int
    version: int | None = None
    mark: str | None = None

    def retire(self, cursor: Cursor[Any], *, notes_keys: bool = False) -> int:
        """Delete these rows, or mark them as deleted.

        Args:
            cursor: A cursor within a transaction.
            notes_keys: Whether `ROW_KEYS` gets their keys.

        Returns:
            How many rows were deleted or marked.

        Raises:
            LoadError: If row-level security protects some rows that it shows, or shows none.
        """
        self.table.lock(cursor)
        statement: sql.Composable
        if self.mark:
            statement = sql.SQL("UPDATE {} SET {} = now() WHERE {}").format(
                self.table.identifier, sql.Identifier(self.mark), self._condition()
            )
        else:
            # Readers see the rows until the transaction ends; TRUNCATE would show some an empty
            # table.
            statement = sql.SQL("DELETE FROM {} WHERE {}").format(
                self.table.identifier, self._condition()
            )
        if notes_keys:
            statement = noting_keys(statement, self.table.keys)
        count = cursor.execute(statement).rowcount
        self._check_policies(cursor)
        return count

    def _check_policies(self, cursor: Cursor[Any]) -> None:
        # If no policy shows rows, the loader cannot know whether there are any.
        check_policies(cursor, self.table, ["SELECT"], "Replacing rows")
        identifier = self.table.identifier
        name = sql.Literal(identifier.as_string(cursor))
        if fetch_value(cursor, sql.SQL(_LEFT).format(name, identifier, self._condition())):
            command = "UPDATE" if self.mark else "DELETE"
            msg = (
                f"Row-level security of {self.table} shows older rows to the loader's user, "
                f"and does not let it {command} them, so that the new rows would be added to "
                f"them: they were not loaded. CREATE POLICY ... FOR {command} with the condition "
                "of the policy FOR SELECT; or set `load_method` to upsert and `activate_version` "
                "to false."
            )
            raise LoadError(msg)

    def exist(self, cursor: Cursor[Any]) -> bool:
        """Whether the table has such a row."""
        return bool(fetch_value(cursor, self._query("SELECT EXISTS (SELECT FROM {} WHERE {})")))

    def count(self, cursor: Cursor[Any]) -> int:
        """Count the rows, for a message.

        Args:
            cursor: A cursor within a transaction.

        Returns:
            How many rows there are; 0 also where counting would take long.
        """
        query = self._query("SELECT count(*) FROM {} WHERE {}")
        try:
            with cursor.connection.transaction():
                cursor.execute(f"SET LOCAL statement_timeout = '{_COUNT_SECONDS}s'")
                return int(fetch_value(cursor, query))
        except errors.QueryCanceled:
            return 0

    def _query(self, statement: LiteralString) -> sql.Composed:
        return sql.SQL(statement).format(self.table.identifier, self._condition())

    def _condition(self) -> sql.Composable:
        types = self.table.types
        conditions = [
            equality_condition(name, value, types[name]) for name, value in self.scope.items()
        ]
        of_this_run = sql.SQL("{} IS NOT DISTINCT FROM {}").format(
            self._number(SYNC_STARTED_AT), sql.Literal(self.run)
        )
        if self.version is None:
            if SYNC_STARTED_AT in types:
                conditions.append(sql.SQL("NOT ({})").format(of_this_run))
        else:
            conditions.append(
                sql.SQL("({0} < {1} OR ({0} IS NULL AND NOT ({2})))").format(
                    self._number(VERSION), sql.Literal(self.version), of_this_run
                )
            )
        if self.mark:
            conditions.append(sql.SQL("{} IS NULL").format(sql.Identifier(self.mark)))
        return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")

    def _number(self, column: str) -> sql.Composable:
        identifier = sql.Identifier(column)
        if type_family(self.table.types.get(column, "bigint")) in {"integer", "number"}:
            return identifier
        return sql.SQL("CAST(CAST({} AS text) AS numeric)").format(identifier)


def equality_condition(
    column: str, value: Any, type_: str, *, alias: str | None = None
) -> sql.Composed:
    """Make a condition that a column has a value, whatever the column's type.

    Args:
        column: The column's name.
        value: The value, as JSON has it.
        type_: The column's type, as the server names it.
        alias: The alias of the table, if it has one.
    """
    identifier = sql.Identifier(*filter(None, (alias, column)))
    if value is None:
        return sql.SQL("{} IS NULL").format(identifier)
    if type_family(type_) == "json" or isinstance(value, (dict, list)):
        # The type json has no equality.
        return sql.SQL("to_jsonb({}) = CAST({} AS jsonb)").format(
            identifier, sql.Literal(json.dumps(value))
        )
    if type_family(type_) == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    return sql.SQL("{} = CAST({} AS {})").format(identifier, sql.Literal(text), type_sql(type_))
