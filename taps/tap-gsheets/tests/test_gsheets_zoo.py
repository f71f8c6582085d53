"""The zoo of messy tabs."""

from __future__ import annotations

import pytest
from gsheets_zoo import BOOK, ZOO


@pytest.mark.parametrize(("title", "typed", "expected"), ZOO, ids=[title for title, *_ in ZOO])
def test_a_messy_tab_arrives_as_it_looks(make_tap, sync, google, title, typed, expected):
    tabs = [{"title": "first", "cells": [["wrong"], ["tab"]]}, {"title": title, "cells": typed}]
    google.spreadsheet(id=BOOK, tabs=tabs, named={"Prices": ["first", "A1:A2"]})
    only = [{"spreadsheet": BOOK, "tabs": [{"name": title, "stream": "zoo"}]}]
    output = sync(make_tap(spreadsheets=only))
    columns, *rows = expected
    actual = [{k: r[k] for k in r if not k.startswith("_")} for r in output.records["zoo"]]
    assert actual == [dict(zip(columns, row, strict=True)) for row in rows]
    blank = [number for number, row in enumerate(typed, 1) if not row]
    numbers = [record["_row_number"] for record in output.records["zoo"]]
    assert numbers == [n for n in range(2, len(typed) + 1) if n not in blank]
