"""What is loaded of which files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from singer_sdk.exceptions import ConfigValidationError
from sticky_exports import DAY, batch_rows, cells, export, known, orders

from signalroom_singer import TapError
from tap_sticky_s3 import file_parser
from tap_sticky_s3.client import Bucket
from tap_sticky_s3.streams import tables

ORDERS = "orders_create"


def moment(day, hour=6):
    return datetime(2025, 12, day, hour, tzinfo=UTC)


def file_names(output):
    """The files that a run says it has read completely."""
    return [name for where in output.scopes(ORDERS) for name in where["_file_name"]["in"]]


class TestRows:
    def test_cells_are_untouched_text(self, s3, make_tap, sync, sandbox):
        s3.put(DAY.format(1), export(("07", " 95", ""), ("6", 'a "b"', "é\r\nx")))
        rows = sync(make_tap(), ORDERS).records[ORDERS]
        assert cells(rows, "orders_id", "total_amount", "billing_state") == [
            ("07", " 95", ""),
            ("6", 'a "b"', "é\r\nx"),
        ]

    def test_the_columns_of_the_source(self, s3, make_tap, sync, sandbox):
        etag = s3.put(DAY.format(1), export(*orders(2)), modified=moment(2))
        first, second = sync(make_tap(), ORDERS).records[ORDERS]
        assert first["_file_name"] == f"{sandbox.bucket}/{DAY.format(1)}"
        assert (first["_row_id"], second["_row_id"]) == (0, 1)
        assert first["_file_date"] == "2025-12-01"
        assert first["_file_etag"] == etag.strip('"')
        assert first["_file_last_modified"].startswith("2025-12-02T06:00:00")
        assert datetime.fromisoformat(first["_loaded_at"]) > datetime.now(UTC) - timedelta(hours=1)
        assert "_client_id" not in first

    def test_columns_that_a_file_does_not_have_are_null(self, s3, make_tap, sync):
        s3.put(DAY.format(1), export(*orders(1)))
        (row,) = sync(make_tap(), ORDERS).records[ORDERS]
        assert row["click_id"] is None
        assert row["billing_state"] == "TX"

    def test_columns_are_matched_by_name_not_by_position(self, s3, make_tap, sync):
        s3.put(DAY.format(1), export(("1", "TX"), header=("orders_id", "billing_state")))
        s3.put(DAY.format(2), export(("CA", "2"), header=("billing_state", "orders_id")))
        rows = sync(make_tap(), ORDERS).records[ORDERS]
        assert cells(rows, "orders_id", "billing_state") == [("1", "TX"), ("2", "CA")]

    def test_short_and_long_rows(self, s3, make_tap, sync, caplog):
        s3.put(DAY.format(1), "orders_id,total_amount\r\n1\r\n2,95,more,x\r\n3,95\r\n")
        rows = sync(make_tap(), ORDERS).records[ORDERS]
        assert cells(rows, "orders_id", "total_amount") == [("1", None), ("2", "95"), ("3", "95")]
        assert [row["_extra"] for row in rows] == [None, {"_surplus": ["more", "x"]}, None]
        assert "1 rows have too few cells" in caplog.text

    def test_skipped_rows_keep_the_numbers_of_the_others(self, s3, make_tap, sync):
        s3.put(DAY.format(1), "orders_id,total_amount\r\n1,2\r\n1,2,3\r\n2,95\r\n")
        rows = sync(make_tap(on_bad_row="skip"), ORDERS, "files").records
        assert cells(rows[ORDERS], "_row_id", "orders_id") == [(0, "1"), (2, "2")]
        assert cells(rows["files"], "row_count", "skipped_row_count") == [(3, 1)]

    def test_null_values(self, s3, make_tap, sync):
        s3.put(DAY.format(1), export(("1", "N/A", "")))
        (row,) = sync(make_tap(null_values=["N/A"], empty_as_null=True), ORDERS).records[ORDERS]
        assert cells([row], "orders_id", "total_amount", "billing_state") == [("1", None, None)]

    def test_column_types(self, s3, make_tap, sync, batches):
        header = ("orders_id", "total_amount", "order_date", "acquisition_date")
        s3.put(
            DAY.format(1),
            export(
                ("1", "95.10", "12/18/2025", "12/18/2025 01:05 PM"),
                ("2", "N/A", "", ""),
                header=header,
            ),
        )
        types = {
            "orders_id": "integer",
            "total_amount": "number",
            "order_date": "date:%m/%d/%Y",
            "acquisition_date": "date-time:%m/%d/%Y %I:%M %p",
        }
        rows = sync(make_tap(column_types=types, **batches), ORDERS).records[ORDERS]
        assert cells(rows, *header) == [
            (1, 95.1, "2025-12-18", "2025-12-18T13:05:00.000000Z"),
            (2, None, None, None),
        ]
        assert rows[1]["_extra"] == {"total_amount": "N/A"}

    def test_a_client_comes_first_in_the_key(self, s3, make_tap, sync, batches):
        s3.put(DAY.format(1), export(*orders(1)))
        for settings in ({}, batches):
            output = sync(make_tap(client_id="713", **settings), ORDERS, "files")
            rows = output.records[ORDERS] or batch_rows(output, ORDERS)
            assert [row["_client_id"] for row in rows] == ["713"]
            assert output.records["files"][0]["_client_id"] == "713"
            keys = output.schemas[ORDERS]["key_properties"]
            assert keys == ["_client_id", "_file_name", "_row_id"]


class TestBatches:
    def both(self, make_tap, sync, batches, **options):
        records = sync(make_tap(**options), ORDERS).records[ORDERS]
        batched = batch_rows(sync(make_tap(**options, **batches), ORDERS), ORDERS)
        for row in records:
            for name in ("_loaded_at", "_file_last_modified"):
                row.pop(name, None)
        for row in batched:
            row["_extra"] = row["_extra"] and json.loads(row["_extra"])
            for name in ("_loaded_at", "_file_last_modified"):
                row.pop(name, None)
        return records, batched

    def test_the_rows_are_the_same(self, s3, make_tap, sync, batches):
        s3.put(DAY.format(1), export(*orders(3), ("4",), ("5", "", 'a "b"\r\n', "more")))
        s3.put(DAY.format(2), export(("x", "6"), header=("new", "orders_id")))
        records, batched = self.both(make_tap, sync, batches)
        assert len(records) == 6
        assert batched == records

    def test_a_deselected_column_is_in_no_message(self, s3, make_tap, sync, batches):
        s3.put(DAY.format(1), export(*orders(2)))
        catalog = make_tap().catalog_dict
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                wanted = metadata["breadcrumb"] != ["properties", "total_amount"]
                metadata["metadata"]["selected"] = wanted
        for settings in ({}, batches):
            output = sync(make_tap(catalog=catalog, **settings))
            rows = output.records[ORDERS] or batch_rows(output, ORDERS)
            assert [row["orders_id"] for row in rows] == ["2", "1"]
            assert not any("total_amount" in row for row in rows)
            assert "total_amount" not in output.schemas[ORDERS]["schema"]["properties"]

    @pytest.mark.parametrize(
        "settings",
        (
            {"stream_maps": {ORDERS: {"twice": "orders_id * 2"}}},
            {"flattening_enabled": True, "flattening_max_depth": 2},
            {"column_types": {"orders_id": "integer"}},
        ),
    )
    def test_rows_that_are_changed_are_sent_as_records(self, s3, make_tap, sync, batches, settings):
        s3.put(DAY.format(1), export(*orders(2)))
        output = sync(make_tap(**settings, **batches), ORDERS)
        assert len(output.records[ORDERS]) == 2
        assert {message["type"] for message in output.messages} == {"SCHEMA", "RECORD", "STATE"}
        if "stream_maps" in settings:
            assert output.records[ORDERS][0]["twice"] == "22"

    def test_small_files_are_one_message_with_one_state(
        self, s3, make_tap, sync, batches, monkeypatch
    ):
        monkeypatch.setattr(file_parser, "_GROUP_FILES", 2)
        for day in (1, 2, 3):
            s3.put(DAY.format(day), export(*orders(day)), modified=moment(day))
        messages = sync(make_tap(**batches), ORDERS).messages
        actual = []
        for message in messages:
            if message["type"] == "BATCH":
                actual.append(f"{len(message['manifest'])} files")
            elif message["type"] == "STATE" and known(message["value"]):
                actual.append(len(known(message["value"])))
        assert actual[:4] == ["2 files", 2, "1 files", 3]

    def test_a_state_comes_after_each_large_file(self, s3, make_tap, sync, batches, monkeypatch):
        monkeypatch.setattr(file_parser, "_GROUP_BYTES", 10)
        for day in (1, 2, 3):
            s3.put(DAY.format(day), export(*orders(day)), modified=moment(day))
        messages = sync(make_tap(**batches), ORDERS).messages
        actual = []
        for message in messages:
            if message["type"] == "BATCH":
                actual.append("batch")
            elif message["type"] == "STATE" and known(message["value"]):
                actual.append(len(known(message["value"])))
        assert actual[:6] == ["batch", 1, "batch", 2, "batch", 3]

    @pytest.mark.parametrize("batched", (False, True))
    def test_files_before_one_that_ends_the_run_are_loaded(
        self, s3, make_tap, sync, batches, batched, monkeypatch
    ):
        for day in (1, 2, 3, 4):
            s3.put(DAY.format(day), export(*orders(1, day)), modified=moment(day))
        read, error = Bucket.read, TapError("The store is gone")

        def read_or_fail(bucket, obj, end=None):
            if end is None and obj.key == DAY.format(3):
                raise error
            return read(bucket, obj, end)

        monkeypatch.setattr(Bucket, "read", read_or_fail)
        output = sync(make_tap(**batches if batched else {}), ORDERS, fails=TapError)
        assert output.error is error
        rows = batch_rows(output, ORDERS) if batched else output.records[ORDERS]
        assert [row["orders_id"] for row in rows] == ["1", "2"]
        assert set(known(output.state)) == {DAY.format(1), DAY.format(2)}

    def test_small_files_are_requested_side_by_side(self, s3, make_tap, sync, monkeypatch):
        for day in range(1, 9):
            s3.put(DAY.format(day), export(*orders(1, day)), modified=moment(day))
        read, together = Bucket.read, Barrier(8)

        def read_together(bucket, obj, end=None):
            if end is None:
                together.wait(timeout=30)
            return read(bucket, obj, end)

        monkeypatch.setattr(Bucket, "read", read_together)
        output = sync(make_tap(max_concurrency=1), ORDERS)
        assert [row["orders_id"] for row in output.records[ORDERS]] == [*"12345678"]

    def test_another_format_is_refused(self, s3, make_tap, sync):
        with pytest.raises(ConfigValidationError) as caught:
            make_tap(batch_config={"encoding": {"format": "jsonl"}})
        assert "'jsonl': expected one of arrow, parquet." in str(caught.value.errors)

    def test_a_root_on_another_machine_is_refused(self, s3, make_tap, sync):
        batch = {"encoding": {"format": "parquet"}, "storage": {"root": "s3://elsewhere/x"}}
        with pytest.raises(ConfigValidationError, match="expected a root on this machine"):
            make_tap(batch_config=batch)


class TestWhichFiles:
    def load(self, sync, make_tap, state=None, **settings):
        output = sync(make_tap(state, **settings), ORDERS)
        return [row["orders_id"] for row in output.records[ORDERS]], output.state

    def test_each_is_loaded_once(self, s3, make_tap, sync):
        s3.put(DAY.format(1), export(*orders(2)))
        assert self.load(sync, make_tap)[0] == ["2", "1"]
        state = self.load(sync, make_tap)[1]
        assert known(state) == {DAY.format(1): 2}
        assert self.load(sync, make_tap, state)[0] == []

    @pytest.mark.parametrize("rows", (1, 2, 5))
    def test_an_overwritten_file_is_read_again_completely(self, s3, make_tap, sync, rows, caplog):
        s3.put(DAY.format(1), export(*orders(2)))
        _, state = self.load(sync, make_tap)
        s3.put(DAY.format(1), export(*orders(rows, first=100)))
        ids, state = self.load(sync, make_tap, state)
        assert len(ids) == rows
        assert known(state) == {DAY.format(1): rows}
        assert ("had 2 rows and has 1 now" in caplog.text) is (rows == 1)

    @pytest.mark.parametrize("in_batches", (False, True))
    def test_what_an_overwritten_file_has_is_all_there_is_of_it(
        self, sandbox, s3, make_tap, sync, batches, in_batches
    ):
        settings = batches if in_batches else {}
        for day in (1, 2):
            s3.put(DAY.format(day), export(*orders(2)))
        first = sync(make_tap(**settings), ORDERS)
        files = [f"{sandbox.bucket}/{DAY.format(day)}" for day in (1, 2)]
        # A table may have rows of files that a run without a state does not know.
        assert sorted(file_names(first)) == files
        s3.put(DAY.format(3), export(*orders(2)))
        second = sync(make_tap(first.state, **settings), ORDERS)
        assert "x-complete-scopes" not in second.schemas[ORDERS]["schema"]
        assert file_names(second) == []
        s3.put(DAY.format(1), export(*orders(1)))
        third = sync(make_tap(second.state, **settings), ORDERS)
        assert third.schemas[ORDERS]["schema"]["x-complete-scopes"] is True
        assert file_names(third) == files[:1]

    def test_in_batches_the_target_learns_of_few_files_at_once(
        self, s3, make_tap, sync, batches, monkeypatch
    ):
        monkeypatch.setattr(tables, "_MANY_FILES", 0)
        monkeypatch.setattr(file_parser, "_GROUP_FILES", 1)
        for day in range(1, 9):
            s3.put(DAY.format(day), export(*orders(1)))
        scopes = sync(make_tap(**batches), ORDERS).scopes(ORDERS)
        counts = [len(where["_file_name"]["in"]) for where in scopes]
        assert sum(counts) == 8
        assert max(counts) <= 4

    def test_the_same_bytes_stored_again(self, s3, make_tap, sync):
        s3.put(DAY.format(1), export(*orders(2)), modified=moment(2))
        _, state = self.load(sync, make_tap)
        s3.put(DAY.format(1), export(*orders(2)), modified=moment(3))
        assert self.load(sync, make_tap, state)[0] == []
        assert self.load(sync, make_tap, state, reload_on="last_modified")[0] == ["2", "1"]

    def test_late_and_back_dated_files_and_files_of_one_second(self, s3, make_tap, sync):
        s3.put(DAY.format(9), export(*orders(1, 9)), modified=moment(10))
        _, state = self.load(sync, make_tap)
        s3.put(DAY.format(8), export(*orders(1, 8)), modified=moment(10))  # the same second
        s3.put(DAY.format(2), export(*orders(1, 2)), modified=moment(3))  # long before
        ids, state = self.load(sync, make_tap, state)
        assert ids == ["2", "8"]
        assert self.load(sync, make_tap, state)[0] == []

    def test_two_files_of_one_day_are_both_loaded(self, s3, make_tap, sync, caplog):
        s3.put(DAY.format(1), export(*orders(1)))
        s3.put(DAY.format(1).replace("x.csv", "y.csv"), export(*orders(1)))
        assert self.load(sync, make_tap)[0] == ["1", "1"]
        assert "2 files under orders-create/ have the date 2025-12-01" in caplog.text

    @pytest.mark.parametrize("order", ("newest", "oldest"))
    def test_max_files_loses_no_file(self, s3, make_tap, sync, order):
        for day in range(1, 6):
            s3.put(DAY.format(day), export(*orders(1, day)), modified=moment(day))
        state, actual = None, []
        for _ in range(4):
            ids, state = self.load(sync, make_tap, state, max_files=2, max_files_order=order)
            actual.append(ids)
        if order == "newest":
            assert actual == [["4", "5"], ["2", "3"], ["1"], []]
        else:
            assert actual == [["1", "2"], ["3", "4"], ["5"], []]

    def test_full_refresh_reads_what_is_there(self, s3, make_tap, sync):
        s3.put(DAY.format(1), export(*orders(1, 1)))
        s3.put(DAY.format(2), export(*orders(1, 2)))
        _, state = self.load(sync, make_tap)
        s3.delete(DAY.format(1))
        ids, after = self.load(sync, make_tap, state)
        assert ids == []
        assert known(after) == known(state)
        output = sync(make_tap(), ORDERS)
        assert [row["orders_id"] for row in output.records[ORDERS]] == ["2"]
        assert "ACTIVATE_VERSION" not in {message["type"] for message in output.messages}

    def test_a_full_table_catalog_changes_nothing(self, s3, make_tap, sync):
        s3.put(DAY.format(1), export(*orders(1)))
        catalog = make_tap().catalog_dict
        for entry in catalog["streams"]:
            entry["replication_method"] = "FULL_TABLE"
        output = sync(make_tap(catalog=catalog), ORDERS)
        assert "ACTIVATE_VERSION" not in {message["type"] for message in output.messages}
        assert known(output.state) == {DAY.format(1): 1}

    def test_the_state_of_the_dlt_pipeline(self, s3, make_tap, sync):
        for day in (1, 2, 3):
            s3.put(DAY.format(day), export(*orders(1, day)), modified=moment(day, 23))
        state = {"bookmarks": {ORDERS: {"last_file_date": "2025-12-03"}}}
        ids, state = self.load(sync, make_tap, state)
        assert ids == ["3"]
        assert known(state) == {DAY.format(1): None, DAY.format(2): None, DAY.format(3): 1}

    def test_a_corrupt_state_is_an_error_that_says_what_to_do(self, s3, make_tap, sync):
        state = {"bookmarks": {ORDERS: {"files": ["what"]}}}
        output = sync(make_tap(state), ORDERS, fails=TapError)
        assert "meltano state clear" in str(output.error)


class TestColumns:
    def test_a_new_column_appears_though_the_catalog_is_old(self, s3, make_tap, sync, batches):
        s3.put(DAY.format(1), export(*orders(1)))
        catalog = make_tap().catalog_dict
        s3.put(DAY.format(2), export(("2", "x"), header=("orders_id", "Brand New!")))
        for settings in ({}, batches):
            output = sync(make_tap(catalog=catalog, **settings), ORDERS)
            rows = output.records[ORDERS] or batch_rows(output, ORDERS)
            assert "brand_new" in output.schemas[ORDERS]["schema"]["properties"]
            assert cells(rows, "orders_id", "brand_new") == [("1", None), ("2", "x")]

    def test_the_union_is_known_before_the_first_row(self, s3, make_tap, sync):
        for day, name in enumerate(("one", "two", "three"), 1):
            s3.put(DAY.format(day), export(("1", "x"), header=("orders_id", name)))
        messages = sync(make_tap(), ORDERS).messages
        schemas = [m for m in messages if m["type"] == "SCHEMA" and m["stream"] == ORDERS]
        assert len(schemas) == 1
        assert {"one", "two", "three"} <= schemas[0]["schema"]["properties"].keys()

    def test_a_header_longer_than_the_preview(self, s3, make_tap, sync):
        names = [f"column_number_{number}_{'x' * 40}" for number in range(3000)]
        names[0] = "orders_id"
        s3.put(DAY.format(1), export([str(number) for number in range(3000)], header=names))
        (row,) = sync(make_tap(), ORDERS).records[ORDERS]
        assert row[names[2999]] == "2999"

    def test_discovery_finds_the_columns_of_any_table(self, s3, make_tap):
        s3.put("refunds/a.txt", "Amount;Day\n5;1\n")
        tables = [{"name": "refunds", "prefix": "refunds/", "pattern": "txt$"}]
        tap = make_tap(tables=tables, delimiter=";")
        entry = next(item for item in tap.catalog_dict["streams"] if item["stream"] == "refunds")
        assert {"amount", "day"} <= entry["schema"]["properties"].keys()

    def test_types_of_the_catalog_take_precedence(self, s3, make_tap, sync):
        s3.put(DAY.format(1), export(*orders(1)))
        catalog = make_tap().catalog_dict
        for entry in catalog["streams"]:
            if entry["stream"] == ORDERS:
                entry["schema"]["properties"]["total_amount"] = {"type": ["number", "null"]}
        (row,) = sync(make_tap(catalog=catalog), ORDERS).records[ORDERS]
        assert row["total_amount"] == 95


class TestStreams:
    def test_a_prefix_without_files_is_not_an_error(self, s3, make_tap, sync):
        output = sync(make_tap(), "prospects_create")
        assert output.records == {}
        assert output.schemas["prospects_create"]["key_properties"] == ["_file_name", "_row_id"]
        assert known(output.state, "prospects_create") == {}

    def test_a_sibling_folder_is_another_table(self, s3, make_tap, sync):
        s3.put("orders-create-old/report_2025-12-01.csv", export(*orders(1)))
        assert sync(make_tap(), ORDERS).records == {}

    def test_files_in_subfolders_and_with_unusual_keys(self, s3, make_tap, sync, sandbox):
        s3.put("orders-create/2025-12-01/x.csv", export(*orders(1, 1)))
        s3.put("orders-create/x.csv", export(*orders(1, 2)))
        s3.put("orders-create/", "")
        s3.put("orders-create/report.csv.tmp", "half")
        s3.put("orders-create/ü + 1.csv", export(*orders(1, 3)))
        s3.put("orders-create/100%20 a?b=1&c#d%.csv", export(*orders(1, 4)))
        rows = sync(make_tap(), ORDERS).records[ORDERS]
        assert sorted(cells(rows, "orders_id", "_file_date")) == [
            ("1", "2025-12-01"),
            ("2", None),
            ("3", None),
            ("4", None),
        ]
        assert f"{sandbox.bucket}/orders-create/100%20 a?b=1&c#d%.csv" in {
            row["_file_name"] for row in rows
        }

    @pytest.mark.parametrize(
        "prefixes", ("a-b, c/d/ ", '["a-b", "c/d"]', "/a-b/,,c/d"), ids=("text", "json", "slashes")
    )
    def test_prefixes_name_the_tables(self, s3, make_tap, prefixes):
        assert set(make_tap(prefixes=prefixes).streams) == {"files", "a_b", "c_d"}

    @pytest.mark.parametrize("prefixes", ("a-b,a_b", "files"))
    def test_names_that_collide(self, s3, make_tap, prefixes):
        with pytest.raises(ConfigValidationError, match="twice"):
            _ = make_tap(prefixes=prefixes).streams

    @pytest.mark.parametrize(
        ("settings", "match"),
        (
            ({"pattern": "("}, "regular expression"),
            ({"delimiter": "ab"}, "delimiter"),
            ({"encoding": "klingon"}, "encoding"),
            ({"column_types": {"orders_id": "int"}}, "orders_id"),
            (
                {"column_types": {"day": "date:%-m/%-d/%Y"}},
                "column_types: day: the date format",
            ),
            ({"column_types": {"day": "date-time:%Y-%m-%d %H:%M %Z"}}, "Use %z for offsets"),
            ({"column_types": {"day": "date:%d/%m"}}, "must have the year"),
            (
                {"file_date_from": "01/05/2026"},
                "Invalid file_date_from '01/05/2026': expected YYYY-MM-DD",
            ),
            ({"file_date_to": "2026-1-5"}, "Invalid file_date_to '2026-1-5': expected YYYY-MM-DD"),
            ({"start_date": "05.01.2026"}, "Invalid start_date '05.01.2026': expected YYYY-MM-DD"),
            (
                {"file_date_from": "2026-01-05", "file_date_to": "2026-01-04"},
                "Invalid file_date_from '2026-01-05': it is after file_date_to, 2026-01-04",
            ),
            ({"prefixes": "[a"}, "Invalid prefixes '[a': expected a,b"),
            ({"prefixes": "{'a': 'b'}"}, "expected a,b"),
            ({"prefixes": '{"a": "b"}'}, "expected a,b"),
            ({"prefixes": "[1]"}, "Invalid prefixes '[1]': expected a,b"),
            (
                {"tables": [{"name": "x", "prefix": "x", "encoding": "klingon"}]},
                "Invalid encoding 'klingon': expected an encoding of Python's",
            ),
            ({"tables": [{"name": "x", "prefix": "x", "delimiter": "ab"}]}, "delimiter"),
            (
                {"tables": [{"name": "x", "prefix": "x", "delimiter": " "}]},
                "Invalid delimiter ' ': a space cannot be used",
            ),
            (
                {
                    "tables": [
                        {
                            "name": "x",
                            "prefix": "x",
                            "delimiter": ";",
                            "quotechar": ";",
                            "escapechar": "^",
                        }
                    ]
                },
                "Invalid quotechar ';': expected another character than that of delimiter",
            ),
            (
                {"tables": [{"name": "x", "prefix": "x", "escapechar": '"'}]},
                "Invalid escapechar '\"': expected another character than that of quotechar",
            ),
        ),
    )
    def test_invalid_settings(self, s3, make_tap, settings, match):
        with pytest.raises(ConfigValidationError) as caught:
            make_tap(**settings)
        assert match in " ".join(caught.value.errors)

    def test_the_files_are_a_table_too(self, s3, make_tap, sync, sandbox):
        etag = s3.put(DAY.format(1), export(*orders(3)), modified=moment(2))
        (row,) = sync(make_tap(), ORDERS, "files").records["files"]
        expected = {
            "_file_name": f"{sandbox.bucket}/{DAY.format(1)}",
            "_file_etag": etag.strip('"'),
            "_file_date": "2025-12-01",
            "table_name": ORDERS,
            "bucket": sandbox.bucket,
            "key": DAY.format(1),
            "size": len(export(*orders(3))),
            "status": "loaded",
            "error": None,
            "row_count": 3,
            "header": ["orders_id", "total_amount", "billing_state"],
        }
        assert {name: row[name] for name in expected} == expected

    def test_a_file_without_rows(self, s3, make_tap, sync, batches):
        s3.put(DAY.format(1), export())
        s3.put(DAY.format(2), "")
        s3.put(DAY.format(3), "\r\n")
        for settings in ({}, batches):
            output = sync(make_tap(**settings), ORDERS, "files")
            assert known(output.state) == {DAY.format(day): 0 for day in (1, 2, 3)}
            assert [row["row_count"] for row in output.records["files"]] == [0, 0, 0]
            assert {row["status"] for row in output.records["files"]} == {"loaded"}


class TestBadFiles:
    @pytest.fixture
    def some(self, s3):
        s3.put(DAY.format(1), export(*orders(1, 1)), modified=moment(1))
        s3.put(DAY.format(2), 'orders_id\r\n"Ms. Private\r\n', modified=moment(2))
        s3.put(DAY.format(3), export(*orders(1, 3)), modified=moment(3))
        s3.put("orders-update/x.csv", export(*orders(1, 4)))

    @pytest.mark.parametrize("batched", (False, True))
    def test_all_others_are_loaded_and_the_run_fails(self, some, make_tap, sync, batches, batched):
        output = sync(make_tap(**batches if batched else {}), fails=TapError)
        assert "orders-create/report_2025-12-02" in str(output.error)
        assert "line 2" in str(output.error)
        assert "Private" not in str(output.error)
        assert set(known(output.state)) == {DAY.format(1), DAY.format(3)}
        assert known(output.state, "orders_update") == {"orders-update/x.csv": 1}
        rows = output.records["files"]
        assert [row["status"] for row in rows] == ["loaded", "bad", "loaded", "loaded"]

    def test_a_skipped_file_is_read_by_the_next_run(self, some, make_tap, sync, s3):
        output = sync(make_tap(on_bad_file="skip"))
        assert set(known(output.state)) == {DAY.format(1), DAY.format(3)}
        s3.put(DAY.format(2), export(*orders(1, 2)), modified=moment(2))
        again = sync(make_tap(output.state), ORDERS)
        assert [row["orders_id"] for row in again.records[ORDERS]] == ["2"]

    @pytest.mark.parametrize(
        "body", ("<!doctype html><p>Sorry", "<?xml version='1.0'?><Error/>", "PK\x03\x04zip")
    )
    def test_files_that_are_not_exports(self, s3, make_tap, sync, body):
        s3.put(DAY.format(1), body)
        output = sync(make_tap(), ORDERS, fails=TapError)
        assert DAY.format(1) in str(output.error)
        assert output.records == {}
