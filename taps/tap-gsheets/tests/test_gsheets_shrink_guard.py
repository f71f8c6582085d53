"""Edits of a sheet that look like an accident, by what the last good read left in the state."""

from __future__ import annotations

import pytest

from signalroom_singer import TapError
from tap_gsheets.fingerprint import fingerprint
from tap_gsheets.shrink_guard import (
    describe_loss,
    describe_move,
    describe_other_tab,
    validate_bookmark,
)
from tap_gsheets.table import Table


def make_table(columns=("offer", "cost"), titles=("Offer", "Cost"), rows=20):
    return Table([*columns], [(number, ["a", 1]) for number in range(rows)], titles=[*titles])


def bookmark(columns=("offer", "cost"), rows=20, **titles):
    """What a read of that table leaves."""
    return {
        "columns": [*columns],
        "row_count": rows,
        "titles": titles or {"offer": "Offer", "cost": "Cost"},
    }


class TestRows:
    @pytest.mark.parametrize(
        ("before", "now", "percent", "is_loss"),
        (
            (20, 20, 50, False),
            (20, 10, 50, False),
            (20, 9, 50, True),
            (20, 0, 100, False),
            (20, 19, 0, True),
            (10, 4, 50, True),
            # Of so few, losing most is not suspicious.
            (9, 0, 50, False),
            (20, 40, 50, False),
        ),
    )
    def test_losing_many_is_a_loss(self, before, now, percent, is_loss):
        text = describe_loss(bookmark(rows=before), make_table(rows=now), percent)
        assert text == (f"it shrank from {before} rows to {now}" if is_loss else None)

    def test_before_the_first_read_nothing_is_missing(self):
        assert describe_loss({}, make_table(rows=0), 50) is None


class TestColumns:
    def test_a_column_that_is_gone(self):
        table = make_table(columns=("offer", "clicks"), titles=("Offer", "Clicks"))
        assert describe_loss(bookmark(), table, 50) == (
            "the column cost is gone, which the last good read had; now there are offer, clicks"
        )

    def test_a_column_whose_title_makes_another_name_now(self):
        table = make_table(
            columns=("offer", "cost_a", "cost_b"), titles=("Offer", "Cost", "cost"), rows=0
        )
        assert describe_loss(bookmark(), table, 50) == (
            "the column cost is gone, which the last good read had; its title 'Cost' has the "
            "column cost_a now, as another makes the same name"
        )

    @pytest.mark.parametrize(
        ("name", "is_loss"),
        (("column_c", False), ("column_abc", False), ("column_abcd", True), ("my_column_c", True)),
    )
    def test_columns_without_a_title_come_and_go(self, name, is_loss):
        """Notes next to a table."""
        text = describe_loss(bookmark(columns=("offer", "cost", name)), make_table(), 50)
        assert (text is not None) is is_loss

    def test_columns_may_be_added(self):
        table = make_table(columns=("offer", "cost", "new"), titles=("Offer", "Cost", "New"))
        assert describe_loss(bookmark(), table, 50) is None


class TestTitles:
    @pytest.mark.parametrize(
        "title", ("Cost", "cost", "  COST ", "Cost:", "(Cost)", "Cost;", '"Cost"', "[Cost]*")
    )
    def test_another_spelling_is_the_same_title(self, title):
        assert describe_loss(bookmark(), make_table(titles=("Offer", title)), 50) is None

    @pytest.mark.parametrize("title", ("Costs", "Cost %", "Cost $", "Co st"))
    def test_another_title_is_another_column(self, title):
        assert describe_loss(bookmark(), make_table(titles=("Offer", title)), 50) == (
            f"the column cost had the title 'Cost' at the last good read, and {title!r} has its "
            "name now"
        )

    def test_two_spellings_of_one_title_are_two_columns(self):
        table = make_table(columns=("offer", "cost", "cost_2"), titles=("Offer", "cost:", "Cost"))
        assert "the column cost had the title 'Cost'" in describe_loss(bookmark(), table, 50)

    def test_all_columns_are_compared(self):
        table = make_table(titles=("Offers", "Cost"))
        assert "the column offer had the title 'Offer'" in describe_loss(bookmark(), table, 50)
        table = make_table(columns=("column_a", "cost"), titles=("note", "Costs"))
        old = bookmark(("column_a", "cost"), column_a="a note", cost="Cost")
        assert "the column cost had the title 'Cost'" in describe_loss(old, table, 50)

    def test_a_title_that_was_removed_is_none_of_another(self):
        assert describe_loss(bookmark(), make_table(titles=("Offer", "")), 50) is None


