"""What is known of a table: its name, key and types, and what is to be logged of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Cursor


class Note(NamedTuple):
    """A sentence about a table, to be logged once it is committed.

    Attributes:
        is_warning: Whether it is logged as a warning.
        text: The sentence itself.
    """

    is_warning: bool
    text: str


@dataclass
class KnownTable:
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
    _notes: list[Note] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def identifier(self) -> sql.Identifier:
        """The name for statements."""
        return sql.Identifier(*filter(None, (self.schema, self.name)))

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

    def has_rows(self, cursor: Cursor[Any]) -> bool:
        """Whether the table has any row."""
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(self.identifier)
        row = cursor.execute(query).fetchone()
        return bool(row and row[0])
