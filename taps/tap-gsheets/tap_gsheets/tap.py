"""The tap: a stream for each tab, all of which are read before the first one starts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from signalroom_singer import ExitCode, SignalRoomTap, TapError, check_bookmarks, unsealed
from signalroom_singer.cards import CardReport
from tap_gsheets.changes import check_read, digest
from tap_gsheets.client import SheetsClient
from tap_gsheets.credentials import open_session
from tap_gsheets.reading import Reader
from tap_gsheets.settings import SETTINGS
from tap_gsheets.streams import POSITION, TAGS, Sheets, Tab
from tap_gsheets.types import check_formats

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record
    from singer_sdk.streams import Stream

    from tap_gsheets.books import Book
    from tap_gsheets.books import Tab as ReadTab
    from tap_gsheets.tables import Table


class TapGsheets(SignalRoomTap):
    """Reads the tabs of Google spreadsheets as people see them."""

    name = "tap-gsheets"
    package_name = "tap-gsheets"
    # Without the settings there are no streams to list.
    dynamic_catalog = True
    config_jsonschema = SETTINGS

    def __init__(self, *args: Any, state: Any = None, **kwargs: Any) -> None:
        """Initialize as the SDK does, which lists the streams before it looks at the state.

        Args:
            args: As for the SDK's tap.
            state: The last run's.
            kwargs: As for the SDK's tap.
        """
        self._before: dict[str, Any] = {}
        if isinstance(state, dict):
            check_bookmarks(state)
            valid, _ = unsealed(state)
            for stream, before in valid["bookmarks"].items():
                check_read(stream, before)
                self._before[stream] = before
        self._forgotten: set[str] = set()
        super().__init__(*args, state=state, **kwargs)

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        # Or the next run would miss the tab again.
        kept = state.get("bookmarks", {}).items()
        bookmarks = {name: mark for name, mark in kept if name not in self._forgotten}
        super().load_state({**state, "bookmarks": bookmarks})
        # A tab without news does not start, and yet was seen: as of which version, and by which
        # settings, is what the next run compares with.
        for stream in self.streams.values():
            if isinstance(stream, Tab) and stream.is_unchanged:
                stream.note()

    @override
    def discover_streams(self) -> list[Stream]:
        """Read everything: a stream that starts has all its rows, so no table is emptied."""
        check_formats(self.config["spreadsheets"])
        session, share_with = open_session(self.config)
        with session:
            client = SheetsClient(
                session, self.config, self.logger, share_with, self.account_limits
            )
            reader = Reader(
                client,
                self.config,
                self._before,
                self.logger,
                shape=self._shape(),
                deselected=self._deselected(),
            )
            books = reader.read()
        self._forgotten = reader.forgotten
        streams: list[Stream] = [
            self._stream(book, tab, tab.table)
            for book in books
            for tab in book.tabs
            if tab.table is not None
        ]
        names = [Sheets.name, *(tab.stream for book in books for tab in book.tabs)]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            msg = (
                f"Two tabs make the stream {doubled[0]}. Give one another name: `stream` of a tab, "
                "or `prefix` of a spreadsheet, in the setting spreadsheets."
            )
            raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
        rows = [_row(book, sheet) for book in books for sheet in book.sheets]
        return [*streams, Sheets(tap=self, rows=rows)]

    @override
    def account_identity(self) -> tuple[str, ...]:
        # Google counts by who asks; a key file and its content are the same account.
        session, email = open_session(self.config)
        session.close()
        return (self.config["sheets_api_url"], email) if email else super().account_identity()

    @cached_property
    def cards(self) -> CardReport:
        """The card data that was found in this run."""
        return CardReport()

    def _deselected(self) -> frozenset[str]:
        catalog = self._input_catalog
        return frozenset(
            entry.tap_stream_id
            for entry in (catalog.streams if catalog else ())
            if not entry.metadata.resolve_selection()[()]
        )

    def _shape(self) -> str:
        names = (
            *("render", "error_cells", "client_id", "stream_maps", "stream_map_config"),
            *("keep_card_data", "hash_columns"),
        )
        catalog = self._input_catalog.to_dict() if self._input_catalog else None
        return digest([self.config.get(name) for name in names], catalog)

    def _stream(self, book: Book, tab: ReadTab, table: Table) -> Stream:
        return Tab(
            tap=self,
            name=tab.stream,
            primary_keys=tab.keys or POSITION,
            table=table,
            tags=dict(zip(TAGS, (book.id, tab.gid, tab.title), strict=True)),
            declared=table.types,
            before=self._before.get(tab.stream, {}),
            notes=book.notes(tab, self._shape()),
            skips=self.config["change_detection"] != "none",
        )


def _row(book: Book, sheet: dict[str, Any]) -> Record:
    properties = sheet["properties"]
    grid = properties.get("gridProperties", {})
    gid = str(properties.get("sheetId", 0))
    tab = next((tab for tab in book.tabs if tab.gid == gid and not tab.problem), None)
    bad = next((tab for tab in book.tabs if tab.gid == gid and tab.problem), None)
    read = tab or bad
    table = tab.table if tab else None
    return {
        "spreadsheet_id": book.id,
        "spreadsheet_title": book.properties.get("title"),
        "locale": book.properties.get("locale"),
        "time_zone": book.properties.get("timeZone"),
        "sheet_id": gid,
        "title": properties["title"],
        "index": properties.get("index", 0),
        "sheet_type": properties.get("sheetType", "GRID"),
        "hidden": properties.get("hidden", False),
        "row_count": grid.get("rowCount"),
        "column_count": grid.get("columnCount"),
        "stream": read.stream if read else None,
        "columns": table.columns if table else None,
        "rows_read": len(table.rows) if table else None,
        "problem": bad.problem if bad else None,
        "modified_time": book.file.get("modifiedTime"),
        "version": book.file.get("version"),
    }
