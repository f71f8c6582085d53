"""Columns' names, of headers as people write them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BYTES = 63  # PostgreSQL cuts longer names, and two may become one
_OTHER = re.compile(r"[\W_]+")
_SPACE = re.compile(r"[\s_]+|(?<=\w)-(?=\w)")
# Punctuation that may change what a header means: `!active`, `Order #`, `Refund %`, `Paid?`.
_MEANINGFUL = frozenset("!#%?@-\u2030\u2031")
_HASH = 6


def plain_name(header: str) -> str:
    """Name a column by its header alone.

    Args:
        header: Its text.

    Returns:
        Lower case, letters, digits and single underscores, at most 63 bytes; nothing where the
        header has neither letters nor digits.
    """
    text = unicodedata.normalize("NFKC", header).lower()
    # No name begins with an underscore but by a digit: those are ours, and the target's.
    name = _OTHER.sub("_", text).strip("_")
    return _cut(f"_{name}" if name[:1].isdigit() else name)


def own_name(header: str) -> str:
    """Name a column whose plain name belongs to another header: with a hash of the header's text.

    Args:
        header: Its text.
    """
    ending = f"_{hashlib.sha256(header.encode(errors='surrogatepass')).hexdigest()[:_HASH]}"
    return with_ending(plain_name(header) or "column", ending)


def with_ending(name: str, ending: str) -> str:
    """Add an ending to a name, which is cut where both are too long.

    Args:
        name: A column's name.
        ending: What comes after it.
    """
    return _cut(name, _BYTES - len(ending)) + ending


def spelling(header: str) -> str:
    """What two headers have in common that are one, written in two ways.

    Case, white space, punctuation such as ``:``, ``/`` and brackets, and hyphens within words do
    not count; ``$``, ``%``, ``#``, ``+``, ``!`` and ``?`` do.

    Args:
        header: Its text.
    """
    text = unicodedata.normalize("NFKC", header).casefold()
    text = "".join(one for one in text if unicodedata.category(one) != "Cf")
    marks = {one for one in text if unicodedata.category(one)[0] == "P"} - _MEANINGFUL
    plain = text.translate(dict.fromkeys(map(ord, marks), "_"))
    return _SPACE.sub("_", plain).strip("_") or text


def signs(header: str) -> frozenset[str]:
    """The characters of a header that may change its meaning without being letters or digits.

    Args:
        header: Its text.
    """
    return frozenset(re.sub(r"\w", "", spelling(header)))


def column_names(headers: Iterable[str]) -> list[str]:
    """Name the columns of a single file, by the places of headers whose plain names are the same.

    Args:
        headers: The cells of its header.

    Returns:
        A name for each. One without a name is `column_7` by its position; a repeated name gets
        `_2`, `_3`.
    """
    names: dict[str, None] = {}
    for position, header in enumerate(headers, 1):
        wanted = plain_name(header) or f"column_{position}"
        name, count = wanted, 1
        while name in names:
            count += 1
            name = with_ending(wanted, f"_{count}")
        names[name] = None
    return list(names)


def _cut(name: str, count: int = _BYTES) -> str:
    return name.encode()[:count].decode(errors="ignore").rstrip("_")