class TestStatesWithoutTitles:
    """Versions that wrote them numbered columns whose titles make the same name."""

    OLD = {"columns": ["offer", "cost", "cost_2"], "row_count": 20}

    def test_new_names_are_explained(self):
        table = make_table(
            columns=("offer", "cost_eur", "cost_usd"), titles=("Offer", "Cost €", "Cost $")
        )
        assert describe_loss(self.OLD, table, 50) == (
            "this version of the tap names columns whose titles make the same name by their text: "
            "cost_eur ('Cost €'), cost_usd ('Cost $') in place of cost, cost_2. List the stream in "
            "accept_changes for one run, and use the new names in queries"
        )
        # It is explained once.
        with_titles = self.OLD | {"titles": {}}
        assert describe_loss(with_titles, table, 50).startswith("the column cost is gone")

    def test_other_columns_that_are_gone_are_lost(self):
        table = make_table(columns=("offer", "clicks"), titles=("Offer", "Clicks"))
        assert describe_loss(self.OLD, table, 50).startswith("the column cost is gone")

    def test_other_names_without_a_loss_are_fine(self):
        table = make_table(
            columns=("offer", "cost", "cost_2", "fee_eur"),
            titles=("Offer", "Cost", "Cost 2", "Fee €"),
        )
        assert describe_loss(self.OLD, table, 50) is None

    def test_notes_are_no_new_names(self):
        table = make_table(columns=("offer", "column_b"), titles=("Offer", "a note"))
        assert describe_loss(self.OLD, table, 50).startswith("the column cost is gone")


class TestOtherTabs:
    MARK = {"spreadsheet_id": "s", "sheet_id": "1", "title": "Costs (new)"}

    @pytest.mark.parametrize(
        ("spreadsheet", "gid", "title", "is_other"),
        (
            ("s", "2", "Costs new", True),
            # A copy, that of another spreadsheet, and the same tab with another title.
            ("s", "2", "costs  (NEW)", False),
            ("other", "2", "Costs new", False),
            ("s", "1", "Costs new", False),
        ),
    )
    def test_a_title_that_makes_the_same_name(self, spreadsheet, gid, title, is_other):
        text = describe_other_tab(self.MARK, spreadsheet, gid, title)
        assert text == (
            "the last good read of this stream was of the tab 'Costs (new)', which is another"
            if is_other
            else None
        )

    def test_before_the_first_read_there_is_no_other(self):
        assert describe_other_tab({}, "s", "1", "Costs") is None
        assert describe_other_tab({"spreadsheet_id": "s"}, "s", "1", "Costs") is None

    @pytest.mark.parametrize(
        ("titles", "text"),
        (
            ({"2": "Costs (new)"}, "it is gone"),
            ({"1": "Spend"}, "it was renamed to 'Spend'"),
            ({"1": "Costs (new)"}, "it is hidden now"),
        ),
    )
    def test_a_tab_that_is_not_found(self, titles, text):
        assert describe_move(self.MARK, titles) == text
        assert describe_move(self.MARK | {"sheet_id": 1}, titles) == text


@pytest.mark.parametrize(
    ("field", "value"),
    (
        ("columns", "offer"),
        ("columns", ["offer", 7]),
        ("titles", ["Offer"]),
        ("titles", {"offer": 7}),
        ("row_count", "20"),
        ("row_count", None),
    ),
)
def test_a_bookmark_of_another_form_is_named(field, value):
    with pytest.raises(TapError, match=rf"The state of stream costs \({field}\) cannot be used"):
        validate_bookmark("costs", bookmark() | {field: value})


def test_bookmarks_as_the_tap_writes_them():
    validate_bookmark("costs", bookmark())
    validate_bookmark("costs", {})


class TestFingerprints:
    def test_different_contents_have_different_hashes(self):
        contents = (
            [["a", "b"]],
            [["a"], ["b"]],
            [["ab"]],
            [["a", "b", None]],
            [["a", ["b"]]],
            [["a", 1]],
            [["a", "1"]],
            [{"a": "b"}],
            [],
        )
        hashes = {fingerprint(*parts) for parts in contents}
        # A list is its items: those of parts next to each other follow one another.
        assert fingerprint(["a", "b"]) == fingerprint(["a"], ["b"])
        assert len(hashes) == len(contents) - 1

    def test_it_is_the_same_in_all_versions(self):
        """Otherwise an upgrade would load all sheets again."""
        assert fingerprint(["a", 1], {"b": None}) == (
            "1817b77d9b5904fda848c03d5c3456ede91e3374206b3ed4b4650d92b62d8f5d"
        )
