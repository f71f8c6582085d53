"""Card data in a tab's columns, which is not loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from signalroom_singer.cards import CardColumn, card_columns, is_left_out
from tap_gsheets.tables import UnreadableTabError

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_gsheets.tables import Table


def without_cards(table: Table) -> Table:
    """Put null in place of card data.

    Args:
        table: A tab's table.

    Returns:
        The same without card data, and with what was found in ``cards``.
    """
    pair = (table.titles, table.columns)
    kinds = card_columns([title or name for title, name in zip(*pair, strict=True)])
    if not kinds:
        return table
    found = replace(table, rows=[(number, [*row]) for number, row in table.rows])
    for place, kind in kinds:
        name = table.columns[place]
        is_looked_at = kind is not CardColumn.FRAGMENT
        for _, row in found.rows:
            if is_looked_at and is_left_out(row[place], kind):
                row[place] = None
                found.cards.left_out[name] += 1
        has_more = any(row[place] is not None for _, row in found.rows)
        if has_more and kind in {CardColumn.FRAGMENT, CardColumn.NUMBER}:
            found.cards.fragments[name] = None
    return found


def check_no_key(table: Table, keys: Collection[str]) -> None:
    """See that no key is among the values that were left out.

    Args:
        table: A tab's table, without card data.
        keys: Its key columns.

    Raises:
        UnreadableTabError: If one is.
    """
    if lost := next((key for key in keys if key in table.cards.left_out), None):
        msg = (
            f"its key column {lost} has card data, which is not loaded. Name another column in "
            "primary_keys, or set keep_card_data to true"
        )
        raise UnreadableTabError(msg)
