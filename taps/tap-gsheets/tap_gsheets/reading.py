"""Reading all tabs before any stream starts, and finding those that must not be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signalroom_singer import ExitCode, TapError, explain_malformed_responses, named
from tap_gsheets.addresses import id_in
from tap_gsheets.blocks import read_blocks
from tap_gsheets.books import Book, Tab
from tap_gsheets.cards import check_no_key, without_cards
from tap_gsheets.cells import EditedError
from tap_gsheets.changes import digest, loss, moved, other_tab
from tap_gsheets.client import RangeError
from tap_gsheets.columns import shared_names, snake_case
from tap_gsheets.tables import (
    EmptyTabError,
    Layout,
    LoadingError,
    Table,
    UnreadableTabError,
    check_keys,
    read_table,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from tap_gsheets.blocks import Answers
    from tap_gsheets.client import SheetsClient

_SPREADSHEET = "application/vnd.google-apps.spreadsheet"
#: How often a tab is read whose formulas are still being computed, and after how many seconds.
_READS, _MOMENT = 3, 5


class Reader:
    """Reads spreadsheets.

    Args:
        client: By which.
        config: The tap's settings.
        before: The bookmarks of the last good reads, by stream.
        logger: Where to.
        shape: Tells all apart, besides the cells, that makes rows what they are.
        deselected: Streams that nobody wants: their tabs are not read, and may be as they are.
    """

    def __init__(
        self,
        client: SheetsClient,
        config: Mapping[str, Any],
        before: Mapping[str, Any],
        logger: logging.Logger,
        *,
        shape: str,
        deselected: frozenset[str] = frozenset(),
    ) -> None:
        self._deselected = deselected
        self._shape = shape
        self._client = client
        self._config = config
        self._before = before
        self._logger = logger
        #: Streams whose tabs are gone, and are meant to be.
        self.forgotten: set[str] = set()

    def read(self) -> list[Book]:
        """Read everything.

        Returns:
            The spreadsheets. A tab without a table has a problem, or is unchanged.

        Raises:
            TapError: If Google does not answer, or with ``on_bad_tab: fail`` if a tab is bad.
        """
        wanted = self._config["spreadsheets"]
        # All of them before Google is asked for the first.
        ids = [
            id_in(asked["spreadsheet"], f"spreadsheets[{place}].spreadsheet")
            for place, asked in enumerate(wanted)
        ]
        books = [self._book(one, asked) for one, asked in zip(ids, wanted, strict=True)]
        if not books:
            self._logger.warning("%s is empty: nothing to sync", named("spreadsheets"))
        problems = [tab.problem for book in books for tab in book.tabs if tab.problem]
        problems += [problem for book in books for problem in self._lost_streams(book)]
        for problem in problems:
            self._logger.warning("%s. Its table stays as it is.", problem)
        if problems and self._config["on_bad_tab"] == "fail":
            msg = (
                f"{problems[0]}. Nothing was loaded. Fix the sheet, set {named('on_bad_tab')} to "
                "warn to load the other tabs, or list the stream in "
                f"{named('accept_changes')} if the change is intended."
            )
            raise TapError(msg, exit_code=ExitCode.DATA)
        return books

    def _book(self, spreadsheet_id: str, asked: dict[str, Any]) -> Book:
        with explain_malformed_responses(lambda: f"Spreadsheet {spreadsheet_id}"):
            return self._read(spreadsheet_id, asked)

    def _read(self, spreadsheet_id: str, asked: dict[str, Any]) -> Book:
        file: dict[str, Any] = {}
        if self._config["change_detection"] == "drive":
            # Before the cells: an edit in between is then found by the next run.
            file = self._client.file(spreadsheet_id)
            if file.get("mimeType") not in {None, _SPREADSHEET}:
                msg = f"{spreadsheet_id} is not a Google spreadsheet. In Drive, save it as one."
                raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
            if file.get("trashed"):
                self._logger.warning("Spreadsheet %s is in the bin of Drive.", spreadsheet_id)
        try:
            return self._tabs(spreadsheet_id, asked, file)
        except RangeError as error:
            self._logger.warning("%s Reading its tabs once more.", error)
            # A tab may have been renamed between the two reads.
            return self._tabs(spreadsheet_id, asked, file)

    def _tabs(self, spreadsheet_id: str, asked: dict[str, Any], file: dict[str, Any]) -> Book:
        answer = self._client.metadata(spreadsheet_id)
        properties = answer.get("properties", {})
        book = Book(spreadsheet_id, properties, answer["sheets"], asked, file)
        # Charts and connected data sources are tabs without a grid.
        grids = [one for one in book.sheets if one["properties"].get("sheetType", "GRID") == "GRID"]
        if asked.get("tabs"):
            for one in asked["tabs"]:
                book.tabs.append(self._chosen(book, grids, one))
        else:
            for sheet in grids:
                if asked.get("include_hidden") or not sheet["properties"].get("hidden"):
                    book.tabs.append(self._tab(book, sheet, {}))
        for tab in book.tabs:
            if tab.stream in self._deselected:
                tab.problem, tab.unchanged = None, True
        due = [tab for tab in book.tabs if not tab.problem and not tab.unchanged]
        if due and file and all(self._is_unchanged(book, tab) for tab in due):
            for tab in due:
                tab.unchanged = True
            self._logger.info("Spreadsheet %s is unchanged, says Drive.", spreadsheet_id)
            return book
        for tab, answers in zip(due, self._answers(book, due), strict=True):
            self._fill(book, tab, answers)
        return book

    def _is_unchanged(self, book: Book, tab: Tab) -> bool:
        before = self._before.get(tab.stream, {})
        now = (self._shape, digest(book.asked), book.file.get("version"))
        return now == (before.get("shape"), before.get("asked"), before.get("version"))

    def _chosen(self, book: Book, grids: list[dict[str, Any]], one: dict[str, Any]) -> Tab:
        by_gid = one.get("gid") is not None
        for sheet in grids:
            properties = sheet["properties"]
            if (
                properties.get("sheetId", 0) == one["gid"]
                if by_gid
                else properties["title"] == one.get("name")
            ):
                return self._tab(book, sheet, one)
        wanted = f"gid {one['gid']}" if by_gid else repr(one.get("name"))
        tab = self._tab(book, {"properties": {"title": one.get("name") or wanted}}, one)
        titles = {str(s["properties"].get("sheetId", 0)): s["properties"]["title"] for s in grids}
        before = self._before.get(tab.stream)
        became = f" ({moved(before, titles)})" if before else ""
        tab.problem = (
            f"Spreadsheet {book.id} has no tab {wanted}{became}; it has "
            f"{', '.join(map(repr, titles.values()))}: check the setting spreadsheets"
        )
        return tab

    def _tab(self, book: Book, sheet: dict[str, Any], one: dict[str, Any]) -> Tab:
        properties = sheet["properties"]
        name = one.get("stream")
        if not name:
            name = snake_case(properties["title"]) or f"tab_{properties.get('sheetId', 0)}"
            name = (
                snake_case(f"{book.asked['prefix']}__{name}") if book.asked.get("prefix") else name
            )
        merges = sheet.get("merges", []) if one.get("fill_merged") else []
        return Tab(properties, one, name, merges)

    def _fill(self, book: Book, tab: Tab, answers: Answers) -> None:
        try:
            tab.table = self._good(book, tab, answers)
        except UnreadableTabError as error:
            tab.problem = f"Tab {tab.title!r} of {book.id}, stream {tab.stream}: {error}"
            return
        if tab.table:
            self._report(book, tab, tab.table)

    def _report(self, book: Book, tab: Tab, table: Table) -> None:
        """Log what people may want to know of a tab that is good."""
        for title, name in shared_names(table.columns, table.titles):
            self._logger.info(
                "Tab %r: the column titled %r is %s, as other titles make the same name.",
                *(tab.title, title, name),
            )
        for name, count in table.doubtful.items():
            self._logger.warning(
                "Tab %r: dates of column %s that the format %s reads as another day than Google "
                "has: %d. Google's days are loaded. If they are wrong, correct the cells and the "
                "spreadsheet's locale (%s), by which Google reads what people type.",
                *(tab.title, name, table.types[name].pattern, count),
                book.properties.get("locale"),
            )
        if table.errors:
            self._logger.warning("Tab %r: %d error cells are null.", tab.title, table.errors)

    def _good(self, book: Book, tab: Tab, answers: Answers) -> Table | None:
        accepted = tab.stream in self._config["accept_changes"]
        before = self._before.get(tab.stream, {})
        try:
            table = self._table(book, tab, answers)
        except EmptyTabError as error:
            if not before and not accepted:
                # Nobody has written into it yet. It is no mistake, and no reason to empty a table.
                self._logger.warning("Tab %r of %s: %s. Left out.", tab.title, book.id, error)
                return None
            if error.table is None or not (accepted or before.get("row_count") == 0):
                raise
            table = error.table
        if not self._config["keep_card_data"]:
            table = without_cards(table)
        if asked := tab.asked.get("primary_keys"):
            check_no_key(table, [table.find(one, "primary_keys") for one in asked])
            tab.keys = check_keys(table, asked)
        lost = loss(before, table, self._config["max_shrink_percent"])
        if not book.asked.get("tabs"):
            lost = other_tab(before, book.id, tab.gid, tab.title) or lost
        if lost and not accepted:
            raise UnreadableTabError(lost)
        return table

    def _table(self, book: Book, tab: Tab, answers: Answers) -> Table:
        for reads in range(1, _READS + 1):
            is_last = reads == _READS
            layout = Layout(
                header_row=tab.asked.get("header_row") or 1,
                top=answers.shown.top,
                left=answers.shown.left,
                errors=self._config["error_cells"],
                merges=tab.merges,
            )
            try:
                return read_table(answers.cells(strict=not is_last), layout, book.declared(tab))
            except LoadingError:
                if is_last:
                    raise
            except EditedError:
                if is_last:
                    msg = f"it was edited each time it was read, {_READS} times in all: run again"
                    raise UnreadableTabError(msg) from None
            self._client.pause(_MOMENT)
            (answers,) = self._answers(book, [tab])
        raise AssertionError  # the last read returns or raises

    def _answers(self, book: Book, tabs: list[Tab]) -> list[Answers]:
        formatted = self._config["render"] == "formatted"
        return read_blocks(self._client, book.id, tabs, formatted=formatted)

    def _lost_streams(self, book: Book) -> list[str]:
        """Tabs that were loaded last time and are now called otherwise, or gone."""
        if book.asked.get("tabs"):
            return []
        titles = {
            str(s["properties"].get("sheetId", 0)): s["properties"]["title"] for s in book.sheets
        }
        names = {tab.stream for tab in book.tabs}
        lost = {
            name: before
            for name, before in self._before.items()
            if before.get("spreadsheet_id") == book.id
            and name not in names
            and name not in self._deselected
            and before.get("asked") == digest(book.asked)
        }
        accepted = lost.keys() & set(self._config["accept_changes"])
        self.forgotten |= accepted
        return [
            f"Tab {before.get('title')!r} of {book.id}, stream {name}: {moved(before, titles)}"
            for name, before in lost.items()
            if name not in accepted
        ]
