"""Which column a header belongs to: its text decides, in all files and runs."""

from __future__ import annotations

import logging
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sticky_exports import DAY, batch_rows, cells, export, known

from signalroom_singer import TapError
from tap_sticky_s3.csv.column_names import column_names
from tap_sticky_s3.header_columns import HeaderColumns, _identify_headers
from tap_sticky_s3.known_columns import KNOWN_COLUMNS

ORDERS = "orders_create"
LOGGER = logging.getLogger("test")
PAIR = ("Refund $", "Refund %")


def columns(*headers, state=None, known=("orders_id", "click_id")):
    """The names of each header's columns, by its texts."""
    table = HeaderColumns({} if state is None else state, "orders", known, LOGGER)
    return [dict(zip(header, table.name_columns(header), strict=True)) for header in headers]


class TestTexts:
    def test_positions_do_not_matter(self):
        expected = {"Refund $": "refund", "Refund %": "refund_616000"}
        assert columns(PAIR, PAIR[::-1]) == [expected, expected]
        assert columns(PAIR[::-1], PAIR) == [expected, expected]

    def test_a_file_with_one_of_them(self):
        assert columns(PAIR, ["Refund %"])[1] == {"Refund %": "refund_616000"}
        assert columns(["Refund %"], PAIR)[1] == {"Refund %": "refund", "Refund $": "refund_5bb66d"}

    def test_texts_that_are_in_different_files(self):
        assert columns(["Refund $"], ["Refund %"]) == [
            {"Refund $": "refund"},
            {"Refund %": "refund_616000"},
        ]

    def test_the_state_keeps_them(self):
        state = {}
        columns(["Refund %"], state=state)
        assert columns(["Refund $"], ["Refund %"], state=state) == [
            {"Refund $": "refund_5bb66d"},
            {"Refund %": "refund"},
        ]
        assert state == {"headers": {"Refund %": "refund", "Refund $": "refund_5bb66d"}}

    def test_it_is_logged_once(self, caplog):
        state = {}
        columns(PAIR, PAIR[::-1], state=state)
        columns(PAIR, state=state)
        (message,) = caplog.messages
        assert message == (
            "orders: the header 'Refund %' has the column refund_616000 in all files, as refund "
            "belongs to the header 'Refund $'"
        )

    @pytest.mark.parametrize(
        "spellings",
        (
            ("Click ID", "click_id"),
            ("click_id", "CLICK-ID"),
            ("\ufeffClick ID", " Click  ID "),
            ("Click ID:", "(click id)"),
            ("'Click/ID'", "[Click-ID]"),
            ("click.id", "ＣＬＩＣＫ ID"),  # noqa: RUF001 - the point of it
        ),
    )
    def test_another_spelling_is_the_same_column(self, spellings):
        for first, second in permutations(spellings):
            assert columns([first], [second]) == [{first: "click_id"}, {second: "click_id"}]

    def test_two_spellings_in_one_file_are_two_columns(self):
        expected = {"click_id": "click_id", "Click ID": "click_id_fafac2"}
        assert columns(["Click ID", "click_id"], ["Click ID"]) == [
            expected,
            {"Click ID": "click_id_fafac2"},
        ]
        # From then on, too, where they were taken for one before.
        actual = columns(["click_id"], ["Click ID"], ["Click ID", "click_id"], ["Click ID"])
        assert actual[2:] == [expected, {"Click ID": "click_id_fafac2"}]

    def test_a_symbol_makes_another_of_a_known_column(self):
        assert columns(["Click ID %"]) == [{"Click ID %": "click_id_aad681"}]

    def test_repeated_texts_are_numbered(self):
        table = HeaderColumns({}, "orders", (), LOGGER)
        assert table.name_columns(["a", "b", "a", "a"]) == ["a", "b", "a_2", "a_3"]
        assert table.name_columns(["a_2", "a", "a"]) == ["a_2_e5cda8", "a", "a_2"]

    def test_symbols_alone_are_texts_too(self):
        first, second = columns(["💰", "%", "a"], ["%", "a", "💰"])
        assert first == second
        assert all(name.startswith("column_") for text, name in first.items() if text != "a")

    def test_an_empty_header_is_named_by_position(self):
        table = HeaderColumns({}, "orders", (), LOGGER)
        assert table.name_columns(["", "a", " "]) == ["column_1", "a", "column_3"]
        assert table.name_columns(["a", "", ""]) == ["a", "column_2", "column_3"]

    def test_long_names(self):
        (actual,) = columns(["é" * 40, "é" * 41, "x" * 80, "x" * 81])
        assert len({*actual.values()}) == 4
        assert max(len(name.encode()) for name in actual.values()) == 63

    def test_sticky_s_own(self):
        headers = [*KNOWN_COLUMNS[ORDERS][:-5]]
        headers += ["Click ID", "Retries Left", "Hold Type ID", "Offer ID", "Processor ID"]
        (actual,) = columns(headers, known=KNOWN_COLUMNS[ORDERS])
        assert (*actual.values(),) == KNOWN_COLUMNS[ORDERS]

    def test_many_columns_take_linear_time(self, caplog):
        table = HeaderColumns({}, "orders", (), LOGGER)
        header = [f"Column {'$' * (number % 2)} {number // 2}" for number in range(10_000)]
        assert len({*table.name_columns(header)}) == 10_000


