"""Decompression, encodings and byte order marks: an object's bytes as UTF-8 text."""

from __future__ import annotations

import codecs
import re
import zlib
from contextlib import suppress
from io import IncrementalNewlineDecoder
from itertools import chain
from typing import TYPE_CHECKING

from tap_sticky_s3.csv.dialect import AUTO
from tap_sticky_s3.csv.errors import BadFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_MAX_GZIP_LAYERS = 2  # a .csv.gz that was also sent with Content-Encoding: gzip
_GUNZIP_BYTES = 1 << 20
_MARKUP = ("<!doctype", "<html", "<?xml", "<error")
_MARKUP_LENGTH = max(map(len, _MARKUP))
_PREVIEW_BYTES = 512
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, as it begins with that mark
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # https://encoding.spec.whatwg.org/#decode, and UTF-32
_MARK = "\ufeff"
_WIDE_ENCODINGS = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_MIN_LINES = 2
#: So many bytes of ASCII, a line end among them, are no letters of UTF-16.
_HEADER_BYTES = 8
_LINE_END = re.compile(r"[\r\n]")


def decode_stream(
    chunks: Iterable[bytes], *, name: str, encoding: str = AUTO, complete: bool = True
) -> Iterator[bytes]:
    """Decompress a file (gzip, up to two layers) and transcode it to UTF-8.

    Args:
        chunks: The object's bytes, in chunks of any size.
        name: Bucket and key, for errors.
        encoding: A Python codec name, or `auto` for UTF-8; a byte order mark overrules it.
        complete: Whether the chunks are the complete file; otherwise they may end anywhere.

    Yields:
        Chunks of UTF-8 text without a byte order mark. Text that was UTF-8 already is not
        validated here: the reader does that, and knows the line.

    Raises:
        BadFileError: If the file cannot be decompressed or decoded, or is a web page.
    """
    for _ in range(_MAX_GZIP_LAYERS + 1):
        first, chunks = _peek(chunks, len(_ZIP))
        if first.startswith(_ZIP):
            msg = "it is a ZIP archive. Have it exported as plain CSV or gzip."
            raise BadFileError(name, msg)
        if not first.startswith(_GZIP):
            break
        chunks = _gunzip(chunks, name, complete=complete)
    first, chunks = _peek(chunks, _PREVIEW_BYTES)
    marked = next((codec for mark, codec in _BYTE_ORDER_MARKS if first.startswith(mark)), None)
    if marked or encoding == AUTO:
        encoding = marked or "utf-8"
    begin = first.decode(marked or "utf-8", "ignore").lstrip(f"{_MARK} \t\r\n")
    if begin[:_MARKUP_LENGTH].lower().startswith(_MARKUP):
        msg = "it is a web page or an error in XML, not an export. Have it delivered again."
        raise BadFileError(name, msg)
    codec = codecs.lookup(encoding).name
    if codec in {"utf-8", "utf-8-sig"}:
        if not marked and (wide := _detect_wide_encoding(first)):
            msg = f"it is encoded in {wide}, without a byte order mark. Set `encoding` to {wide}."
            raise BadFileError(name, msg)
        return _strip_utf8_mark(chunks)
    advice = ", as its byte order mark says. Have it delivered again." if marked else ""
    return _transcode(chunks, encoding, name, advice or ". Set `encoding`.", complete=complete)


def _detect_wide_encoding(first: bytes) -> str:
    """Detect UTF-16 and UTF-32 without a byte order mark, which in ASCII look like UTF-8 with NULs.

    NULs alone prove nothing, as a cell may have some: the first line has to be printable in such an
    encoding, and must not be in UTF-8. Some letters, such as a few Chinese ones, have bytes that
    are line ends in UTF-8; then all of it has to be printable, in several lines. But a few of them
    in a row are hardly ever ASCII letters with a line end, as a header is.

    Args:
        first: The first bytes of the file.

    Returns:
        The encoding; an empty text if it is none of these.
    """
    if b"\0" not in first:
        return ""
    before = _decode_prefix(first.split(b"\0")[0], "utf-8")
    may_be_utf_8 = _starts_with_printable_line(before, line_end="\0")
    if may_be_utf_8 and before.isascii() and len(before) >= _HEADER_BYTES:
        return ""
    is_wide: Callable[[str], bool] = _is_printable if may_be_utf_8 else _starts_with_printable_line
    texts = {encoding: _decode_prefix(first, encoding) for encoding in _WIDE_ENCODINGS}
    candidates = [encoding for encoding, text in texts.items() if is_wide(text)]
    # In the wrong byte order, Latin letters look Chinese and there are no line ends.
    return max(candidates, key=lambda encoding: sum(map(str.isascii, texts[encoding])), default="")


