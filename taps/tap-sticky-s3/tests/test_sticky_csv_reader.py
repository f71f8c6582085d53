"""Reading: one contract, two engines."""

from __future__ import annotations

import codecs
import csv
import gc
import gzip
import io
import json
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from singer_sdk.exceptions import ConfigValidationError

from tap_sticky_s3.csv.dialect import Dialect
from tap_sticky_s3.csv.errors import BadFileError, NeedMoreError
from tap_sticky_s3.csv.head import read_head
from tap_sticky_s3.csv.reader import CsvReader

ENGINES = ("either", "strict")
MANY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


def read(data, dialect=None, *, piece=1 << 16, block=1 << 22, engine="either"):
    """A reader that has read all, and its rows as tuples of cells, number and surplus."""
    data = data.encode() if isinstance(data, str) else data
    reader = CsvReader(
        pieces(data, piece),
        dialect or Dialect(),
        name="bucket/x.csv",
        block_bytes=block,
        engine=engine,
    )
    rows = []
    for batch in reader:
        assert batch.schema.names[-2:] == ["_row_id", "_extra"]
        rows += [tuple(row.values()) for row in batch.to_pylist()]
    return reader, rows


def cells(data, dialect=None, **options):
    return [row[:-2] for row in read(data, dialect, **options)[1]]


def refusal(data, dialect=None, **options):
    with pytest.raises(BadFileError) as caught:
        read(data, dialect, **options)
    return caught.value


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


class TestLines:
    @pytest.mark.parametrize(
        "text",
        (
            "a,b\r\n1,2\r\n3,4\r\n",
            "a,b\n1,2\n3,4\n",
            "a,b\r1,2\r3,4\r",
            "a,b\r\n1,2\n3,4\r",
            "a,b\n1,2\n3,4",
            "\n\r\n\ra,b\r\r\n1,2\n\n\n3,4\n\n",
        ),
        ids=("crlf", "lf", "cr", "mixed", "unfinished", "blank"),
    )
    @pytest.mark.parametrize("piece", (1, 2, 3, 100))
    def test_line_ends(self, engine, text, piece):
        assert cells(text, engine=engine, piece=piece, block=5) == [("1", "2"), ("3", "4")]

    def test_line_ends_within_quotes_stay(self, engine):
        text = 'a,b\r\n"x\r\n\r\ny\n\rz","1\r"\r\n'
        assert cells(text, engine=engine, piece=1, block=1) == [("x\r\n\r\ny\n\rz", "1\r")]

    def test_a_line_of_spaces_is_a_row(self, engine):
        assert cells("a,b\n  \n", engine=engine) == [("  ", None)]

    def test_one_column(self, engine):
        assert cells('a\n\n""\n \nx\n', engine=engine) == [("",), ("",), (" ",), ("x",)]

    @pytest.mark.parametrize(
        ("text", "rows"),
        (
            ("foo\n\n", [""]),
            ("foo\n", []),
            ("foo", []),
            ("foo\r\n\r\n\r\n", ["", ""]),
            ("foo\n1\n\n2", ["1", "", "2"]),
            ("foo\n1\n\n", ["1", ""]),
            ('foo\n""\n\n', ["", ""]),
            ("\n\nfoo\n1\n", ["1"]),
            ("\n\n", []),
        ),
    )
    @pytest.mark.parametrize("block", (1, 1 << 22))
    def test_empty_cells_of_one_column(self, engine, text, rows, block):
        """https://github.com/sineemore/csv-test-data has `foo\\n\\n` as one row."""
        reader, actual = read(text, engine=engine, block=block, piece=1)
        assert [(cell, number) for cell, number, _ in actual] == [
            (cell, number) for number, cell in enumerate(rows)
        ]
        assert reader.row_count == len(rows)

    @MANY
    @given(
        rows=st.lists(st.sampled_from(("", "x", '""', '"y\n"', " ", '"\r\n"'))),
        ending=st.sampled_from(("\r\n", "\n", "\r")),
        is_finished=st.booleans(),
        block=st.sampled_from((1, 7, 1 << 22)),
        piece=st.sampled_from((1, 5, 1 << 16)),
    )
    def test_both_engines_find_all_cells_of_one_column(
        self, rows, ending, is_finished, block, piece
    ):
        text = ending.join(["foo", *rows])
        # An empty line that does not end is not a line.
        is_finished = is_finished or not rows or rows[-1] == ""
        text += ending if is_finished else ""
        expected = [(row.strip('"') if '"' in row else row,) for row in rows]
        for engine in ENGINES:
            assert cells(text, engine=engine, block=block, piece=piece) == expected

    @pytest.mark.parametrize("text", ("", "\n", "\r\n\r\n", "\ufeff"))
    def test_nothing(self, engine, text):
        reader, rows = read(text, engine=engine)
        assert (reader.header, reader.row_count, rows) == (None, 0, [])

    @pytest.mark.parametrize("text", ("a,b", "a,b\r\n", "\ufeffa,b\n\n"))
    def test_a_header_alone(self, engine, text):
        reader, rows = read(text, engine=engine)
        assert (reader.header, reader.row_count, rows) == (["a", "b"], 0, [])


WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
TITLES = st.text(
    st.characters(categories=("L", "N"), max_codepoint=0xFFFF), min_size=1, max_size=12
).filter(str.isprintable)


class TestWideEncodings:
    @pytest.mark.parametrize("encoding", WIDE)
    @pytest.mark.parametrize(
        "text",
        (
            "id,name,v\r\n1,alpha,x\r\n2,beta,\r\n",
            "\u0438\u043c\u044f\r\n\u0430\r\n",  # Cyrillic, in one column
            "\u540d\u524d;\u5024\n1;2\n",  # Japanese
            "id",
            "\r\n\r\nid\r\n1\r\n",
            "a" * 5000 + ",b\n1,2\n",
        ),
        ids=("Latin", "Cyrillic", "Japanese", "a header", "blank lines", "long"),
    )
    def test_without_a_mark_they_are_refused(self, engine, text, encoding):
        error = refusal(text.encode(encoding), engine=engine)
        assert str(error) == (
            f"bucket/x.csv: it is encoded in {encoding}, without a byte order mark. "
            f"Set `encoding` to {encoding}."
        )
        read(text.encode(encoding), Dialect(encoding=encoding), engine=engine)

    @given(st.lists(TITLES, min_size=1, max_size=3), st.sampled_from(WIDE))
    def test_any_text_without_a_mark_is_refused(self, titles, encoding):
        error = refusal(f"{','.join(titles)}\n1,2\n".encode(encoding))
        assert "`encoding`" in str(error)

    @given(
        st.lists(TITLES, min_size=2, max_size=3),
        st.lists(st.text("\0ab\u0438\u540d", max_size=6), min_size=2, max_size=2),
        st.sampled_from(("\n", "\r\n", "\r")),
    )
    def test_a_nul_in_a_cell_is_kept(self, titles, row, ending):
        text = ending.join([",".join(titles), ",".join(row), ""])
        (actual,) = cells(text)
        assert [*actual[:2]] == row


class TestCells:
    @pytest.mark.parametrize(
        ("written", "cell"),
        (
            ('"a, b"', "a, b"),
            ('"say ""hi"""', 'say "hi"'),
            ('""""', '"'),
            ('""', ""),
            ("", ""),
            (" x ", " x "),
            ('5" pipe', '5" pipe'),
            ("nul\0nul", "nul\0nul"),
            ("line\u2028sep\x85\x0b\x0c\x1c", "line\u2028sep\x85\x0b\x0c\x1c"),
            ("\ufeffmark", "\ufeffmark"),
            ("NULL", "NULL"),
            ("00123", "00123"),
            ("é😀", "é😀"),
            ("x" * 200_000, "x" * 200_000),
        ),
    )
    @pytest.mark.parametrize("block", (1, 1 << 22))
    def test_a_written_cell(self, engine, written, cell, block):
        text = f"a,b\r\n{written},1\r\n2,{written}\r\n"
        assert cells(text, engine=engine, block=block) == [(cell, "1"), ("2", cell)]

    def test_nulls(self, engine):
        dialect = Dialect(null_values=("N/A", "NA"), empty_as_null=True)
        text = 'a,b,c,d\nN/A,"NA",,""\nN/A ,na,0,None\n'
        assert cells(text, dialect, engine=engine) == [
            (None, None, None, None),
            ("N/A ", "na", "0", "None"),
        ]

    @pytest.mark.parametrize("delimiter", (",", ";", "\t", "|"))
    def test_delimiters(self, engine, delimiter):
        text = f'a{delimiter}b\n"1{delimiter}2"{delimiter}3\n'
        assert cells(text, Dialect(delimiter=delimiter), engine=engine) == [(f"1{delimiter}2", "3")]

    def test_no_quotes_at_all(self, engine):
        dialect = Dialect(quotechar=None)
        assert cells('a,b\n"1,2"\n', dialect, engine=engine) == [('"1', '2"')]

    def test_escapes(self):
        dialect = Dialect(escapechar="\\", doublequote=False)
        assert cells('a,b\n"1\\"2",3\\,4\n', dialect) == [('1"2', "3,4")]


