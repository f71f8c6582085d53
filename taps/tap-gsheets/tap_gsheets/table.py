"""The rows of a tab as a table, and why a tab may not be one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from signalroom_singer.privacy.card_data import CardFindings
from tap_gsheets.column_names import find_column

if TYPE_CHECKING:
    from tap_gsheets.column_types import ColumnType


class UnreadableTabError(ValueError):
    """A tab cannot be read as a table; the rows that were loaded before must stay."""


class EmptyTabError(UnreadableTabError):
    """A tab has no cells, or none below its header.

    Args:
        message: The reason, as the end of a sentence.
        table: A table with the tab's columns and no rows, if it has a header.
    """

    def __init__(self, message: str, table: Table | None = None) -> None:
        super().__init__(message)
        self.table = table


class LoadingError(UnreadableTabError):
    """Google is still computing a cell; a later read succeeds."""


@dataclass(frozen=True)
class Table:
    """The rows of a tab.

    Attributes:
        columns: The names of the columns.
        rows: The rows, each with its number in the sheet.
        error_count: How many cells with formula errors became null.
        titles: The columns' titles, as they are in the sheet; empty for a column without one.
        types: The types of columns that have one in the settings.
        ambiguous_dates: How many cells of a column are another date by the column's format than
            they are to Google.
        cards: The card data that was removed.
    """

    columns: list[str]
    rows: list[tuple[int, list[Any]]]
    error_count: int = 0
    titles: list[str] = field(default_factory=list)
    types: dict[str, ColumnType] = field(default_factory=dict)
    ambiguous_dates: dict[str, int] = field(default_factory=dict)
    cards: CardFindings = field(default_factory=CardFindings)

    @property
    def titles_by_column(self) -> dict[str, str]:
        """The titles by column; columns without one are left out."""
        pairs = zip(self.columns, self.titles, strict=True)
        return {name: title for name, title in pairs if title}

    def find_column(self, text: str, setting: str) -> str:
        """Find the column that a setting means.

        Args:
            text: Title or name of the column.
            setting: Name of the setting, for errors.

        Raises:
            UnreadableTabError: If there is no such column, or more than one.
        """
        try:
            return find_column(text, self.columns, self.titles)
        except LookupError as error:
            msg = f"column {text!r} of the setting {setting} {error.args[0]}"
            raise UnreadableTabError(msg) from None


def check_keys(table: Table, texts: list[str]) -> list[str]:
    """Check that the columns of a primary key identify each row.

    Args:
        table: The table of a tab.
        texts: Titles or names of the key columns.

    Returns:
        The names of the key columns.

    Raises:
        UnreadableTabError: If a column is missing, or a key is blank or repeated.
    """
    keys = [*dict.fromkeys(table.find_column(text, "primary_keys") for text in texts)]
    positions = [table.columns.index(key) for key in keys]
    row_numbers: dict[tuple[Any, ...], int] = {}
    for number, row in table.rows:
        key = tuple(row[position] for position in positions)
        if None in key:
            msg = f"row {number} has no {keys[key.index(None)]}, which is a key column"
            raise UnreadableTabError(msg)
        if key in row_numbers:
            msg = f"rows {row_numbers[key]} and {number} have the same key ({', '.join(keys)})"
            raise UnreadableTabError(msg)
        row_numbers[key] = number
    return keys
