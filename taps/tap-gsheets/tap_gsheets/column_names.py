"""Column names for titles, and the column that a setting means by a title.

Both depend on the title's text alone, not on its position or on an earlier read: `--discover` has
no state, and has to name the same columns as the run after it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_INVISIBLE = re.compile("[\u00ad\u200b\u200c\u200d\u2060\ufeff]")
#: Characters in place of a space, where the same title is typed in another way.
_SPACES = re.compile(r"[\s_.]+|(?<=\w)-(?=\w)")
#: PostgreSQL cuts longer names.
_MAX_BYTES = 63
_HASH_DIGITS = 6


def column_letter(index: int) -> str:
    """Name a column as Google does: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def snake_case(text: str) -> str:
    """Convert a title to a name, without a leading underscore: those names are the tap's own."""
    return _cut(re.sub(r"\W+", "_", _INVISIBLE.sub("", text)).strip("_").lower())


def normalize_title(title: str) -> str:
    """Reduce a title to what it shares with others that differ in case, spaces and underscores."""
    return _SPACES.sub("_", _INVISIBLE.sub("", title)).strip("_").casefold()


def column_names(titles: Sequence[str], letters: Sequence[str]) -> list[str]:
    """Name columns.

    The name of a column is its title in snake case. If several texts have the same, such as
    ``Refund $`` and ``Refund %``, it belongs to the text that says no more than the name
    (``Refund``), and the names of the others end in a hash of their text.

    Args:
        titles: The columns' titles; empty for a column without one.
        letters: The columns' letters, for columns that cannot be distinguished by their titles.

    Returns:
        A name for each column, all different.
    """
    by_text = _name_by_text({title for title in titles if _INVISIBLE.sub("", title).strip()})
    used = {*by_text.values()}
    names: list[str] = []
    for title, letter in zip(titles, letters, strict=True):
        name = by_text.pop(title, None)
        if name is None:
            # A blank title, or a repeated text.
            name = snake_case(title) or f"column_{letter.lower()}"
            while name in used:
                name = _add_suffix(name, letter.lower())
            used.add(name)
        names.append(name)
    return names


def _name_by_text(texts: set[str]) -> dict[str, str]:
    """Name the texts that have a name to themselves first, then the others."""
    groups: dict[str, list[str]] = {}
    for text in sorted(texts):
        groups.setdefault(snake_case(text), []).append(text)
    names: dict[str, str] = {}
    rest: list[tuple[str, str]] = []
    for name, group in groups.items():
        plain = (
            group if len(group) == 1 else [text for text in group if normalize_title(text) == name]
        )
        if name and len(plain) == 1:
            names[plain[0]] = name
        # A single text without letters and digits, such as #, is named after its column's letter.
        rest += [(name, text) for text in group if text not in names and (name or len(group) > 1)]
    used = {*names.values()}
    for name, text in rest:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        lengths = range(_HASH_DIGITS, len(digest) + 1)
        candidates = (_add_suffix(name or "column", digest[:length]) for length in lengths)
        names[text] = next(candidate for candidate in candidates if candidate not in used)
        used.add(names[text])
    return names


def find_column(text: str, names: Sequence[str], titles: Sequence[str]) -> str:
    """Find the column that a setting means.

    Args:
        text: Title or name of a column.
        names: The names of all columns.
        titles: The titles of the same columns.

    Returns:
        The name of the column with this title; else of that with this name; else of the only
        column whose title or name differs in nothing but case, spaces and underscores.

    Raises:
        LookupError: If there is none, or more than one; the message is the end of a sentence.
    """
    columns = list(zip(names, titles, strict=True))
    exact = [name for name, title in columns if title == text]
    if len(exact) == 1:
        return exact[0]
    if text in names and (not exact or text in exact):
        return text
    normalized = normalize_title(text)
    matches = exact or [
        name for name, title in columns if title and normalize_title(title) == normalized
    ]
    if not matches and normalized in names:
        return normalized
    if len(matches) == 1:
        return matches[0]
    if matches:
        msg = f"is the title of several: name one of {', '.join(matches)}"
        raise LookupError(msg)
    existing = ", ".join(
        name if not title or snake_case(title) == title else f"{name} ({title!r})"
        for name, title in columns
    )
    msg = f"is not among {existing}"
    raise LookupError(msg)


def find_unusual_names(names: Sequence[str], titles: Sequence[str]) -> list[tuple[str, str]]:
    """Find the columns whose name is not simply their title in snake case.

    Args:
        names: The names of all columns.
        titles: The titles of the same columns.

    Returns:
        Title and name of each.
    """
    return [
        (title, name)
        for name, title in zip(names, titles, strict=True)
        if title and snake_case(title) not in {"", name}
    ]


def _add_suffix(name: str, suffix: str) -> str:
    return f"{_cut(name, _MAX_BYTES - 1 - len(suffix))}_{suffix}"


def _cut(name: str, size: int = _MAX_BYTES) -> str:
    return name.encode()[:size].decode(errors="ignore").rstrip("_")
