"""Cells in a response, by the options of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signalroom_sandbox.gsheets.a1 import Area

#: A cell is its plain value, or a dict: ``v`` the value, ``f`` the displayed text, ``date``
#: whether it is a date or time, ``formula`` the formula.
Cell = Any


def display_text(value: Any) -> str:
    """Format a plain value as a cell displays it."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def render(cell: Cell, option: str, dates: str) -> Any:
    """Render a cell.

    Args:
        cell: The cell of the grid.
        option: The ValueRenderOption of the request.
        dates: The DateTimeRenderOption of the request.
    """
    if cell is None:
        return ""
    parts = cell if isinstance(cell, dict) else {"v": cell}
    value = parts["v"]
    if option == "FORMATTED_VALUE":
        return parts.get("f", display_text(value))
    if option == "FORMULA" and "formula" in parts:
        return parts["formula"]
    if parts.get("date") and dates == "FORMATTED_STRING" and option != "FORMULA":
        return parts["f"]
    # A double without a fraction is sent without one.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def values(area: Area, option: str, dates: str, dimension: str) -> dict[str, Any]:
    """The values of a range: blank cells and rows at the ends are cut."""
    rows = [
        [
            render(cell, option, dates)
            for cell in [*row[area.left : area.right], *[None] * max(0, area.right - len(row))][
                : area.right - area.left
            ]
        ]
        for row in area.sheet.cells[area.top : area.bottom]
    ]
    if dimension == "COLUMNS":
        rows = [list(column) for column in zip(*rows, strict=True)]
    for row in rows:
        while row and row[-1] == "":
            row.pop()
    while rows and not rows[-1]:
        rows.pop()
    answer: dict[str, Any] = {"range": str(area), "majorDimension": dimension}
    if rows:
        answer["values"] = rows
    return answer


def grid(area: Area) -> dict[str, Any]:
    """The cells of a range as ``includeGridData`` sends them."""
    rows = []
    for row in area.sheet.cells[area.top : area.bottom]:
        cells: list[dict[str, Any]] = []
        for cell in row[area.left : area.right]:
            if cell is None:
                cells.append({})
                continue
            value = render(cell, "UNFORMATTED_VALUE", "SERIAL_NUMBER")
            kind = "stringValue"
            if isinstance(value, bool):
                kind = "boolValue"
            elif isinstance(value, (int, float)):
                kind = "numberValue"
            cells.append(
                {
                    "effectiveValue": {kind: value},
                    "formattedValue": render(cell, "FORMATTED_VALUE", ""),
                }
            )
        rows.append({"values": cells} if cells else {})
    data: dict[str, Any] = {"rowData": rows} if rows else {}
    if area.top:
        data["startRow"] = area.top
    if area.left:
        data["startColumn"] = area.left
    return data