def _decode_prefix(data: bytes, encoding: str) -> str:
    """Decode bytes that may end within a character; empty if they are not of the encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeError:
        return ""


def _starts_with_printable_line(text: str, *, line_end: str = "") -> bool:
    """Whether there is a first line, and all of it is printable."""
    line, *more = _LINE_END.split(text.lstrip("\r\n"), maxsplit=1)
    # If the text ends before its line does, what comes next belongs to the line.
    line += line_end if not more else ""
    return bool(line) and all(char.isprintable() or char == "\t" for char in line)


def _is_printable(text: str) -> bool:
    """Whether there are several lines, and all of them are printable."""
    lines = _LINE_END.split(text.replace("\r\n", "\n"))
    return len(lines) > _MIN_LINES and all(line.replace("\t", "").isprintable() for line in lines)


def _peek(chunks: Iterable[bytes], count: int) -> tuple[bytes, Iterable[bytes]]:
    """Look at the first bytes; returns them, and an iterable of all chunks."""
    remaining, first = iter(chunks), b""
    while len(first) < count and (more := next(remaining, None)) is not None:
        first += more
    return first, chain([first], remaining)


def _gunzip(chunks: Iterable[bytes], name: str, *, complete: bool) -> Iterator[bytes]:
    """Decompress all members of a gzip file: zlib would silently stop after the first."""
    member = None
    for chunk in chunks:
        compressed = chunk
        while compressed:
            if member is None:
                compressed = compressed.lstrip(b"\0")  # padding
                if not compressed:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                yield member.decompress(compressed, _GUNZIP_BYTES)
            except zlib.error as error:
                msg = f"its gzip is damaged ({error}). Have it delivered again."
                raise BadFileError(name, msg) from None
            compressed = member.unconsumed_tail or member.unused_data
            if member.eof:
                member = None
    if member is not None and complete:
        msg = "its gzip ends too early: the upload was cut. Have it delivered again."
        raise BadFileError(name, msg)


def _strip_utf8_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    _, chunks = _peek(chunks, len(codecs.BOM_UTF8))
    for number, chunk in enumerate(chunks):
        yield chunk.removeprefix(codecs.BOM_UTF8) if number == 0 else chunk


def _transcode(
    chunks: Iterable[bytes], encoding: str, name: str, advice: str, *, complete: bool
) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    newlines = IncrementalNewlineDecoder(None, translate=True)
    has_text, line = False, 1
    for chunk in chain(chunks, [None]):
        text, state, is_last = "", decoder.getstate(), chunk is None and complete
        try:
            text = decoder.decode(chunk or b"", final=is_last)
            encoded = text.encode()
        except UnicodeError as error:
            if isinstance(error, UnicodeEncodeError):  # a lone surrogate, which UTF-8 cannot encode
                text = text[: error.start]
            elif isinstance(error, UnicodeDecodeError):
                # The error's bytes begin with what was left of the previous chunk.
                decoder.setstate(state)
                good = len(chunk or b"") - len(error.object) + error.start
                with suppress(UnicodeError):  # punycode reports the complete input, not a position
                    text = decoder.decode((chunk or b"")[: max(good, 0)])
            line += newlines.decode(text, final=True).count("\n")
            msg = f"it is not encoded in {encoding}{advice}"
            raise BadFileError(name, msg, line=line) from None
        if not has_text and text:
            has_text, encoded = True, text.removeprefix(_MARK).encode()
        line += newlines.decode(text).count("\n")
        yield encoded
