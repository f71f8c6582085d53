"""Spreadsheets and their tabs: what Google says of them, and what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_gsheets.changes import digest, titles_of
from tap_gsheets.types import DATES, Declared

if TYPE_CHECKING:
    from tap_gsheets.tables import Table


@dataclass
class Tab:
    """A tab that is to be read.

    Attributes:
        properties: As Google has them.
        asked: The settings for it.
        stream: Its stream's name.
        merges: Its merged cells.
        table: Its rows, once they were read.
        problem: Why it has none.
        keys: The columns of its natural key, if it has one.
        unchanged: Whether it was not read, as nothing changed, or nobody wants it.
    """

    properties: dict[str, Any]
    asked: dict[str, Any]
    stream: str
    merges: list[dict[str, int]]
    table: Table | None = None
    problem: str | None = None
    keys: list[str] = field(default_factory=list)
    unchanged: bool = False

    @property
    def title(self) -> str:
        """Its title."""
        return str(self.properties["title"])

    @property
    def gid(self) -> str:
        """Its number; 0 may be left out, as all that is at its default."""
        return str(self.properties.get("sheetId", 0))

    @property
    def size(self) -> int:
        """How many cells its grid has."""
        grid = self.properties.get("gridProperties", {})
        return int(grid.get("rowCount", 0)) * int(grid.get("columnCount", 0))

    @property
    def has_dates(self) -> bool:
        """Whether a column was set to be one of dates."""
        return any(one["type"] in DATES for one in self.asked.get("columns") or ())


@dataclass
class Book:
    """A spreadsheet that was read."""

    id: str
    properties: dict[str, Any]
    sheets: list[dict[str, Any]]
    asked: dict[str, Any]
    file: dict[str, Any] = field(default_factory=dict)
    tabs: list[Tab] = field(default_factory=list)

    def declared(self, tab: Tab) -> dict[str, Declared]:
        """The types that were set for a tab's columns, by their titles or names."""
        zone = self.properties.get("timeZone") or "Etc/GMT"
        return {
            one["name"]: Declared(one["type"], one.get("format") or "", zone)
            for one in tab.asked.get("columns") or ()
        }

    def notes(self, tab: Tab, shape: str) -> dict[str, Any]:
        """What a good read of a tab leaves in its bookmark. No cell's value is in it."""
        return {
            "spreadsheet_id": self.id,
            "sheet_id": tab.gid,
            "title": tab.title,
            "columns": list(tab.table.columns) if tab.table else [],
            "titles": titles_of(tab.table) if tab.table else {},
            "row_count": len(tab.table.rows) if tab.table else 0,
            "version": self.file.get("version"),
            "asked": digest(self.asked),
            "shape": shape,
        }
