"""Columns' names, of headers as people write them."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BYTES = 63  # PostgreSQL cuts longer names, and two may become one
_OTHER = re.compile(r"[\W_]+")


def column_names(headers: Iterable[str]) -> list[str]:
    """Name the columns of a file.

    Args:
        headers: The cells of its header.

    Returns:
        A name for each: lower case, letters, digits and single underscores, at most 63 bytes.
        One without a name is `column_7` by its position; a repeated name gets `_2`, `_3`.
    """
    names: dict[str, None] = {}
    for position, header in enumerate(headers, 1):
        wanted = _plain(header) or f"column_{position}"
        name, count = _cut(wanted, _BYTES), 1
        while name in names:
            count += 1
            ending = f"_{count}"
            name = _cut(wanted, _BYTES - len(ending)) + ending
        names[name] = None
    return list(names)


def _plain(header: str) -> str:
    text = unicodedata.normalize("NFKC", header).lower()
    # No name begins with an underscore but by a digit: those are ours, and the target's.
    name = _OTHER.sub("_", text).strip("_")
    return f"_{name}" if name[:1].isdigit() else name


def _cut(name: str, count: int) -> str:
    return name.encode()[:count].decode(errors="ignore").rstrip("_")
