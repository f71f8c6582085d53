"""Card data in a file's columns, which is not loaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from signalroom_singer import EXTRA
from signalroom_singer.cards import CardColumn, card_columns, is_card_number, is_left_out

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from signalroom_singer.cards import CardFindings

# What a value has that is_left_out would leave out, and some more: a hundredth of what reading the
# file costs. RE2 is slow where it has to know all scripts' digits.
_DIGIT = r"[0-9]|[^\x00-\x7F]"
_MANY_DIGITS = r"[0-9]{7}|[0-9][ !-)+-/:-@\[-`{-~]|[eE][+]?[0-9]|[^\x00-\x7F]"


class CardFilter:
    """Leaves card data out of a file's batches.

    Args:
        header: The file's header.
        names: Its columns' names, in the same order.
        deselected: Columns that are not loaded anyway.
        findings: Where it is noted what was found.
    """

    def __init__(
        self,
        header: Sequence[str],
        names: Sequence[str],
        deselected: Collection[str],
        findings: CardFindings,
    ) -> None:
        self._findings = findings
        kinds = {names[position]: kind for position, kind in card_columns(header)}
        self._fragments = {
            name for name, kind in kinds.items() if kind in {CardColumn.FRAGMENT, CardColumn.NUMBER}
        } - {*deselected}
        self._kinds = {
            name: kind
            for name, kind in kinds.items()
            if kind is not CardColumn.FRAGMENT and name not in deselected
        }

    def cleaned(self, columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
        """Put NULL in place of card data.

        Args:
            columns: A batch's columns, by name.

        Returns:
            The same, without card data.
        """
        clean = {
            name: self._cleaned(name, columns[name], kind) for name, kind in self._kinds.items()
        }
        if self._kinds and (extra := columns[EXTRA]).null_count < len(extra):
            # A row with too many cells may have its card number in one of those.
            clean[EXTRA] = pa.array(map(self._without_numbers, extra.to_pylist()), pa.string())
        for name in self._fragments - self._findings.fragments.keys():
            if _has_values(clean.get(name, columns[name])):
                self._findings.fragments[name] = None
        return columns | clean

    def _cleaned(self, name: str, column: pa.Array, kind: CardColumn) -> pa.Array:
        pattern = _MANY_DIGITS if kind is CardColumn.NUMBER else _DIGIT
        if not pc.any(pc.match_substring_regex(column, pattern)).as_py():
            return column
        values = column.to_pylist()
        kept = [None if is_left_out(value, kind) else value for value in values]
        if count := kept.count(None) - values.count(None):
            self._findings.left_out[name] += count
        return pa.array(kept, pa.string())

    def _without_numbers(self, extra: str | None) -> str | None:
        if extra is None:
            return None
        fields: dict[str, Any] = json.loads(extra)
        kept = {
            name: [self._kept(one) for one in cells] if isinstance(cells, list) else cells
            for name, cells in fields.items()
        }
        return extra if kept == fields else json.dumps(kept, ensure_ascii=False)

    def _kept(self, cell: Any) -> Any:
        if not is_card_number(cell):
            return cell
        self._findings.left_out[EXTRA] += 1
        return None


def _has_values(column: pa.Array) -> bool:
    return bool(pc.any(pc.greater(pc.utf8_length(column), 0)).as_py())
