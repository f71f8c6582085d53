"""An object's bytes as UTF-8 text, however it was packed and encoded."""

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
_LAYERS = 2  # a .csv.gz that was also sent with Content-Encoding: gzip
_UNPACKED_AT_ONCE = 1 << 20
_PAGES = ("<!doctype", "<html", "<?xml", "<error")
_PAGE_BYTES = 512
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # https://encoding.spec.whatwg.org/#decode, and UTF-32
_MARK = "\ufeff"
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_SEVERAL = 2
_LINE_END = re.compile(r"[\r\n]")


def decode_stream(
    chunks: Iterable[bytes], *, name: str, encoding: str = AUTO, complete: bool = True
) -> Iterator[bytes]:
    """Unpack and decode.

    Args:
        chunks: The object's bytes, however they are cut.
        name: What the file is called in errors.
        encoding: Python's name of it, or `auto` for UTF-8. A byte order mark overrules it.
        complete: Whether the bytes are all that there are; else they may end anywhere.

    Yields:
        The text in UTF-8, without a byte order mark. That it is valid is for the reader to see,
        where it was UTF-8 already.

    Raises:
        BadFileError: If it cannot be unpacked or decoded, or is a web page.
    """
    for _ in range(_LAYERS + 1):
        first, chunks = _peeked(chunks, len(_ZIP))
        if first.startswith(_ZIP):
            msg = "it is a ZIP archive. Have it exported as plain CSV or gzip."
            raise BadFileError(name, msg)
        if not first.startswith(_GZIP):
            break
        chunks = _unpacked(chunks, name, complete=complete)
    first, chunks = _peeked(chunks, _PAGE_BYTES)
    marked = next((named for mark, named in _MARKS if first.startswith(mark)), None)
    if marked or encoding == AUTO:
        encoding = marked or "utf-8"
    if (
        first.decode(marked or "utf-8", "ignore")
        .lstrip(f"{_MARK} \t\r\n")
        .lower()
        .startswith(_PAGES)
    ):
        msg = "it is a web page or an error in XML, not an export. Have it delivered again."
        raise BadFileError(name, msg)
    codec = codecs.lookup(encoding).name
    if codec in {"utf-8", "utf-8-sig"}:
        if not marked and (wide := _wide_encoding(first)):
            msg = f"it is encoded in {wide}, without a byte order mark. Set `encoding` to {wide}."
            raise BadFileError(name, msg)
        return _without_mark(chunks)
    advice = ", as its byte order mark says. Have it delivered again." if marked else ""
    return _transcoded(chunks, encoding, name, advice or ". Set `encoding`.", complete=complete)


def _wide_encoding(first: bytes) -> str:
    """Recognise UTF-16 and UTF-32 that no mark announces: in ASCII they are UTF-8 with NULs.

    NULs alone say nothing, as a cell may have some: the first line has to be text in such an
    encoding, and must not be in UTF-8. Where letters have bytes that are line ends to UTF-8, as a
    few Chinese ones, all has to be text, in several lines.

    Args:
        first: The first bytes.

    Returns:
        The encoding; an empty text if it is another.
    """
    if b"\0" not in first:
        return ""
    may_be_utf_8 = _begins_as_text(_decoded(first.split(b"\0")[0], "utf-8"), end="\0")
    is_wide: Callable[[str], bool] = _is_text if may_be_utf_8 else _begins_as_text
    texts = {encoding: _decoded(first, encoding) for encoding in _WIDE}
    likely = [encoding for encoding, text in texts.items() if is_wide(text)]
    # Read by the other order of bytes, Latin letters are Chinese ones, and line ends are none.
    return max(likely, key=lambda one: sum(map(str.isascii, texts[one])), default="")


def _decoded(data: bytes, encoding: str) -> str:
    """Decode bytes that may end within a character; nothing if they are not of the encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeError:
        return ""


def _begins_as_text(text: str, *, end: str = "") -> bool:
    """Whether there is a first line, and it has nothing that is not printed."""
    line, *more = _LINE_END.split(text.lstrip("\r\n"), maxsplit=1)
    # What ends in place of the line is a part of it.
    line += end if not more else ""
    return bool(line) and all(one.isprintable() or one == "\t" for one in line)


def _is_text(text: str) -> bool:
    """Whether there are several lines, and nothing that is not printed."""
    lines = _LINE_END.split(text.replace("\r\n", "\n"))
    return len(lines) > _SEVERAL and all(line.replace("\t", "").isprintable() for line in lines)


def _peeked(chunks: Iterable[bytes], count: int) -> tuple[bytes, Iterable[bytes]]:
    """Look at the first bytes; gives them, and all of them again."""
    remaining, first = iter(chunks), b""
    while len(first) < count and (more := next(remaining, None)) is not None:
        first += more
    return first, chain([first], remaining)


def _unpacked(chunks: Iterable[bytes], name: str, *, complete: bool) -> Iterator[bytes]:
    """Unpack gzip, with all its members: zlib would stop after the first without a word."""
    member = None
    for chunk in chunks:
        packed = chunk
        while packed:
            if member is None:
                packed = packed.lstrip(b"\0")  # padding
                if not packed:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                yield member.decompress(packed, _UNPACKED_AT_ONCE)
            except zlib.error as error:
                msg = f"its gzip is damaged ({error}). Have it delivered again."
                raise BadFileError(name, msg) from None
            packed = member.unconsumed_tail or member.unused_data
            if member.eof:
                member = None
    if member is not None and complete:
        msg = "its gzip ends too early: the upload was cut. Have it delivered again."
        raise BadFileError(name, msg)


def _without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    _, chunks = _peeked(chunks, len(codecs.BOM_UTF8))
    for number, chunk in enumerate(chunks):
        yield chunk.removeprefix(codecs.BOM_UTF8) if number == 0 else chunk


def _transcoded(
    chunks: Iterable[bytes], encoding: str, name: str, advice: str, *, complete: bool
) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    newlines = IncrementalNewlineDecoder(None, translate=True)
    begun, line = False, 1
    for chunk in chain(chunks, [None]):
        text, state, is_last = "", decoder.getstate(), chunk is None and complete
        try:
            text = decoder.decode(chunk or b"", final=is_last)
            encoded = text.encode()
        except UnicodeError as error:
            if isinstance(error, UnicodeEncodeError):  # half a character, which UTF-8 has not
                text = text[: error.start]
            elif isinstance(error, UnicodeDecodeError):
                # The error's bytes begin with what was left of the chunk before.
                decoder.setstate(state)
                good = len(chunk or b"") - len(error.object) + error.start
                with suppress(UnicodeError):  # punycode: each error is in all that there was
                    text = decoder.decode((chunk or b"")[: max(good, 0)])
            line += newlines.decode(text, final=True).count("\n")
            msg = f"it is not encoded in {encoding}{advice}"
            raise BadFileError(name, msg, line=line) from None
        if not begun and text:
            begun, encoded = True, text.removeprefix(_MARK).encode()
        line += newlines.decode(text).count("\n")
        yield encoded
