"""Removes card data from a file's columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from signalroom_singer import EXTRA
from signalroom_singer.privacy.card_data import (
    CardColumn,
    card_columns,
    is_card_number,
    is_left_out,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from signalroom_singer.privacy.card_data import CardFindings

# Match all values that `is_left_out` leaves out, and a few more, at a hundredth of the cost of
# reading the file. RE2 is slow at the digits of all scripts, so all characters but ASCII match.
_DIGIT = r"[0-9]|[^\x00-\x7F]"
_MANY_DIGITS = r"[0-9]{7}|[0-9][ !-)+-/:-@\[-`{-~]|[eE][+]?[0-9]|[^\x00-\x7F]"


class CardFilter:
    """Removes card data from the batches of a file.

    Args:
        header: The cells of the file's header.
        names: The names of its columns, in the same order.
        deselected: Columns that are not loaded anyway.
        findings: Counts of what was removed; the filter adds to them.
    """

    def __init__(
        self,
        header: Sequence[str],
        names: Sequence[str],
        deselected: Collection[str],
        findings: CardFindings,
    ) -> None:
        self._findings = findings
        card_types = {names[position]: kind for position, kind in card_columns(header)}
        self._fragments = {
            name
            for name, kind in card_types.items()
            if kind in {CardColumn.FRAGMENT, CardColumn.NUMBER}
        } - {*deselected}
        self._card_types = {
            name: kind
            for name, kind in card_types.items()
            if kind is not CardColumn.FRAGMENT and name not in deselected
        }

    def remove_card_data(self, columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        """Replace card data by NULL.

        Args:
            columns: The columns of a batch, by name.

        Returns:
            The columns without card data.
        """
        clean = {
            name: self._clean_column(name, columns[name], kind)
            for name, kind in self._card_types.items()
        }
        if self._card_types and (extra := columns[EXTRA]).null_count < len(extra):
            # In a row with too many cells, a surplus cell may be the card number.
            clean[EXTRA] = pa.array(map(self._clean_extra, extra.to_pylist()), pa.string())
        for name in self._fragments - self._findings.fragments.keys():
            if _has_values(clean.get(name, columns[name])):
                self._findings.fragments[name] = None
        return columns | clean

    def _clean_column(self, name: str, column: pa.Array, kind: CardColumn) -> pa.Array:
        pattern = _MANY_DIGITS if kind is CardColumn.NUMBER else _DIGIT
        if not pc.any(pc.match_substring_regex(column, pattern)).as_py():
            return column
        values = column.to_pylist()
        clean = [None if is_left_out(value, kind) else value for value in values]
        if count := clean.count(None) - values.count(None):
            self._findings.left_out[name] += count
        return pa.array(clean, pa.string())

    def _clean_extra(self, extra: str | None) -> str | None:
        if extra is None:
            return None
        fields: dict[str, Any] = json.loads(extra)
        clean = {
            name: [self._clean_cell(cell) for cell in cells] if isinstance(cells, list) else cells
            for name, cells in fields.items()
        }
        return extra if clean == fields else json.dumps(clean, ensure_ascii=False)

    def _clean_cell(self, cell: Any) -> Any:
        if not is_card_number(cell):
            return cell
        self._findings.left_out[EXTRA] += 1
        return None


def _has_values(column: pa.Array) -> bool:
    return bool(pc.any(pc.greater(pc.utf8_length(column), 0)).as_py())