class TestRows:
    TEXT = "a,b\n1\n1,2\n1,2,3,4\n1,2\n"

    def test_short_and_long_rows(self, engine):
        reader, rows = read(self.TEXT, engine=engine)
        assert [row[:2] for row in rows] == [("1", None), *[("1", "2")] * 3]
        assert [row[2] for row in rows] == [0, 1, 2, 3]
        assert [row[3] and json.loads(row[3]) for row in rows] == [
            None,
            None,
            {"_surplus": ["3", "4"]},
            None,
        ]
        counts = (reader.row_count, reader.short_rows, reader.long_rows, reader.skipped_rows)
        assert counts == (4, 1, 1, 0)

    @pytest.mark.parametrize("block", (1, 1 << 22))
    def test_they_are_skipped(self, engine, block):
        dialect = Dialect(on_bad_row="skip")
        reader, rows = read(self.TEXT, dialect, engine=engine, block=block, piece=4)
        assert [row[2] for row in rows] == [1, 3]
        assert (reader.row_count, reader.skipped_rows) == (4, 2)

    @pytest.mark.parametrize("block", (1, 1 << 22))
    def test_they_are_an_error(self, engine, block):
        text = "a,b\r\n1,2\r\n\r\n" + "1,2\r\n" * 50 + "secret\r\n"
        error = refusal(text, Dialect(on_bad_row="error"), engine=engine, block=block, piece=7)
        assert error.line == 54
        assert str(error).startswith("bucket/x.csv, line 54: a row has 1 cells, the header 2")
        assert "secret" not in str(error)

    def test_headers_may_repeat_and_be_blank(self, engine):
        reader, rows = read("a,,A,\n1,2,3,4\n", engine=engine)
        assert reader.header == ["a", "", "A", ""]
        assert rows == [("1", "2", "3", "4", 0, None)]

    def test_many_rows_keep_their_order(self, engine):
        lines = [f'{n},"{n},x"' if n % 1000 == 7 else f"{n},y" for n in range(20_000)]
        _, rows = read("a,b\n" + "\n".join(lines), engine=engine, block=50_000, piece=9_999)
        assert [(row[0], row[2]) for row in rows] == [(str(n), n) for n in range(20_000)]


