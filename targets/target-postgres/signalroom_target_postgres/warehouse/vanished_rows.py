"""Vanished rows: those that a tap did not send again, though it read their scope completely."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from psycopg import Cursor, sql

from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.settings.variables import label_settings_in_backticks
from signalroom_target_postgres.errors import LoadError, TargetPostgresError
from signalroom_target_postgres.warehouse.companions import (
    create_companion,
    follow_columns,
    notice_new_tables,
)
from signalroom_target_postgres.warehouse.counts import count_rows
from signalroom_target_postgres.warehouse.outdated_rows import equality_condition
from signalroom_target_postgres.warehouse.row_keys import ROW_KEYS, noting_keys
from signalroom_target_postgres.warehouse.scopes import Scope, ScopeColumns, merge_scopes
from signalroom_target_postgres.warehouse.table import Table, column_list

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from signalroom_target_postgres.spec import Removal

#: The suffix of the table that removed rows go into.
SUFFIX = "__removed"
#: The column that says when.
REMOVED_AT = "_removed_at"
#: As many rows may always vanish: of few rows, half are soon gone.
ALWAYS_ALLOWED = 20
#: Tables of fewer rows are read as fast without an index.
_INDEXED_ROWS = 100_000

_COUNT = """
SELECT count(*), count(*) FILTER (WHERE k IS NULL)
FROM {table} AS t LEFT JOIN (SELECT DISTINCT * FROM {keys}) AS k ON {same_key}
WHERE {scope}
"""
# Whether the table is large, and belongs to the user; and the first columns of its indexes.
_INDEXES = """
SELECT reltuples >= %s AND relkind = 'r' AND pg_has_role(relowner, 'USAGE'), ARRAY(
    SELECT attname::text
    FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = class.oid AND indisvalid AND indpred IS NULL
)
FROM pg_class AS class WHERE oid = %s
"""
# Of a few kilobytes, however large the table is, and hardly any work for rows that are added.
_CREATE_INDEX = "CREATE INDEX ON {} USING brin ({}) WITH (autosummarize = on)"
# Where the server has no statistics of rows that have just come, it expects one of them, and would
# compare it with each key: with a hundred thousand, that takes minutes.
_HASH_KEYS, _AS_BEFORE = "SET LOCAL enable_nestloop TO off", "SET LOCAL enable_nestloop TO DEFAULT"
_GONE = "{scope} AND NOT EXISTS (SELECT FROM {keys} AS k WHERE {same_key})"
_DELETE = "DELETE FROM {table} AS t WHERE {gone}"
_MARK = "UPDATE {table} AS t SET {column} = now() WHERE {gone}"
_ARCHIVE = """
WITH gone AS (DELETE FROM {table} AS t WHERE {gone} RETURNING {returned}){noted}
INSERT INTO {archive} ({columns}, {removed_at}) SELECT {columns}, now() FROM gone
"""
_NOTE_KEYS = ", noted AS (INSERT INTO {} SELECT {} FROM gone)"


class TooManyVanishedError(TargetPostgresError):
    """More rows vanished than the settings allow at once: perhaps the vendor has a bad hour."""

    exit_code = ExitCode.DATA


@dataclass(frozen=True)
class Vanished:
    """How many rows of scopes there were, and how many of them vanished.

    Args:
        rows: Rows of the scopes, those that vanished included.
        vanished: Rows that the tap did not send again.
        deleted: Further rows, of which the source itself says that they were deleted.
    """

    rows: int = 0
    vanished: int = 0
    deleted: int = 0

    @property
    def rows_removed(self) -> int:
        """How many rows are removed."""
        return self.vanished + self.deleted

    def __add__(self, other: Vanished) -> Vanished:
        return Vanished(
            self.rows + other.rows, self.vanished + other.vanished, self.deleted + other.deleted
        )

    def exceeds(self, share: float) -> bool:
        """Whether more than a share of the rows vanished, and more than a few."""
        return self.vanished > ALWAYS_ALLOWED and self.vanished > share * self.rows

    def __str__(self) -> str:
        return f"{self.vanished:,} of {count_rows(self.rows)}"


class VanishedRows:
    """Removes the rows of complete scopes that the tap did not send again.

    Args:
        stream: The stream's name.
        table: The table that it is loaded into.
        names: The column of each field.
        removal: What becomes of the rows, and how many may vanish at once.
    """

    def __init__(
        self, stream: str, table: Table, names: Mapping[str, str], removal: Removal
    ) -> None:
        self._stream = stream
        self._table = table
        self._names = names
        self._removal = removal
        #: What vanished in this run so far, as far as it is committed.
        self.total = Vanished()
        self._has_index = False

    @property
    def archive(self) -> Table:
        """The table that removed rows go into, where the settings ask for one."""
        return self._table.companion(SUFFIX)

    def begin(self, cursor: Cursor[Any], scopes: Sequence[Scope]) -> None:
        """Lock out other loaders, and index the column of the scopes.

        Args:
            cursor: A cursor within the transaction of these rows, before any is written: an index
                cannot be created while deferred constraints have rows to check.
            scopes: The scopes that are complete with these rows.
        """
        self._table.lock(cursor)
        self._index(cursor, scopes)

    def usable(self, scopes: Sequence[Scope]) -> tuple[list[Scope], set[str]]:
        """Select the scopes whose conditions can be checked in the table.

        Args:
            scopes: Scopes of the stream.

        Returns:
            These scopes, and the fields for which others cannot be checked.
        """
        fields = [self._columns.unusable_field(scope) for scope in scopes]
        pairs = zip(scopes, fields, strict=True)
        return [scope for scope, field in pairs if field is None], {*filter(None, fields)}

    @property
    def _columns(self) -> ScopeColumns:
        return ScopeColumns(self._names, self._table.types)

    def remove(
        self,
        cursor: Cursor[Any],
        scopes: Sequence[Scope],
        constants: Mapping[str, Any],
        *,
        notes_keys: bool = False,
    ) -> Vanished:
        """Remove the rows of scopes whose keys the tap did not send, after those that it sent.

        Args:
            cursor: A cursor within the transaction of these rows. `ROW_KEYS` has their keys.
            scopes: Scopes of the stream that were read completely; none is unusable.
            constants: The values that all rows of the stream share, by column.
            notes_keys: Whether `ROW_KEYS` gets the keys of the rows that are removed.

        Returns:
            How many rows of the scopes there were, and how many were removed.

        Raises:
            LoadError: If the server did not let all of them be removed.
            TooManyVanishedError: If they are more than the settings allow.
        """
        cursor.execute(_HASH_KEYS)
        vanished = self._remove_unsent(cursor, scopes, constants, notes_keys=notes_keys)
        cursor.execute(_AS_BEFORE)
        return vanished

    def _remove_unsent(
        self,
        cursor: Cursor[Any],
        scopes: Sequence[Scope],
        constants: Mapping[str, Any],
        *,
        notes_keys: bool,
    ) -> Vanished:
        merged = merge_scopes(scopes)
        read = [scope for scope in merged if not scope.deleted]
        vanished = self._count(cursor, read, constants) if read else Vanished()
        if vanished.vanished:
            # Each by itself: several that are quiet must not hide one that is empty.
            by_itself = [scope for scope in scopes if not (scope.deleted or scope.page)]
            self._check_share(cursor, by_itself, vanished, constants)
        if len(read) < len(merged):
            # A row may be of both kinds of scopes.
            removed = self._count(cursor, merged, constants).vanished
            vanished += Vanished(deleted=removed - vanished.vanished)
            self._check_deleted(cursor, vanished.deleted, constants)
        if vanished.rows_removed:
            scope = self._condition(merged, constants)
            count = self._remove(cursor, scope, notes_keys=notes_keys)
            if count < vanished.rows_removed:
                msg = (
                    f"{self._table} has {count_rows(vanished.rows_removed)} that are gone at the "
                    f"source of {self._stream}, and the server lets the loader remove only "
                    f"{count:,}: row-level security or a trigger keeps the others. Let the "
                    "loader's user remove rows that it may read, or set `removed_rows` to keep."
                )
                raise LoadError(msg)
        return vanished

    def _index(self, cursor: Cursor[Any], scopes: Sequence[Scope]) -> None:
        """Index the first column of the scopes in a large table, unless an index begins with it.

        Without one, each run would read the whole table.
        """
        column = next((self._names[field] for scope in scopes for field in scope.conditions), None)
        if self._has_index or column is None:
            return
        self._has_index = True
        oid = self._table.oid(cursor)
        row = cursor.execute(_INDEXES, (_INDEXED_ROWS, oid)).fetchone()
        is_large, indexed = row or (False, [])
        if is_large and column not in indexed:
            names = self._table.identifier, sql.Identifier(column)
            cursor.execute(sql.SQL(_CREATE_INDEX).format(*names))

    def _condition(self, scopes: Sequence[Scope], constants: Mapping[str, Any]) -> sql.Composable:
        types = self._table.types
        parts = [
            equality_condition(name, value, types[name], alias="t")
            for name, value in constants.items()
        ]
        if mark := self._mark:
            parts.append(sql.SQL("{} IS NULL").format(sql.Identifier("t", mark)))
        any_scope = sql.SQL(" OR ").join(
            sql.SQL("({})").format(self._columns.condition(scope)) for scope in scopes
        )
        return sql.SQL(" AND ").join([*parts, sql.SQL("({})").format(any_scope)])

    @property
    def _mark(self) -> str | None:
        """The column that says when a row vanished, where rows are marked."""
        return self._removal.deletion_column if self._removal.marks else None

    @property
    def _same_key(self) -> sql.Composable:
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier("t", key), sql.Identifier("k", key))
            for key in self._table.keys
        )

    def _count(
        self, cursor: Cursor[Any], scopes: Sequence[Scope], constants: Mapping[str, Any]
    ) -> Vanished:
        query = sql.SQL(_COUNT).format(
            table=self._table.identifier,
            keys=ROW_KEYS,
            same_key=self._same_key,
            scope=self._condition(scopes, constants),
        )
        rows, vanished = cursor.execute(query).fetchone() or (0, 0)
        return Vanished(rows, vanished)

    def _check_deleted(
        self, cursor: Cursor[Any], deleted: int, constants: Mapping[str, Any]
    ) -> None:
        """Stop if more rows of the table were deleted than the settings allow of a run's.

        Raises:
            TooManyVanishedError: If so.
        """
        if deleted > ALWAYS_ALLOWED:
            everything = [Scope(self._stream, {})]
            of_all = Vanished(self._count(cursor, everything, constants).rows, deleted)
            if of_all.exceeds(self._removal.max_share_of_run):
                raise self._too_many(str(of_all), "max_removed_share_of_run")

    def _check_share(
        self,
        cursor: Cursor[Any],
        scopes: Sequence[Scope],
        vanished: Vanished,
        constants: Mapping[str, Any],
    ) -> None:
        """Stop if more rows vanished than the settings allow.

        Raises:
            TooManyVanishedError: If so.
        """
        removal = self._removal
        if vanished.vanished > ALWAYS_ALLOWED:
            for scope in chain.from_iterable(scope.parts for scope in scopes):
                of_scope = self._count(cursor, [scope], constants)
                if of_scope.exceeds(removal.max_share_of_scope):
                    rows = f"{of_scope}, {scope}"
                    raise self._too_many(rows, "max_removed_share_of_scope")
        of_run = self.total + vanished
        if of_run.exceeds(removal.max_share_of_run):
            rows = f"{of_run} that this run read again"
            raise self._too_many(rows, "max_removed_share_of_run")

    def _too_many(self, rows: str, setting: str) -> TooManyVanishedError:
        msg = (
            f"{self._stream}: the source did not send {rows}, which {self._table} has: too many to "
            "remove without asking. Nothing of this batch was loaded or removed. If the source "
            "only has a bad hour, the next run goes on from here. If the rows are gone for good, "
            f"run once with `{setting}` set to 1; `removed_rows` set to keep never removes any."
        )
        return TooManyVanishedError(label_settings_in_backticks(msg))

    # Removing.

    def _remove(self, cursor: Cursor[Any], scope: sql.Composable, *, notes_keys: bool) -> int:
        gone = sql.SQL(_GONE).format(scope=scope, keys=ROW_KEYS, same_key=self._same_key)
        table = self._table.identifier
        if self._mark:
            column = sql.Identifier(self._mark)
            statement = sql.SQL(_MARK).format(table=table, column=column, gone=gone)
        elif self._removal.method == "archive":
            self._prepare_archive(cursor)
            types = self._table.types
            note = sql.SQL(_NOTE_KEYS).format(ROW_KEYS, column_list(self._table.keys))
            statement = sql.SQL(_ARCHIVE).format(
                table=table,
                gone=gone,
                noted=note if notes_keys else sql.SQL(""),
                returned=sql.SQL(", ").join(sql.Identifier("t", name) for name in types),
                archive=self.archive.identifier,
                columns=column_list([*types]),
                removed_at=sql.Identifier(REMOVED_AT),
            )
        else:
            statement = sql.SQL(_DELETE).format(table=table, gone=gone)
        if notes_keys and self._removal.method != "archive":
            statement = noting_keys(statement, self._table.keys)
        return cursor.execute(statement).rowcount

    def _prepare_archive(self, cursor: Cursor[Any]) -> None:
        """Create the archive, or give it the columns and types that the table has now."""
        archive = self.archive
        archive.lock(cursor)
        notice_new_tables(cursor)
        if archive.read_types(cursor):
            follow_columns(cursor, archive, self._table)
        else:
            # Without constraints: a row may vanish, come again, and vanish.
            create_companion(cursor, archive, self._table, [REMOVED_AT])
