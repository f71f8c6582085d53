"""Tables that dlt made, made ready for this target.

dlt writes by deleting and inserting, so its tables have no primary key, and two columns of its
own, ``_dlt_id`` and ``_dlt_load_id``, that are never NULL. This target writes by ``INSERT ... ON
CONFLICT (key) DO UPDATE``: it needs the key, and knows nothing of dlt's columns.

Names, types and rows stay as they are, so that queries on the table go on working.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from signalroom_target_postgres.destination import names as _names
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.sqltypes import type_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import LiteralString

    from psycopg.sql import Composable, Composed

CLIENT_ID = "_client_id"
LOAD_ID = "_dlt_load_id"
_DLT_ID = "_dlt_id"
_DUPLICATES = "__duplicates"
_NAME_BYTES = 63
# Whoever waits for the table keeps everybody who comes later waiting too, readers included.
_LOCK_TIMEOUT = "30s"
# Tells our table of duplicates from a child table that dlt made of a field `duplicates`.
_REMARK = "Older rows of the same key, moved here by signalroom-postgres take-over"

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
# Those on expressions have a column 0, which has no name.
_UNIQUE = """
SELECT i.indexrelid::regclass::text, c.conname, i.indisprimary,
       array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i
CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
WHERE i.indrelid = %s AND i.indisunique AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, c.conname, i.indisprimary ORDER BY 1
"""


@dataclass(frozen=True)
class TakeOver:
    """What became of a table.

    Args:
        table: Its name, with the schema's.
        key: The columns of its primary key, in order.
        rows: How many rows it has now.
        key_added: Whether the primary key is new.
        example: The key of one row, as text.
        duplicates: How many older rows of the same key were moved.
        duplicates_table: Where to.
        nullable: The columns that had to have a value, and need none any more.
        client_column_added: Whether ``_client_id`` is new.
        client_rows: How many rows had no client and have one now.
        uniques: Other unique indexes than dlt's own, which stay, and may be in the way.
    """

    table: str
    key: tuple[str, ...]
    rows: int
    key_added: bool = False
    example: tuple[str, ...] = ()
    duplicates: int = 0
    duplicates_table: str = ""
    nullable: tuple[str, ...] = ()
    client_column_added: bool = False
    client_rows: int = 0
    uniques: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return self.key_added or self.client_column_added or bool(self.nullable)


def take_over(
    connection: psycopg.Connection[Any],
    schema: str,
    table: str,
    key: Sequence[str],
    *,
    client_id: str | None = None,
    dry_run: bool = False,
) -> TakeOver:
    """Make a table that dlt made ready for this target, in one transaction.

    Nobody else reads or writes the table meanwhile. Of several rows with the same key the one
    that dlt loaded last stays; the others are moved into ``<table>__duplicates``. A table that
    is ready stays as it is.

    Args:
        connection: To the database, as the table's owner.
        schema: The table's schema.
        table: The table.
        key: The stream's key columns, without ``_client_id`` if `client_id` is given.
        client_id: Whose the rows are that have no ``_client_id``; it becomes the first column of
            the key, as the tap's setting `client_id` makes it.
        dry_run: Whether to undo everything at the end.

    Returns:
        What was done.

    Raises:
        TargetPostgresError: If it cannot be done; then nothing is changed.
    """
    wanted = tuple(dict.fromkeys(key))
    if not wanted:
        msg = "Without a key there is nothing to merge rows by: give the stream's key columns."
        raise TargetPostgresError(msg)
    if client_id is not None:
        if not client_id:
            msg = "The client is empty: give what the tap's setting `client_id` is."
            raise TargetPostgresError(msg)
        wanted = (CLIENT_ID, *(column for column in wanted if column != CLIENT_ID))
    name = f"{schema}.{table}"
    try:
        with (
            connection.transaction(force_rollback=dry_run),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            return _Work(cursor, schema, table, wanted, client_id).do()
    except psycopg.errors.LockNotAvailable:
        msg = (
            f"{name} is in use for more than {_LOCK_TIMEOUT}: let the pipelines and queries on it "
            "end, or stop them, and run this again. Nothing was changed."
        )
        raise TargetPostgresError(msg) from None
    except psycopg.errors.InsufficientPrivilege as error:
        grant = sql.SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {}").format(
            sql.Identifier(schema), sql.Identifier(connection.info.user)
        )
        msg = (
            f"{name} cannot be taken over: {_reason(error)}. Nothing was changed. To make a key "
            "one must also be allowed to create in the schema, whose owner can give it: "
            f"{grant.as_string(connection)}"
        )
        raise TargetPostgresError(msg) from None
    except psycopg.Error as error:
        msg = f"{name} cannot be taken over: {_reason(error)}. Nothing was changed."
        raise TargetPostgresError(msg) from None


def describe(result: TakeOver, *, dry_run: bool = False) -> str:
    """Say what became of a table.

    Args:
        result: What `take_over` returned.
        dry_run: Whether all of it was undone.

    Returns:
        Lines for a person.
    """
    done = f"{result.table} is taken over."
    if not result.changed:
        done = f"{result.table} was taken over before: nothing to change."
    elif dry_run:
        done = f"{result.table} can be taken over. This is what would be done:"
    lines = [done, _line("rows", f"{result.rows:,}")]
    added = " (new primary key)" if result.key_added else " (primary key)"
    lines.append(_line("key", ", ".join(result.key) + added))
    if result.example:
        pairs = zip(result.key, result.example, strict=True)
        shown = ", ".join(f"{column} = {value}" for column, value in pairs)
        lines.append(_line("for example", f"{shown}; the stream's must look the same"))
    if result.client_rows or result.client_column_added:
        lines.append(_line("client", f"{_count(result.client_rows)} had none and got it"))
    if result.key_added:
        moved = "none"
        if result.duplicates:
            moved = f"{_count(result.duplicates)} older than another of the same key, moved to "
            moved += result.duplicates_table
        lines.append(_line("duplicates", moved))
    if result.nullable:
        lines.append(_line("may be NULL", ", ".join(result.nullable)))
    if result.uniques:
        stay = ", ".join(result.uniques)
        lines.append(_line("look at", f"unique, and still so: {stay}; drop what new rows repeat"))
    if dry_run:
        lines.append("This was a dry run: nothing was changed.")
    return "\n".join(lines)


class _Work:
    """One table's takeover, within a transaction."""

    def __init__(
        self,
        cursor: psycopg.Cursor[tuple[Any, ...]],
        schema: str,
        table: str,
        key: tuple[str, ...],
        client_id: str | None,
    ) -> None:
        self._cursor = cursor
        self._schema = schema
        self._table = table
        self._name = f"{schema}.{table}"
        self._key = key
        self._client_id = client_id
        # PostgreSQL cuts names at 63 bytes: the suffix itself, and this would be the table.
        head = table.encode()[: _NAME_BYTES - len(_DUPLICATES)].decode(errors="ignore")
        self._archive = head + _DUPLICATES
        self._parts: dict[str, Composable] = {
            "table": sql.Identifier(schema, table),
            "archive": sql.Identifier(schema, self._archive),
            "key": _names(key),
            "client": sql.Identifier(CLIENT_ID),
            "client_id": sql.Literal(client_id),
        }

    def do(self) -> TakeOver:
        """Take the table over.

        Returns:
            What was done.
        """
        oid = self._lock()
        columns = self._rows(_COLUMNS, oid)
        names = [name for name, _, _ in columns]
        self._check_columns(names)
        uniques = self._rows(_UNIQUE, oid)
        key_added = not self._has_key(uniques)
        client_column_added = self._client_id is not None and CLIENT_ID not in names
        if client_column_added:
            # Writes no row: PostgreSQL remembers what those that are there have.
            self._do("ALTER TABLE {table} ADD COLUMN {client} text DEFAULT {client_id}")
            self._do("ALTER TABLE {table} ALTER COLUMN {client} DROP DEFAULT")
            columns.append((CLIENT_ID, "text", False))
        nullable = [name for name, _, required in columns if required and name not in self._key]
        if nullable:
            self._do(
                "ALTER TABLE {table} {drops}",
                drops=_listed("ALTER COLUMN {} DROP NOT NULL", nullable),
            )
        duplicates = filled = 0
        if key_added:
            self._check_nulls()
            duplicates = self._move_duplicates(columns)
            if self._client_id is not None:
                # Only now: it moves rows, and their place may tell which is the newest.
                filled = self._do(
                    "UPDATE {table} SET {client} = {client_id} WHERE {client} IS NULL"
                ).rowcount
            self._do("ALTER TABLE {table} ADD PRIMARY KEY ({key})")
        ((rows,),) = self._do("SELECT count(*) FROM {table}")
        return TakeOver(
            table=self._name,
            key=self._key,
            rows=rows,
            key_added=key_added,
            example=self._example(),
            duplicates=duplicates,
            duplicates_table=f"{self._schema}.{self._archive}" if duplicates else "",
            nullable=tuple(nullable),
            client_column_added=client_column_added,
            client_rows=rows if client_column_added else filled,
            uniques=tuple(
                index
                for index, _, primary, parts in uniques
                if not primary and parts != [_DLT_ID] and set(parts) != set(self._key)
            ),
        )

    def _lock(self) -> int:
        found = self._rows(_FIND, self._schema, self._table)
        if not found:
            msg = (
                f"There is no table {self._name} in the database "
                f"{self._cursor.connection.info.dbname!r}: check the name, upper and lower case "
                "too, and that this is the database dlt loaded into (TARGET_POSTGRES_*)."
            )
            raise TargetPostgresError(msg)
        ((oid, plain, owned, owner, user),) = found
        if not plain:
            msg = f"{self._name} is no plain table (a view, or partitioned): name the one dlt made."
            raise TargetPostgresError(msg)
        if not owned:
            msg = (
                f"{self._name} belongs to {owner!r}, and {user!r} may not change it: connect as "
                f"{owner!r}, or let {owner!r} run: ALTER TABLE {self._shown('{table}')} OWNER TO "
                f"{self._shown('{user}', user=sql.Identifier(user))}"
            )
            raise TargetPostgresError(msg)
        self._rows("SELECT set_config('lock_timeout', %s, true)", _LOCK_TIMEOUT)
        self._do("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        return int(oid)

    def _check_columns(self, names: Sequence[str]) -> None:
        given = [column for column in self._key if self._client_id is None or column != CLIENT_ID]
        if missing := [column for column in given if column not in names]:
            msg = (
                f"{self._name} has no column {', '.join(missing)}: give the key columns as they "
                f"are named there. It has: {', '.join(names)}."
            )
            raise TargetPostgresError(msg)

    def _has_key(self, uniques: Sequence[tuple[Any, ...]]) -> bool:
        for _, constraint, primary, parts in uniques:
            if not primary:
                continue
            if set(parts) == set(self._key):
                return True
            drop = self._shown(
                "ALTER TABLE {table} DROP CONSTRAINT {name}", name=sql.Identifier(constraint)
            )
            msg = (
                f"{self._name} has another primary key, ({', '.join(parts)}), than "
                f"({', '.join(self._key)}): give that one if it is the stream's, or else remove "
                f"it first: {drop}"
            )
            raise TargetPostgresError(msg)
        return False

    def _check_nulls(self) -> None:
        # A row without a client gets one.
        key = [column for column in self._key if self._client_id is None or column != CLIENT_ID]
        if not key:
            return
        counts = _listed("count(*) FILTER (WHERE {} IS NULL)", key)
        (found,) = self._do("SELECT {counts} FROM {table}", counts=counts)
        empty = {column: count for column, count in zip(key, found, strict=True) if count}
        if empty:
            where = _listed("{} IS NULL", list(empty), " OR ")
            shown = self._shown("SELECT * FROM {table} WHERE {where}", where=where)
            counted = ", ".join(f"{column} in {_count(count)}" for column, count in empty.items())
            msg = (
                f"{self._name} has NULL in its key ({counted}), so that nothing tells these rows "
                f"from new ones: give them a value or delete them, and run this again; {shown} "
                "shows them. Nothing was changed."
            )
            raise TargetPostgresError(msg)

    def _move_duplicates(self, columns: Iterable[tuple[str, str, bool]]) -> int:
        names = {name: type_ for name, type_, _ in columns}
        newest: Composable = sql.SQL("ctid DESC")
        if LOAD_ID in names:
            # When dlt began to load it, in seconds; whoever wrote another text is not asked.
            newest = sql.SQL(
                "CASE WHEN {load}::text ~ '^[0-9]+(\\.[0-9]+)?$' THEN {load}::text::numeric END"
                " DESC NULLS LAST, ctid DESC"
            ).format(load=sql.Identifier(LOAD_ID))
        key = [
            self._shared("coalesce({client}, {client_id})")
            if self._client_id is not None and column == CLIENT_ID
            else sql.Identifier(column)
            for column in self._key
        ]
        ranks = self._shared(
            "SELECT ctid AS place, row_number() OVER (PARTITION BY {parts} ORDER BY {newest})"
            " AS rank FROM {table}",
            parts=sql.SQL(", ").join(key),
            newest=newest,
        )
        ((count,),) = self._do("SELECT count(*) FROM ({ranks}) r WHERE r.rank > 1", ranks=ranks)
        if not count:
            return 0
        self._make_archive(names)
        moved = self._do(
            "WITH moved AS (DELETE FROM {table} t USING ({ranks}) r"
            " WHERE t.ctid = r.place AND r.rank > 1 RETURNING t.*)"
            " INSERT INTO {archive} ({columns}) SELECT {columns} FROM moved",
            ranks=ranks,
            columns=_names([*names]),
        )
        return moved.rowcount

    def _make_archive(self, types: dict[str, str]) -> None:
        """Make the table for duplicates, or make it fit if it is there from the last time."""
        found = self._rows(
            "SELECT obj_description(c.oid, 'pg_class') FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s",
            self._schema,
            self._archive,
        )
        if not found:
            self._do("CREATE TABLE {archive} (LIKE {table})")
            self._do("COMMENT ON TABLE {archive} IS {remark}", remark=sql.Literal(_REMARK))
        elif found != [(_REMARK,)]:
            msg = (
                f"{self._schema}.{self._archive}, where duplicates are moved to, is something "
                "else: rename it, and run this again. Nothing was changed."
            )
            raise TargetPostgresError(msg)
        for name, type_ in types.items():
            self._do(
                "ALTER TABLE {archive} ADD COLUMN IF NOT EXISTS {name} {type_}",
                name=sql.Identifier(name),
                type_=type_sql(type_),
            )

    def _example(self) -> tuple[str, ...]:
        texts = _listed("{}::text", self._key)
        return next(iter(self._do("SELECT {texts} FROM {table} LIMIT 1", texts=texts)), ())

    # Statements.

    def _shared(self, template: LiteralString, **parts: Composable) -> Composed:
        return sql.SQL(template).format(**self._parts, **parts)

    def _shown(self, template: LiteralString, **parts: Composable) -> str:
        return self._shared(template, **parts).as_string(self._cursor)

    def _do(self, template: LiteralString, **parts: Composable) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._cursor.execute(self._shared(template, **parts))

    def _rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return self._cursor.execute(query, values).fetchall()


def _listed(
    template: LiteralString, names: Iterable[str], separator: LiteralString = ", "
) -> Composable:
    item = sql.SQL(template)
    return sql.SQL(separator).join(item.format(sql.Identifier(name)) for name in names)


def _reason(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).partition("\n")[0]


def _count(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _line(title: str, text: str) -> str:
    return f"{title:<14}{text}"