class TestErrors:
    @pytest.mark.parametrize("block", (1, 60, 1 << 22))
    @pytest.mark.parametrize(
        ("text", "line", "match"),
        (
            ('a,b\n1,2\n3,"never closed\n5,6\n7,8\n', 3, "cell 2 (b) has a quote that is never"),
            ('a,b\n1,2\n3,"x"y\n5,6\n', 3, "cell 2 (b) continues after its closing quote"),
            ('a,b\n1,"2\n2"\n"3,,","x\n\ny" z\n5,6\n', 4, "cell 2 (b) continues"),
            ('a,b\n1,"2\n2"\n"3"" z\n5,6\n', 4, "cell 1 (a) has a quote that is never closed"),
            ('"a,b\n1,2\n', 1, "cell 1 has a quote that is never closed"),
            ('a,b\n1,2\n"x\r\ny","never\nclosed\n', 4, "cell 2 (b) has a quote that is never"),
            ('a,b\n"x\ry","z"z\n', 3, "cell 2 (b) continues after its closing quote"),
            ('"a";"b"\n"1";"2"\n', 1, "by `;` after its closing quote. Set `delimiter`."),
            ('a\n"1";"2"\n', 2, "cell 1 (a) continues after its closing quote"),
        ),
    )
    def test_quotes(self, engine, text, line, match, block):
        error = refusal(text, engine=engine, block=block, piece=5)
        assert match in str(error)
        assert error.line == line

    @pytest.mark.parametrize("block", (1, 1 << 22))
    def test_bytes_that_are_not_utf8(self, engine, block):
        data = b"a,b\r\n1,2\r\n" * 20 + b'"3,,",caf\xe9\r\n'
        error = refusal(data, engine=engine, block=block, piece=5)
        assert error.line == 41
        assert "cell 2 (b) has a byte that is not UTF-8 (0xe9)" in str(error)
        assert "`encoding`" in str(error)
        assert "caf" not in str(error)

    @pytest.mark.parametrize(
        ("dialect", "text"),
        (
            (Dialect(escapechar="\\"), 'a,b\n1\\,2,"x"y\n'),
            (Dialect(escapechar="\\"), 'a,b\n"1\\",2","x"y\n'),
        ),
    )
    def test_the_cell_where_some_are_escaped(self, dialect, text):
        assert "cell 2 (b) continues" in str(refusal(text, dialect))

    @pytest.mark.parametrize("escapechar", (None, "\\"))
    @pytest.mark.parametrize("cell", ('"x"y', '"x""y"', '""x', '"x" '))
    def test_what_follows_a_closing_quote(self, escapechar, cell):
        # Python's csv module makes one cell of both, where quotes are not doubled.
        dialect = Dialect(doublequote=False, escapechar=escapechar)
        error = refusal(f'a,b\n"1\n",x\n"2",{cell}\n', dialect)
        assert error.line == 4
        assert "cell 2 (b) continues after its closing quote" in str(error)
        assert "not escaped" in str(error)

    @pytest.mark.parametrize("cell", ("x\\", '"x\\'))
    def test_nothing_after_the_escape(self, cell):
        error = refusal(f"a,b\n1,{cell}", Dialect(escapechar="\\"))
        assert "cell 2 (b) ends in `\\`" in str(error)
        assert error.line == 2

    def test_a_quote_within_a_cell_does_not_hide_row_ends(self, engine):
        # Files of more than 64 MiB were refused, and took minutes.
        data = b'a,b\n5" pipe,1\n' + (b"x" * 9_000 + b",1\n") * 8_000
        reader = CsvReader(pieces(data, 1 << 20), Dialect(), name="x", engine=engine)
        assert sum(batch.num_rows for batch in reader) == 8_001

    @pytest.mark.parametrize("ending", ("\n", "\r", "\r\n"))
    def test_a_cell_of_many_lines(self, engine, ending):
        # It took 16 seconds.
        note = f"a note{ending}" * 700_000
        assert cells(f'a,b\n1,"{note}"\n', engine=engine, piece=1 << 20) == [("1", note)]

    def test_a_quote_never_closed_in_a_large_file(self, engine):
        line = b"x" * 9_000 + b",1\n"
        data = b"a,b\n" + line * 50 + b'1,"never closed\n' + line * 8_000
        error = refusal(data, engine=engine, piece=1 << 20)
        assert error.line == 52
        assert "cell 2 (b) is longer than 10 MiB" in str(error)

    def test_many_rows_in_one_chunk(self, engine):
        data = b"a,b\n" + (b"x" * 998 + b",1\n") * 70_000
        reader = CsvReader([data], Dialect(), name="x", engine=engine)
        assert sum(batch.num_rows for batch in reader) == 70_000

    def test_a_cell_without_an_end(self, engine):
        data = b'a,b\n1,2\n"' + b"x" * (11 << 20) + b'",1\n'
        error = refusal(data, engine=engine, piece=1 << 20)
        assert "longer than 10 MiB" in str(error)
        assert error.line == 3

    def test_a_cell_with_an_end(self, engine):
        data = b"a,b\n" + b"x" * (9 << 20) + b",1\n"
        ((cell, _),) = cells(data, engine=engine, piece=1 << 20)
        assert len(cell) == 9 << 20

    @pytest.mark.parametrize("text", (",,\n1,2,3\n", " ,\t,\n"))
    def test_an_empty_header(self, engine, text):
        assert "header is empty" in str(refusal(text, engine=engine))

    @pytest.mark.parametrize(
        ("data", "match"),
        (
            (b"<!DOCTYPE html><html>", "not an export"),
            (b"\n <HTML>", "not an export"),
            (b'\xef\xbb\xbf<?xml version="1.0"?>', "not an export"),
            (b"<Error><Code>AccessDenied</Code></Error>", "not an export"),
            ("<!DOCTYPE html>".encode("utf-16"), "not an export"),
            ("\ufeff\r\n<html>".encode("utf-32-be"), "not an export"),
            (b"PK\x03\x04rest", "ZIP"),
            (gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "ends too early"),
            (b"\x1f\x8b\x08\x00garbage that is no deflate stream", "damaged"),
        ),
    )
    def test_files_that_are_not_csv(self, data, match):
        assert match in str(refusal(data))