#: Few texts, so that they meet.
TEXTS = st.lists(st.sampled_from(("a", "A", "a ", "a$", "a%", "a_2", "", " ", "$", "%", "b", "B$")))


class TestAnyHeaders:
    @given(st.lists(st.one_of(TEXTS, st.lists(st.text(max_size=5))), max_size=6))
    def test_each_file_has_a_column_for_each_header(self, headers):
        table = HeaderColumns({}, "orders", ("a", "b"), LOGGER)
        for header in headers:
            names = table.name_columns(header)
            assert len({*names}) == len(header)
            for name in names:
                assert 0 < len(name.encode()) <= 63
                assert not name.startswith("_") or name[1].isdigit()

    @given(
        st.lists(st.sets(st.sampled_from(("a", "a$", "a%", "a€", "b$", "b%"))), max_size=6),
        st.data(),
    )
    def test_a_text_is_one_column_in_all_files_and_runs(self, files, data):
        state, actual = {}, {}
        for texts in files:
            header = data.draw(st.permutations(sorted(texts)))
            if data.draw(st.booleans()):
                table = HeaderColumns(state, "orders", ("a",), LOGGER)
            else:
                table = HeaderColumns(dict(state), "orders", ("a",), LOGGER)
                state = table._state
            for text, name in zip(header, table.name_columns(header), strict=True):
                assert actual.setdefault(text, name) == name
        assert len({*actual.values()}) == len(actual)

    @given(TEXTS, st.randoms())
    def test_what_a_file_has_decides_not_its_order(self, texts, random):
        header = [*dict.fromkeys(text.strip() for text in texts if text.strip())]
        shuffled = random.sample(header, len(header))
        one, two = ([*columns(one)[0].items()] for one in (header, shuffled))
        assert sorted(one) == sorted(two)


class TestStatesOfEarlierVersions:
    """Tables that were loaded when places decided keep their columns."""

    def recalled(self, *headers, known=()):
        state = {}
        HeaderColumns(state, "orders", known, LOGGER).restore(headers)
        return state["headers"]

    def test_the_layout_of_most_files_decides(self):
        actual = self.recalled(["Refund %"], *[PAIR] * 9)
        assert actual == {"Refund $": "refund", "Refund %": "refund_2"}

    def test_among_equals_the_newest_layout_decides(self):
        actual = self.recalled(PAIR[::-1], PAIR)
        assert actual == {"Refund $": "refund", "Refund %": "refund_2"}

    def test_a_header_that_was_renamed_keeps_its_column(self):
        actual = self.recalled(["Refund $"], ["Refund"], ["Refund"])
        assert actual == {"Refund": "refund", "Refund $": "refund"}

    def test_another_sign_is_not_a_rename(self):
        actual = self.recalled(["Refund $"], ["Refund %"], ["Refund %"])
        assert actual == {"Refund %": "refund", "Refund $": "refund_5bb66d"}

    def test_two_headers_of_one_file_are_not_a_rename(self):
        actual = self.recalled(["Refund"], ["Refund"], ["Refund $", "Refund"])
        assert actual == {"Refund": "refund", "Refund $": "refund_5bb66d"}

    @given(st.lists(TEXTS, min_size=1, max_size=6), st.sets(st.sampled_from(("a", "b", "a_2"))))
    def test_a_column_of_one_text_stays_its_own(self, headers, known):
        table = HeaderColumns({}, "orders", known, LOGGER)
        table.restore(headers)
        names, texts = {}, {}
        for header in headers:
            for key, name in zip(_identify_headers(header), column_names(header), strict=True):
                names.setdefault(key, set()).add(name)
                texts.setdefault(name, set()).add(key)
        for header in headers:
            actual = table.name_columns(header)
            assert len({*actual}) == len(header)
            for key, name in zip(_identify_headers(header), actual, strict=True):
                (*had,) = names[key]
                if len(had) == 1 and texts[had[0]] == {key}:
                    assert name == had[0]

    def test_columns_that_every_table_has(self):
        assert self.recalled(["Click ID", "click_id"], known=["click_id"]) == {
            "Click ID": "click_id",
            "click_id": "click_id_2",
        }
        assert self.recalled(["Click ID %"], known=["click_id"]) == {"Click ID %": "click_id"}


