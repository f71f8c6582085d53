"""The table a stream is loaded into: made, widened, keyed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import errors, sql

from signalroom_target_postgres.connection.server_messages import redacted
from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.values.limits import limit_of
from signalroom_target_postgres.values.sql_types import (
    JSON_ITEMS_FUNCTION,
    cast_expression,
    common_type,
    type_sql,
)
from signalroom_target_postgres.warehouse import table_checks
from signalroom_target_postgres.warehouse.naming import TableName, with_suffix
from signalroom_target_postgres.warehouse.table_key import set_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from psycopg import Cursor
    from psycopg.sql import Composable

    from signalroom_target_postgres.values.schema_types import DeclaredType

# With what domains and arrays of them are made of, and with the places that the server's locale
# gives to money.
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), typtype = 'd', (
    WITH RECURSIVE part (type, modifier, brackets) AS (
        SELECT atttypid, atttypmod, ''
        UNION ALL
        SELECT CASE inner_.typtype WHEN 'd' THEN inner_.typbasetype ELSE inner_.typelem END,
            CASE inner_.typtype WHEN 'd' THEN inner_.typtypmod ELSE part.modifier END,
            CASE inner_.typtype WHEN 'd' THEN part.brackets ELSE '[]' END
        FROM part JOIN pg_type AS inner_ ON inner_.oid = part.type
        WHERE inner_.typtype = 'd' OR (inner_.typcategory = 'A' AND inner_.typarray = 0)
    )
    SELECT CASE part.type
        WHEN 'money'::regtype THEN format('money(%%s)', scale(0::money::numeric))
        ELSE format_type(part.type, part.modifier)
    END || part.brackets
    FROM part JOIN pg_type AS base ON base.oid = part.type
    WHERE base.typtype <> 'd' AND NOT (base.typcategory = 'A' AND base.typarray = 0)
)
FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""
# What keeps a column's type from changing: views, rules, triggers, policies, generated columns.
_DEPENDENTS = """
SELECT DISTINCT pg_describe_object(classid, objid, objsubid)
FROM pg_depend
JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
LEFT JOIN pg_attrdef ON classid = 'pg_attrdef'::regclass AND pg_attrdef.oid = objid
WHERE refclassid = 'pg_class'::regclass AND refobjid = %s AND attname = %s
    AND (classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass,
        'pg_attrdef'::regclass) OR (objid = refobjid AND objsubid > 0))
    AND adnum IS DISTINCT FROM refobjsubid
