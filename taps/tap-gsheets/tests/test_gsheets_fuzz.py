"""Any cells, settings and keys: the right rows, or an error that says where."""

from __future__ import annotations

import base64
import json
import re
from decimal import Decimal

import pytest
from harness.fuzz.mutations import STRANGE
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.exceptions import ConfigValidationError

from signalroom_singer import TapError
from tap_gsheets.cell_parser import FORMULA_ERRORS, LOADING, TabLayout, parse_table
from tap_gsheets.cells import DateCell, cell_text
from tap_gsheets.column_names import column_letter
from tap_gsheets.column_types import TYPES, ColumnType
from tap_gsheets.credentials import read_key
from tap_gsheets.table import EmptyTabError, UnreadableTabError, check_keys

pytestmark = pytest.mark.timeout(TIMEOUT)

CELL_NUMBER = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
#: What JSON may have where Google has a cell.
CELL = st.one_of(
    st.sampled_from(("", "", None, "a", "b", 0, 0.0, True, LOADING, *sorted(FORMULA_ERRORS))),
    st.text(max_size=6),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([one for one in STRANGE if not isinstance(one, (list, dict))]),
    st.sampled_from(("1,5", "1.234,5", "31/01/2026", "2026-01-31T12:00:00+02:00", "0001-01-01")),
)
CELL = st.one_of(CELL, st.builds(DateCell, displayed=st.text(max_size=6), serial=CELL_NUMBER))
GRID = st.lists(st.lists(CELL, max_size=5), max_size=6)
BOUND = st.integers(0, 9)
MERGE = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex"), BOUND
    ),
)
LAYOUT = st.builds(
    TabLayout,
    header_row=st.integers(1, 3),
    top=st.integers(0, 3),
    left=st.integers(0, 30),
    error_cells=st.sampled_from(("null", "keep", "fail")),
    merges=st.lists(MERGE, max_size=2),
)
DECLARED = st.builds(
    ColumnType,
    name=st.sampled_from(sorted(TYPES)),
    format=st.sampled_from(("", "%d/%m/%Y", "1.234,5", "1,234.5", "%", "%d %d", "\0", "%Q")),
    time_zone=st.sampled_from(("Etc/GMT", "America/New_York", "Mars/Base")),
)
#: A cell, a row, or the column of the setting that is at fault.
PLACE = re.compile(r"cell [A-Z]+\d+|row \d+|rows \d+ and \d+|column \S+|it is empty")


@profile(300)
@given(GRID, LAYOUT)
def test_any_grid_is_a_table_or_an_error(grid, layout):
    try:
        table = parse_table([list(row) for row in grid], layout)
    except UnreadableTabError as error:
        assert PLACE.search(str(error)), str(error)
        if isinstance(error, EmptyTabError):
            below = [cell for row in grid[layout.header_row :] for cell in row]
            kept = {None} | (FORMULA_ERRORS if layout.error_cells == "null" else set())
            assert not [cell for cell in below if cell_text(cell) not in kept]
        return
    assert len({*table.columns}) == len(table.columns)
    assert all(0 < len(name.encode()) <= 63 for name in table.columns)
    assert all(len(row) == len(table.columns) for _, row in table.rows)
    if not layout.merges:
        assert table.rows == as_it_is(grid, layout)


def as_it_is(grid, layout):
    """The rows below the header, as plainly as they can be read."""
    header, below = grid[layout.header_row - 1], grid[layout.header_row :]
    widest = max(map(len, [header, *below]))
    square = [[*row, *[None] * (widest - len(row))] for row in [header, *below]]
    kept = [
        column
        for column in range(widest)
        if any(cell_text(row[column]) is not None for row in square)
    ]
    rows = []
    for number, row in enumerate(square[1:], layout.top + layout.header_row + 1):
        cells = [cell_text(row[column]) for column in kept]
        if any(cell is not None for cell in cells):
            nulls = FORMULA_ERRORS if layout.error_cells == "null" else ()
            rows.append((number, [None if cell in nulls else cell for cell in cells]))
    return rows


@profile(300)
@given(GRID, LAYOUT, DECLARED, st.booleans())
def test_any_cell_fits_its_columns_type_or_is_an_error(grid, layout, declared, is_key):
    columns = {f"column_{column_letter(layout.left).lower()}": declared}
    # The first column has no title: its name is known.
    header = ["", *[f"h{number}" for number in range(4)]]
    grid = [*[[] for _ in range(layout.header_row - 1)], header, *grid]
    try:
        table = parse_table(grid, layout, columns)
        if is_key:
            check_keys(table, list(columns))
    except UnreadableTabError as error:
        assert PLACE.search(str(error)), str(error)
        return
    types = {
        "string": str,
        "date": str,
        "datetime": str,
        "integer": int,
        "number": Decimal,
        "boolean": bool,
    }
    for _, row in table.rows:
        assert row[0] is None or type(row[0]) is types[declared.name]


KEY = {
    "type": "service_account",
    "private_key": "x",
    "client_email": "a@b",
    "token_uri": "https://x",
}


@profile(100)
@given(
    st.one_of(
        st.text(max_size=20),
        st.binary(max_size=20).map(lambda raw: base64.b64encode(raw).decode()),
        st.sampled_from(STRANGE).map(json.dumps),
        st.tuples(st.sampled_from(sorted(KEY)), st.sampled_from(STRANGE)).map(
            lambda pair: json.dumps(KEY | {pair[0]: pair[1]})
        ),
        st.sampled_from(("{" * 5000, "[" * 5000, '{"a":' * 5000)),
    )
)
def test_any_key_is_valid_or_an_error(text):
    try:
        key = read_key(text)
    except Exception as error:  # noqa: BLE001 - which it is, is what is tested
        assert isinstance(error, (ConfigValidationError, TapError, ValueError)), repr(error)
        return
    assert isinstance(key["private_key"], str)
