"""The table a stream is loaded into: made, widened, keyed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.naming import NAME_BYTES, TableName, with_suffix
from signalroom_target_postgres.sqltypes import conversion, type_sql, widened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Cursor
    from psycopg.sql import Composable

logger = logging.getLogger(__name__)

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod)
FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""
# Of all unique indexes over whole columns, the primary key first.
_UNIQUE_KEYS = """
SELECT index.indisprimary, constraint_.conname, array_agg(attname ORDER BY position)
FROM pg_index AS index
CROSS JOIN LATERAL unnest(index.indkey[:index.indnkeyatts - 1]) WITH ORDINALITY
    AS part (number, position)
JOIN pg_attribute ON attrelid = index.indrelid AND attnum = part.number
LEFT JOIN pg_constraint AS constraint_
    ON constraint_.conindid = index.indexrelid AND constraint_.contype = 'p'
WHERE index.indrelid = %s AND index.indisunique AND index.indisvalid
    AND index.indpred IS NULL AND index.indexprs IS NULL AND index.indimmediate
GROUP BY index.indexrelid, index.indisprimary, constraint_.conname
ORDER BY index.indisprimary DESC
"""


@dataclass
class Destination:
    """A table.

    Args:
        schema: Its schema; nothing for the session's own.
        name: Its name.
        keys: The columns that tell rows apart, in the order of the primary key; none if rows
            are only appended.
        stream: The stream that is loaded into it, for messages.
    """

    schema: str | None
    name: str
    keys: Sequence[str] = ()
    stream: str = ""
    #: The columns' types by name, as the server's `format_type` names them.
    types: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def identifier(self) -> sql.Identifier:
        """The name for statements."""
        return sql.Identifier(*filter(None, (self.schema, self.name)))

    def sibling(self, suffix: str) -> Destination:
        """Name a table beside this one.

        Args:
            suffix: Appended to the name.

        Returns:
            That table, without keys.
        """
        return Destination(self.schema, with_suffix(self.name, suffix))

    def lock(self, cursor: Cursor[Any]) -> None:
        """Let no other loader change the table or its rows until this transaction ends.

        Without it two loaders that write the same rows in another order block each other, and
        two that make the same table fail.

        Args:
            cursor: Within a transaction.
        """
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"signalroom {self}",)
        )

    def prepare(
        self,
        cursor: Cursor[Any],
        wanted: Mapping[str, str],
        earlier: TableName | None = None,
        owner: str | None = None,
    ) -> bool:
        """Make the table if missing; else add columns, widen types, and set the key.

        Args:
            cursor: Within a transaction.
            wanted: The types of the stream's columns.
            earlier: The table that the stream may have had before, under another name.
            owner: The stream of this run whose table that is now.

        Returns:
            Whether it was missing.

        Raises:
            LoadError: If the table cannot be what the stream needs.
        """
        self._check_names(wanted)
        self.lock(cursor)
        oid = self._oid(cursor)
        if oid is None:
            if earlier is not None:
                self._check_earlier(cursor, wanted, Destination(*earlier), owner)
            self._create(cursor, wanted)
        else:
            self._adapt(cursor, oid, wanted)
        self.types = self._types(cursor)
        return oid is None

    def widen(self, cursor: Cursor[Any], column: str, to: str) -> None:
        """Give a column a type that holds more.

        Args:
            cursor: Within a transaction.
            column: The column.
            to: Its new type.

        Raises:
            LoadError: If a view or something else depends on the type.
        """
        logger.warning(
            "Column %s of %s becomes %s (was %s)",
            *(column, self, to, self.types.get(column, "another type")),
        )
        statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}").format(
            self.identifier, sql.Identifier(column), type_sql(to), conversion(column, to)
        )
        try:
            cursor.execute(statement)
        except (errors.FeatureNotSupported, errors.DatatypeMismatch) as error:
            reason = error.diag.message_primary
            msg = (
                f"Column {column!r} of {self} has to become {to}, and cannot: {reason}. Drop what "
                f"depends on it, run again, and make it anew."
            )
            raise LoadError(msg) from error
        self.types[column] = to

    def has_rows(self, cursor: Cursor[Any]) -> bool:
        """Tell whether there is any row.

        Args:
            cursor: To ask by.

        Returns:
            Whether there is.
        """
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(self.identifier)
        return bool(_value(cursor, query))

    def _check_names(self, columns: Mapping[str, str]) -> None:
        for name in (self.schema or "", self.name, *columns):
            if len(name.encode()) > NAME_BYTES:
                msg = (
                    f"The name {name!r} is too long for PostgreSQL, which has {NAME_BYTES} bytes "
                    f"for one (table {self}). Rename it, by the tap's setting stream_maps."
                )
                raise LoadError(msg)
        if "" in columns:
            msg = f"A column of {self} has no name. Rename it, by the tap's setting stream_maps."
            raise LoadError(msg)
        if missing := [key for key in self.keys if key not in columns]:
            msg = f"The keys {missing} of {self} are not among the stream's columns."
            raise LoadError(msg)

    def _check_earlier(
        self,
        cursor: Cursor[Any],
        wanted: Mapping[str, str],
        earlier: Destination,
        owner: str | None,
    ) -> None:
        """Start no second table for a stream that may have one under another name."""
        columns = earlier._types(cursor).keys()
        if not (set(self.keys) <= columns if self.keys else wanted.keys() & columns):
            return
        if owner is not None:
            logger.warning(
                "Stream %s starts with a new table, %s: %s is the table of stream %s. Earlier "
                "versions loaded both into it; for rows from before run a full refresh of %s",
                *(self.stream, self, earlier, owner, self.stream),
            )
            return
        rename, old = [], earlier
        if self.schema and self.schema != earlier.schema:
            move = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
            rename.append(move.format(earlier.identifier, sql.Identifier(self.schema)))
            old = Destination(self.schema, earlier.name)
        if self.name != earlier.name:
            change = sql.SQL("ALTER TABLE {} RENAME TO {}")
            rename.append(change.format(old.identifier, sql.Identifier(self.name)))
        create = sql.SQL("CREATE TABLE {} ()").format(self.identifier)
        msg = (
            f"The table of stream {self.stream!r} is {self}, which does not exist; {earlier} does, "
            "and may be its table from a version that named tables by the last part of the "
            "stream's name. If it is, rename it: "
            f"{sql.SQL('; ').join(rename).as_string(cursor)}; or set `table_naming` to last-part "
            "to keep such names. If it is not, create an empty table: "
            f"{create.as_string(cursor)}. Nothing of the stream was loaded."
        )
        raise LoadError(msg)

    def _oid(self, cursor: Cursor[Any]) -> int | None:
        found: int | None = _value(
            cursor, "SELECT to_regclass(%s)::oid", (self.identifier.as_string(cursor),)
        )
        return found

    def _types(self, cursor: Cursor[Any]) -> dict[str, str]:
        return dict(cursor.execute(_COLUMNS, (self._oid(cursor),)).fetchall())

    def _create(self, cursor: Cursor[Any], wanted: Mapping[str, str]) -> None:
        if self.schema:
            exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)"
            if not _value(cursor, exists, (self.schema,)):
                # Asked first: whoever may not make schemas is refused even where it exists.
                statement = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}")
                cursor.execute(statement.format(sql.Identifier(self.schema)))
        parts = [
            sql.SQL("{} {}").format(sql.Identifier(name), type_sql(type_))
            for name, type_ in wanted.items()
        ]
        if self.keys:
            parts.append(sql.SQL("PRIMARY KEY ({})").format(names(self.keys)))
        cursor.execute(
            sql.SQL("CREATE TABLE {} ({})").format(self.identifier, sql.SQL(", ").join(parts))
        )

    def _adapt(self, cursor: Cursor[Any], oid: int, wanted: Mapping[str, str]) -> None:
        self.types = self._types(cursor)
        for name, type_ in wanted.items():
            if name not in self.types:
                logger.info("Adding column %s (%s) to %s", name, type_, self)
                cursor.execute(
                    sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                        self.identifier, sql.Identifier(name), type_sql(type_)
                    )
                )
            elif (wider := widened(self.types[name], type_)) != self.types[name]:
                self.widen(cursor, name, wider)
        if self.keys:
            self._set_key(cursor, oid)

    def _set_key(self, cursor: Cursor[Any], oid: int) -> None:
        unique = cursor.execute(_UNIQUE_KEYS, (oid,)).fetchall()
        if any(set(columns) == set(self.keys) for _, _, columns in unique):
            return
        old = next(((name, columns) for primary, name, columns in unique if primary), None)
        keys = ", ".join(self.keys)
        was = f"keyed by {', '.join(old[1])}" if old else "without a key"
        logger.warning("%s was %s; it is now keyed by %s", self, was, keys)
        try:
            with cursor.connection.transaction():
                if old:
                    drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
                    cursor.execute(drop.format(self.identifier, sql.Identifier(old[0])))
                add = sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})")
                cursor.execute(add.format(self.identifier, names(self.keys)))
        except (
            errors.UniqueViolation,
            errors.NotNullViolation,
            errors.DependentObjectsStillExist,
        ) as error:
            msg = (
                f"{self} is {was}, and the stream's key is {keys}. The table cannot take that "
                f"key: {error.diag.message_primary}. Remove or complete the rows that stand "
                f"against it (`signalroom-postgres take-over {self}` does so for tables that dlt "
                f"made), or load into another schema (`default_target_schema`)."
            )
            raise LoadError(msg) from error


def names(columns: Sequence[str]) -> Composable:
    """List columns for a statement.

    Args:
        columns: Their names.

    Returns:
        The names, quoted, with commas.
    """
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _value(cursor: Cursor[Any], query: str | Composable, parameters: Sequence[Any] = ()) -> Any:
    row = cursor.execute(query, parameters or None).fetchone()  # type: ignore[arg-type]
    return row[0] if row else None