ORDER BY 1
"""
# Those that were dropped keep their numbers.
_COLUMNS_EVER = "SELECT max(attnum) FROM pg_attribute WHERE attrelid = %s"


class ColumnFixedError(LoadError):
    """A column's type cannot change.

    Args:
        column: The column, with its table.
        to: The type it needs.
        reason: Why it cannot have it, and what to do.
    """

    def __init__(self, column: str, to: str, reason: str) -> None:
        super().__init__(f"Column {column} has to become {to}, and cannot: {reason}.")
        self.reason = f"the column cannot become {to}: {reason}"


class Note(NamedTuple):
    """A sentence about a table, to be logged once it is committed.

    Attributes:
        is_warning: Whether it is logged as a warning.
        text: The sentence itself.
    """

    is_warning: bool
    text: str


@dataclass
class Table:
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
    #: Why a column's type cannot change, by its name.
    fixed: dict[str, str] = field(default_factory=dict)
    _notes: list[Note] = field(default_factory=list)
    _bases: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def identifier(self) -> sql.Identifier:
        """The name for statements."""
        return sql.Identifier(*filter(None, (self.schema, self.name)))

    def companion(self, suffix: str) -> Table:
        """Name a table beside this one.

        Args:
            suffix: Appended to the name.

        Returns:
            That table, without keys.
        """
        return Table(self.schema, with_suffix(self.name, suffix))

    def note(self, text: str, *, is_warning: bool = True) -> None:
        """Note what is to be logged once the transaction is committed.

        Args:
            text: A sentence about the table.
            is_warning: Whether it is logged as a warning.
        """
        self._notes.append(Note(is_warning, text))

    def pop_notes(self) -> list[Note]:
        """Return what `prepare` and `widen` changed, or could not, since the last call."""
        notes, self._notes = self._notes, []
        return notes

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
        wanted: Mapping[str, DeclaredType],
        earlier: TableName | None = None,
        owner: str | None = None,
        *,
        keep_fixed: bool = False,
    ) -> bool:
        """Make the table if missing; else add columns, widen types, and set the key.

        Args:
            cursor: Within a transaction.
            wanted: What the stream's schema declares, by column.
            earlier: The table that the stream may have had before, under another name.
            owner: The stream of this run whose table that is now.
            keep_fixed: Whether a column that cannot become wider stays as it is.

        Returns:
            Whether it was missing.

        Raises:
            LoadError: If the table cannot be what the stream needs.
        """
        table_checks.check_names(self, wanted)
        # What a try before this one noted was rolled back.
        self._notes.clear()
        self.lock(cursor)
        oid = self._oid(cursor)
        if oid is None:
            if earlier is not None:
                before = Table(*earlier)
                before._read_types(cursor)
                table_checks.check_earlier(cursor, self, wanted, before, owner)
            table_checks.check_width(self, len(wanted))
            self._create(cursor, wanted)
        else:
            self._adapt(cursor, oid, wanted, keep_fixed=keep_fixed)
        self._read_types(cursor)
        return oid is None

    def widen(self, cursor: Cursor[Any], column: str, to: str) -> None:
        """Give a column a type that holds more.

        Args:
            cursor: Within a transaction.
            column: The column.
            to: The type whose values it is to hold too.

        Raises:
            ColumnFixedError: If a view or something else depends on the type.
        """
        self._notes.clear()
        self.lock(cursor)
        self._widen(cursor, column, to)

    def _widen(self, cursor: Cursor[Any], column: str, to: str) -> None:
        # Another loader may have widened it meanwhile, further even.
        self._read_types(cursor)
        actual = self.types[column]
        if actual == (wider := _wider_type(self.base_type(column), to)):
            return
        if wider == "jsonb[]":
            cursor.execute(JSON_ITEMS_FUNCTION)
        # A float's text has all of its digits only so.
        cursor.execute("SET LOCAL extra_float_digits = 1")
        statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}").format(
            *(self.identifier, sql.Identifier(column)),
            *(type_sql(wider), cast_expression(column, actual, wider)),
        )
        try:
            with cursor.connection.transaction():
                cursor.execute(statement)
        except (errors.NotSupportedError, errors.ProgrammingError, errors.DataError) as error:
            raise self._fixed(cursor, column, wider, error) from error
        if wider == "jsonb[]":
            cursor.execute("DROP FUNCTION pg_temp.signalroom_json_items")
        self.note(f"Column {column} of {self} becomes {wider} (was {actual})")
        self._read_types(cursor)

    def _fixed(
        self, cursor: Cursor[Any], column: str, to: str, error: errors.Error
    ) -> ColumnFixedError:
        reason = redacted(error, [self.name, column])
        found = cursor.execute(_DEPENDENTS, (self._oid(cursor), column)).fetchall()
        dependents = ", ".join(name for (name,) in found)
        advice = "Drop what depends on it, run again, and create it again"
        if isinstance(error, errors.InsufficientPrivilege):
            advice = "Let the table's owner widen it, or make the loader's user its owner"
        because = f"{reason} ({dependents})" if dependents else reason
        return ColumnFixedError(f"{column!r} of {self}", to, f"{because}. {advice}")

    def has_rows(self, cursor: Cursor[Any]) -> bool:
        """Tell whether there is any row.

        Args:
            cursor: To ask by.

        Returns:
            Whether there is.
        """
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(self.identifier)
        return bool(_value(cursor, query))

    def _oid(self, cursor: Cursor[Any]) -> int | None:
        found: int | None = _value(
            cursor, "SELECT to_regclass(%s)::oid", (self.identifier.as_string(cursor),)
        )
        return found

    def _read_types(self, cursor: Cursor[Any]) -> None:
        found = cursor.execute(_COLUMNS, (self._oid(cursor),)).fetchall()
        self.types = {name: type_ for name, type_, _, _ in found}
        self._bases = {name: base for name, _, _, base in found}
        for name, type_, is_domain, _ in found:
            if is_domain:
                self.fixed.setdefault(
                    name, f"the column has the domain {type_}, which does not change"
                )

    def column_names(self, cursor: Cursor[Any]) -> Collection[str]:
        """Name the columns that the table has; an empty collection if it does not exist.

        Args:
            cursor: To ask by.

        Returns:
            Their names.
        """
        self._read_types(cursor)
        return self.types.keys()

    def base_type(self, column: str) -> str:
        """Name the type that a column's values have.

        Args:
            column: The column.

        Returns:
            Its type; of a domain, or an array of one, the type that it is made of.
        """
        return self._bases.get(column) or self.types[column]

    def _create(self, cursor: Cursor[Any], wanted: Mapping[str, DeclaredType]) -> None:
        if self.schema:
            exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)"
            if not _value(cursor, exists, (self.schema,)):
                # Asked first: whoever may not make schemas is refused even where it exists.
                statement = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}")
                cursor.execute(statement.format(sql.Identifier(self.schema)))
        parts = [
            sql.SQL("{} {}").format(sql.Identifier(name), type_sql(declared.type))
            for name, declared in wanted.items()
        ]
        if self.keys:
            parts.append(sql.SQL("PRIMARY KEY ({})").format(column_list(self.keys)))
        cursor.execute(
            sql.SQL("CREATE TABLE {} ({})").format(self.identifier, sql.SQL(", ").join(parts))
        )

    def _adapt(
        self, cursor: Cursor[Any], oid: int, wanted: Mapping[str, DeclaredType], *, keep_fixed: bool
    ) -> None:
        self._read_types(cursor)
        if new := wanted.keys() - self.types.keys():
            ever = int(_value(cursor, _COLUMNS_EVER, (oid,)) or 0)
            table_checks.check_width(self, ever + len(new), ever - len(self.types))
        for name, declared in wanted.items():
            if name not in self.types:
                cursor.execute(
                    sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                        self.identifier, sql.Identifier(name), type_sql(declared.type)
                    )
                )
                self.note(f"Added column {name} ({declared.type}) to {self}", is_warning=False)
            elif name not in self.fixed and declared.held_by(self.types[name]) is None:
                # One that holds some of what may come is widened by the first value that is not.
                try:
                    self._widen(cursor, name, declared.type)
                except ColumnFixedError as error:
                    if not keep_fixed:
                        raise
                    self.note(str(error))
                    self.fixed[name] = error.reason
        if self.keys:
            if new:
                self._read_types(cursor)
            set_key(cursor, self, oid)


def _wider_type(actual: str, to: str) -> str:
    """The type that holds a column's values and those of another; without its limit for those."""
    limit = limit_of(actual)
    return to if limit is not None and limit.wider == to else common_type(actual, to)


def column_list(columns: Sequence[str]) -> Composable:
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
