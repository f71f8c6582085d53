"""What cells become where types, encodings and nulls are asked for."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sticky_exports import DAY, batch_rows, cells, export

from tap_sticky_s3.column_types import ColumnType

ORDERS = "orders_create"


def load_typed(s3, make_tap, sync, kind, *values):
    """A column of a type, and what of its cells is kept in _extra."""
    s3.put(DAY.format(1), export(*((value,) for value in values), header=("orders_id",)))
    rows = sync(make_tap(column_types={"orders_id": kind}), ORDERS).records[ORDERS]
    cells = [(row["orders_id"], (row.get("_extra") or {}).get("orders_id")) for row in rows]
    return [cell if kept is None else (cell, kept) for cell, kept in cells]


class TestTypes:
    @pytest.mark.parametrize("kind", ("integer", "number"))
    def test_only_the_digits_of_json_and_sql_are_numbers(self, s3, make_tap, sync, kind):
        values = ("12", " 7 ", "+3", "007", "1e3", "12_34", "١٢", "1,234", "nan", "-5")
        actual = load_typed(s3, make_tap, sync, kind, *values)
        bad = [(None, value) for value in ("12_34", "١٢", "1,234", "nan")]
        assert actual == [12, 7, 3, 7, 1000, *bad, -5]

    def test_only_dates_in_the_format_are_read(self, s3, make_tap, sync, caplog):
        values = (
            "12/18/2025",
            "1/5/2026",
            "2026-01-05",
            "13/01/2026",
            "02/30/2026",
            "٠1/05/2026",  # noqa: RUF001 - the point of it
            "",
        )
        actual = load_typed(s3, make_tap, sync, "date:%m/%d/%Y", *values)
        bad = [(None, value) for value in values[2:6]]
        assert actual == ["2025-12-18", "2026-01-05", *bad, None]
        assert "not as the settings say but a text of 10 characters" in caplog.text

    def test_digits_are_read_by_their_format(self, s3, make_tap, sync):
        values = ("20260105130000", "1767225600", "202601051300")
        actual = load_typed(s3, make_tap, sync, "date-time:%Y%m%d%H%M%S", *values)
        assert actual == ["2026-01-05T13:00:00.000000Z", *((None, one) for one in values[1:])]

    def test_an_offset_is_converted(self, s3, make_tap, sync):
        actual = load_typed(
            s3, make_tap, sync, "date-time:%Y-%m-%d %H:%M %z", "2026-01-05 01:30 +0200"
        )
        assert actual == ["2026-01-04T23:30:00.000000Z"]

    def test_without_a_format_a_date_is_of_iso_8601(self, s3, make_tap, sync):
        values = ("2026-01-05", "2026-01-05 10:00:00", "2026-01-05 to 2026-01-09", "01/05/2026")
        actual = load_typed(s3, make_tap, sync, "date", *values)
        assert actual == ["2026-01-05", "2026-01-05", (None, values[2]), (None, values[3])]

    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dates(), st.sampled_from(("%m/%d/%Y", "%Y%m%d", "%d %B %Y", "%Y-%j")))
    def test_what_a_format_writes_is_read_back(self, day, text):
        # Before the year 1000 Python writes fewer than four digits, which it does not read.
        day = day.replace(year=max(day.year, 1000), day=min(day.day, 28))
        assert ColumnType(f"date:{text}").read(day.strftime(text)) == day.isoformat()


class TestEncodings:
    def test_a_byte_order_mark_overrules_the_setting(self, s3, make_tap, sync, batches):
        text = export(("1", "Zoë"), header=("orders_id", "billing_fname"))
        s3.put(DAY.format(1), codecs.BOM_UTF8 + text.encode())
        s3.put(DAY.format(2), codecs.BOM_UTF16_LE + text.encode("utf-16-le"))
        s3.put(DAY.format(3), text.encode("cp1252"))
        for more in ({}, batches):
            output = sync(make_tap(encoding="cp1252", **more), ORDERS)
            rows = output.records[ORDERS] or batch_rows(output, ORDERS)
            assert cells(rows, "orders_id", "billing_fname") == [("1", "Zoë")] * 3

    def test_a_table_of_its_own_encoding_and_delimiter(self, s3, make_tap, sync):
        s3.put("a/x.csv", "orders_id;name\r\n1;Zoë, Müller\r\n".encode("cp1252"))
        s3.put("b/x.csv", "orders_id,name\r\n1,Zoë\r\n".encode())
        tables = [
            {"name": "old", "prefix": "a/", "encoding": "cp1252", "delimiter": ";"},
            {"name": "new", "prefix": "b/"},
        ]
        records = sync(make_tap(tables=tables)).records
        assert cells(records["old"], "name") == [("Zoë, Müller",)]
        assert cells(records["new"], "name") == [("Zoë",)]


class TestNulls:
    def test_a_null_that_is_not_in_null_values(self, s3, make_tap, sync, caplog):
        s3.put(DAY.format(1), "orders_id,total_amount\n1,\\N\n2,\\\\N\n3,N\n")
        rows = sync(make_tap(escapechar="\\"), ORDERS).records[ORDERS]
        assert cells(rows, "total_amount") == [("N",), ("\\N",), ("N",)]
        assert "1 cells are \\N, which is NULL to MySQL" in caplog.text

    def test_a_null_value_is_the_cell_as_written(self, s3, make_tap, sync, caplog):
        s3.put(DAY.format(1), "orders_id,total_amount\n1,\\N\n2,\\\\N\n3,N\n")
        settings = {"escapechar": "\\", "null_values": ["\\N"]}
        rows = sync(make_tap(**settings), ORDERS).records[ORDERS]
        assert cells(rows, "orders_id", "total_amount") == [("1", None), ("2", "\\N"), ("3", "N")]
        assert "which is NULL" not in caplog.text
