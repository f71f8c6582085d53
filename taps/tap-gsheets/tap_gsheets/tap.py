"""The tap: a stream for each tab, all of which are read before the first one starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from signalroom_singer import ExitCode, SignalRoomTap, TapError
from signalroom_singer.privacy.card_data import CardReport
from signalroom_singer.state import validate_state
from signalroom_singer.state_merge import unseal_state
from tap_gsheets.client import SheetsClient
from tap_gsheets.column_types import check_formats
from tap_gsheets.credentials import make_auth
from tap_gsheets.fingerprint import fingerprint
from tap_gsheets.settings import SETTINGS
from tap_gsheets.shrink_guard import validate_bookmark
from tap_gsheets.spreadsheet_reader import SpreadsheetReader
from tap_gsheets.streams import POSITION_KEY, TAGS, SheetListStream, SheetStream

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record
    from singer_sdk.streams import Stream

    from tap_gsheets.spreadsheets import Spreadsheet, TabRead
    from tap_gsheets.table import Table


class TapGsheets(SignalRoomTap):
    """Reads the tabs of Google spreadsheets as people see them."""

    name = "tap-gsheets"
    package_name = "tap-gsheets"
    # The streams are the tabs of the spreadsheets in the settings.
    dynamic_catalog = True
    config_jsonschema = SETTINGS

    def __init__(self, *args: Any, state: Any = None, **kwargs: Any) -> None:
        """Initialize as the SDK does, which lists the streams before it loads the state.

        Args:
            args: As for the SDK's tap.
            state: The state that the last run wrote.
            kwargs: As for the SDK's tap.
        """
        self._bookmarks: dict[str, Any] = {}
        if isinstance(state, dict):
            validate_state(state)
            valid, _ = unseal_state(state)
            for stream, bookmark in valid["bookmarks"].items():
                validate_bookmark(stream, bookmark)
                self._bookmarks[stream] = bookmark
        self._dropped_streams: set[str] = set()
        self._card_report = CardReport()
        super().__init__(*args, state=state, **kwargs)

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        # Without the bookmarks of dropped streams, or the next run would miss their tabs again.
        bookmarks = {
            name: bookmark
            for name, bookmark in state.get("bookmarks", {}).items()
            if name not in self._dropped_streams
        }
        super().load_state({**state, "bookmarks": bookmarks})
        # An unchanged stream does not start, but it was read: the next run compares with the
        # version and the settings of this read.
        for stream in self.streams.values():
            if isinstance(stream, SheetStream) and stream.is_unchanged:
                stream.save_read()

    @override
    def discover_streams(self) -> list[Stream]:
        """Read everything: a stream that starts has all its rows, so no table is emptied."""
        check_formats(self.config["spreadsheets"])
        spreadsheets = self._read_spreadsheets()
        streams: list[Stream] = [
            self._make_stream(spreadsheet, tab, tab.table)
            for spreadsheet in spreadsheets
            for tab in spreadsheet.tabs
            if tab.table is not None
        ]
        names = [tab.stream for spreadsheet in spreadsheets for tab in spreadsheet.tabs]
        names.append(SheetListStream.name)
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            msg = (
                f"Two tabs make the stream {repeated[0]}. Give one another name: `stream` of a "
                "tab, or `prefix` of a spreadsheet, in the setting spreadsheets."
            )
            raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
        rows = [
            _make_row(spreadsheet, sheet)
            for spreadsheet in spreadsheets
            for sheet in spreadsheet.sheets
        ]
        return [*streams, SheetListStream(tap=self, rows=rows)]

    def _read_spreadsheets(self) -> list[Spreadsheet]:
        auth, share_with = make_auth(self.config)
        with self.http_session:
            client = SheetsClient(self.client_context, auth=auth, share_with=share_with)
            reader = SpreadsheetReader(
                client,
                self.config,
                self._bookmarks,
                self.logger,
                settings_fingerprint=self._settings_fingerprint(),
                deselected=self._deselected_streams(),
            )
            spreadsheets = reader.read()
        self._dropped_streams = reader.dropped_streams
        return spreadsheets

    @override
    def account_identity(self) -> tuple[str, ...]:
        # Google counts requests by identity; a key file and its content are the same one.
        _, email = make_auth(self.config)
        return (self.config["sheets_api_url"], email) if email else super().account_identity()

    def _deselected_streams(self) -> frozenset[str]:
        catalog = self._input_catalog
        return frozenset(
            entry.tap_stream_id
            for entry in (catalog.streams if catalog else ())
            if not entry.metadata.resolve_selection()[()]
        )

    def _settings_fingerprint(self) -> str:
        """Hash the settings, and the catalog, that change rows."""
        names = (
            *("render", "error_cells", "client_id", "stream_maps", "stream_map_config"),
            *("keep_card_data", "hash_columns"),
        )
        catalog = self._input_catalog.to_dict() if self._input_catalog else None
        return fingerprint([self.config.get(name) for name in names], catalog)

    def _make_stream(self, spreadsheet: Spreadsheet, tab: TabRead, table: Table) -> Stream:
        return SheetStream(
            tap=self,
            name=tab.stream,
            primary_keys=tab.keys or POSITION_KEY,
            table=table,
            tags=dict(zip(TAGS, (spreadsheet.id, tab.gid, tab.title), strict=True)),
            bookmark=self._bookmarks.get(tab.stream, {}),
            bookmark_fields=spreadsheet.bookmark_fields(tab, self._settings_fingerprint()),
            skips_unchanged=self.config["change_detection"] != "none",
            card_report=self._card_report,
        )


def _make_row(spreadsheet: Spreadsheet, sheet: dict[str, Any]) -> Record:
    """Make the row of a tab in the stream `gsheets_sheets`."""
    properties = sheet["properties"]
    grid = properties.get("gridProperties", {})
    gid = str(properties.get("sheetId", 0))
    reads = [tab for tab in spreadsheet.tabs if tab.gid == gid]
    good = next((tab for tab in reads if not tab.problem), None)
    bad = next((tab for tab in reads if tab.problem), None)
    tab = good or bad
    table = good.table if good else None
    return {
        "spreadsheet_id": spreadsheet.id,
        "spreadsheet_title": spreadsheet.properties.get("title"),
        "locale": spreadsheet.properties.get("locale"),
        "time_zone": spreadsheet.properties.get("timeZone"),
        "sheet_id": gid,
        "title": properties["title"],
        "index": properties.get("index", 0),
        "sheet_type": properties.get("sheetType", "GRID"),
        "hidden": properties.get("hidden", False),
        "row_count": grid.get("rowCount"),
        "column_count": grid.get("columnCount"),
        "stream": tab.stream if tab else None,
        "columns": table.columns if table else None,
        "rows_read": len(table.rows) if table else None,
        "problem": bad.problem if bad else None,
        "modified_time": spreadsheet.file.get("modifiedTime"),
        "version": spreadsheet.file.get("version"),
    }
