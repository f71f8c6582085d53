"""Column names for headers, and when two headers are spellings of the same one."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The column with the number of the row in its file.
ROW_ID = "_row_id"
_MAX_BYTES = 63  # PostgreSQL cuts longer names, and two may become the same
_SEPARATORS = re.compile(r"[\W_]+")
_SPACES = re.compile(r"[\s_]+|(?<=\w)-(?=\w)")
# Punctuation that may change what a header means: `!active`, `Order #`, `Refund %`, `Paid?`.
_MEANINGFUL = frozenset("!#%?@-\u2030\u2031")
_HASH_DIGITS = 6


def plain_name(header: str) -> str:
    """Turn a header into a column name.

    Args:
        header: Text of a header cell.

    Returns:
        Lowercase letters, digits and single underscores, at most 63 bytes; empty for a header
        without letters and digits.
    """
    text = unicodedata.normalize("NFKC", header).lower()
    # Names with a leading underscore belong to the tap and the target, except before a digit.
    name = _SEPARATORS.sub("_", text).strip("_")
    return _cut(f"_{name}" if name[:1].isdigit() else name)


def hashed_name(header: str) -> str:
    """Name a column whose plain name another header has, with a hash of the header's text.

    Args:
        header: Text of a header cell.
    """
    suffix = f"_{hashlib.sha256(header.encode(errors='surrogatepass')).hexdigest()[:_HASH_DIGITS]}"
    return add_suffix(plain_name(header) or "column", suffix)


def add_suffix(name: str, suffix: str) -> str:
    """Append a suffix to a column name, which is cut if both together are too long.

    Args:
        name: A column name without the suffix.
        suffix: ASCII text to append, such as `_2`.
    """
    return _cut(name, _MAX_BYTES - len(suffix)) + suffix


def normalize_header(header: str) -> str:
    """Reduce a header to the part that all of its spellings share.

    Case, white space, punctuation such as ``:``, ``/`` and brackets, and hyphens within words are
    ignored; ``$``, ``%``, ``#``, ``+``, ``!`` and ``?`` are not.

    Args:
        header: Text of a header cell.
    """
    text = unicodedata.normalize("NFKC", header).casefold()
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    marks = {char for char in text if unicodedata.category(char)[0] == "P"} - _MEANINGFUL
    plain = text.translate(dict.fromkeys(map(ord, marks), "_"))
    return _SPACES.sub("_", plain).strip("_") or text


def meaningful_signs(header: str) -> frozenset[str]:
    """The signs of a header that may change its meaning, such as ``$`` or ``%``.

    Args:
        header: Text of a header cell.
    """
    return frozenset(re.sub(r"\w", "", normalize_header(header)))


def column_names(headers: Iterable[str]) -> list[str]:
    """Name the columns of a file by its header alone; position decides where names collide.

    Args:
        headers: The cells of the file's header.

    Returns:
        A name for each cell, all different. A header without letters and digits becomes
        `column_7`, after its position; a repeated name gets the suffix `_2`, `_3`.
    """
    names: dict[str, None] = {}
    for position, header in enumerate(headers, 1):
        base = plain_name(header) or f"column_{position}"
        name, count = base, 1
        while name in names:
            count += 1
            name = add_suffix(base, f"_{count}")
        names[name] = None
    return list(names)


def _cut(name: str, size: int = _MAX_BYTES) -> str:
    return name.encode()[:size].decode(errors="ignore").rstrip("_")
