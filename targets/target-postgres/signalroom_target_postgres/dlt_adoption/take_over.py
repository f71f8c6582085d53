"""Prepares tables that dlt created for this target.

dlt writes by deleting and inserting, so its tables have no primary key, and two columns of its
own, ``_dlt_id`` and ``_dlt_load_id``, that are never NULL. This target writes by ``INSERT ... ON
CONFLICT (key) DO UPDATE``: it needs the key, and does not know dlt's columns.

Names, types and rows stay as they are, so that queries on the table still work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from signalroom_target_postgres.connection.server_messages import redact_message
from signalroom_target_postgres.dlt_adoption.clients import CLIENT_ID, check_clients, find_clients
from signalroom_target_postgres.dlt_adoption.dlt_table import DltTable, list_columns
from signalroom_target_postgres.dlt_adoption.extra_columns import extra_sources
from signalroom_target_postgres.dlt_adoption.nested_columns import (
    child_tables,
    nested_columns,
    optional_columns,
)
from signalroom_target_postgres.dlt_adoption.new_rows import without_new_values
from signalroom_target_postgres.dlt_adoption.primary_key import (
    DuplicateArchive,
    check_nulls,
    find_uniques,
    has_key,
)
from signalroom_target_postgres.dlt_adoption.report import AdoptionReport
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.table import column_list

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


_DLT_ID = "_dlt_id"
# A session that waits for the table makes all later ones wait too, readers included.
_LOCK_TIMEOUT = "30s"

_FIND = """
SELECT c.oid, c.relkind = 'r' AND NOT EXISTS (
           SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)),
       pg_has_role(c.relowner, 'USAGE'), pg_get_userbyid(c.relowner), current_user::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod),
       attnotnull AND attidentity = '' AND attgenerated = ''
FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def take_over(
    connection: psycopg.Connection[Any],
    schema: str,
    table: str,
    key: Sequence[str],
    *,
    client_id: str | None = None,
    without_client: bool = False,
    stream_columns: Collection[str] | None = None,
    dry_run: bool = False,
) -> AdoptionReport:
    """Prepare a table that dlt created for this target, in one transaction.

    Nobody else reads or writes the table meanwhile. Of several rows with the same key the one
    that dlt loaded last stays; the others are moved into ``<table>__duplicates``. A table that
    is ready stays as it is.

    Args:
        connection: A connection to the database, as the table's owner.
        schema: The schema of the table.
        table: The name of the table.
        key: The stream's key columns, without ``_client_id`` if `client_id` is set.
        client_id: The client of the rows that have no ``_client_id``; it becomes the first column
            of the key, as the tap's setting `client_id` makes it.
        without_client: Whether new rows are to have no client although old ones have one.
        stream_columns: The columns that the stream fills, if its catalog was read.
        dry_run: Whether to undo everything at the end.

    Returns:
        What was done.

    Raises:
        TargetPostgresError: If it cannot be done; then nothing is changed.
    """
    key_columns = _key_columns(key, client_id)
    name = f"{schema}.{table}"
    try:
        with (
            connection.transaction(force_rollback=dry_run),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            work = _TakeOver(cursor, schema, table, key_columns, client_id)
            return work.run(stream_columns, without_client=without_client, dry_run=dry_run)
    except psycopg.errors.LockNotAvailable:
        msg = (
            f"{name} is in use for more than {_LOCK_TIMEOUT}: let the pipelines and queries on it "
            "end, or stop them, and run this again. Nothing was changed."
        )
        raise TargetPostgresError(msg) from None
    except psycopg.Error as error:
        reason = redact_message(error, [schema, table])
        msg = f"{name} cannot be taken over: {reason}. Nothing was changed."
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            names = sql.Identifier(schema), sql.Identifier(connection.info.user)
            grant = sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {}").format(*names)
            msg += (
                " Creating a key also needs the right to create in the schema, which its owner can "
                f"grant: {grant.as_string(connection)}"
            )
        raise TargetPostgresError(msg) from None


def _key_columns(key: Sequence[str], client_id: str | None) -> tuple[str, ...]:
    columns = tuple(dict.fromkeys(key))
    if not columns:
        msg = "Without a key there is nothing to merge rows by: give the stream's key columns."
        raise TargetPostgresError(msg)
    if client_id is None:
        return columns
    if not client_id:
        msg = "The client is empty: give the value of the tap's setting `client_id`."
        raise TargetPostgresError(msg)
    return (CLIENT_ID, *(column for column in columns if column != CLIENT_ID))


class _TakeOver:
    """The take-over of one table, within a transaction."""

    def __init__(
        self,
        cursor: psycopg.Cursor[tuple[Any, ...]],
        schema: str,
        table: str,
        key: tuple[str, ...],
        client_id: str | None,
    ) -> None:
        self._key = key
        self._client_id = client_id
        self._table = DltTable(
            *(cursor, schema, table),
            key=column_list(key),
            client=sql.Identifier(CLIENT_ID),
            client_id=sql.Literal(client_id),
        )
        self._archive = DuplicateArchive(self._table)

    def run(
        self, stream_columns: Collection[str] | None, *, without_client: bool, dry_run: bool
    ) -> AdoptionReport:
        """Prepare the table.

        Args:
            stream_columns: The columns that the stream fills; None if they are not known.
            without_client: Whether new rows are to have no client although old ones have one.
            dry_run: Whether all is undone at the end.

        Returns:
            What was done.
        """
        oid = self._lock()
        columns = self._table.fetch(_COLUMNS, oid)
        names = [name for name, _, _ in columns]
        self._check_columns(names)
        clients = find_clients(self._table) if CLIENT_ID in names else {}
        if not without_client:
            check_clients(self._table, self._key, clients, self._client_id, dry_run=dry_run)
        uniques = find_uniques(self._table, oid)
        key_added = not has_key(self._table, self._key, uniques)
        client_column_added = self._client_id is not None and CLIENT_ID not in names
        if client_column_added:
            self._add_client_column()
            columns.append((CLIENT_ID, "text", False))
        nullable = self._allow_nulls(columns)
        duplicates = filled = 0
        if key_added:
            duplicates, filled = self._add_key({name: type_ for name, type_, _ in columns})
        ((rows,),) = self._table.execute("SELECT count(*) FROM {table}")
        nested, missing = nested_columns(self._table, names), []
        if stream_columns is not None:
            own = [name for name in names if not name.startswith("_dlt_")]
            missing = [name for name in own if name not in {*stream_columns, *nested}]
            nested = [name for name in nested if name not in stream_columns]
        return AdoptionReport(
            table=str(self._table),
            key=self._key,
            rows=rows,
            key_added=key_added,
            example=self._example(),
            duplicates=duplicates,
            duplicates_table=str(self._archive) if duplicates else "",
            nullable=tuple(nullable),
            client_column_added=client_column_added,
            client_rows=rows if client_column_added else filled,
            clients=find_clients(self._table) if clients or client_column_added else {},
            nested=tuple(nested),
            missing=tuple(missing),
            optional=optional_columns(self._table, names),
            empty=without_new_values(self._table, names),
            in_extra=tuple(extra_sources(self._table, {name: type_ for name, type_, _ in columns})),
            children=tuple(child_tables(self._table)),
            uniques=tuple(
                index
                for index, _, primary, parts in uniques
                if not primary and parts != [_DLT_ID] and set(parts) != set(self._key)
            ),
        )

    def _add_client_column(self) -> None:
        # Writes no row: PostgreSQL stores the value of existing rows in the catalog.
        self._table.execute("ALTER TABLE {table} ADD COLUMN {client} text DEFAULT {client_id}")
        self._table.execute("ALTER TABLE {table} ALTER COLUMN {client} DROP DEFAULT")

    def _allow_nulls(self, columns: Sequence[tuple[str, str, bool]]) -> list[str]:
        """Allow NULL in required columns that are not in the key; return them."""
        nullable = [name for name, _, required in columns if required and name not in self._key]
        if nullable:
            drops = list_columns("ALTER COLUMN {} DROP NOT NULL", nullable)
            self._table.execute("ALTER TABLE {table} {drops}", drops=drops)
        return nullable

    def _add_key(self, types: Mapping[str, str]) -> tuple[int, int]:
        """Add the primary key.

        Returns:
            How many older rows of the same key were moved, and how many rows got the client.
        """
        check_nulls(self._table, self._own_key)
        duplicates = self._archive.move_older(self._partition(), types)
        filled = 0
        if self._client_id is not None:
            # Only now: it moves rows, and their place may tell which is the newest.
            filled = self._table.execute(
                "UPDATE {table} SET {client} = {client_id} WHERE {client} IS NULL"
            ).rowcount
        self._table.execute("ALTER TABLE {table} ADD PRIMARY KEY ({key})")
        return duplicates, filled

    @property
    def _own_key(self) -> list[str]:
        """The key columns, without the client's where rows get one."""
        return [column for column in self._key if self._client_id is None or column != CLIENT_ID]

    def _lock(self) -> int:
        rows = self._table.fetch(_FIND, self._table.schema, self._table.name)
        if not rows:
            raise self._table.not_found_error()
        ((oid, plain, owned, owner, user),) = rows
        if not plain:
            msg = (
                f"{self._table} is a view or a partitioned table. Name the ordinary table that dlt "
                "created."
            )
            raise TargetPostgresError(msg)
        if not owned:
            change = self._table.as_text(
                "ALTER TABLE {table} OWNER TO {user}", user=sql.Identifier(user)
            )
            msg = (
                f"{self._table} belongs to {owner!r}, and {user!r} may not change it: connect as "
                f"{owner!r}, or let {owner!r} run: {change}"
            )
            raise TargetPostgresError(msg)
        self._table.fetch("SELECT set_config('lock_timeout', %s, true)", _LOCK_TIMEOUT)
        self._table.execute("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        return int(oid)

    def _check_columns(self, names: Sequence[str]) -> None:
        if missing := [column for column in self._own_key if column not in names]:
            msg = (
                f"{self._table} has no column {', '.join(missing)}: give the key columns as they "
                f"are named there. It has: {', '.join(names)}."
            )
            raise TargetPostgresError(msg)

    def _partition(self) -> list[sql.Composable]:
        """Expressions for the key columns, once rows without a client have one."""
        return [
            sql.Identifier(column)
            if column in self._own_key
            else self._table.compose("coalesce({client}, {client_id})")
            for column in self._key
        ]

    def _example(self) -> tuple[str, ...]:
        texts = list_columns("{}::text", self._key)
        rows = self._table.execute("SELECT {texts} FROM {table} LIMIT 1", texts=texts)
        return rows.fetchone() or ()
