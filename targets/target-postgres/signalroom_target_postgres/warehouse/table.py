"""The table that a stream is loaded into: created, altered, keyed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg import errors, sql

from signalroom_target_postgres.connection.server_messages import redact_message
from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.values.limits import limit_of
from signalroom_target_postgres.values.sql_types import (
    JSON_ITEMS_FUNCTION,
    cast_expression,
    common_type,
    type_sql,
)
from signalroom_target_postgres.warehouse import table_checks
from signalroom_target_postgres.warehouse.known_table import KnownTable
from signalroom_target_postgres.warehouse.naming import TableName, with_suffix
from signalroom_target_postgres.warehouse.table_key import set_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from psycopg import Cursor
    from psycopg.sql import Composable

    from signalroom_target_postgres.values.schema_types import DeclaredType

# With the types that domains and arrays of them consist of, and with the decimal places that the
# server's locale gives to money.
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
# Objects that depend on a column's type: views, rules, triggers, policies, generated columns.
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
        to: The type that it needs.
        reason: Why it cannot have it, and what to do.
    """

    def __init__(self, column: str, to: str, reason: str) -> None:
        super().__init__(f"Column {column} has to become {to}, and cannot: {reason}.")
        self.reason = f"the column cannot become {to}: {reason}"


@dataclass
class Table(KnownTable):
    """A table that can be created, altered and keyed."""

    #: Why a column's type cannot change, by its name.
    fixed: dict[str, str] = field(default_factory=dict)
    _bases: dict[str, str] = field(default_factory=dict)

    def companion(self, suffix: str) -> Table:
        """Return another table of the stream, without keys.

        Args:
            suffix: What its name has in addition.
        """
        return Table(self.schema, with_suffix(self.name, suffix))

    def lock(self, cursor: Cursor[Any]) -> None:
        """Let no other loader change the table or its rows until this transaction ends.

        Without it two loaders that write the same rows in another order block each other, and
        two that make the same table fail.
        """
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"signalroom {self}",)
        )

    def prepare(
        self,
        cursor: Cursor[Any],
        declared: Mapping[str, DeclaredType],
        previous: TableName | None = None,
        owner: str | None = None,
        *,
        keep_fixed: bool = False,
    ) -> bool:
        """Create the table, or add columns, widen types, and set the key.

        Args:
            cursor: A cursor within a transaction.
            declared: What the stream's schema declares, by column.
            previous: The table that the stream may have had before, under another name.
            owner: The stream of this run whose table that is now.
            keep_fixed: Whether a column that cannot become wider stays as it is.

        Returns:
            Whether it is a new table.

        Raises:
            LoadError: If the table cannot be what the stream needs.
        """
        table_checks.check_names(self, declared)
        # The notes of a failed attempt were rolled back with it.
        self._notes.clear()
        self.lock(cursor)
        oid = self._oid(cursor)
        if oid is None:
            if previous is not None:
                before = Table(*previous)
                before._read_types(cursor)
                table_checks.check_previous(cursor, self, declared, before, owner)
            table_checks.check_width(self, len(declared))
            self._create(cursor, declared)
        else:
            self._adapt(cursor, oid, declared, keep_fixed=keep_fixed)
        self._read_types(cursor)
        return oid is None

    def widen(self, cursor: Cursor[Any], column: str, to: str) -> None:
        """Give a column a wider type.

        Args:
            cursor: A cursor within a transaction.
            column: The column's name.
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
            raise self._column_fixed_error(cursor, column, wider, error) from error
        if wider == "jsonb[]":
            cursor.execute("DROP FUNCTION pg_temp.signalroom_json_items")
        self.note(f"Column {column} of {self} becomes {wider} (was {actual})")
        self._read_types(cursor)

    def _column_fixed_error(
        self, cursor: Cursor[Any], column: str, to: str, error: errors.Error
    ) -> ColumnFixedError:
        reason = redact_message(error, [self.name, column])
        rows = cursor.execute(_DEPENDENTS, (self._oid(cursor), column)).fetchall()
        dependents = ", ".join(name for (name,) in rows)
        advice = "Drop what depends on it, run again, and create it again"
        if isinstance(error, errors.InsufficientPrivilege):
            advice = "Let the table's owner widen it, or make the loader's user its owner"
        because = f"{reason} ({dependents})" if dependents else reason
        return ColumnFixedError(f"{column!r} of {self}", to, f"{because}. {advice}")

    def _oid(self, cursor: Cursor[Any]) -> int | None:
        oid: int | None = _value(
            cursor, "SELECT to_regclass(%s)::oid", (self.identifier.as_string(cursor),)
        )
        return oid

    def _read_types(self, cursor: Cursor[Any]) -> None:
        rows = cursor.execute(_COLUMNS, (self._oid(cursor),)).fetchall()
        self.types = {name: type_ for name, type_, _, _ in rows}
        self._bases = {name: base for name, _, _, base in rows}
        for name, type_, is_domain, _ in rows:
            if is_domain:
                self.fixed.setdefault(
                    name, f"the column has the domain {type_}, which does not change"
                )

    def column_names(self, cursor: Cursor[Any]) -> Collection[str]:
        """Return the names of the table's columns; none if it does not exist."""
        self._read_types(cursor)
        return self.types.keys()

    def base_type(self, column: str) -> str:
        """Return the type of a column's values: of a domain, the type that it is made of."""
        return self._bases.get(column) or self.types[column]

    def _create(self, cursor: Cursor[Any], declared: Mapping[str, DeclaredType]) -> None:
        if self.schema:
            exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)"
            if not _value(cursor, exists, (self.schema,)):
                # Queried first: without the right to create schemas, IF NOT EXISTS fails too.
                statement = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}")
                cursor.execute(statement.format(sql.Identifier(self.schema)))
        parts = [
            sql.SQL("{} {}").format(sql.Identifier(name), type_sql(type_.type))
            for name, type_ in declared.items()
        ]
        if self.keys:
            parts.append(sql.SQL("PRIMARY KEY ({})").format(column_list(self.keys)))
        cursor.execute(
            sql.SQL("CREATE TABLE {} ({})").format(self.identifier, sql.SQL(", ").join(parts))
        )

    def _adapt(
        self,
        cursor: Cursor[Any],
        oid: int,
        declared: Mapping[str, DeclaredType],
        *,
        keep_fixed: bool,
    ) -> None:
        self._read_types(cursor)
        if new := declared.keys() - self.types.keys():
            ever = int(_value(cursor, _COLUMNS_EVER, (oid,)) or 0)
            table_checks.check_width(self, ever + len(new), ever - len(self.types))
        for name, type_ in declared.items():
            if name not in self.types:
                cursor.execute(
                    sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                        self.identifier, sql.Identifier(name), type_sql(type_.type)
                    )
                )
                self.note(f"Added column {name} ({type_.type}) to {self}", is_warning=False)
            elif name not in self.fixed and type_.types_held_by(self.types[name]) is None:
                # One that holds some of the values is widened by the first that it does not hold.
                try:
                    self._widen(cursor, name, type_.type)
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
    """Return the type that holds a column's values and those of another type."""
    limit = limit_of(actual)
    return to if limit is not None and limit.wider == to else common_type(actual, to)


def column_list(columns: Sequence[str]) -> Composable:
    """List columns for a statement: their names, quoted, with commas."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _value(cursor: Cursor[Any], query: str | Composable, parameters: Sequence[Any] = ()) -> Any:
    row = cursor.execute(query, parameters or None).fetchone()  # type: ignore[arg-type]
    return row[0] if row else None
