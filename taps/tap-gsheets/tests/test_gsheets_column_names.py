"""Columns by their titles: whatever their place, and where several titles make the same name."""

from __future__ import annotations

import itertools
import json

import pytest
from gsheets_zoo import BOOK
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import given
from hypothesis import strategies as st

from signalroom_singer import TapError
from tap_gsheets.column_names import column_names, find_column

pytestmark = pytest.mark.timeout(TIMEOUT)

LONG = "a title of so many words that its end is cut off by the database: "
#: Titles that make the same name, each group by itself.
ALIKE = (
    ("Refund $", "Refund %"),
    ("Refund", "Refund %"),
    ("Offer ID", "offer id", "OFFER_ID"),
    ("Pays?", "pays?", "PAYS"),
    ("Cost (\u20ac)", "Cost ($)", "Cost"),
    ("%", "$", "#"),
    (f"{LONG}A", f"{LONG}B"),
    ("a b", "a\nb", "a\u00a0b"),
    ("Refund $", "Refund %", "refund_616000"),
)


def names_by_title(titles):
    """The columns' names by their titles, as a header of these titles makes them."""
    letters = [chr(ord("A") + place) for place in range(len(titles))]
    return dict(zip(titles, column_names(titles, letters), strict=True))


@pytest.mark.parametrize("titles", ALIKE)
def test_a_title_has_the_same_column_in_any_position(titles):
    expected = names_by_title(titles)
    assert len({*expected.values()}) == len(titles)
    for order in itertools.permutations(("first", *titles, "last")):
        actual = names_by_title(order)
        assert {title: actual[title] for title in titles} == expected


@profile(300)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([title for group in ALIKE for title in group]),
            st.text("aA $%_-.\u00e9\u200b", max_size=4),
            st.text(max_size=4),
            st.just(""),
        ),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_any_titles_are_distinguished_by_their_text(titles, chance):
    letters = [chr(ord("A") + place) for place in range(len(titles))]
    names = column_names(titles, letters)
    assert len({*names}) == len(names)
    assert all(0 < len(name.encode()) <= 63 for name in names)
    assert not any(name.startswith("_") for name in names)
    once = {title for title in titles if titles.count(title) == 1}
    for title, name in zip(titles, names, strict=True):
        if title and title in once and title not in names:
            # A title that is the name of another column means its own.
            assert find_column(title, names, titles) == name
    # In another order, and without those that have no text of their own.
    others = [
        title for title in titles if title in once and names_by_title([title])[title] != "column_a"
    ]
    before = names_by_title(others)
    chance.shuffle(others)
    assert names_by_title(others) == before


@pytest.mark.parametrize(
    ("titles", "text", "expected"),
    (
        (("Refund $", "Refund %"), "Refund %", "refund_616000"),
        (("Refund %", "Refund $"), "Refund %", "refund_616000"),
        (("Refund", "Refund %"), "refund", "refund"),
        (("Refund", "Refund %"), "Refund", "refund"),
        (("refund %", "refund", "Refund %"), "Refund %", "refund_616000"),
        (("Offer ID",), "offer_id", "offer_id"),
        (("Offer ID",), "offer-id", "offer_id"),
        (("Offer  Id ",), "Offer ID", "offer_id"),
        (("Cost ($)",), "Cost", "cost"),
        (("Cost ($)",), "cost", "cost"),
        (("#", "Name"), "#", "column_a"),
        (("Amount", "Amount"), "amount", "amount"),
        (("Amount", "Amount"), "amount_b", "amount_b"),
        (("amount", "amount"), "amount", "amount"),
        # A title is meant before another column's name.
        (("Cost", "cost_b", "Cost"), "cost_b", "cost_b"),
        (("2024", ""), "column_b", "column_b"),
    ),
)
def test_a_setting_means_the_column_of_its_text(titles, text, expected):
    letters = [chr(ord("A") + place) for place in range(len(titles))]
    assert find_column(text, column_names(titles, letters), titles) == expected


