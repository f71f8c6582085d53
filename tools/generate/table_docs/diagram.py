"""The diagram of joins, as SVG: boxes of tables in columns, and lines between the columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tools.generate.table_docs.joins import Join

_HEAD, _ROW, _GAP, _MARGIN = 26, 19, 14, 4
_CHARACTER, _PADDING, _BETWEEN = 7.3, 20, 72
_SWEEPS = 8
#: So many tables that join another one in the same way, and no other, share a box.
_ALIKE = 3
#: The picture on GitHub, and wherever it is opened alone. The site has its own colors: site.css.
_COLORS = """<style>
.joins { --ink: #1f2328; --faint: #59636e; --paper: #ffffff; --head: #d9efec; --line: #00796b; }
@media (prefers-color-scheme: dark) {
  .joins { --ink: #e6edf3; --faint: #9198a1; --paper: #161b22; --head: #17423d; --line: #4db6ac; }
}
</style>"""
_STYLE = """<style>
.joins .sheet, .joins .box { fill: var(--paper); }
.joins .box { stroke: var(--faint); }
.joins .head { fill: var(--head); }
.joins text { fill: var(--ink); font: 12px ui-monospace, SFMono-Regular, Consolas, monospace; }
.joins .key, .joins .name { font-weight: 700; }
.joins .join { fill: none; stroke: var(--line); stroke-width: 1.4; }
.joins .maybe { stroke-dasharray: 5 4; }
.joins .dot { fill: var(--line); }
</style>"""


@dataclass
class _Box:
    table: str
    tables: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    rank: int = 0
    x: float = 0
    y: float = 0
    width: float = 0

    @property
    def head(self) -> float:
        return _HEAD + _ROW * (len(self.tables) - 1)

    @property
    def height(self) -> float:
        return self.head + _ROW * len(self.rows) + 6

    def at(self, columns: Sequence[str]) -> float:
        """The height at which a join leaves the box: that of its first column."""
        return self.y + self.head + _ROW * (self.rows.index(columns[0]) + 0.5)


def diagram(
    joins: Iterable[Join], keys: Mapping[str, Sequence[str]], *, title: str, schema: str = ""
) -> str:
    """Draw joins.

    Args:
        joins: Which.
        keys: The primary key of each table, by ``schema.table``.
        title: What the picture is, for those who cannot see it.
        schema: The schema that all tables are of, to be left out of their names.

    Returns:
        An SVG document.
    """
    drawn, alike = _joined([join for join in joins if join.drawn])
    boxes = _boxes(drawn, alike)
    columns = _columns(boxes, drawn)
    width, height = _place(columns, schema)
    parts = [
        (
            f'<svg class="joins" xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
            f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
            f'aria-label="{escape(title)}">'
        ),
        f"<title>{escape(title)}</title>",
        _COLORS,
        _STYLE,
        f'<rect class="sheet" width="{width:.0f}" height="{height:.0f}"/>',
        *(_line(boxes, join) for join in drawn),
        *(_drawn(box, keys[box.table], schema) for box in boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _joined(joins: Sequence[Join]) -> tuple[list[Join], dict[str, list[str]]]:
    """Draw tables as one that join one table in the same way, and no other.

    Args:
        joins: All of them.

    Returns:
        The joins to draw, and the tables that the first one of them stands for.
    """
    counts = Counter(table for join in joins for table, _ in join.ends)
    groups: dict[tuple[object, ...], list[Join]] = {}
    for join in joins:
        if counts[join.many[0]] == 1:
            groups.setdefault((join.many[1], join.one), []).append(join)
    merged = [group for group in groups.values() if len(group) >= _ALIKE]
    left_out = {id(join) for group in merged for join in group[1:]}
    alike = {group[0].many[0]: sorted(join.many[0] for join in group) for group in merged}
    return [join for join in joins if id(join) not in left_out], alike


def _boxes(joins: Sequence[Join], alike: dict[str, list[str]]) -> dict[str, _Box]:
    boxes: dict[str, _Box] = {}
    for join in joins:
        for table, columns in join.ends:
            box = boxes.setdefault(table, _Box(table, alike.get(table, [table])))
            box.rows += [column for column in columns if column not in box.rows]
    return boxes


def _columns(boxes: dict[str, _Box], joins: Sequence[Join]) -> list[list[_Box]]:
    """Three columns: tables that refer to others, those that do both, those referred to."""
    refer, referred = {join.many[0] for join in joins}, {join.one[0] for join in joins}
    for box in boxes.values():
        box.rank = (box.table in referred) + (box.table not in refer)
    columns = [[box for box in boxes.values() if box.rank == rank] for rank in range(3)]
    columns = [column for column in columns if column]
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 else columns[::-1]:
            places = {box.table: number for one in columns for number, box in enumerate(one)}
            middle = {box.table: _middle(box, joins, places, len(column)) for box in column}
            column.sort(key=lambda box: (middle[box.table], box.table))
    return columns


def _middle(box: _Box, joins: Sequence[Join], places: dict[str, int], most: int) -> float:
    """Where a box is best in its column: in the middle of those that it joins."""
    others = [
        other
        for join in joins
        for (here, _), (other, _) in (join.ends, join.ends[::-1])
        if here == box.table and other != here
    ]
    return sum(places[one] for one in others) / len(others) if others else most


def _place(columns: Sequence[Sequence[_Box]], schema: str) -> tuple[float, float]:
    heights = [sum(box.height + _GAP for box in column) - _GAP for column in columns]
    total = max(heights)
    x: float = _MARGIN
    for column, height in zip(columns, heights, strict=True):
        names = [_name(table, schema) for box in column for table in box.tables]
        texts = [*names, *(row for box in column for row in box.rows)]
        width = max(map(len, texts)) * _CHARACTER + _PADDING
        # Spread over the height, so that lines are short.
        space = _GAP + (total - height) / (len(column) + 1)
        y = _MARGIN + (total - height) / (len(column) + 1)
        for box in column:
            box.x, box.y, box.width = x, y, width
            y += box.height + space
        x += width + _BETWEEN
    return x - _BETWEEN + _MARGIN, total + 2 * _MARGIN


def _name(table: str, schema: str) -> str:
    return table.removeprefix(f"{schema}.") if schema else table


def _line(boxes: dict[str, _Box], join: Join) -> str:
    left, right = ((boxes[table], columns) for table, columns in join.ends)
    if left[0].x > right[0].x:
        left, right = right, left
    (one, columns), (other, theirs) = left, right
    x, y = one.x + one.width, one.at(columns)
    to_y = other.at(theirs)
    beside = one.x == other.x
    to_x = other.x + other.width if beside else other.x
    bend = 34 if beside else max(40, (to_x - x) / 2)
    curve = f"M{x:.1f} {y:.1f}C{x + bend:.1f} {y:.1f} "
    curve += f"{to_x + bend if beside else to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    kind = "join maybe" if join.condition else "join"
    (table, own), (there, its) = join.ends
    said = f"{table}.{', '.join(own)} = {there}.{', '.join(its)}"
    if join.condition:
        said += f": {join.condition}"
    far = boxes[join.one[0]]
    end_x, end_y = (to_x, to_y) if far is other else (x, y)
    dot = f'<circle class="dot" cx="{end_x:.1f}" cy="{end_y:.1f}" r="3"/>'
    return f'<path class="{kind}" d="{curve}"><title>{escape(said)}</title></path>{dot}'


def _drawn(box: _Box, keys: Sequence[str], schema: str) -> str:
    x, y, width = box.x, box.y, box.width
    lines = [
        (
            f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{box.height:.1f}" rx="4"/>'
        ),
        (
            f'<rect class="head" x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" width="{width - 1:.1f}" '
            f'height="{box.head - 1:.1f}" rx="3.5"/>'
        ),
        *(
            f'<text class="name" x="{x + 10:.1f}" y="{y + 17.5 + _ROW * number:.1f}">'
            f"{escape(_name(table, schema))}</text>"
            for number, table in enumerate(box.tables)
        ),
    ]
    for number, row in enumerate(box.rows):
        kind = ' class="key"' if row in keys else ""
        middle = y + box.head + _ROW * (number + 0.5) + 4
        lines.append(f'<text{kind} x="{x + 10:.1f}" y="{middle:.1f}">{escape(row)}</text>')
    return "".join(lines)
