"""Maps headers to columns: by their text, in all files and runs."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from tap_sticky_s3.csv.column_names import (
    add_suffix,
    column_names,
    hashed_name,
    meaningful_signs,
    normalize_header,
    plain_name,
)
from tap_sticky_s3.file_history import invalid_state

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, MutableMapping, Sequence

HEADERS = "headers"
# Separates a header's text from its number, where the same text is in a file several times.
_NUMBER = "\x1f"


class HeaderColumns:
    """A table's headers and the column of each, as the state has them.

    Two texts with the same plain name (``Refund $``, ``Refund %``) are two columns: the name
    belongs to the text that came first, the other one gets a name with a hash of its own. Two
    spellings of the same header (`column_names.normalize_header`) are one column, unless a file has
    both.

    Args:
        state: The stream's state; its ``headers`` are replaced when new ones are added.
        stream: Name of the stream, for messages.
        known: Columns that the table has even without files.
        logger: Logger for names other than the plain one; each is logged once.

    Raises:
        TapError: If the headers in the state are not valid.
    """

    def __init__(
        self,
        state: MutableMapping[str, Any],
        stream: str,
        known: Iterable[str],
        logger: logging.Logger,
    ) -> None:
        self._state = state
        self._stream = stream
        self._logger = logger
        self._lock = threading.Lock()
        headers = state.get(HEADERS, {})
        if not isinstance(headers, dict) or not all(
            # Names with a leading underscore belong to the tap, except before a digit.
            isinstance(name, str) and plain_name(name) and (name[0] != "_" or name[1].isdigit())
            for name in headers.values()
        ):
            raise invalid_state(stream)
        self._columns: dict[str, str] = dict(headers)
        self._index(known)

    def _index(self, known: Iterable[str]) -> None:
        # Known columns are headers too, unless other headers have their names by now.
        self._owners: dict[str, str] = {}
        for key, name in self._columns.items():
            self._owners.setdefault(name, key)
        self._known = {name: name for name in known if name not in self._owners}
        self._owners |= self._known
        self._by_spelling: dict[str, list[str]] = {}
        for key in [*self._known, *self._columns]:
            self._by_spelling.setdefault(_normalize_key(key), []).append(key)

    @property
    def has_headers(self) -> bool:
        """Whether the header of any file is known."""
        return bool(self._columns)

    @property
    def plain_names(self) -> frozenset[str]:
        """The plain names of all columns of the table."""
        keys = [*self._known, *self._columns]
        return frozenset(filter(None, (plain_name(key.partition(_NUMBER)[0]) for key in keys)))

    def name_columns(self, header: Sequence[str]) -> list[str]:
        """Name the columns of a file; new headers are added.

        Args:
            header: The cells of the file's header.

        Returns:
            A name for each cell, all different.
        """
        keys = _identify_headers(header)
        with self._lock:
            if not self._are_known(keys):
                self._learn(keys)
            return [self._columns[key] for key in keys]

    def restore(self, headers: Iterable[Sequence[str]]) -> None:
        """Add the columns of files that were loaded when positions decided their names.

        A text keeps the column that it had in most files. If two texts had the same column, but
        never in the same file, both keep it, unless each has signs of its own: then a header was
        renamed.

        Args:
            headers: The cells of each file's header, the oldest file first.
        """
        files = Counter(map(tuple, headers))
        votes: Counter[tuple[str, str]] = Counter()
        for header, count in files.items():
            for key, name in zip(_identify_headers(header), column_names(header), strict=True):
                votes[key, name] += count
        together = [frozenset(_identify_headers(header)) for header in files]
        known, owners = self._known, dict(self._owners)
        with self._lock:
            newest_first = [*votes][::-1]
            for key, name in sorted(newest_first, key=votes.__getitem__, reverse=True):
                owner = owners.get(name, key)
                is_free = owner == key or owner in known
                if key not in self._columns and (is_free or _are_renamed(key, owner, together)):
                    self._columns[key] = name
                    owners[name] = key if is_free else owner
            self._index(known)
            for header in files:
                self._learn(_identify_headers(header))

    def find_column(self, name: str) -> str | None:
        """Find the column that a setting means.

        Args:
            name: Text of a header, or the name of a column.

        Returns:
            The column; None if the table does not have it so far.
        """
        name = name.strip()
        spellings = self._by_spelling.get(normalize_header(name), ())
        for key in (name, self._owners.get(name), *spellings):
            if key in self._columns or key in self._known:
                return self._column(key)
        return None

    def _are_known(self, keys: Sequence[str]) -> bool:
        return len({self._columns.get(key, "") for key in keys} - {""}) == len(keys)

    def _column(self, key: str) -> str:
        return self._columns.get(key) or self._known[key]

    def _learn(self, keys: Sequence[str]) -> None:
        in_file = {*keys}
        used = {self._columns[key] for key in keys if key in self._columns}
        # Headers that are names themselves come first, then the others by text: not by position.
        new = [key for key in keys if key not in self._columns]
        for key in sorted(new, key=lambda key: (key != plain_name(key), key)):
            candidates = (
                self._column(other)
                for other in self._by_spelling.get(_normalize_key(key), ())
                if other == key or other not in in_file
            )
            name = next((name for name in candidates if name not in used), None)
            self._add(key, name or self._make_name(key))
            used.add(self._columns[key])
        # Headers that shared a column, as no file had both, are two columns if this file has both.
        order = {key: number for number, key in enumerate(self._columns)}
        used = set()
        for key in sorted(keys, key=order.__getitem__):
            if self._columns[key] in used:
                self._add(key, self._make_name(key))
            used.add(self._columns[key])
        # A new dict: a state with the previous one may just be written.
        self._state[HEADERS] = dict(self._columns)

    def _make_name(self, key: str) -> str:
        """Make a name that no other header has."""
        text, _, number = key.partition(_NUMBER)
        preferred = plain_name(text)
        if number:
            preferred = add_suffix(self._column(text), f"_{number}") if text else f"column_{number}"
        is_free = preferred and preferred not in self._owners
        name = preferred if is_free else hashed_name(key)
        while name in self._owners:
            name = hashed_name(f"{key}{_NUMBER}{name}")
        if name != preferred and preferred in self._owners:
            owner = self._owners[preferred].partition(_NUMBER)[0]
            self._logger.warning(
                "%s: the header %r has the column %s in all files, as %s belongs to the header %r",
                *(self._stream, text, name, preferred, owner),
            )
        return name

    def _add(self, key: str, name: str) -> None:
        if key not in self._columns and key not in self._known:
            self._by_spelling.setdefault(_normalize_key(key), []).append(key)
        self._columns[key] = name
        self._owners.setdefault(name, key)


def _are_renamed(key: str, other: str, files: Iterable[frozenset[str]]) -> bool:
    """Whether two texts of a column may be the same header before and after it was renamed."""
    have_signs = all(meaningful_signs(text.partition(_NUMBER)[0]) for text in (key, other))
    return not have_signs and not any({key, other} <= keys for keys in files)


def _normalize_key(key: str) -> str:
    text, separator, number = key.partition(_NUMBER)
    return f"{normalize_header(text)}{separator}{number}"


def _identify_headers(header: Sequence[str]) -> list[str]:
    """Identify the headers of a file by their text; a repeated text by its number of occurrence.

    An empty header is identified by its position, as it has nothing else.
    """
    counts: dict[str, int] = {}
    keys = []
    for position, cell in enumerate(header, 1):
        text = cell.strip().replace(_NUMBER, " ").replace("\0", " ")
        counts[text] = count = counts.get(text, 0) + 1
        if not text:
            keys.append(f"{_NUMBER}{position}")
        else:
            keys.append(text if count == 1 else f"{text}{_NUMBER}{count}")
    return keys
