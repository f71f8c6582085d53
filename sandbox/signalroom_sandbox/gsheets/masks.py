"""Field masks, which select parts of a response."""

from __future__ import annotations

import re
from typing import Any

from signalroom_sandbox.gsheets.errors import bad_field

_TOKEN = re.compile(r"[A-Za-z0-9_*.]+|[(),/]")
_Mask = dict[str, Any]


def _leaves(*names: str) -> _Mask:
    return {name: {} for name in names}


_GRID_RANGE: _Mask = _leaves(
    "sheetId", "startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex"
)
_ANYTHING: _Mask = {"*": {}}
#: The fields of a spreadsheet that the sandbox has.
SPREADSHEET: _Mask = {
    "spreadsheetId": {},
    "spreadsheetUrl": {},
    "properties": _leaves("title", "locale", "timeZone", "autoRecalc"),
    "namedRanges": {"namedRangeId": {}, "name": {}, "range": _GRID_RANGE},
    "sheets": {
        "properties": {
            **_leaves("sheetId", "title", "index", "sheetType", "hidden"),
            "gridProperties": _leaves("rowCount", "columnCount", "frozenRowCount"),
        },
        "merges": _GRID_RANGE,
        "data": {"startRow": {}, "startColumn": {}, "rowData": {"values": _ANYTHING}},
    },
}
FILE: _Mask = _leaves(
    "kind", "id", "name", "mimeType", "modifiedTime", "createdTime", "version", "trashed", "driveId"
)
VALUES: _Mask = {
    "spreadsheetId": {},
    "valueRanges": {"range": {}, "majorDimension": {}, "values": {}},
}


def parse(text: str, known: _Mask) -> _Mask:
    """Read a mask such as ``a,b(c,d/e)``.

    Raises:
        ApiError: It has an unknown name.
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text) or not tokens:
        raise bad_field(text)
    mask, rest = _group(tokens, known, "")
    if rest:
        raise bad_field(text)
    return mask


def _group(tokens: list[str], known: _Mask, path: str) -> tuple[_Mask, list[str]]:
    mask: _Mask = {}
    while tokens and tokens[0] != ")":
        place, at, here = mask, known, path
        names = tokens.pop(0).split(".")
        while tokens and tokens[0] == "/":
            names += tokens[1].split(".") if len(tokens) > 1 else [""]
            del tokens[:2]
        for name in names:
            here = f"{here}.{name}".lstrip(".")
            if name == "*":
                place["*"] = {}
                break
            if name not in at and "*" not in at:
                raise bad_field(here)
            place, at = place.setdefault(name, {}), at.get(name, {})
        if tokens and tokens[0] == "(":
            inner, tokens = _group(tokens[1:], at, here)
            if not tokens:
                raise bad_field(here)
            place.update(inner)
            tokens = tokens[1:]
        if tokens and tokens[0] == ",":
            tokens = tokens[1:]
    return mask, tokens


def apply(mask: _Mask, answer: Any) -> Any:
    """Leave out what was not requested."""
    if not mask or "*" in mask:
        return answer
    if isinstance(answer, list):
        return [apply(mask, item) for item in answer]
    return {name: apply(mask[name], value) for name, value in answer.items() if name in mask}
