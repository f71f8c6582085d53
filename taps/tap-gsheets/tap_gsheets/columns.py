"""Columns: the name that a title gets, and the column that a setting names by its title.

Both go by the title's own text, and neither by its place or by an earlier read: `--discover` has no
state, and has to name the same columns as the run after it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_INVISIBLE = re.compile("[\u00ad\u200b\u200c\u200d\u2060\ufeff]")
#: What stands for a space, or is left out, where a title is typed another time.
_SPACES = re.compile(r"[\s_.]+|(?<=\w)-(?=\w)")
#: PostgreSQL's names have no more bytes.
_LONGEST = 63
_HASH = 6


def column_letter(index: int) -> str:
    """Name a column as Google does: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def snake_case(text: str) -> str:
    """Make a name of a title, with no leading underscore: those names are the tap's own."""
    return _cut(re.sub(r"\W+", "_", _INVISIBLE.sub("", text)).strip("_").lower())


def spelling(title: str) -> str:
    """What a title has in common with others that differ in case, spaces and underscores alone."""
    return _SPACES.sub("_", _INVISIBLE.sub("", title)).strip("_").casefold()


def column_names(titles: Sequence[str], letters: Sequence[str]) -> list[str]:
    """Name columns.

    A title's column is the title in snake case. Where that is the same for several texts, as for
    ``Refund $`` and ``Refund %``, it is the name of the one that says no more than the name does
    (``Refund``), and the others' names end in a hash of their text.

    Args:
        titles: The columns' titles; empty for a column without one.
        letters: The columns' letters, for those whose text does not tell them apart.

    Returns:
        A name for each, all different.
    """
    by_text = _named({title for title in titles if _INVISIBLE.sub("", title).strip()})
    taken = {*by_text.values()}
    names: list[str] = []
    for title, letter in zip(titles, letters, strict=True):
        name = by_text.pop(title, None)
        if name is None:
            # A blank title, or the same text again.
            name = snake_case(title) or f"column_{letter.lower()}"
            while name in taken:
                name = _ended(name, letter.lower())
            taken.add(name)
        names.append(name)
    return names


def _named(texts: set[str]) -> dict[str, str]:
    """Name the texts whose name is theirs alone first, then the others."""
    alike: dict[str, list[str]] = {}
    for text in sorted(texts):
        alike.setdefault(snake_case(text), []).append(text)
    names: dict[str, str] = {}
    rest: list[tuple[str, str]] = []
    for name, group in alike.items():
        plain = group if len(group) == 1 else [one for one in group if spelling(one) == name]
        if name and len(plain) == 1:
            names[plain[0]] = name
        # A single one without letters and digits, such as #, goes by its column's letter.
        rest += [(name, one) for one in group if one not in names and (name or len(group) > 1)]
    taken = {*names.values()}
    for name, text in rest:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        lengths = range(_HASH, len(digest) + 1)
        endings = (_ended(name or "column", digest[:length]) for length in lengths)
        names[text] = next(one for one in endings if one not in taken)
        taken.add(names[text])
    return names


def find_column(asked: str, names: Sequence[str], titles: Sequence[str]) -> str:
    """Find the column that a setting means.

    Args:
        asked: A title, or a column's name.
        names: The columns' names.
        titles: Their titles.

    Returns:
        The name of the column that has this title; else of that with this name; else of the only
        one whose title or name differs in case, spaces and underscores alone.

    Raises:
        LookupError: If there is none, or more than one; the message says so of the setting.
    """
    columns = list(zip(names, titles, strict=True))
    exact = [name for name, title in columns if title == asked]
    if len(exact) == 1:
        return exact[0]
    if asked in names and (not exact or asked in exact):
        return asked
    wanted = spelling(asked)
    found = exact or [name for name, title in columns if title and spelling(title) == wanted]
    if not found and wanted in names:
        return wanted
    if len(found) == 1:
        return found[0]
    if found:
        msg = f"is the title of several: name one of {', '.join(found)}"
        raise LookupError(msg)
    there = ", ".join(
        name if not title or snake_case(title) == title else f"{name} ({title!r})"
        for name, title in columns
    )
    msg = f"is not among {there}"
    raise LookupError(msg)


def shared_names(names: Sequence[str], titles: Sequence[str]) -> list[tuple[str, str]]:
    """Find the columns that are not called what their titles alone would make of them.

    Args:
        names: The columns' names.
        titles: Their titles.

    Returns:
        Title and name of each.
    """
    return [
        (title, name)
        for name, title in zip(names, titles, strict=True)
        if title and snake_case(title) not in {"", name}
    ]


def _ended(name: str, ending: str) -> str:
    return f"{_cut(name, _LONGEST - 1 - len(ending))}_{ending}"


def _cut(name: str, length: int = _LONGEST) -> str:
    return name.encode()[:length].decode(errors="ignore").rstrip("_")
