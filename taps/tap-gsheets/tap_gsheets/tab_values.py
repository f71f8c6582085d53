"""Reads the cells of tabs, with one, two or three requests for all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_gsheets.cells import ConcurrentEditError, merge_reads
from tap_gsheets.client import COMPUTED, DISPLAYED, SERIALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_gsheets.client import Block, SheetsClient
    from tap_gsheets.spreadsheets import TabRead


@dataclass(frozen=True)
class TabValues:
    """Google's responses for a tab.

    Attributes:
        values: The cells to load, and where they begin.
        computed: Numbers as they are, dates as text; only if some columns are dates.
        serials: Numbers as they are, dates as serial numbers; only if some columns are dates.
    """

    values: Block
    computed: Block | None = None
    serials: Block | None = None

    def merge(self, *, strict: bool) -> list[list[Any]]:
        """Merge the responses to rows of cells.

        Args:
            strict: Whether numbers that differ are an edit, as in ``merge_reads``.

        Raises:
            ConcurrentEditError: If somebody edited the tab between the responses.
        """
        if self.computed is None or self.serials is None:
            return self.values.values
        corners = {(block.top, block.left) for block in (self.values, self.computed, self.serials)}
        if len(corners) > 1:
            # A named range was moved in between.
            raise ConcurrentEditError
        return merge_reads(
            self.computed.values, self.serials.values, self.values.values, strict=strict
        )


def read_tab_values(
    client: SheetsClient, spreadsheet_id: str, tabs: Sequence[TabRead], *, formatted: bool
) -> list[TabValues]:
    """Read the cells of tabs.

    Tabs with columns of dates are read a second time: what a cell displays does not say which date
    it is, and its serial number does not say that it is a date.

    Args:
        client: The client of the Sheets API.
        spreadsheet_id: Id of the spreadsheet.
        tabs: The spreadsheet's tabs to read.
        formatted: Whether to load all cells as displayed; tabs with dates take a third read then.

    Returns:
        The responses for each tab.

    Raises:
        TapError: If Google does not respond with these tabs.
    """
    ranges = [(tab.title, tab.config.get("range"), tab.size) for tab in tabs]
    dated = [area for area, tab in zip(ranges, tabs, strict=True) if tab.has_dates]
    # In this order: if the first and the last agree, nobody edited the tab in between.
    computed = iter([*client.iter_values(spreadsheet_id, dated, COMPUTED)] if formatted else ())
    values = [*client.iter_values(spreadsheet_id, ranges, DISPLAYED if formatted else COMPUTED)]
    serials = client.iter_values(spreadsheet_id, dated, SERIALS)
    return [
        TabValues(block, next(computed, block), next(serials))
        if tab.has_dates
        else TabValues(block)
        for tab, block in zip(tabs, values, strict=True)
    ]