class TestDecoding:
    TEXT = "\ufefforders_id,b\r\n1,é\r\n2,x\r\n"
    ROWS = (("1", "é"), ("2", "x"))

    @pytest.mark.parametrize("piece", (1, 3, 1000))
    @pytest.mark.parametrize(
        "encoding", ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")
    )
    def test_byte_order_marks(self, encoding, piece):
        text = self.TEXT[1:] if encoding in {"utf-16", "utf-32"} else self.TEXT
        reader, _ = read(text.encode(encoding), piece=piece)
        assert reader.header == ["orders_id", "b"]
        assert tuple(cells(text.encode(encoding), piece=piece)) == self.ROWS

    @pytest.mark.parametrize("encoding", ("cp1252", "latin-1", "utf-16-le", "utf-8"))
    def test_encodings(self, encoding):
        data = self.TEXT[1:].encode(encoding)
        assert tuple(cells(data, Dialect(encoding=encoding), piece=1)) == self.ROWS

    def test_a_wrong_encoding(self):
        error = refusal("a\r\n1\r\né\r\n".encode(), Dialect(encoding="ascii"))
        assert (error.line, "`encoding`" in str(error)) == (3, True)
        error = refusal(codecs.BOM_UTF16_LE + "a\nb\n".encode("utf-16-le") + b"\x00\xd8")
        assert "utf-16-le" in str(error)

    @pytest.mark.parametrize("piece", (1, 2, 3, 1000))
    @pytest.mark.parametrize("ending", ("\r", "\n", "\r\n"))
    @pytest.mark.parametrize(
        ("encoding", "bad"),
        (
            ("ascii", b"\xe9"),
            ("shift_jis", b"\xff\xff"),
            ("utf-16", b"\x00\xdc\x00\x00"),
            ("utf-7", b"+2AA-"),
        ),
    )
    def test_the_line_of_a_wrong_encoding(self, encoding, bad, ending, piece):
        text = f"a{ending}1{ending}"
        data = text.encode(encoding) + bad + ending.encode("ascii") * 3
        assert refusal(data, Dialect(encoding=encoding), piece=piece).line == 3

    @pytest.mark.parametrize("encoding", ("cp1252", "latin-1", "ascii"))
    def test_a_mark_that_the_encoding_does_not_have(self, encoding):
        data = codecs.BOM_UTF8 + b"orders_id,b\n1,2\n"
        reader, _ = read(data, Dialect(encoding=encoding), piece=1)
        assert reader.header == ["orders_id", "b"]

    @pytest.mark.parametrize(
        "encoding", ("cp1252", "utf-8", "utf-16-le", "utf-32-be", "cp037", "utf-7")
    )
    @pytest.mark.parametrize("mark", ("utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-be"))
    def test_a_mark_overrules_the_setting(self, encoding, mark):
        text = self.TEXT[1:] if mark in {"utf-8-sig", "utf-16", "utf-32"} else self.TEXT
        for piece in (1, 1000):
            reader, rows = read(text.encode(mark), Dialect(encoding=encoding), piece=piece)
            assert reader.header == ["orders_id", "b"]
            assert tuple(row[:-2] for row in rows) == self.ROWS

    def test_bytes_that_are_not_in_the_marked_encoding(self):
        for encoding in ("auto", "cp1252"):
            data = codecs.BOM_UTF8 + b"a\n\xe9\n"
            error = refusal(data, Dialect(encoding=encoding))
            assert "0xe9" in str(error)
            assert "byte order mark" in str(error)
            error = refusal(codecs.BOM_UTF16_LE + b"a\0\n\0\x00\xd8", Dialect(encoding=encoding))
            assert "not encoded in utf-16-le, as its byte order mark says" in str(error)

    @pytest.mark.parametrize("encoding", ("klingon", "hex", "undefined", "a\0b", ""))
    def test_an_unknown_encoding(self, encoding):
        with pytest.raises(ConfigValidationError, match="Invalid encoding"):
            Dialect(encoding=encoding)

    @pytest.mark.parametrize("piece", (1, 3, 1000))
    def test_gzip(self, piece):
        data = self.TEXT.encode()
        members = gzip.compress(data[:9]) + gzip.compress(data[9:])
        twice = gzip.compress(gzip.compress(data))
        padded = members + b"\0" * 512
        for packed in (gzip.compress(data), members, twice, padded):
            assert tuple(cells(packed, piece=piece)) == self.ROWS

    def test_a_gzip_file_is_read_in_chunks(self):
        text = b"a,b\n" + b"1,2\n" * 3_000_000
        reader = CsvReader(pieces(gzip.compress(text), 1 << 16), Dialect(), name="x")
        assert sum(batch.num_rows for batch in reader) == 3_000_000


