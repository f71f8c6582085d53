"""What is read how often, what is left alone, and what a person's mistake does."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from gsheets_zoo import BOOK, ZOO, day, money
from singer_sdk.exceptions import ConfigValidationError

from signalroom_singer import Descriptions, TapError
from tap_gsheets.streams import SheetStream

ROWS = [[str(number), f"name {number}"] for number in range(20)]


def cells(rows, header=("id", "name")):
    return [[*header], *rows]


@pytest.fixture
def offers(google):
    """A spreadsheet with a tab of twenty rows, and another."""
    tabs = [{"title": "Offers", "cells": cells(ROWS)}, {"title": "Other", "cells": cells(ROWS[:2])}]
    google.spreadsheet(id=BOOK, tabs=tabs)
    return google


def replaced_streams(output):
    actual = [m["stream"] for m in output.messages if m["type"] == "ACTIVATE_VERSION"]
    return [name for name in actual if name != "gsheets_sheets"]


def test_twenty_tabs_take_two_reads(make_tap, sync, google, reads):
    google.spreadsheet(id=BOOK, tabs=[{"title": t, "cells": typed} for t, typed, _ in ZOO])
    output = sync(make_tap())
    assert len(ZOO) == 20
    assert len(replaced_streams(output)) == 20
    assert reads() == 2


def test_a_spreadsheet_of_many_cells_stays_within_memory(make_tap, sync, google, reads):
    header = [f"column {number}" for number in range(30)]
    rows = [[f"value {number}" for number in range(30)] for _ in range(20_000)]
    google.spreadsheet(id=BOOK, tabs=[{"title": "Big", "cells": [header, *rows]}])
    tracemalloc.start()
    try:
        tap = make_tap()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(tap.streams["big"].table.rows) == 20_000
    assert peak < 250 * 2**20
    assert reads() == 2


def test_grids_too_large_for_one_response_take_more(make_tap, google, reads):
    tabs = [{"title": f"t{n}", "cells": [["a"], [n]], "rows": 1_500_000} for n in range(3)]
    google.spreadsheet(id=BOOK, tabs=[{**tab, "columns": 26} for tab in tabs])
    tap = make_tap()
    assert [tap.streams[f"t{n}"].table.rows for n in range(3)] == [
        [(2, [str(n)])] for n in range(3)
    ]
    assert reads() == 4


def test_an_unchanged_tab_is_not_loaded_again(make_tap, sync, offers):
    first = sync(make_tap())
    assert replaced_streams(first) == ["offers", "other"]
    again = sync(make_tap(first.state))
    assert replaced_streams(again) == []
    assert "offers" not in again.schemas
    offers.edit(id=BOOK, gid=1, cells=cells(ROWS[:3]), seen_by_drive=False)
    third = sync(make_tap(again.state))
    assert replaced_streams(third) == ["other"]
    assert third.state["bookmarks"]["offers"] == first.state["bookmarks"]["offers"]


@pytest.mark.parametrize(
    "change",
    ({"client_id": "acme"}, {"change_detection": "none"}, {"stream_maps": {"other": None}}),
)
def test_changed_settings_load_a_tab_again(make_tap, sync, offers, change):
    state = sync(make_tap()).state
    assert "offers" in replaced_streams(sync(make_tap(state, **change)))


def hashed(salt, column="name"):
    return {"hash_columns": [f"offers.{column}"], "hash_salt": salt * 32}


def keyed(*keys):
    tab = {"name": "Offers", "primary_keys": [*keys]}
    return {"spreadsheets": [{"spreadsheet": BOOK, "tabs": [tab]}]}


@pytest.mark.parametrize(
    ("before", "after"),
    (
        ({"stream_map_config": {"rate": 1}}, {"stream_map_config": {"rate": 2}}),
        ({}, hashed("a")),
        (hashed("a"), hashed("b")),
        (hashed("a"), hashed("a", "id")),
        (keyed("id"), keyed("id", "name")),
    ),
    ids=("map config", "hashed", "salt", "other column", "key"),
)
def test_what_a_row_is_made_with_loads_a_tab_again(make_tap, sync, offers, before, after):
    state = sync(make_tap(**before)).state
    assert "offers" not in replaced_streams(sync(make_tap(state, **before)))
    assert "offers" in replaced_streams(sync(make_tap(state, **after)))


def test_a_column_that_is_deselected_loads_a_tab_again(make_tap, sync, offers):
    state = sync(make_tap()).state
    tap = make_tap()
    catalog = tap.catalog_dict
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            if one["breadcrumb"]:
                one["metadata"]["selected"] = one["breadcrumb"][1] != "name"
    output = sync(type(tap)(config=dict(tap.config), catalog=catalog, state=state))
    assert replaced_streams(output) == ["offers", "other"]
    assert all("name" not in row for row in output.records["offers"])


def test_each_tab_is_saved_before_the_next_begins(make_tap, sync, offers):
    messages = sync(make_tap()).messages
    kinds = [(one["type"], one.get("stream")) for one in messages]
    saved = messages[: kinds.index(("SCHEMA", "other"))]
    states = [one["value"]["bookmarks"] for one in saved if one["type"] == "STATE"]
    assert states[-1]["offers"]["content_hash"]


def test_changed_descriptions_do_not_load_a_tab_again(make_tap, sync, offers, monkeypatch):
    state = sync(make_tap()).state
    monkeypatch.setattr(SheetStream, "descriptions", Descriptions(columns={"name": "Of the offer"}))
    described = make_tap(state)
    assert described.streams["offers"].schema["properties"]["name"]["description"]
    assert replaced_streams(sync(described)) == []


def test_the_state_holds_no_cell(make_tap, sync, offers):
    text = json.dumps(sync(make_tap()).state)
    assert "name 7" not in text
    assert "PRIVATE" not in text


def test_drive_saves_the_read_if_there_is_no_new_version(make_tap, sync, offers, sandbox, reads):
    state = sync(make_tap(change_detection="drive")).state
    sandbox.control.clear_requests()
    again = sync(make_tap(state, change_detection="drive"))
    assert (replaced_streams(again), reads()) == ([], 1)
    offers.edit(id=BOOK, gid=0, cells=cells(ROWS[1:]))
    third = sync(make_tap(again.state, change_detection="drive"))
    assert replaced_streams(third) == ["offers"]
    # The other tab is known to be of that version too.
    sandbox.control.clear_requests()
    assert replaced_streams(sync(make_tap(third.state, change_detection="drive"))) == []
    assert reads() == 1
    changed = sync(make_tap(third.state, change_detection="drive", client_id="acme"))
    assert replaced_streams(changed) == ["offers", "other"]


def test_drive_is_blind_to_formulas_and_content_is_not(make_tap, sync, offers):
    state = sync(make_tap(change_detection="drive")).state
    offers.edit(id=BOOK, gid=0, cells=cells(ROWS[1:]), seen_by_drive=False)
    assert replaced_streams(sync(make_tap(state, change_detection="drive"))) == []
    assert replaced_streams(sync(make_tap(state))) == ["offers"]


def test_the_trash_and_office_files(make_tap, offers, caplog):
    offers.file(id=BOOK, trashed=True)
    assert "offers" in make_tap(change_detection="drive").streams
    assert "is in Drive's trash" in caplog.text
    office = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    offers.file(id=BOOK, mime=office)
    for way in ("drive", "content"):
        with pytest.raises(TapError, match="save it as"):
            make_tap(change_detection=way)


MISTAKES = {
    "cleared": ({"cells": []}, "it is empty"),
    "header alone": ({"cells": cells([])}, "no rows below the header in row 1"),
    "shrunken": ({"cells": cells(ROWS[:9])}, "shrank from 20 rows to 9"),
    "lost column": ({"cells": cells(ROWS, ("id", "title"))}, "the column name is gone"),
    "lost header": ({"cells": [[], *cells(ROWS)]}, "row 1 should hold the column names"),
    "computing": ({"cells": cells([["1", "Loading..."], *ROWS])}, "cell B2 is still being"),
    "renamed": ({"title": "Offers 2"}, "it was renamed to 'Offers 2'"),
    "hidden": ({"hidden": True}, "hidden"),
}


@pytest.mark.parametrize(("change", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_stops_the_run_or_leaves_the_tab_alone(make_tap, sync, offers, change, says):
    first = sync(make_tap())
    offers.edit(id=BOOK, gid=0, **change)
    offers.edit(id=BOOK, gid=1, cells=cells(ROWS[:3]))
    with pytest.raises(TapError, match=says):
        make_tap(first.state)
    warned = sync(make_tap(first.state, on_bad_tab="warn"))
    assert "offers" not in replaced_streams(warned)
    assert "other" in replaced_streams(warned)
    assert warned.state["bookmarks"]["offers"] == first.state["bookmarks"]["offers"]


@pytest.mark.parametrize("name", ("header alone", "shrunken", "lost column", "renamed", "hidden"))
def test_an_intended_change_can_be_accepted(make_tap, sync, offers, name):
    state = sync(make_tap()).state
    offers.edit(id=BOOK, gid=0, **MISTAKES[name][0])
    output = sync(make_tap(state, accept_changes=["offers"]))
    expected = {"renamed": ["offers_2"], "hidden": []}.get(name, ["offers"])
    assert replaced_streams(output) == expected
    # Once is enough.
    assert replaced_streams(sync(make_tap(output.state))) == []


def test_a_note_next_to_the_table_may_come_and_go(make_tap, sync, offers):
    offers.edit(id=BOOK, gid=0, cells=cells([[*ROWS[0], None, "call them!"], *ROWS[1:]]))
    first = sync(make_tap())
    assert "column_d" in first.schemas["offers"]["schema"]["properties"]
    offers.edit(id=BOOK, gid=0, cells=cells(ROWS))
    assert replaced_streams(sync(make_tap(first.state))) == ["offers"]


@pytest.mark.parametrize("title", ("#REF!", "Loading..."))
def test_a_formula_error_is_not_a_header(make_tap, offers, title):
    offers.edit(id=BOOK, gid=0, cells=cells(ROWS, ("id", title)))
    with pytest.raises(TapError, match="the header in cell B1 is"):
        make_tap()


def test_a_deleted_tab_is_reported_after_settings_changed(make_tap, sync, offers):
    hidden = [{"spreadsheet": BOOK, "include_hidden": True}]
    first = sync(make_tap())
    second = sync(make_tap(first.state, spreadsheets=hidden))
    assert replaced_streams(second) == []
    offers.delete_tab(id=BOOK, gid=0)
    with pytest.raises(TapError, match="it is gone"):
        make_tap(second.state, spreadsheets=hidden)


def test_a_deleted_tab_is_reported(make_tap, sync, offers):
    state = sync(make_tap()).state
    offers.delete_tab(id=BOOK, gid=0)
    with pytest.raises(TapError, match=r"stream offers: it is gone"):
        make_tap(state)
    named = [{"spreadsheet": BOOK, "tabs": [{"name": "Offers"}]}]
    with pytest.raises(TapError, match=r"no tab 'Offers' \(it is gone\); it has 'Other'"):
        make_tap(state, spreadsheets=named)


@pytest.mark.parametrize("change", ({"cells": []}, {"title": "Renamed"}, {"hidden": True}))
def test_a_deselected_tab_is_not_read(make_tap, sync, offers, sandbox, change):
    catalog = make_tap().catalog_dict
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = entry["stream"] != "offers"
    first = sync(make_tap())
    offers.edit(id=BOOK, gid=0, **change)
    offers.edit(id=BOOK, gid=1, cells=cells(ROWS[:3]))
    tap = make_tap()
    sandbox.control.clear_requests()
    tap = type(tap)(config=dict(tap.config), catalog=catalog, state=first.state)
    assert replaced_streams(sync(tap)) == ["other"]
    values = [one for one in sandbox.control.requests()["requests"] if "batchGet" in one["path"]]
    assert not any("Offers" in one["query"] for one in values)


def test_a_gid_survives_a_rename_and_a_hidden_tab_can_be_selected(make_tap, offers):
    offers.edit(id=BOOK, gid=0, title="Renamed", hidden=True)
    tabs = [{"gid": 0, "stream": "offers"}]
    url = f"https://docs.google.com/spreadsheets/d/{BOOK}/edit#gid=0"
    assert "offers" in make_tap(spreadsheets=[{"spreadsheet": url, "tabs": tabs}]).streams


@pytest.mark.parametrize("name", ("acme-map", "Acme", "acme map", "1st", "_map", "karte_ü", ""))
def test_a_streams_name_is_in_snake_case(make_tap, name):
    tabs = [{"gid": 0, "stream": name}]
    with pytest.raises(ConfigValidationError) as caught:
        make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": tabs}])
    (message,) = caught.value.errors
    assert message.startswith(
        f"Invalid spreadsheets[0].tabs[0].stream {name!r}: expected a name in snake_case"
    )


def test_a_tab_renamed_between_the_two_reads(make_tap, offers, reads):
    offers.then(after="get", action="edit", id=BOOK, gid=0, title="Renamed")
    assert "renamed" in make_tap().streams
    assert reads() == 4


def test_a_formula_that_was_still_computed_is_read_again(make_tap, offers):
    offers.edit(id=BOOK, gid=0, cells=cells([["1", "Loading..."]]))
    offers.then(after="values", action="edit", id=BOOK, gid=0, cells=cells([["1", "done"]]))
    assert make_tap().streams["offers"].table.rows == [(2, ["1", "done"])]


def test_charts_and_connected_sources_are_not_tables(make_tap, sync, offers):
    tabs = [
        {"title": "Offers", "cells": cells(ROWS)},
        {"title": "Chart", "kind": "OBJECT"},
        {"title": "Source", "kind": "DATA_SOURCE"},
        {"title": "Hidden", "cells": cells(ROWS), "hidden": True},
    ]
    offers.spreadsheet(id=BOOK, tabs=tabs)
    output = sync(make_tap())
    assert replaced_streams(output) == ["offers"]
    listed = output.records["gsheets_sheets"]
    assert [(r["title"], r["sheet_type"], r["hidden"]) for r in listed] == [
        ("Offers", "GRID", False),
        ("Chart", "OBJECT", False),
        ("Source", "DATA_SOURCE", False),
        ("Hidden", "GRID", True),
    ]
    everything = make_tap(spreadsheets=[{"spreadsheet": BOOK, "include_hidden": True}])
    assert "hidden" in everything.streams


def test_streams_with_the_same_name_need_a_prefix(make_tap, google):
    tabs = [
        {"title": "Q1 costs", "cells": cells(ROWS)},
        {"title": "q1-COSTS", "cells": cells(ROWS)},
    ]
    google.spreadsheet(id=BOOK, tabs=tabs)
    with pytest.raises(TapError, match="Two tabs make the stream q1_costs"):
        make_tap()
    google.spreadsheet(id=BOOK, tabs=tabs[:1])
    google.spreadsheet(id="another", tabs=tabs[:1])
    both = [{"spreadsheet": BOOK}, {"spreadsheet": "another", "prefix": "finance"}]
    names = set(make_tap(spreadsheets=both).streams)
    assert names == {"q1_costs", "finance__q1_costs", "gsheets_sheets"}


RANGED = [
    [],
    ["Report", None, "of 2026"],
    [None, "Day", "Cost", None, "Paid"],
    [None, day(45000, "15/03/2023"), "1.234,50", 3, True],
    [None, day(45000.5, "3/15/2023 12:00:00"), money(7.25, "$7.25"), 4, False],
]


@pytest.mark.parametrize("area", ("B3:E5", "B3:E", "Costs"))
def test_a_range_with_types(make_tap, google, area):
    tabs = [{"title": "Manual", "cells": RANGED}]
    named = {"Costs": ["Manual", "B3:E9"]}
    google.spreadsheet(id=BOOK, tabs=tabs, named=named, zone="America/New_York")
    columns = [
        {"name": "Day", "type": "datetime", "format": "%d/%m/%Y"},
        {"name": "Cost", "type": "number", "format": "1.234,5"},
        {"name": "column_d", "type": "integer"},
        {"name": "Paid", "type": "boolean"},
    ]
    tab = {"name": "Manual", "range": area, "columns": columns}
    table = make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}]).streams["manual"].table
    assert table.columns == ["day", "cost", "column_d", "paid"]
    assert [(n, [str(v) for v in row]) for n, row in table.rows] == [
        (4, ["2023-03-15T04:00:00.000000Z", "1234.50", "3", "True"]),
        (5, ["2023-03-15T16:00:00.000000Z", "7.25", "4", "False"]),
    ]


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    (
        ("integer", 1.5, r"cell C5 \(v\) holds a number, which is not a whole number"),
        ("number", "1,234", r"holds a text of 5 characters, which is not a number"),
        ("number", True, "not a number"),
        ("integer", "1e999999999", "not a number"),
        ("boolean", "perhaps", "neither true nor false"),
        ("date", "31/12/2025", r"not a date written as YYYY-MM-DD \(set format\)"),
    ),
)
def test_a_value_that_does_not_fit_its_type_is_named(make_tap, google, kind, value, says):
    typed = [[], [None, None, "v"], [None, None, None], [], [None, None, value]]
    google.spreadsheet(id=BOOK, tabs=[{"title": "Typed", "cells": typed}])
    tab = {"name": "Typed", "header_row": 2, "columns": [{"name": "v", "type": kind}]}
    with pytest.raises(TapError, match=says):
        make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}])


def test_merged_cells_are_filled_if_set(make_tap, google):
    typed = [["Q1", None, "Total"], ["north", "1", "x"], [None, "2", "y"], ["south", "3"]]
    merges = [
        {"endRowIndex": 1, "endColumnIndex": 2},
        {"startRowIndex": 1, "endRowIndex": 3, "startColumnIndex": 0, "endColumnIndex": 1},
        {"startRowIndex": 3, "endRowIndex": 9, "startColumnIndex": 1, "endColumnIndex": 3},
    ]
    google.spreadsheet(id=BOOK, tabs=[{"title": "M", "cells": typed, "merges": merges}])

    def read(**options):
        tab = {"name": "M", **options}
        return make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [tab]}]).streams["m"].table

    full = read(fill_merged=True)
    assert full.columns == ["q1", "q1_b", "total"]
    assert [row for _, row in full.rows] == [
        ["north", "1", "x"],
        ["north", "2", "y"],
        ["south", "3", "3"],
    ]
    assert read().rows[1] == (3, [None, "2", "y"])


def test_formatted_values(make_tap, google):
    typed = [["share", "on"], [money(0.12, "12%"), True]]
    google.spreadsheet(id=BOOK, tabs=[{"title": "S", "cells": typed}])
    assert make_tap(render="formatted").streams["s"].table.rows == [(2, ["12%", "TRUE"])]


@pytest.mark.parametrize(
    ("keep", "expected"), (("keep", ["#N/A", "1"]), ("null", [None, "1"]), ("fail", None))
)
def test_error_cells(make_tap, google, keep, expected):
    google.spreadsheet(id=BOOK, tabs=[{"title": "E", "cells": cells([["#N/A", "1"]])}])
    if expected is None:
        with pytest.raises(TapError, match="cell A2 is #N/A"):
            make_tap(error_cells=keep)
    else:
        assert make_tap(error_cells=keep).streams["e"].table.rows == [(2, expected)]