@pytest.mark.parametrize(
    ("titles", "text", "says"),
    (
        (("Refund $", "Refund %"), "refund", "is not among refund_"),
        (("Refund $",), "Refund %", r"is not among refund \('Refund \$'\)"),
        (("Amount", "Amount"), "Amount", "is the title of several: name one of amount, amount_b"),
        (("Offer ID", "offer id"), "OFFER ID", "is the title of several: name one of offer_id_"),
        (("a", "b"), "c", "is not among a, b"),
        (("a",), "", "is not among a"),
    ),
)
def test_a_setting_that_fits_no_column_or_several_is_refused(titles, text, says):
    letters = [chr(ord("A") + place) for place in range(len(titles))]
    with pytest.raises(LookupError, match=says):
        find_column(text, column_names(titles, letters), titles)


@pytest.fixture
def load(make_tap, sync, google):
    """Load a tab of given rows, the first being its titles."""

    def load(rows, state=None, *, accept=(), **tab):
        google.spreadsheet(id=BOOK, tabs=[{"title": "T", "cells": rows}])
        spreadsheets = [{"spreadsheet": BOOK, "tabs": [{"name": "T", **tab}]}]
        return sync(make_tap(state, spreadsheets=spreadsheets, accept_changes=[*accept]))

    return load


def records(output, *names):
    return [[record[name] for name in names] for record in output.records["t"]]


@pytest.mark.parametrize("order", ((0, 1), (1, 0)))
def test_types_and_keys_are_those_of_the_titles_own_column(load, order):
    def in_order(*cells):
        return [cells[place] for place in order]

    tab = {
        "columns": [{"name": "Refund $", "type": "number", "format": "1,234.5"}],
        "primary_keys": ["Refund %"],
    }
    rows = [in_order("Refund $", "Refund %"), in_order("1,000.50", "a"), in_order("1,000.50", "b")]
    output = load(rows, **tab)
    properties = output.schemas["t"]["schema"]["properties"]
    assert "number" in properties["refund_5bb66d"]["type"]
    assert "string" in properties["refund_616000"]["type"]
    assert output.schemas["t"]["key_properties"] == ["refund_616000"]
    actual = [json.dumps(one, default=float) for one in records(output, "refund_5bb66d")]
    assert actual == ["[1000.5]"] * 2
    repeated = [*rows, in_order("7", "a")]
    with pytest.raises(TapError, match=r"rows 2 and 4 have the same key \(refund_616000\)"):
        load(repeated, **tab)


def test_titles_that_change_places_keep_their_columns(load):
    first = load([["Refund $", "Refund %"], ["1.50", "3"]])
    second = load([["Refund %", "Refund $"], ["4", "1.75"]], first.state)
    # Without a state, as `--discover` is, too.
    third = load([["Refund %", "x", "Refund $"], ["4", "", "1.75"]])
    names = ("refund_5bb66d", "refund_616000")
    assert records(first, *names) == [["1.50", "3"]]
    assert records(second, *names) == records(third, *names) == [["1.75", "4"]]


def test_a_title_does_not_fill_the_column_of_another(load):
    first = load([["id", "Refund $"], ["1", "1.50"]])
    assert records(first, "refund") == [["1.50"]]
    rows = [["id", "Refund %"], ["1", "3"]]
    says = "the column refund had the title 'Refund \\$' at the last good read, and 'Refund %' has"
    with pytest.raises(TapError, match=says):
        load(rows, first.state)
    assert records(load(rows, first.state, accept=["t"]), "refund") == [["3"]]


@pytest.mark.parametrize(
    ("titles", "had", "says"),
    (
        (
            ["Refund $", "Refund %"],
            ["refund", "refund_b"],
            r"refund_5bb66d \('Refund \$'\), refund_616000 \('Refund %'\) in place of refund, ref",
        ),
        (["%", "$"], ["column_a", "column_b"], "in place of column_a, column_b. List the stream"),
    ),
)
def test_with_an_earlier_state_the_new_names_are_reported(load, titles, had, says):
    first = load([titles, ["1", "2"]])
    actual = first.state["bookmarks"]["t"]
    del actual["titles"]
    actual["columns"] = had
    with pytest.raises(TapError, match=says):
        load([titles, ["1", "2"]], first.state)
    assert len(load([titles, ["1", "3"]], first.state, accept=["t"]).records["t"]) == 1


def test_one_of_two_columns_is_missing(load):
    first = load([["Refund $", "Refund %"], ["1.50", "3"]])
    with pytest.raises(TapError, match="the column refund_5bb66d is gone"):
        load([["Refund %"], ["3"]], first.state)


