"""Rows that are outdated once a version of their stream is complete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import errors, sql

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.rows.metadata import SYNC_STARTED_AT, VERSION
from signalroom_target_postgres.values.schema_types import pinned
from signalroom_target_postgres.values.sql_types import family, type_sql
from signalroom_target_postgres.warehouse.policies import check_policies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Cursor
    from psycopg.sql import Composable, Composed

    from signalroom_target_postgres.sink import PostgresSink
    from signalroom_target_postgres.warehouse.table import Destination

#: Counting reads the whole table, and is only for a message.
_COUNT_SECONDS = 10
# Policies leave out rows from DELETE and UPDATE without a word.
_KEPT = "SELECT row_security_active({}::regclass) AND EXISTS (SELECT FROM {} WHERE {})"


@dataclass(frozen=True)
class Activation:
    """A version whose rows have all come.

    Args:
        version: The version.
        complete: Whether this run loaded all rows of the stream, whatever their versions.
    """

    version: int
    complete: bool = False


class OutdatedRows:
    """The rows of a stream's table that are not of its latest version, or not of this run.

    Args:
        sink: What is known of the stream.
        destination: Its table.
        columns: The column of each field.
    """

    def __init__(
        self, sink: PostgresSink, destination: Destination, columns: Mapping[str, str]
    ) -> None:
        self._sink = sink
        self._destination = destination
        self._columns = columns

    @property
    def _mapped(self) -> Mapping[str, Any]:
        """Columns that a stream map sets to a constant."""
        mapped: Mapping[str, Any] = self._sink.mapped_constants
        return {
            self._columns[name]: value for name, value in mapped.items() if name in self._columns
        }

    @property
    def _scope(self) -> dict[str, Any]:
        """The values that all rows of the stream share; rows of other accounts are not its own."""
        root: Mapping[str, Any] = self._sink.schema
        declared = {
            self._columns[name]: value
            for name, one in root["properties"].items()
            for value in pinned(one, root)
        }
        return {
            name: value
            for name, value in {**declared, **self._mapped}.items()
            if name in self._destination.types
        }

    @property
    def _mark(self) -> str | None:
        """The column that says when a row was deleted, where rows are only marked."""
        if self._sink.config.get("hard_delete"):
            return None
        name: str = self._sink.soft_delete_column_name
        return name

    @property
    def _knows_versions(self) -> bool:
        return VERSION in self._destination.types

    def _rows(self, version: int | None = None, mark: str | None = None) -> Outdated:
        return Outdated(
            self._destination, self._scope, self._sink.sync_started_at, version=version, mark=mark
        )

    def clear(self, cursor: Cursor[Any]) -> int:
        """Delete all rows that this run did not load.

        Args:
            cursor: Within a transaction.

        Returns:
            How many rows there were.
        """
        return self._rows().retire(cursor)

    def retire(self, cursor: Cursor[Any], activation: Activation) -> int:
        """Delete the rows that a version does not have, or mark them as deleted.

        Args:
            cursor: Within a transaction.
            activation: The version.

        Returns:
            How many rows there were.
        """
        version = None if activation.complete else activation.version
        return self._rows(version, self._mark).retire(cursor)

    def report(self, retired: int) -> None:
        """Say what `retire` did.

        Args:
            retired: How many rows there were.
        """
        if retired:
            what = "Marked as deleted" if self._mark else "Deleted"
            self._sink.logger.debug("%s %d rows of %s", what, retired, self._destination)

    def exist(self, version: int) -> bool:
        """Tell whether there are rows that a version does not have.

        Args:
            version: The version.

        Returns:
            Whether there are.
        """
        rows = self._rows(version, self._mark)
        return self._knows_versions and self._sink.connector.in_transaction(rows.exist)

    def count(self, version: int) -> int:
        """Count the rows that a version does not have; for a message.

        Args:
            version: The version.

        Returns:
            How many there are; 0 also where counting would take long.
        """
        rows = self._rows(version, self._mark)
        return (self._knows_versions and self._sink.connector.in_transaction(rows.count)) or 0

    def warn_of_unscoped(self) -> None:
        """Say which rows a replace kept because they lack a constant."""
        for name in (name for name, value in self._scope.items() if value is not None):
            without = Outdated(self._destination, self._scope | {name: None}, run=0)
            if self._sink.connector.in_transaction(without.exist):
                self._sink.logger.warning(
                    "%s has rows without a value in %s, which the schema or the stream map of %s "
                    "sets to a constant. They were kept, as they may be another account's: delete "
                    "them, or fill the column, if they are not",
                    *(self._destination, name, self._sink.stream_name),
                )


@dataclass(frozen=True)
class Outdated:
    """The rows of a stream that a version, or a run as a whole, does not have.

    Rows without a version that this run loaded are never among them: the tap sent them, and
    some taps give versions to none of their records.

    Args:
        destination: The stream's table.
        scope: The values that all rows of this stream share, by column; others' rows stay.
        run: When this run began (`_sdc_sync_started_at` of its rows).
        version: Older versions, and rows without one, are outdated. Without it all rows are that
            this run did not load.
        mark: The column that says when a row was deleted, where rows are marked and not deleted.
            Marked rows are not outdated again.
    """

    destination: Destination
    scope: Mapping[str, Any]
    run: int
    version: int | None = None
    mark: str | None = None

    def retire(self, cursor: Cursor[Any]) -> int:
        """Delete these rows, or mark them as deleted.

        Args:
            cursor: Within a transaction.

        Returns:
            How many rows there were.

        Raises:
            LoadError: If row-level security keeps some that it shows, or shows none at all.
        """
        self.destination.lock(cursor)
        if self.mark:
            statement = sql.SQL("UPDATE {} SET {} = now() WHERE {}").format(
                self.destination.identifier, sql.Identifier(self.mark), self._condition()
            )
        else:
            # Readers see the rows until the transaction ends; TRUNCATE would show some an empty
            # table.
            statement = sql.SQL("DELETE FROM {} WHERE {}").format(
                self.destination.identifier, self._condition()
            )
        count = cursor.execute(statement).rowcount
        self._check_policies(cursor)
        return count

    def _check_policies(self, cursor: Cursor[Any]) -> None:
        # Where none shows rows, nothing tells whether there are any.
        check_policies(cursor, self.destination, ["SELECT"], "Replacing rows")
        identifier = self.destination.identifier
        name = sql.Literal(identifier.as_string(cursor))
        kept = cursor.execute(sql.SQL(_KEPT).format(name, identifier, self._condition()))
        if kept.fetchone() == (True,):
            command = "UPDATE" if self.mark else "DELETE"
            msg = (
                f"Row-level security of {self.destination} shows older rows to the loader's user, "
                f"and does not let it {command} them, so that the new rows would stand beside "
                f"them: they were not loaded. CREATE POLICY ... FOR {command} with the condition "
                "of the policy FOR SELECT; or set `load_method` to upsert and `activate_version` "
                "to false."
            )
            raise LoadError(msg)

    def exist(self, cursor: Cursor[Any]) -> bool:
        """Tell whether there is any.

        Args:
            cursor: To ask by.

        Returns:
            Whether there is.
        """
        row = cursor.execute(self._select("SELECT EXISTS (SELECT FROM {} WHERE {})")).fetchone()
        return bool(row and row[0])

    def count(self, cursor: Cursor[Any]) -> int | None:
        """Count them, if that takes no longer than a message is worth.

        Args:
            cursor: Within a transaction.

        Returns:
            How many there are; None if counting took too long.
        """
        try:
            with cursor.connection.transaction():
                cursor.execute(f"SET LOCAL statement_timeout = '{_COUNT_SECONDS}s'")
                row = cursor.execute(self._select("SELECT count(*) FROM {} WHERE {}")).fetchone()
        except errors.QueryCanceled:
            return None
        return int(row[0]) if row else 0

    def _select(self, statement: LiteralString) -> Composed:
        return sql.SQL(statement).format(self.destination.identifier, self._condition())

    def _condition(self) -> Composable:
        types = self.destination.types
        conditions = [*self._in_scope()]
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

    def _number(self, column: str) -> Composable:
        identifier = sql.Identifier(column)
        if family(self.destination.types.get(column, "bigint")) in {"integer", "number"}:
            return identifier
        return sql.SQL("CAST(CAST({} AS text) AS numeric)").format(identifier)

    def _in_scope(self) -> list[Composed]:
        types = self.destination.types
        return [equals(name, value, types[name]) for name, value in self.scope.items()]


def equals(column: str, value: Any, type_: str) -> Composed:
    """A condition that a column has a value, whatever the column's type.

    Args:
        column: The column.
        value: A value of JSON.
        type_: The column's type.

    Returns:
        The condition.
    """
    if value is None:
        return sql.SQL("{} IS NULL").format(sql.Identifier(column))
    if family(type_) == "json" or isinstance(value, (dict, list)):
        # The type json has no equality.
        return sql.SQL("to_jsonb({}) = CAST({} AS jsonb)").format(
            sql.Identifier(column), sql.Literal(json.dumps(value))
        )
    if family(type_) == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    return sql.SQL("{} = CAST({} AS {})").format(
        sql.Identifier(column), sql.Literal(text), type_sql(type_)
    )
