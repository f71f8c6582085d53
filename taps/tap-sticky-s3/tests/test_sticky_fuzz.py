"""Files that are spoiled or cut: the right rows, or an error with the file's name."""

from __future__ import annotations

import csv
import gzip
import io
import random

import pytest
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import example, given
from hypothesis import strategies as st

from tap_sticky_s3.csv.dialect import Dialect
from tap_sticky_s3.csv.errors import BadFileError, NeedMoreError
from tap_sticky_s3.csv.head import read_head
from tap_sticky_s3.csv.reader import CsvReader

pytestmark = [
    pytest.mark.timeout(TIMEOUT),
    # Python's unicode_escape decodes such bytes, and warns of them.
    pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning"),
]

ENGINES = ("strict", "either")
PIECES = st.sampled_from((1, 7, 1 << 16))
#: Bytes that mean something, and any others.
BYTES = st.lists(
    st.one_of(
        st.sampled_from(
            (
                b"a,b\n",
                b"1,2\r\n",
                b'"x"',
                b'"',
                b",",
                b"\r",
                b"\n",
                b"\x00",
                b"\xef\xbb\xbf",
                b"\xff\xfe",
                b"\xfe\xff",
                b"\x1f\x8b",
                b"\x1f\x8b\x08\x00",
                b"PK\x03\x04",
                b"<html>",
            )
        ),
        st.binary(max_size=6),
        st.text(max_size=4).map(lambda text: text.encode("utf-16")),
    ),
    max_size=8,
).map(b"".join)
ENCODINGS = st.sampled_from(
    (
        "auto",
        "auto",
        "utf-8",
        "cp1252",
        "utf-16",
        "utf-16-le",
        "utf-7",
        "shift_jis",
        "ascii",
        "idna",
        "punycode",
        "unicode_escape",
        "raw_unicode_escape",
        "utf-8-sig",
        "utf-32",
        "cp037",
        "hz",
    )
)


def read(data, piece=1 << 16, engine="either", **dialect):
    """The rows with their numbers, or what is wrong."""
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    file_dialect = Dialect(**dialect)
    try:
        reader = CsvReader(pieces, file_dialect, name="b/x.csv", block_bytes=64, engine=engine)
        return [tuple(row.values()) for batch in reader for row in batch.to_pylist()]
    except BadFileError as error:
        return str(error)


@profile(200)
@given(BYTES, ENCODINGS, PIECES)
def test_any_bytes_are_rows_or_an_error(data, encoding, piece):
    strict, either = [read(data, piece, engine, encoding=encoding) for engine in ENGINES]
    assert strict == either
    if isinstance(either, str):
        assert either.startswith("b/x.csv")
        assert 20 < len(either) < 400
    elif data.isascii() and not data.startswith((b"\x1f\x8b", b"PK")) and encoding == "auto":
        text = io.StringIO(data.decode(), newline="")
        _, *rows = [row for row in csv.reader(text) if row] or [None]
        assert [row[-2] for row in either] == [*range(len(rows))]


@profile(100)
@given(BYTES, ENCODINGS, st.booleans())
def test_any_beginning_is_a_header_or_an_error(data, encoding, complete):
    try:
        head = read_head([data], Dialect(encoding=encoding), name="b/x.csv", complete=complete)
    except BadFileError as error:
        assert str(error).startswith("b/x.csv")
    except NeedMoreError:
        assert not complete
    else:
        assert head is None or any(cell.strip() for cell in head[0])


def table(rows):
    """A file that hardly shrinks, as one of orders."""
    noise = random.Random(rows)
    lines = [f"{number},{noise.random()}" for number in range(rows)]
    return "\r\n".join(["id,amount", *lines, ""]).encode()


@profile(60)
@example(rows=0, share=0.999, piece=1, twice=False)
@given(st.integers(0, 300), st.floats(0, 1, exclude_max=True), PIECES, st.booleans())
def test_truncated_gzip_is_an_error(rows, share, piece, twice):
    packed = gzip.compress(table(rows), mtime=0)
    packed = gzip.compress(packed, mtime=0) if twice else packed
    cut = packed[: int(share * len(packed))]
    actual = read(cut, piece)
    if len(cut) > 1:
        assert "its gzip ends too early" in actual
    else:
        # Nothing is left of it that tells what it was.
        assert actual in ([], "b/x.csv")


@profile(60)
@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_damaged_gzip_is_an_error_or_complete(rows, share, change):
    data = table(rows)
    packed = bytearray(gzip.compress(data, mtime=0))
    packed[int(share * len(packed))] ^= change
    actual = read(bytes(packed))
    # A header has fields that nobody needs: its time, its system.
    assert isinstance(actual, str) or actual == read(data)