class TestTables:
    """Through the tap."""

    def put(self, s3, day, header, *rows):
        s3.put(DAY.format(day), export(*rows, header=("orders_id", *header)))

    def test_values_are_matched_by_the_text(self, s3, make_tap, sync, batches):
        self.put(s3, 1, PAIR, ("1", "$", "%"))
        self.put(s3, 2, PAIR[::-1], ("2", "%", "$"))
        self.put(s3, 3, PAIR[1:], ("3", "%"))
        for settings in ({}, batches):
            output = sync(make_tap(**settings), ORDERS)
            rows = output.records[ORDERS] or batch_rows(output, ORDERS)
            assert cells(rows, "orders_id", "refund", "refund_616000") == [
                ("1", "$", "%"),
                ("2", "$", "%"),
                ("3", None, "%"),
            ]
            assert {"refund", "refund_616000"} <= output.schemas[ORDERS]["schema"][
                "properties"
            ].keys()

    def test_a_second_run(self, s3, make_tap, sync, caplog):
        self.put(s3, 1, PAIR[1:], ("1", "%"))
        state = sync(make_tap(), ORDERS).state
        self.put(s3, 2, PAIR, ("2", "$", "%"))
        output = sync(make_tap(state), ORDERS)
        assert cells(output.records[ORDERS], "refund", "refund_5bb66d") == [("%", "$")]
        assert "as refund belongs to the header 'Refund %'" in caplog.text
        caplog.clear()
        self.put(s3, 3, PAIR, ("3", "$", "%"))
        rows = sync(make_tap(output.state), ORDERS).records[ORDERS]
        assert cells(rows, "refund", "refund_5bb66d") == [("%", "$")]
        assert "belongs to the header" not in caplog.text

    def test_the_catalog_agrees(self, s3, make_tap, sync):
        self.put(s3, 1, PAIR[1:], ("1", "%"))
        for day in range(2, 9):
            self.put(s3, day, PAIR, (str(day), "$", "%"))
        catalog = make_tap().catalog_dict
        (entry,) = [one for one in catalog["streams"] if one["stream"] == ORDERS]
        output = sync(make_tap(catalog=catalog), ORDERS)
        actual = output.schemas[ORDERS]["schema"]["properties"].keys()
        assert {"refund", "refund_5bb66d"} <= actual
        assert actual - {"_client_id", "_loaded_at"} == entry["schema"]["properties"].keys() - {
            "_client_id",
            "_loaded_at",
        }

    def test_a_run_of_some_files_without_a_state_agrees(self, s3, make_tap, sync):
        self.put(s3, 1, PAIR[1:], ("1", "%"))
        for day in (2, 3, 4):
            self.put(s3, day, PAIR, (str(day), "$", "%"))
        # As a backfill of a few days has none, and whoever lost it.
        rows = sync(make_tap(file_date_from="2025-12-03"), ORDERS).records[ORDERS]
        assert cells(rows, "orders_id", "refund", "refund_5bb66d") == [
            ("3", "%", "$"),
            ("4", "%", "$"),
        ]
        rows = sync(make_tap(max_files=1), ORDERS).records[ORDERS]
        assert cells(rows, "orders_id", "refund", "refund_5bb66d") == [("4", "%", "$")]

    def test_older_files_of_another_kind_do_not_count(self, s3, make_tap, sync):
        s3.put("old/2025-12-01.csv", "who,what\n1,2\n")
        s3.put("old/2025-12-02.csv", "Refund $,Refund %\n1,2\n")
        tables = [{"name": "old", "prefix": "old/"}]
        output = sync(make_tap(tables=tables, file_date_from="2025-12-02"), "old")
        assert cells(output.records["old"], "refund", "refund_616000") == [("1", "2")]
        headers = output.state["bookmarks"]["old"]["headers"]
        assert [*headers] == ["Refund $", "Refund %"]

    def test_a_state_without_headers_keeps_the_tables_columns(self, s3, make_tap, sync):
        self.put(s3, 1, PAIR[::-1], ("1", "%", "$"))
        state = sync(make_tap(), ORDERS).state
        del state["bookmarks"][ORDERS]["headers"]
        self.put(s3, 2, PAIR, ("2", "$", "%"))
        output = sync(make_tap(state), ORDERS)
        # As places had it: the first was `refund`, the second `refund_2`.
        assert cells(output.records[ORDERS], "refund", "refund_2") == [("%", "$")]
        headers = output.state["bookmarks"][ORDERS]["headers"]
        assert headers == {"orders_id": "orders_id", "Refund %": "refund", "Refund $": "refund_2"}

    def test_files_of_two_kinds_that_were_loaded(self, s3, make_tap, sync):
        s3.put("old/1.csv", "order,amount\n1,9\n")
        s3.put("old/2.csv", "prospect,state\nx,TX\n")
        tables = [{"name": "old", "prefix": "old/"}]
        state = sync(make_tap(tables=tables, check_header=False), "old").state
        del state["bookmarks"]["old"]["headers"]
        s3.put("old/3.csv", "prospect,state\ny,CA\n")
        s3.put("old/4.csv", "order,amount\n2,9\n")
        rows = sync(make_tap(state, tables=tables), "old").records["old"]
        assert cells(rows, "order", "prospect") == [(None, "y"), ("2", None)]

    def test_a_file_that_is_overwritten_during_the_run(self, s3, make_tap, sync, monkeypatch):
        self.put(s3, 1, PAIR, ("1", "$", "%"))
        tap = make_tap()
        table = tap.streams[ORDERS]
        plan_run = table._plan_run

        def then_overwrite():
            plan = plan_run()
            self.put(s3, 1, PAIR[::-1], ("2", "%", "$"))
            return plan

        monkeypatch.setattr(table, "_plan_run", then_overwrite)
        rows = sync(tap, ORDERS).records[ORDERS]
        assert cells(rows, "orders_id", "refund", "refund_616000") == [("2", "$", "%")]

    @pytest.mark.parametrize("headers", ("what", {"a": 1}, {"a": ""}, {"a": "_row_id"}, ["a"]))
    def test_an_invalid_state(self, s3, make_tap, sync, headers):
        self.put(s3, 1, PAIR, ("1", "$", "%"))
        state = {"bookmarks": {ORDERS: {"headers": headers}}}
        output = sync(make_tap(state), ORDERS, fails=TapError)
        assert "meltano state clear" in str(output.error)

    def test_types_by_header(self, s3, make_tap, sync, caplog):
        self.put(s3, 1, (*PAIR, "Order Date"), ("1", "1.5", "50%", "01/05/2026"))
        types = {"Refund $": "number", "order_date": "date:%m/%d/%Y", "Refund %": "string"}
        output = sync(make_tap(column_types=types), ORDERS)
        (row,) = output.records[ORDERS]
        assert (row["refund"], row["refund_616000"]) == (1.5, "50%")
        assert row["order_date"] == "2026-01-05"
        assert "column_types" not in caplog.text

    def test_columns_with_a_type_keep_their_descriptions(self, s3, make_tap, sync):
        self.put(s3, 1, ("total_amount", "Refund"), ("1", "1.5", "2"))
        plain, typed = (
            sync(make_tap(column_types=types), ORDERS).schemas[ORDERS]["schema"]["properties"]
            for types in ({}, {"total_amount": "number", "Refund": "number"})
        )
        assert typed["total_amount"] == plain["total_amount"] | {"type": ["number", "null"]}
        assert typed["total_amount"]["description"]
        assert typed["refund"] == {"type": ["number", "null"]}

    def test_a_type_of_the_second_of_two(self, s3, make_tap, sync):
        self.put(s3, 1, PAIR, ("1", "$1", "50"))
        (row,) = sync(make_tap(column_types={"Refund %": "integer"}), ORDERS).records[ORDERS]
        assert (row["refund"], row["refund_616000"]) == ("$1", 50)

    def test_a_type_without_a_column_is_reported(self, s3, make_tap, sync, caplog):
        self.put(s3, 1, ("total_amount",), ("1", "95"))
        s3.put("prospects-create/x.csv", "Prospect ID,Day\n1,2026-01-05\n")
        types = {"totl_amount": "number", "Prospect ID": "integer", "Total Amount": "number"}
        output = sync(make_tap(column_types=types), ORDERS, "prospects_create")
        (message,) = [one for one in caplog.messages if "column_types" in one]
        assert message == (
            "column_types: no file of any table has 'totl_amount', neither as a header nor "
            "as a column's name"
        )
        # Nor is it, where no file was new.
        caplog.clear()
        sync(make_tap(output.state, column_types={"Prospect ID": "integer"}))
        assert "column_types" not in caplog.text
        assert known(output.state, "prospects_create") == {"prospects-create/x.csv": 1}
