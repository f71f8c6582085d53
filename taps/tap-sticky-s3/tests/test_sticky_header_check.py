"""Files that are not what the settings say are refused by name, and no others."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sticky_exports import DAY, cells, export, known, orders

from signalroom_singer import TapError
from tap_sticky_s3.csv.dialect import Dialect
from tap_sticky_s3.header_check import FilePreview, find_problems, preview_file

ORDERS = "orders_create"
NAMES = ("orders_id", "total_amount", "billing_state")


def moment(day):
    return datetime(2025, 12, day, 6, tzinfo=UTC)


def problem(header, *rows, known=(), has_files=False, **dialect):
    """What is wrong with a file alone."""
    head = preview_file(header, rows, frozenset(known), Dialect(**dialect))
    return find_problems({"x": head}, known, "refunds", has_files=has_files).get("x", "")


class TestFirstFiles:
    @pytest.mark.parametrize(
        ("header", "rows", "match"),
        (
            (["id;amount"], [["1;95"]], "one cell, with `;` in it. Set `delimiter`"),
            (["id\tamount"], [["1\t95"]], "one cell, with a tab in it"),
            (["id|amount|x,y"], [], "one cell, with `|` in it"),
            (["Report of January"], [["id", "amount"], ["1", "95"]], "a title above the header?"),
            (["Report", "", ""], [["id", "amount", "x"], ["1", "95", "y"]], "a title above"),
            (["Report", "2026"], [["id", "a", "b", "c"], ["1", "2", "3", "4"]], "a title above"),
            (
                ["Made on Jan 5", " 2026"],
                [["id", "amount", "state"], ["1", "95", "TX"], ["2", "9", "CA"]],
                "a title above",
            ),
            (
                ["Orders", "January", "2026"],
                [["Account", "7"], ["id", "amount", "state", "day"], ["1", "9", "TX", "x"]],
                "a title above",
            ),
            (["1001", "John", "95.10"], [["1000", "Jane", "9.5"]], "the header is missing"),
            (["TX", "-95"], [["CA", "9"]], "the header is missing"),
            (["1", "95", "9.50"], [["2", "100", "8.00"]], "the header is missing"),
            (["a@x.com", "yes"], [["b@x.com", "no"]], "the header is missing"),
            (["John", "2026-01-05"], [["Jane", "2026-01-06"]], "the header is missing"),
            (["1001", "95.10", "TX"], [], "the header is missing"),
            (["1001", "95"], [["1002", "96"]], "the header is missing"),
            (["1001"], [["1002"]], "the header is missing"),
            (["2", "95", "TX"], [["1", "95", "TX"]], "the header is missing"),
            (["$95.10", "NEW"], [["$12.00", "NEW"]], "the header is missing"),
            (
                ["1b4e28ba-2fa1-11d2-883f-0016d3cca427", "x"],
                [[f"{'0' * 8}-2fa1-11d2-883f-{'1' * 12}", "y"]],
                "missing",
            ),
            (["https://a.example/x", "95"], [["https://a.example/y", "96"]], "missing"),
            (["id;amount", "net;x"], [["1;95;2"], ["3;4;5"]], "Set `delimiter`"),
            (["'id'", "'amount'"], [["'1'", "'2'"]], "between ' and '. Set `quotechar`"),
        ),
    )
    def test_bad_headers(self, header, rows, match):
        assert match in problem(header, *rows)

    @pytest.mark.parametrize(
        ("header", "rows"),
        (
            (["id", "amount"], [["1", "95"]]),
            (["id"], [["1"]]),
            (["City, State"], [["Austin"]]),
            (["id", "amount"], []),
            (["name", "2024", "2025"], [["x", "1", "2"]]),
            (["name", "0", "1", "2"], [["x", "1", "2", "3"]]),
            (["name", "2026-01-05", "2026-01-06"], [["x", "1", "2"]]),
            (["id", "7", "3", "5"], [["1", "1", "2", "3"]]),
            (["a", "b"], [["1", "2", ""], ["3", "4", ""]]),
            (["a", "b", "c"], [["1", "2", "3", "4", "5"]]),
            (["a", "b"], [["1"], ["2"]]),
            (["a", "b"], [["x", "y", "z"], ["u", "v", "w"]]),
            (["a", "b"], [["1", "2", "3"], ["4", "5", "6"]]),
            (["note", "n", "m"], [["hello", "1", "2", "3"], ["x", "1", "2", "3"]]),
            (["", "a", "b"], [["1", "2", "3"]]),
            (["State", "Note"], [["TX", "hello"]]),
            (["%"], [["1"]]),
            (["name", "30"], [["x", "1"]]),
            (["name", "90", "60", "30"], [["x", "1", "2", "3"]]),
            (["'tis", "b"], [["1", "2"]]),
            (["sku", "9.99", "19.99", "29.99"], [["A", "1", "2", "3"], ["B", "3", "2", "1"]]),
            (["sku", "$10", "$20"], [["A", "$1", "$2"]]),
            # A column for each affiliate.
            (["date", "52", "10", "305", "8", "77", "42"], [["2026-01-01", *"123456"]]),
            (["name", "60", "30"], [["x", "1", "2"]]),
            (["0", "1", "2", "3"], [["1", "2", "3", "4"]]),
            (["a;b", "c"], [["1;2", "3"], ["4;5", "6"]]),
            (["id", "tags;other"], [["1", "a;b", "extra"], ["2", "c;d"]]),
            (["a;b", "c"], [["1", "2", "3"], ["4;5", "6"]]),
        ),
    )
    def test_good_headers(self, header, rows):
        assert problem(header, *rows) == ""
        # As it does where other columns were expected.
        if not {*header} & {"0", "7", "2026-01-05", "30", "9.99", "$10", "52"}:
            assert problem(header, *rows, known=NAMES) == ""

    def test_with_expected_columns_a_single_value_is_a_problem(self):
        assert "header is missing" in problem(["2", "95", "TX"], ["1", "95", "TX"], known=NAMES)
        assert "header is missing" in problem(["TX", "2", "95"], ["CA", "1", "95"], known=NAMES)
        assert problem(["TX", "2", "95"], ["CA", "1", "95"]) == ""

    def test_the_columns_are_those_of_most_files(self):
        heads = {
            "a": FilePreview(("Report by", "state")),
            "b": FilePreview(("id", "amount")),
            "c": FilePreview(("Amount", "note")),
            "d": FilePreview(("NOTE",)),
        }
        actual = find_problems(heads, (), "refunds", has_files=False)
        assert [*actual] == ["a"]
        assert "shares no column with the table refunds" in actual["a"]

    @given(
        st.lists(st.text("abcdefgh _", min_size=2), min_size=2, max_size=6),
        st.lists(st.lists(st.text(), max_size=3), max_size=5),
    )
    def test_a_header_of_words_is_always_good(self, header, rows):
        # Rows with more cells may show that it is a title.
        header = [*header, "x y"]
        assert problem(header, *rows) == ""


class TestLaterFiles:
    @pytest.mark.parametrize(
        "header",
        (
            NAMES,
            NAMES[::-1],
            NAMES[:1],
            (*NAMES, "Brand New", "1", "2"),
            ("Orders ID", "1"),
            ("ORDERS_ID %", "x"),
            ("x", "y", "z", "billing state"),
        ),
    )
    def test_one_known_header_is_enough(self, header):
        assert problem(header, ["1", "2"], known=NAMES, has_files=True) == ""

    def test_files_that_share_columns_with_good_files(self):
        heads = {
            "a": FilePreview(("y", "z")),
            "b": FilePreview(("x", "y")),
            "c": FilePreview(("orders_id", "x")),
        }
        assert find_problems(heads, NAMES, "orders", has_files=True) == {}

    @pytest.mark.parametrize(
        ("header", "match"),
        (
            (["1001", "95", "TX"], "the header is missing"),
            (["first", "second"], "shares no column with the table refunds"),
            (["orders_id;total_amount"], "Set `delimiter`"),
            (["Orders of January"], "shares no column"),
        ),
    )
    def test_a_header_without_a_known_column_is_bad(self, header, match):
        assert match in problem(header, known=NAMES, has_files=True)

    def test_no_cell_is_quoted(self):
        secret = "Ms. Private"
        for names in ((), NAMES):
            actual = problem([f"{secret};x", ""], ["1;2"], known=names, has_files=bool(names))
            assert actual
            assert secret not in actual


class TestTables:
    """Through the tap: what is refused is read again once it can be."""

    GOOD = export(*orders(2))

    @pytest.mark.parametrize(
        ("body", "match", "settings"),
        (
            ("2,95,TX\r\n1,95,TX\r\n", "the header is missing", {"check_header": False}),
            (GOOD.replace(",", ";"), "Set `delimiter`", {"delimiter": ";"}),
            (GOOD.replace(",", "\t"), "Set `delimiter`", {"delimiter": "\\t"}),
            ("sep=;\r\n" + GOOD.replace(",", ";"), "delimiter is ;", {"delimiter": ";"}),
            ("Orders of January\r\n\r\n" + GOOD, "a title above", {"check_header": False}),
            ("'orders_id','x'\r\n'1','a,b'\r\n", "Set `quotechar`", {"quotechar": "'"}),
            (GOOD.encode("utf-16-le"), "`encoding` to utf-16-le", {"encoding": "utf-16-le"}),
        ),
    )
    @pytest.mark.parametrize("others", (False, True))
    def test_a_bad_file_is_loaded_with_the_right_setting(
        self, s3, make_tap, sync, body, match, settings, others
    ):
        s3.put("orders-update/x.csv", export(*orders(1, 4)))
        state = None
        if others:
            s3.put(DAY.format(1), export(*orders(1, 3)), modified=moment(1))
            state = sync(make_tap()).state
            s3.put(DAY.format(3), export(*orders(1, 5)), modified=moment(3))
        s3.put(DAY.format(2), body, modified=moment(2))
        output = sync(make_tap(state), fails=TapError)
        assert DAY.format(2) in str(output.error)
        assert match in str(output.error)
        loaded = {row["_file_name"].partition("/")[2] for row in output.records.get(ORDERS, ())}
        assert loaded == ({DAY.format(3)} if others else set())
        assert DAY.format(2) not in known(output.state)
        assert known(output.state, "orders_update") == {"orders-update/x.csv": 1}
        bad = [row for row in output.records["files"] if row["status"] == "bad"]
        assert [row["key"] for row in bad] == [DAY.format(2)]
        assert {*output.schemas[ORDERS]["schema"]["properties"]} >= {"orders_id"}
        assert not {"_95", "tx", "_2"} & output.schemas[ORDERS]["schema"]["properties"].keys()
        again = sync(make_tap(output.state, **settings), ORDERS)
        assert DAY.format(2) in known(again.state)

    def test_a_sep_line_is_not_the_header(self, s3, make_tap, sync, batches):
        s3.put(DAY.format(1), "sep=,\r\n" + self.GOOD)
        s3.put(DAY.format(2), '"SEP=,"\r\n' + self.GOOD)
        rows = sync(make_tap(), ORDERS).records[ORDERS]
        assert cells(rows, "orders_id", "_row_id") == [("2", 0), ("1", 1)] * 2

    def test_check_header_can_be_set_for_a_table(self, s3, make_tap, sync):
        tables = [
            {"name": "a", "prefix": "a/", "check_header": False},
            {"name": "b", "prefix": "b/"},
        ]
        for folder in "ab":
            s3.put(f"{folder}/x.csv", "Report\r\nid,amount\r\n1,2\r\n")
        output = sync(make_tap(tables=tables), fails=TapError)
        assert "b/x.csv: its first line" in str(output.error)
        assert len(output.records["a"]) == 2

    def test_an_overwritten_file_is_checked_again(self, s3, make_tap, sync, monkeypatch):
        s3.put(DAY.format(1), self.GOOD)
        tap = make_tap()
        table = tap.streams[ORDERS]
        plan_run = table._plan_run

        def then_overwrite():
            plan = plan_run()
            s3.put(DAY.format(1), "2,95,TX\r\n1,95,TX\r\n")
            return plan

        monkeypatch.setattr(table, "_plan_run", then_overwrite)
        output = sync(tap, ORDERS, fails=TapError)
        assert "header" in str(output.error)
        assert output.records == {}

    def test_files_that_were_loaded_without_a_check(self, s3, make_tap, sync, caplog):
        s3.put(DAY.format(1), "2,95,TX\r\n1,95,TX\r\n", modified=moment(1))
        s3.put(DAY.format(2), self.GOOD, modified=moment(2))
        state = sync(make_tap(check_header=False), ORDERS).state
        del state["bookmarks"][ORDERS]["headers"]
        s3.put(DAY.format(3), self.GOOD, modified=moment(3))
        output = sync(make_tap(state), ORDERS)
        assert len(output.records[ORDERS]) == 2
        assert "1 files that count as loaded would be refused now" in caplog.text
        assert DAY.format(1) in caplog.text
        assert "95" not in output.state["bookmarks"][ORDERS]["headers"]

    def test_it_is_skipped(self, s3, make_tap, sync, caplog):
        s3.put(DAY.format(1), self.GOOD.replace(",", ";"))
        output = sync(make_tap(on_bad_file="skip"), ORDERS)
        assert known(output.state) == {}
        assert "Set `delimiter`. If the file is as it should be" in caplog.text

    @pytest.mark.parametrize("pattern", (None, r"\.csv(\.gz)?$", "csv$"))
    def test_keys_that_do_not_match_are_logged(self, s3, make_tap, sync, caplog, pattern):
        s3.put("orders-create/a.csv", self.GOOD)
        s3.put("orders-create/", "")
        for name in ("x.CSV", "y.csv.zip", "z.txt", *(f"{number}.tmp" for number in range(4))):
            s3.put(f"orders-create/{name}", "x")
        with caplog.at_level(logging.INFO):
            sync(make_tap(**{"pattern": pattern} if pattern else {}), ORDERS)
        (record,) = [one for one in caplog.records if "do not match" in one.getMessage()]
        message = record.getMessage()
        assert "orders-create/: 7 files do not match the pattern" in message
        assert "orders-create/0.tmp" in message
        assert "orders-create/x.CSV and 2 more" in message
        assert record.levelname == ("INFO" if pattern == "csv$" else "WARNING")

    def test_keys_of_other_tables_are_not_logged(self, s3, make_tap, sync, caplog):
        s3.put("x/a_1.csv", self.GOOD)
        s3.put("x/b_1.csv", self.GOOD)
        tables = [{"name": one, "prefix": "x/", "pattern": f"{one}_.*csv"} for one in "ab"]
        sync(make_tap(tables=tables))
        assert "do not match" not in caplog.text
