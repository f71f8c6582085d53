"""Which column a header belongs to: by its text, in all files and runs."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from tap_sticky_s3.csv.column_names import (
    column_names,
    own_name,
    plain_name,
    signs,
    spelling,
    with_ending,
)
from tap_sticky_s3.file_history import unreadable

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, MutableMapping, Sequence

HEADERS = "headers"
# Between a header and which of several that are the same it is.
_AGAIN = "\x1f"


class HeaderColumns:
    """A table's headers, and the column of each: kept in the state.

    Two texts of one plain name (``Refund $``, ``Refund %``) are two columns: the name belongs to
    the text that came first, any other gets a name with a hash of its own. Texts that are two
    spellings of one (`names.spelling`) are one column, unless a file has both.

    Args:
        state: The stream's state; its ``headers`` are replaced when some are added.
        stream: Its name, for messages.
        known: Columns that the table has in any case.
        logger: Where names that are not the plain ones are reported, once.

    Raises:
        TapError: If the state has something else there.
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
        found = state.get(HEADERS, {})
        if not isinstance(found, dict) or not all(
            # Names that begin with an underscore are ours, but for those of digits.
            isinstance(name, str) and plain_name(name) and (name[0] != "_" or name[1].isdigit())
            for name in found.values()
        ):
            raise unreadable(stream)
        self._columns: dict[str, str] = dict(found)
        self._index(known)

    def _index(self, known: Iterable[str]) -> None:
        # The known ones are headers, too, unless others have their names by now.
        self._owners: dict[str, str] = {}
        for key, name in self._columns.items():
            self._owners.setdefault(name, key)
        self._known = {name: name for name in known if name not in self._owners}
        self._owners |= self._known
        self._alike: dict[str, list[str]] = {}
        for key in [*self._known, *self._columns]:
            self._alike.setdefault(_spelling(key), []).append(key)

    def __bool__(self) -> bool:
        """Whether any file's header is known."""
        return bool(self._columns)

    @property
    def plain_names(self) -> frozenset[str]:
        """The plain names of all columns that the table has."""
        keys = [*self._known, *self._columns]
        return frozenset(filter(None, (plain_name(key.partition(_AGAIN)[0]) for key in keys)))

    def names(self, header: Sequence[str]) -> list[str]:
        """Name the columns of a file; headers that are new are remembered.

        Args:
            header: Its header's cells.

        Returns:
            A name for each, all different.
        """
        keys = _keys(header)
        with self._lock:
            if not self._are_known(keys):
                self._learn(keys)
            return [self._columns[key] for key in keys]

    def recall(self, headers: Iterable[Sequence[str]]) -> None:
        """Remember the columns of files that were loaded when places decided.

        A text keeps the column that it had in most files. A column that had two texts, never in one
        file, keeps both, unless each has signs of its own: a header was renamed.

        Args:
            headers: The cells of each file's header, the oldest first.
        """
        files = Counter(map(tuple, headers))
        votes: Counter[tuple[str, str]] = Counter()
        for header, count in files.items():
            for key, name in zip(_keys(header), column_names(header), strict=True):
                votes[key, name] += count
        together = [frozenset(_keys(header)) for header in files]
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
                self._learn(_keys(header))

    def column_of(self, name: str) -> str | None:
        """Find the column that a setting names.

        Args:
            name: A header's text, or a column's name.

        Returns:
            The column, if there is one so far.
        """
        name = name.strip()
        alike = self._alike.get(spelling(name), ())
        for key in (name, self._owners.get(name), *alike):
            if key in self._columns or key in self._known:
                return self._column(key)
        return None

    def _are_known(self, keys: Sequence[str]) -> bool:
        return len({self._columns.get(key, "") for key in keys} - {""}) == len(keys)

    def _column(self, key: str) -> str:
        return self._columns.get(key) or self._known[key]

    def _learn(self, keys: Sequence[str]) -> None:
        here = {*keys}
        taken = {self._columns[key] for key in keys if key in self._columns}
        # Headers that are names come first, then the others by their texts: places do not count.
        new = [key for key in keys if key not in self._columns]
        for key in sorted(new, key=lambda key: (key != plain_name(key), key)):
            shared = (
                self._column(one)
                for one in self._alike.get(_spelling(key), ())
                if one == key or one not in here
            )
            name = next((name for name in shared if name not in taken), None)
            self._add(key, name or self._fresh(key))
            taken.add(self._columns[key])
        # Those that were taken for one, in files that had one of them, and are two in this file.
        order = {key: number for number, key in enumerate(self._columns)}
        taken = set()
        for key in sorted(keys, key=order.__getitem__):
            if self._columns[key] in taken:
                self._add(key, self._fresh(key))
            taken.add(self._columns[key])
        # Another dict: a state that has the one before may just be written.
        self._state[HEADERS] = dict(self._columns)

    def _fresh(self, key: str) -> str:
        """Make a name that no other header has."""
        text, _, number = key.partition(_AGAIN)
        wanted = plain_name(text)
        if number:
            wanted = with_ending(self._column(text), f"_{number}") if text else f"column_{number}"
        name = wanted if wanted and wanted not in self._owners else own_name(key)
        while name in self._owners:
            name = own_name(f"{key}{_AGAIN}{name}")
        if name != wanted and wanted in self._owners:
            self._logger.warning(
                "%s: the header %r has the column %s in all files, as %s belongs to the header %r",
                *(self._stream, text, name, wanted, self._owners[wanted].partition(_AGAIN)[0]),
            )
        return name

    def _add(self, key: str, name: str) -> None:
        if key not in self._columns and key not in self._known:
            self._alike.setdefault(_spelling(key), []).append(key)
        self._columns[key] = name
        self._owners.setdefault(name, key)


def _are_renamed(key: str, other: str, files: Iterable[frozenset[str]]) -> bool:
    """Whether two texts of one column may be two names that it had, one after the other."""
    have_signs = all(signs(one.partition(_AGAIN)[0]) for one in (key, other))
    return not have_signs and not any({key, other} <= keys for keys in files)


def _spelling(key: str) -> str:
    text, again, number = key.partition(_AGAIN)
    return f"{spelling(text)}{again}{number}"


def _keys(header: Sequence[str]) -> list[str]:
    """Identify the headers of one file: by text, a repeated text by its number of occurrence.

    An empty header is identified by its position, as there is nothing else.
    """
    counts: dict[str, int] = {}
    keys = []
    for position, cell in enumerate(header, 1):
        text = cell.strip().replace(_AGAIN, " ").replace("\0", " ")
        counts[text] = count = counts.get(text, 0) + 1
        if not text:
            keys.append(f"{_AGAIN}{position}")
        else:
            keys.append(text if count == 1 else f"{text}{_AGAIN}{count}")
    return keys
