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
#: The minimum of tables that share a box: all join one table in the same way, and no other.
_MIN_SHARED = 3
#: Colors of the picture on GitHub, and if it is opened alone. The site has its own: site.css.
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
        """The height at which a join leaves the box, which is that of its first column."""
        return self.y + self.head + _ROW * (self.rows.index(columns[0]) + 0.5)


def diagram(
    joins: Iterable[Join], keys: Mapping[str, Sequence[str]], *, title: str, schema: str = ""
) -> str:
    """Draw joins.

    Args:
        joins: The joins, of which those with ``drawn`` are in the diagram.
        keys: The primary key of each table, by ``schema.table``.
        title: The title of the picture, which screen readers read.
        schema: The schema of all tables, to be left out of their names.

    Returns:
        An SVG document.
    """
    drawn, alike = _merge_similar([join for join in joins if join.drawn])
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
        *(_draw(box, keys[box.table], schema) for box in boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _merge_similar(joins: Sequence[Join]) -> tuple[list[Join], dict[str, list[str]]]:
    """Merge the joins of tables that join one table in the same way, and no other.

    Args:
        joins: The joins to draw in the diagram.

    Returns:
        The remaining joins, and by table the tables that share its box.
    """
    counts = Counter(table for join in joins for table, _ in join.ends)
    groups: dict[tuple[object, ...], list[Join]] = {}
    for join in joins:
        if counts[join.many_end[0]] == 1:
            groups.setdefault((join.many_end[1], join.one_end), []).append(join)
    merged = [group for group in groups.values() if len(group) >= _MIN_SHARED]
    left_out = {id(join) for group in merged for join in group[1:]}
    alike = {group[0].many_end[0]: sorted(join.many_end[0] for join in group) for group in merged}
    return [join for join in joins if id(join) not in left_out], alike


def _boxes(joins: Sequence[Join], alike: dict[str, list[str]]) -> dict[str, _Box]:
    boxes: dict[str, _Box] = {}
    for join in joins:
        for table, columns in join.ends:
            box = boxes.setdefault(table, _Box(table, alike.get(table, [table])))
            box.rows += [column for column in columns if column not in box.rows]
    return boxes


def _columns(boxes: dict[str, _Box], joins: Sequence[Join]) -> list[list[_Box]]:
    """Three columns: tables that refer to others, tables that do both, tables referred to."""
    refer, referred = {join.many_end[0] for join in joins}, {join.one_end[0] for join in joins}
    for box in boxes.values():
        box.rank = (box.table in referred) + (box.table not in refer)
    columns = [[box for box in boxes.values() if box.rank == rank] for rank in range(3)]
    columns = [column for column in columns if column]
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 else columns[::-1]:
            places = {box.table: number for others in columns for number, box in enumerate(others)}
            middle = {box.table: _middle(box, joins, places, len(column)) for box in column}
            column.sort(key=lambda box: (middle[box.table], box.table))
    return columns


def _middle(box: _Box, joins: Sequence[Join], places: dict[str, int], most: int) -> float:
    """The best position of a box in its column: the mean position of the boxes that it joins."""
    others = [
        other
        for join in joins
        for (here, _), (other, _) in (join.ends, join.ends[::-1])
        if here == box.table and other != here
    ]
    return sum(places[other] for other in others) / len(others) if others else most


def _place(columns: Sequence[Sequence[_Box]], schema: str) -> tuple[float, float]:
    heights = [sum(box.height + _GAP for box in column) - _GAP for column in columns]
    total = max(heights)
    x: float = _MARGIN
    for column, height in zip(columns, heights, strict=True):
        names = [_name(table, schema) for box in column for table in box.tables]
        texts = [*names, *(row for box in column for row in box.rows)]
        width = max(map(len, texts)) * _CHARACTER + _PADDING
        # Spread over the height to keep lines short.
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
    ends = [(boxes[table], columns) for table, columns in join.ends]
    if ends[0][0].x > ends[1][0].x:
        ends.reverse()
    (left, left_columns), (right, right_columns) = ends
    x, y = left.x + left.width, left.at(left_columns)
    to_y = right.at(right_columns)
    same_column = left.x == right.x
    to_x = right.x + right.width if same_column else right.x
    bend = 34 if same_column else max(40, (to_x - x) / 2)
    curve = f"M{x:.1f} {y:.1f}C{x + bend:.1f} {y:.1f} "
    curve += f"{to_x + bend if same_column else to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    kind = "join maybe" if join.condition else "join"
    title = " = ".join(f"{table}.{', '.join(columns)}" for table, columns in join.ends)
    if join.condition:
        title += f": {join.condition}"
    far = boxes[join.one_end[0]]
    end_x, end_y = (to_x, to_y) if far is right else (x, y)
    dot = f'<circle class="dot" cx="{end_x:.1f}" cy="{end_y:.1f}" r="3"/>'
    return f'<path class="{kind}" d="{curve}"><title>{escape(title)}</title></path>{dot}'


def _draw(box: _Box, keys: Sequence[str], schema: str) -> str:
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