class TestHeader:
    @pytest.mark.parametrize(
        "text", ("a,b\r\n1,2\r\n", '"a","b"\n', "\ufeffa,b\r1", "\n\na,b\n", "a,b")
    )
    def test_complete_files(self, text):
        assert read_head([text.encode()], Dialect(), name="x")[0] == ["a", "b"]

    @pytest.mark.parametrize("text", ("a,b\r\n1,2\r\n", 'a,"b\n"\n1', "\n\na,b\n1"))
    def test_the_beginning_of_a_file(self, text):
        data = text.encode()
        complete_header, _ = read_head([data], Dialect(), name="x")
        actual = 0
        for end in range(len(data)):
            try:
                header, _ = read_head([data[:end]], Dialect(), name="x", complete=False)
            except NeedMoreError:
                continue
            assert header == complete_header
            actual += 1
        assert actual

    def test_the_beginning_of_gzip(self):
        data = gzip.compress(("header,x\n" + "1,2\n" * 100_000).encode())
        header, _ = read_head([data[:200]], Dialect(), name="x", complete=False)
        assert header == ["header", "x"]

    def test_the_first_rows(self):
        lines = "".join(f"{number},x\n" for number in range(100))
        _, rows = read_head([f"a,b\n\n{lines}".encode()], Dialect(), name="x")
        assert rows == [[str(number), "x"] for number in range(20)]

    def test_bad_rows_do_not_hide_the_header(self):
        head = read_head([b'a,b\n1,2\n"x"y,1\n'], Dialect(), name="x")
        assert head == (["a", "b"], [["1", "2"]])

    def test_an_incomplete_row_is_left_out(self):
        _, rows = read_head([b"a,b\n1,2\n3,4"], Dialect(), name="x", complete=False)
        assert rows == [["1", "2"]]

    def test_nothing(self):
        assert read_head([b""], Dialect(), name="x") is None


class CountedText(bytes):
    """A text that counts the bytes that are scanned for its row ends."""

    def __init__(self, _):
        self.scanned = 0

    def count(self, part, begin, end):
        self.scanned += end - begin
        return super().count(part, begin, end)

    def rfind(self, part, begin, end):
        at = super().rfind(part, begin, end)
        self.scanned += end - max(at, begin)
        return at