@pytest.mark.parametrize(
    ("before", "after"),
    (
        ("Offer ID", "offer id"),
        ("Offer ID", "Offer  Id "),
        ("Offer ID", "offer_id"),
        ("Offer ID", "Offer-ID"),
        ("Offer ID", "Offer\u200b ID"),
        ("Offer ID", "Offer ID:"),
        ("Offer ID*", "(Offer) ID"),
    ),
)
def test_another_spelling_of_a_title_is_the_same(load, before, after):
    first = load([[before, "b"], ["1", "2"]])
    again = load([["b", after], ["2", "3"]], first.state)
    assert records(again, "offer_id", "b") == [["3", "2"]]


def test_another_spelling_next_to_the_old_one_is_another_title(load):
    first = load([["Refund"], ["1"]])
    says = "the column refund is gone, .*; its title 'Refund' has the column refund_[0-9a-f]{6} now"
    with pytest.raises(TapError, match=says):
        load([["refund", "Refund"], ["2", "1"]], first.state)
    output = load([["refund", "Refund"], ["2", "1"]], first.state, accept=["t"])
    assert len(output.schemas["t"]["schema"]["properties"].keys() & {"refund"}) == 0


def test_a_title_that_says_more_than_its_name_leaves_the_name_alone(load):
    first = load([["Refund"], ["1"]])
    second = load([["Refund %", "Refund"], ["3", "2"]], first.state)
    assert records(second, "refund", "refund_616000") == [["2", "3"]]


def test_a_state_without_titles_is_valid(load):
    first = load([["id", "Refund $"], ["1", "1.50"]])
    assert first.state["bookmarks"]["t"].pop("titles") == {"id": "id", "refund": "Refund $"}
    second = load([["id", "Refund $"], ["1", "2.50"]], first.state)
    assert records(second, "refund") == [["2.50"]]


@pytest.mark.parametrize("titles", (["a"], {"a": 1}, "a"))
def test_invalid_titles_in_a_state_are_refused(load, titles):
    first = load([["a"], ["1"]])
    first.state["bookmarks"]["t"]["titles"] = titles
    with pytest.raises(TapError, match="titles"):
        load([["a"], ["1"]], first.state)


def test_unusual_names_are_logged_with_their_titles(load, caplog):
    caplog.set_level("INFO")
    load([["Refund $", "Refund %", "id"], ["1", "2", "3"]])
    messages = [line for line in caplog.messages if "as other titles make the same name" in line]
    assert [line.partition(", as")[0] for line in messages] == [
        "Tab 'T': the column titled 'Refund $' is refund_5bb66d",
        "Tab 'T': the column titled 'Refund %' is refund_616000",
    ]


def test_a_column_that_is_twice_in_the_settings_is_refused(load):
    columns = [{"name": "Cost", "type": "number"}, {"name": "cost", "type": "integer"}]
    with pytest.raises(TapError, match="column cost is twice in the setting columns"):
        load([["Cost"], ["1"]], columns=columns)


def test_a_column_that_is_twice_by_the_same_text_is_refused_at_the_start(make_tap, sandbox):
    columns = [{"name": "Cost", "type": "number"}, {"name": "Cost", "type": "integer"}]
    says = r"spreadsheets\[0\].tabs\[0\].columns\[1\]: the column 'Cost' is listed twice"
    with pytest.raises(TapError, match=says):
        make_tap(spreadsheets=[{"spreadsheet": BOOK, "tabs": [{"gid": 0, "columns": columns}]}])
    assert sandbox.control.requests()["requests"] == []


def test_a_tab_does_not_fill_the_table_of_another(make_tap, sync, google):
    rows = [["id", "cost"], ["1", "2"]]

    def tab(gid, title):
        google.spreadsheet(id=BOOK, tabs=[{"gid": gid, "title": title, "cells": rows}])

    tab(7, "Costs $")
    first = sync(make_tap())
    tab(8, "Costs %")
    says = "stream costs: the last good read of this stream was of the tab 'Costs \\$'"
    with pytest.raises(TapError, match=says):
        make_tap(first.state)
    assert sync(make_tap(first.state, accept_changes=["costs"])).records["costs"]
    # A tab that was renamed, and a copy that replaced it under its title, are that tab.
    for gid, title in ((7, "Costs %"), (8, "Costs $"), (8, "costs $")):
        tab(gid, title)
        assert "costs" in make_tap(first.state).streams
