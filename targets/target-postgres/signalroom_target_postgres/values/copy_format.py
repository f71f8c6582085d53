"""Arrow tables as the text that COPY reads, encoded by column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# How much is written at once.
_ROWS, _BYTES = 1024, 1 << 20
_NULL = "\\N"
_SPECIAL = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_NUL_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
# Within an array's literal each backslash is two.
_NUL_ESCAPE_IN_ARRAY = re.compile(r"(?<!\\)((?:\\{4})*\\)\\u0000")
_NUL_ESCAPES = {
    "json": _NUL_ESCAPE,
    "jsonb": _NUL_ESCAPE,
    "json[]": _NUL_ESCAPE_IN_ARRAY,
    "jsonb[]": _NUL_ESCAPE_IN_ARRAY,
}


def encode_copy_text(
    table: pa.Table,
    *,
    types: Mapping[str, str] | None = None,
    replace_nul: bool = True,
) -> Iterator[bytes]:
    """Write rows in COPY's text format: CSV takes the server a third longer to read.

    Args:
        table: Rows, with columns of any type but nested ones.
        types: The types of the table's columns: in JSON, NUL is an escape.
        replace_nul: Whether NUL, which PostgreSQL cannot store, becomes U+FFFD.

    Yields:
        The lines of some rows.
    """
    nuls = [nul_escape((types or {}).get(name, "")) for name in table.column_names]
    for batch in _join_chunks(table):
        columns = [
            _escape(column, nul=nul, replace_nul=replace_nul)
            for column, nul in zip(batch.columns, nuls, strict=True)
        ]
        columns[-1] = _join([columns[-1], ""], "\n")
        yield bytes(characters(_join(columns, "\t")))


def _join_chunks(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """Split rows into larger batches than those they were decoded in: each column takes a while."""
    fitting = _BYTES * table.num_rows // max(1, table.nbytes)
    rows = max(1, min(_ROWS, fitting))
    for start in range(0, table.num_rows, rows):
        yield from table.slice(start, rows).combine_chunks().to_batches()


def has_nul(texts: pa.Array, escape: re.Pattern[str] | None = None) -> bool:
    """Whether a text has NUL, which PostgreSQL cannot store.

    Args:
        texts: A column of strings.
        escape: How NUL is written where they are JSON, from `nul_escape`.
    """
    text = bytes(characters(texts))
    return b"\0" in text or (
        escape is not None
        and b"\\u0000" in text
        and any(escape.search(text) for text in texts.drop_null().to_pylist())
    )


def nul_escape(type_: str) -> re.Pattern[str] | None:
    """Return a pattern of how NUL is written in JSON; None for types that are not JSON."""
    return _NUL_ESCAPES.get(type_)


def _join(columns: list[pa.Array | str], separator: str) -> pa.Array:
    return pc.binary_join_element_wise(
        *columns, separator, null_handling="replace", null_replacement=_NULL
    )


def characters(texts: pa.Array) -> memoryview:
    """Return the bytes of all texts of a column, one after the other, without a copy."""
    _, offsets, characters = texts.buffers()
    if characters is None or not texts:
        return memoryview(b"")
    ends = memoryview(offsets).cast("i")
    return memoryview(characters)[ends[texts.offset] : ends[texts.offset + len(texts)]]


def _escape(column: pa.Array, *, nul: re.Pattern[str] | None, replace_nul: bool) -> pa.Array:
    """Convert a column to text without the characters that mean something to COPY."""
    if not pa.types.is_string(column.type):
        return _to_text(column)
    # Most columns have none of them, which is seen fastest in all values together.
    text = bytes(characters(column))
    if replace_nul and b"\0" in text:
        column = pc.replace_substring(column, "\0", "\ufffd")
    if replace_nul and nul is not None and b"\\u0000" in text:
        texts = (text and nul.sub(r"\1\\ufffd", text) for text in column.to_pylist())
        column = pa.array(texts, pa.string())
    for character, escape in _SPECIAL:
        if character.encode() in text:
            column = pc.replace_substring(column, character, escape)
    return column


def _to_text(column: pa.Array) -> pa.Array:
    type_ = column.type
    if pa.types.is_timestamp(type_) and type_.tz == "UTC":
        # The same text as of a cast, for which Arrow looks the zone up for each value: that takes
        # more than ten times as long (pyarrow 26).
        local = column.cast(pa.timestamp(type_.unit)).cast(pa.string())
        return pc.binary_join_element_wise(local, "Z", "")
    return column.cast(pa.string())