class TestGrowth:
    """Ten times the input takes ten times the time, whatever is in it."""

    @pytest.mark.parametrize("count", (100, 1000))
    def test_no_byte_is_scanned_again_for_row_ends(self, count):
        text = CountedText(b"1,2\n" + b'"x\n",' * count + b'"a note')
        reader = CsvReader([], Dialect(), name="x")
        assert reader._last_row_end(text) == len(b"1,2\n")
        # Once to count quotes, once to find each of them, and once for either line end.
        assert text.scanned <= 4 * len(text)

    @pytest.mark.parametrize("size", (100 << 10, 1 << 20))
    def test_a_long_cell_is_not_searched_at_each_chunk(self, monkeypatch, size):
        searched = []
        search = CsvReader._last_row_end
        monkeypatch.setattr(
            CsvReader,
            "_last_row_end",
            lambda reader, block: searched.append(len(block)) or search(reader, block),
        )
        text = 'a,b\n1,"' + "a note\n" * (size // 7) + '"\n'
        _, rows = read(text, piece=1 << 10, block=1 << 12)
        assert len(rows) == 1
        # The sum of all halves, thirds and so on: each search is of half as much again.
        assert sum(searched) <= 3 * len(text)

    @pytest.mark.timing
    @pytest.mark.parametrize(
        ("first", "again", "last"),
        (
            ("", "1,2\n", ""),
            ('5" pipe,1\n', "1,2\n", ""),
            ("", '5" pipe,"x"\n', ""),
            ("", '"x, ""y""","\n"\n', ""),
            ('1,"', "a note\n", '"\n'),
            ("", "1\n1,2,3\n", ""),
        ),
        ids=("clean", "one quote", "quotes", "lines in cells", "one cell", "bad rows"),
    )
    def test_time(self, engine, first, again, last):
        def seconds(size):
            text = "a,b\n" + first + again * (size // len(again)) + last
            began = time.process_time()
            reader = CsvReader(pieces(text.encode(), 1 << 16), Dialect(), name="x", engine=engine)
            assert sum(batch.num_rows for batch in reader)
            return time.process_time() - began

        # The garbage of all tests before is not this one's: the collector goes through it now and
        # then, and takes longer for it than reading does.
        gc.collect()
        gc.freeze()
        try:
            seconds(1 << 16)
            # Of the square it would be a hundred times. A machine has its moods: each time both
            # are measured, one after the other, and the best counts.
            assert any(seconds(2 << 20) < 30 * max(seconds(200 << 10), 0.005) for _ in range(5))
        finally:
            gc.unfreeze()


@pytest.mark.parametrize(
    ("data", "expected"),
    (
        (b"column 0\r\n\0\r\n \0\r\n", [("\0",), (" \0",)]),
        (b"column;two\r\n;\0\r\n\0;\0\r\n", [("", "\0"), ("\0", "\0")]),
    ),
)
def test_nuls_below_a_header_of_ascii_are_cells(data, expected):
    """In UTF-16 the header would be Chinese, and each NUL a part of a line end."""
    assert cells(data, Dialect(delimiter=";")) == expected


#: Text with all that means something to CSV, and some that does not.
SOUP = st.text(alphabet='ab,"\r\n;\0é \ufeff\u2028', max_size=40)
CELL = st.one_of(SOUP, st.text(max_size=20), st.integers(0, 9).map(lambda n: "wide" * 3**n))


@MANY
@given(
    table=st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8
        )
    ),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)),
    ending=st.sampled_from(("\r\n", "\n", "\r")),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-32")),
    packed=st.booleans(),
    escapechar=st.sampled_from((None, None, "\\")),
    block=st.sampled_from((1, 7, 100, 1 << 22)),
    piece=st.sampled_from((1, 5, 1 << 16)),
    engine=st.sampled_from(ENGINES),
)
def test_any_table_arrives_as_it_was_written(
    table, delimiter, quoting, ending, encoding, packed, escapechar, block, piece, engine
):
    text = io.StringIO(newline="")
    if quoting == csv.QUOTE_MINIMAL:
        # Only line ends of its own kind are quoted by Python before 3.13: others get lost there.
        ending = "\r\n"
    dialect = Dialect(delimiter=delimiter, escapechar=escapechar, doublequote=escapechar is None)
    options = dialect.csv_options() | {"quoting": quoting, "lineterminator": ending}
    writer = csv.writer(text, **options)
    writer.writerow([f"column {number}" for number in range(len(table[0]))])
    writer.writerows(table)
    data = text.getvalue().encode(encoding, errors="surrogatepass")
    piece = piece if len(data) < 10_000 else 1 << 16
    data = gzip.compress(data) if packed else data
    assert cells(data, dialect, block=block, piece=piece, engine=engine) == [*map(tuple, table)]


