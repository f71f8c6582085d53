"""Reads all tabs before any stream starts, and finds those that must not be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signalroom_singer import ExitCode, TapError, setting_label
from signalroom_singer.errors import explain_malformed_responses
from tap_gsheets.card_filter import check_no_card_keys, remove_card_data
from tap_gsheets.cell_parser import TabLayout, parse_table
from tap_gsheets.cells import ConcurrentEditError
from tap_gsheets.column_names import find_unusual_names, snake_case
from tap_gsheets.errors import RangeError
from tap_gsheets.fingerprint import fingerprint
from tap_gsheets.shrink_guard import describe_loss, describe_move, describe_other_tab
from tap_gsheets.spreadsheet_ids import parse_spreadsheet_id
from tap_gsheets.spreadsheets import Spreadsheet, TabRead
from tap_gsheets.tab_values import read_tab_values
from tap_gsheets.table import EmptyTabError, LoadingError, Table, UnreadableTabError, check_keys

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from tap_gsheets.client import SheetsClient
    from tap_gsheets.tab_values import TabValues

_SPREADSHEET = "application/vnd.google-apps.spreadsheet"
#: How often a tab is read whose formulas are still being computed, and after how many seconds.
_MAX_READS, _PAUSE_SECONDS = 3, 5


class SpreadsheetReader:
    """Reads spreadsheets.

    Args:
        client: The client of the Sheets API.
        config: The tap's settings.
        bookmarks: The bookmarks of the last successful reads, by stream.
        logger: Logger for bad tabs and unusual columns.
        settings_fingerprint: Fingerprint of the settings that change rows.
        deselected: Names of streams whose tabs are not read, and may be bad tabs.

    Attributes:
        dropped_streams: Streams whose tabs are gone, as `accept_changes` allows.
    """

    def __init__(
        self,
        client: SheetsClient,
        config: Mapping[str, Any],
        bookmarks: Mapping[str, Any],
        logger: logging.Logger,
        *,
        settings_fingerprint: str,
        deselected: frozenset[str] = frozenset(),
    ) -> None:
        self._deselected = deselected
        self._settings_fingerprint = settings_fingerprint
        self._client = client
        self._config = config
        self._bookmarks = bookmarks
        self._logger = logger
        self.dropped_streams: set[str] = set()

    def read(self) -> list[Spreadsheet]:
        """Read all spreadsheets of the settings.

        Returns:
            The spreadsheets. A tab without a table has a problem, or is skipped.

        Raises:
            TapError: If Google does not respond, or with ``on_bad_tab: fail`` if a tab is bad.
        """
        configs = self._config["spreadsheets"]
        # All ids are checked before the first request.
        ids = [
            parse_spreadsheet_id(config["spreadsheet"], f"spreadsheets[{position}].spreadsheet")
            for position, config in enumerate(configs)
        ]
        spreadsheets = [
            self._read_spreadsheet(spreadsheet_id, config)
            for spreadsheet_id, config in zip(ids, configs, strict=True)
        ]
        if not spreadsheets:
            self._logger.warning("%s is empty: nothing to sync", setting_label("spreadsheets"))
        problems = [
            tab.problem for spreadsheet in spreadsheets for tab in spreadsheet.tabs if tab.problem
        ]
        for spreadsheet in spreadsheets:
            problems += self._find_lost_streams(spreadsheet)
        for problem in problems:
            self._logger.warning("%s. Its table stays as it is.", problem)
        if problems and self._config["on_bad_tab"] == "fail":
            msg = (
                f"{problems[0]}. Nothing was loaded. Fix the sheet, set "
                f"{setting_label('on_bad_tab')} to warn to load the other tabs, or list the "
                f"stream in {setting_label('accept_changes')} if the change is intended."
            )
            raise TapError(msg, exit_code=ExitCode.DATA)
        return spreadsheets

    def _read_spreadsheet(self, spreadsheet_id: str, config: dict[str, Any]) -> Spreadsheet:
        with explain_malformed_responses(lambda: f"Spreadsheet {spreadsheet_id}"):
            file: dict[str, Any] = {}
            if self._config["change_detection"] == "drive":
                # Before the cells, so that the next run notices an edit in between.
                file = self._read_file(spreadsheet_id)
            try:
                return self._read_tabs(spreadsheet_id, config, file)
            except RangeError as error:
                self._logger.warning("%s Reading its tabs again.", error)
                # A tab may have been renamed between the two requests.
                return self._read_tabs(spreadsheet_id, config, file)

    def _read_file(self, spreadsheet_id: str) -> dict[str, Any]:
        file = self._client.get_file(spreadsheet_id)
        if file.get("mimeType") not in {None, _SPREADSHEET}:
            msg = f"{spreadsheet_id} is not a Google spreadsheet. In Drive, save it as one."
            raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
        if file.get("trashed"):
            self._logger.warning("Spreadsheet %s is in Drive's trash.", spreadsheet_id)
        return file

    def _read_tabs(
        self, spreadsheet_id: str, config: dict[str, Any], file: dict[str, Any]
    ) -> Spreadsheet:
        metadata = self._client.get_metadata(spreadsheet_id)
        properties = metadata.get("properties", {})
        spreadsheet = Spreadsheet(spreadsheet_id, properties, metadata["sheets"], config, file)
        spreadsheet.tabs = self._select_tabs(spreadsheet)
        for tab in spreadsheet.tabs:
            if tab.stream in self._deselected:
                tab.problem, tab.is_skipped = None, True
        due = [tab for tab in spreadsheet.tabs if not tab.problem and not tab.is_skipped]
        if due and file and all(self._is_unchanged(spreadsheet, tab) for tab in due):
            for tab in due:
                tab.is_skipped = True
            self._logger.info("Drive reports that spreadsheet %s is unchanged.", spreadsheet_id)
            return spreadsheet
        for tab, values in zip(due, self._read_values(spreadsheet, due), strict=True):
            self._read_table(spreadsheet, tab, values)
        return spreadsheet

    # Which tabs.

    def _select_tabs(self, spreadsheet: Spreadsheet) -> list[TabRead]:
        """Select the tabs of the settings, or all visible ones."""
        config = spreadsheet.config
        # Charts and connected data sources are tabs without a grid.
        grids = [
            sheet
            for sheet in spreadsheet.sheets
            if sheet["properties"].get("sheetType", "GRID") == "GRID"
        ]
        if config.get("tabs"):
            return [self._find_tab(spreadsheet, grids, tab) for tab in config["tabs"]]
        return [
            self._make_tab(spreadsheet, sheet, {})
            for sheet in grids
            if config.get("include_hidden") or not sheet["properties"].get("hidden")
        ]

    def _is_unchanged(self, spreadsheet: Spreadsheet, tab: TabRead) -> bool:
        bookmark = self._bookmarks.get(tab.stream, {})
        before = (bookmark.get("shape"), bookmark.get("asked"), bookmark.get("version"))
        version = spreadsheet.file.get("version")
        return before == (self._settings_fingerprint, fingerprint(spreadsheet.config), version)

    def _find_tab(
        self, spreadsheet: Spreadsheet, grids: list[dict[str, Any]], config: dict[str, Any]
    ) -> TabRead:
        """Find a tab of the settings by its number or name."""
        by_gid = config.get("gid") is not None
        for sheet in grids:
            properties = sheet["properties"]
            if (
                properties.get("sheetId", 0) == config["gid"]
                if by_gid
                else properties["title"] == config.get("name")
            ):
                return self._make_tab(spreadsheet, sheet, config)
        label = f"gid {config['gid']}" if by_gid else repr(config.get("name"))
        missing = {"properties": {"title": config.get("name") or label}}
        tab = self._make_tab(spreadsheet, missing, config)
        properties = [sheet["properties"] for sheet in grids]
        titles = {str(item.get("sheetId", 0)): item["title"] for item in properties}
        bookmark = self._bookmarks.get(tab.stream)
        move = f" ({describe_move(bookmark, titles)})" if bookmark else ""
        tab.problem = (
            f"Spreadsheet {spreadsheet.id} has no tab {label}{move}; it has "
            f"{', '.join(map(repr, titles.values()))}: check the setting spreadsheets"
        )
        return tab

    @staticmethod
    def _make_tab(
        spreadsheet: Spreadsheet, sheet: dict[str, Any], config: dict[str, Any]
    ) -> TabRead:
        properties = sheet["properties"]
        name = config.get("stream")
        if not name:
            name = snake_case(properties["title"]) or f"tab_{properties.get('sheetId', 0)}"
            if prefix := spreadsheet.config.get("prefix"):
                name = snake_case(f"{prefix}__{name}")
        merges = sheet.get("merges", []) if config.get("fill_merged") else []
        return TabRead(properties, config, name, merges)

    def _find_lost_streams(self, spreadsheet: Spreadsheet) -> list[str]:
        """Describe the streams of the last run whose tabs have other names now, or are gone."""
        if spreadsheet.config.get("tabs"):
            return []
        streams = {tab.stream for tab in spreadsheet.tabs}
        lost = {
            stream: bookmark
            for stream, bookmark in self._bookmarks.items()
            if bookmark.get("spreadsheet_id") == spreadsheet.id
            and stream not in streams
            and stream not in self._deselected
            and bookmark.get("asked") == fingerprint(spreadsheet.config)
        }
        accepted = lost.keys() & set(self._config["accept_changes"])
        self.dropped_streams |= accepted
        return [
            f"Tab {bookmark.get('title')!r} of {spreadsheet.id}, stream {stream}: "
            f"{describe_move(bookmark, spreadsheet.titles_by_gid)}"
            for stream, bookmark in lost.items()
            if stream not in accepted
        ]

    # The table of a tab.

    def _read_table(self, spreadsheet: Spreadsheet, tab: TabRead, values: TabValues) -> None:
        """Set a tab's table, or the problem with it."""
        try:
            tab.table = self._parse_good_table(spreadsheet, tab, values)
        except UnreadableTabError as error:
            tab.problem = f"Tab {tab.title!r} of {spreadsheet.id}, stream {tab.stream}: {error}"
            return
        if tab.table:
            self._log_findings(spreadsheet, tab, tab.table)

    def _parse_good_table(
        self, spreadsheet: Spreadsheet, tab: TabRead, values: TabValues
    ) -> Table | None:
        accepts_changes = tab.stream in self._config["accept_changes"]
        bookmark = self._bookmarks.get(tab.stream, {})
        try:
            table = self._parse_table(spreadsheet, tab, values)
        except EmptyTabError as error:
            if not bookmark and not accepts_changes:
                # A new tab that nobody has written into: neither a mistake nor a lost table.
                self._logger.warning(
                    "Tab %r of %s: %s. Left out.", tab.title, spreadsheet.id, error
                )
                return None
            if error.table is None or not (accepts_changes or bookmark.get("row_count") == 0):
                raise
            table = error.table
        if not self._config["keep_card_data"]:
            table = remove_card_data(table)
        if keys := tab.config.get("primary_keys"):
            check_no_card_keys(table, [table.find_column(key, "primary_keys") for key in keys])
            tab.keys = check_keys(table, keys)
        loss = describe_loss(bookmark, table, self._config["max_shrink_percent"])
        if not spreadsheet.config.get("tabs"):
            loss = describe_other_tab(bookmark, spreadsheet.id, tab.gid, tab.title) or loss
        if loss and not accepts_changes:
            raise UnreadableTabError(loss)
        return table

    def _parse_table(self, spreadsheet: Spreadsheet, tab: TabRead, values: TabValues) -> Table:
        """Parse a tab; read it again while it is being edited or computed."""
        for reads in range(1, _MAX_READS + 1):
            is_last = reads == _MAX_READS
            layout = TabLayout(
                header_row=tab.config.get("header_row") or 1,
                top=values.values.top,
                left=values.values.left,
                error_cells=self._config["error_cells"],
                merges=tab.merges,
            )
            try:
                cells = values.merge(strict=not is_last)
                return parse_table(cells, layout, spreadsheet.column_types(tab))
            except LoadingError:
                if is_last:
                    raise
            except ConcurrentEditError:
                if is_last:
                    msg = (
                        f"it was edited each time it was read, {_MAX_READS} times in all: run again"
                    )
                    raise UnreadableTabError(msg) from None
            self._client.pause(_PAUSE_SECONDS)
            (values,) = self._read_values(spreadsheet, [tab])
        raise AssertionError  # the last read returns or raises

    def _read_values(self, spreadsheet: Spreadsheet, tabs: list[TabRead]) -> list[TabValues]:
        formatted = self._config["render"] == "formatted"
        return read_tab_values(self._client, spreadsheet.id, tabs, formatted=formatted)

    def _log_findings(self, spreadsheet: Spreadsheet, tab: TabRead, table: Table) -> None:
        """Log what people may want to know of a good tab."""
        for title, name in find_unusual_names(table.columns, table.titles):
            self._logger.info(
                "Tab %r: the column titled %r is %s, as other titles make the same name.",
                *(tab.title, title, name),
            )
        for name, count in table.ambiguous_dates.items():
            self._logger.warning(
                "Tab %r: dates of column %s that the format %s reads as another day than Google "
                "has: %d. Google's days are loaded. If they are wrong, correct the cells and the "
                "spreadsheet's locale (%s), by which Google reads what people type.",
                *(tab.title, name, table.types[name].format, count),
                spreadsheet.properties.get("locale"),
            )
        if table.error_count:
            self._logger.warning(
                "Tab %r: %d cells with formula errors were loaded as NULL.",
                *(tab.title, table.error_count),
            )
