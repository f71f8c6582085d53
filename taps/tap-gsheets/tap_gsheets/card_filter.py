"""Removes card data from a tab's columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from signalroom_singer.privacy.card_data import CardColumn, card_columns, is_left_out
from tap_gsheets.table import UnreadableTabError

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_gsheets.table import Table


def remove_card_data(table: Table) -> Table:
    """Replace card data by null.

    Args:
        table: The table of a tab.

    Returns:
        A table without card data, with the counts of what was removed in ``cards``.
    """
    pairs = zip(table.titles, table.columns, strict=True)
    kinds = card_columns([title or name for title, name in pairs])
    if not kinds:
        return table
    clean = replace(table, rows=[(number, [*row]) for number, row in table.rows])
    for position, kind in kinds:
        name = table.columns[position]
        may_have_cards = kind is not CardColumn.FRAGMENT
        for _, row in clean.rows:
            if may_have_cards and is_left_out(row[position], kind):
                row[position] = None
                clean.cards.left_out[name] += 1
        has_values = any(row[position] is not None for _, row in clean.rows)
        if has_values and kind in {CardColumn.FRAGMENT, CardColumn.NUMBER}:
            clean.cards.fragments[name] = None
    return clean


def check_no_card_keys(table: Table, keys: Collection[str]) -> None:
    """Check that no key column had card data, which is null now.

    Args:
        table: The table of a tab, without card data.
        keys: Names of the key columns.

    Raises:
        UnreadableTabError: If a key column had card data.
    """
    if column := next((key for key in keys if key in table.cards.left_out), None):
        msg = (
            f"its key column {column} has card data, which is not loaded. Name another column in "
            "primary_keys, or set keep_card_data to true"
        )
        raise UnreadableTabError(msg)
