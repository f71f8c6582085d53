"""The cells of tabs, with one, two or three reads for all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_gsheets.cells import EditedError, with_moments
from tap_gsheets.client import COMPUTED, SERIALS, SHOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_gsheets.books import Tab
    from tap_gsheets.client import Block, SheetsClient


@dataclass(frozen=True)
class Answers:
    """What Google answered for a tab.

    Attributes:
        shown: The cells that are wanted, and where they begin.
        computed: Numbers as they are, dates as text; only where some columns are dates.
        serials: Numbers as they are, dates too; only where some columns are dates.
    """

    shown: Block
    computed: Block | None = None
    serials: Block | None = None

    def cells(self, *, strict: bool) -> list[list[Any]]:
        """Put the answers together.

        Args:
            strict: As for ``with_moments``.

        Raises:
            EditedError: If somebody edited the tab between the answers.
        """
        if self.computed is None or self.serials is None:
            return self.shown.values
        corners = {(one.top, one.left) for one in (self.shown, self.computed, self.serials)}
        if len(corners) > 1:
            # A named range is elsewhere now.
            raise EditedError
        return with_moments(
            self.computed.values, self.serials.values, self.shown.values, strict=strict
        )


def read_blocks(
    client: SheetsClient, spreadsheet_id: str, tabs: Sequence[Tab], *, formatted: bool
) -> list[Answers]:
    """Read tabs.

    Those with columns of dates are read a second time: what a date shows does not say which day it
    is, and its serial number does not say that it is one.

    Args:
        client: By which.
        spreadsheet_id: The spreadsheet.
        tabs: Its tabs.
        formatted: Whether all cells are wanted as people see them. Those with dates take a third
            read then.

    Returns:
        The answers for each.

    Raises:
        TapError: As ``SheetsClient.values``.
    """
    asked = [(tab.title, tab.asked.get("range"), tab.size) for tab in tabs]
    dated = [one for one, tab in zip(asked, tabs, strict=True) if tab.has_dates]
    # In this order: where the first and the last agree, nobody edited the tab in between.
    computed = iter([*client.values(spreadsheet_id, dated, COMPUTED)] if formatted else ())
    shown = [*client.values(spreadsheet_id, asked, SHOWN if formatted else COMPUTED)]
    serials = client.values(spreadsheet_id, dated, SERIALS)
    return [
        Answers(block, next(computed, block), next(serials)) if tab.has_dates else Answers(block)
        for tab, block in zip(tabs, shown, strict=True)
    ]
