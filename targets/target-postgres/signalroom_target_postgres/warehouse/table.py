"""The table that a stream is loaded into, or one beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from psycopg import Cursor, sql

from signalroom_target_postgres.warehouse.naming import with_suffix

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


# The columns' types: of domains and arrays of domains also the base types, and of money the decimal
# places of the server's locale.
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
    """A table, as far as it is known: its name, its key, and its columns' types.

    Args:
        schema: The schema of the table; None for the session's own.
        name: The name of the table.
        keys: The columns that rows are merged by, in the order of the primary key; none if rows
            are appended.
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
    #: What to log once the transaction is committed.
    notes: list[Note] = field(default_factory=list)
    _bases: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def identifier(self) -> sql.Identifier:
        """The name for statements."""
        return sql.Identifier(*filter(None, (self.schema, self.name)))

    def companion(self, suffix: str) -> Table:
        """Return another table of the stream, without keys.

        Args:
            suffix: What its name has in addition.
        """
        return Table(self.schema, with_suffix(self.name, suffix))

    def note(self, text: str, *, is_warning: bool = True) -> None:
        """Note what to log once the transaction is committed.

        Args:
            text: A sentence about the table.
            is_warning: Whether it is logged as a warning.
        """
        self.notes.append(Note(is_warning, text))

    def lock(self, cursor: Cursor[Any]) -> None:
        """Lock out other loaders until this transaction ends.

        Otherwise two loaders that write the same rows in different orders deadlock, and two that
        create the same table fail.
        """
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"signalroom {self}",)
        )

    def oid(self, cursor: Cursor[Any]) -> int | None:
        """Return the table's OID; None if it does not exist."""
        name = self.identifier.as_string(cursor)
        return cast("int | None", fetch_value(cursor, "SELECT to_regclass(%s)::oid", (name,)))

    def has_rows(self, cursor: Cursor[Any]) -> bool:
        """Whether the table has any row."""
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(self.identifier)
        return bool(fetch_value(cursor, query))

    def read_types(self, cursor: Cursor[Any]) -> Collection[str]:
        """Read the types of the columns.

        Returns:
            The columns' names; none if the table does not exist.
        """
        rows = cursor.execute(_COLUMNS, (self.oid(cursor),)).fetchall()
        self.types = {name: type_ for name, type_, _, _ in rows}
        self._bases = {name: base for name, _, _, base in rows}
        for name, type_, is_domain, _ in rows:
            if is_domain:
                reason = f"the column has the domain {type_}, which does not change"
                self.fixed.setdefault(name, reason)
        return self.types.keys()

    def base_type(self, column: str) -> str:
        """Return the type of a column's values: of a domain, the type that it is made of."""
        return self._bases.get(column) or self.types[column]


def column_list(columns: Sequence[str]) -> sql.Composable:
    """List columns for a statement: their names, quoted, with commas."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def fetch_value(
    cursor: Cursor[Any], query: str | sql.Composable, parameters: Sequence[Any] = ()
) -> Any:
    """Return the first column of a query's first row; None if there is no row."""
    row = cursor.execute(query, parameters or None).fetchone()  # type: ignore[arg-type]
    return row[0] if row else None
