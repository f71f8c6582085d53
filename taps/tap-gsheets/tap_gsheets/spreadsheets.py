"""Spreadsheets and their tabs, as Google describes them and as the settings choose them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_gsheets.column_types import DATE_TYPES, ColumnType
from tap_gsheets.fingerprint import fingerprint

if TYPE_CHECKING:
    from tap_gsheets.table import Table


@dataclass
class TabRead:
    """A tab to read, and the result.

    Attributes:
        properties: The tab's properties, as Google has them.
        config: The settings of the tab.
        stream: Name of its stream.
        merges: Its merged cells, as Google describes them.
        table: Its rows, once they are read.
        problem: Why it is a bad tab; None if it is a good one.
        keys: The columns of its primary key, if the settings name one.
        is_skipped: Whether it is not read, as it is unchanged or deselected.
    """

    properties: dict[str, Any]
    config: dict[str, Any]
    stream: str
    merges: list[dict[str, int]]
    table: Table | None = None
    problem: str | None = None
    keys: list[str] = field(default_factory=list)
    is_skipped: bool = False

    @property
    def title(self) -> str:
        """The tab's title."""
        return str(self.properties["title"])

    @property
    def gid(self) -> str:
        """The tab's number; Google may leave out 0, like any default."""
        return str(self.properties.get("sheetId", 0))

    @property
    def size(self) -> int:
        """How many cells the tab's grid has."""
        grid = self.properties.get("gridProperties", {})
        return int(grid.get("rowCount", 0)) * int(grid.get("columnCount", 0))

    @property
    def has_dates(self) -> bool:
        """Whether the settings declare a column of dates."""
        return any(column["type"] in DATE_TYPES for column in self.config.get("columns") or ())


@dataclass
class Spreadsheet:
    """A spreadsheet that was read.

    Attributes:
        id: Google's id of the spreadsheet.
        properties: The spreadsheet's properties, as Google has them.
        sheets: All of its tabs, as Google has them.
        config: The settings of the spreadsheet.
        file: The file's fields from Drive; empty without `change_detection: drive`.
        tabs: The tabs that the settings choose.
    """

    id: str
    properties: dict[str, Any]
    sheets: list[dict[str, Any]]
    config: dict[str, Any]
    file: dict[str, Any] = field(default_factory=dict)
    tabs: list[TabRead] = field(default_factory=list)

    @property
    def titles_by_gid(self) -> dict[str, str]:
        """The titles of all tabs by their numbers."""
        properties = [sheet["properties"] for sheet in self.sheets]
        return {str(item.get("sheetId", 0)): item["title"] for item in properties}

    def column_types(self, tab: TabRead) -> dict[str, ColumnType]:
        """Return the types that the settings declare for a tab's columns, by title or name."""
        time_zone = self.properties.get("timeZone") or "Etc/GMT"
        return {
            column["name"]: ColumnType(column["type"], column.get("format") or "", time_zone)
            for column in tab.config.get("columns") or ()
        }

    def bookmark_fields(self, tab: TabRead, settings_fingerprint: str) -> dict[str, Any]:
        """Return what a successful read of a tab leaves in its bookmark; no values of cells."""
        return {
            "spreadsheet_id": self.id,
            "sheet_id": tab.gid,
            "title": tab.title,
            "columns": list(tab.table.columns) if tab.table else [],
            "titles": tab.table.titles_by_column if tab.table else {},
            "row_count": len(tab.table.rows) if tab.table else 0,
            "version": self.file.get("version"),
            "asked": fingerprint(self.config),
            "shape": settings_fingerprint,
        }