class TestNullsAsWritten:
    """As MySQL's LOAD DATA has it: https://dev.mysql.com/doc/refman/8.4/en/load-data.html."""

    MYSQL = Dialect(escapechar="\\", doublequote=False, null_values=("\\N", "NULL"))

    @pytest.mark.parametrize(
        ("written", "cell"),
        (
            (r"\N", None),
            (r'"\N"', None),
            (r"\\N", r"\N"),
            (r'"\\N"', r"\N"),
            ("N", "N"),
            (r"\NA", "NA"),
            ("NULL", None),
            (r"\NULL", "NULL"),
            (r"NUL\L", "NULL"),
            (r"\,", ","),
        ),
    )
    @pytest.mark.parametrize("doublequote", (False, True))
    def test_a_cell(self, written, cell, doublequote):
        dialect = replace(self.MYSQL, doublequote=doublequote)
        assert cells(f"a,b,c\n1,{written},{written}\n", dialect) == [("1", cell, cell)]

    def test_without_escapes_a_cell_is_its_text(self, engine):
        dialect = Dialect(null_values=("\\N",))
        assert cells("a,b\n\\N,N\n", dialect, engine=engine) == [(None, "N")]

    @MANY
    @given(
        table=st.lists(
            st.lists(
                st.one_of(st.none(), st.text(alphabet='\\N,"UL\r\na', max_size=5), st.text()),
                min_size=3,
                max_size=3,
            ),
            min_size=1,
        ),
        data=st.data(),
    )
    def test_what_mysql_writes_is_read_back(self, table, data):
        def written(cell):
            if cell is None:
                return data.draw(st.sampled_from((r"\N", "NULL")))
            # It escapes what means something, and may quote any.
            cell = "".join(f"\\{one}" if one in '\\,"\r\n' else one for one in cell)
            # A text NULL would be NULL.
            cell = r"\NULL" if cell == "NULL" else cell
            return f'"{cell}"' if data.draw(st.booleans()) else cell

        lines = [",".join(map(written, row)) for row in table]
        text = "\n".join(["a,b,c", *lines, ""]).encode("utf-8", "surrogatepass")
        assert cells(text, self.MYSQL) == [*map(tuple, table)]

    @MANY
    @given(text=st.text(alphabet='a",\n;\\N', max_size=30), doublequote=st.booleans())
    def test_a_null_value_is_never_the_text_of_a_cell_with_escapes(self, text, doublequote):
        dialect = Dialect(escapechar="\\", doublequote=doublequote)
        try:
            plain = cells(f"h,k\n{text}", dialect)
        except BadFileError:
            return
        actual = cells(f"h,k\n{text}", replace(dialect, null_values=("\\N", "N")))
        for before, after in zip(plain, actual, strict=True):
            for cell, kept in zip(before, after, strict=True):
                assert kept == cell or (kept is None and cell == "N")


#: Almost a table: most cells are written as they should be.
TABLE = st.lists(
    st.lists(
        st.one_of(
            st.sampled_from(("", "1", "NA", '"a,b"', '"x\r\ny"', '"say ""x"""', 'x"y', '"x"y')),
            st.text(alphabet='a",\n;\\', max_size=4),
        ),
        min_size=1,
        max_size=3,
    ).map(",".join),
    max_size=12,
)
ANY_TEXT = st.one_of(
    SOUP, st.tuples(TABLE, st.sampled_from(("\n", "\r\n", "\r"))).map(lambda t: t[1].join(t[0]))
)
DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from(",;"),
    quotechar=st.sampled_from(('"', "a", None)),
    doublequote=st.booleans(),
    escapechar=st.sampled_from((None, "\\")),
    null_values=st.sampled_from(((), ("NA", "1"))),
    empty_as_null=st.booleans(),
    on_bad_row=st.sampled_from(("extra", "skip", "error")),
)


@MANY
@example(text='x\n"a"b', noise=b"", dialect=Dialect(), block=1, piece=3)
@example(text="\ufeff,", noise=b"", dialect=Dialect(), block=1, piece=3)
@given(
    text=ANY_TEXT,
    noise=st.sampled_from((b"", b"", b"", b"\xe9", b"\xed\xa0\x80")),
    dialect=DIALECTS,
    block=st.sampled_from((1, 3, 20, 1 << 22)),
    piece=st.sampled_from((1, 2, 3, 1 << 16)),
)
def test_both_engines_agree_on_any_text(text, noise, dialect, block, piece):
    data = f"a,b\n{text}".encode() + noise
    results = []
    for engine, sizes in (("strict", {}), ("either", {"block": block, "piece": piece})):
        try:
            reader, rows = read(data, dialect, engine=engine, **sizes)
            counts = (reader.row_count, reader.short_rows, reader.long_rows, reader.skipped_rows)
            results.append((rows, counts))
        except BadFileError as error:
            results.append((str(error), error.line))
    assert results[0] == results[1]


@MANY
@given(text=ANY_TEXT, dialect=DIALECTS)
def test_python_reads_the_same(text, dialect):
    dialect = replace(dialect, null_values=(), empty_as_null=False, on_bad_row="extra")
    data = f"h{dialect.delimiter}k\n{text}"
    try:
        _, *records = csv.reader(io.StringIO(data, newline=""), **dialect.csv_options())
        rows = read(data, dialect)[1]
    except (csv.Error, BadFileError) as error:
        message, is_ours = str(refusal(data, dialect)), isinstance(error, BadFileError)
        # What follows a closing quote does Python let pass, where quotes are not doubled.
        assert not is_ours or ("after its closing quote" in message and not dialect.doublequote)
        return
    actual = [
        [cell for cell in row[:2] if cell is not None]
        + (json.loads(row[3])["_surplus"] if row[3] else [])
        for row in rows
    ]
    assert actual == [record for record in records if record]
