"""States that survive Meltano's merge: what a full refresh replaced does not count any more.

``meltano run --full-refresh`` gives a tap no state, and merges what comes back into the old one,
dictionary by dictionary: a key that the new state lacks keeps its old value. After a refresh that
was cut short, streams that it had not reached would count as loaded up to their old bookmarks.

So a run without a state begins with one that names every stream, and each state says of each
bookmark which fields it has. Lists are replaced by the merge, never merged, so this one is always
that of the newest state. Where a field holds many entries (files), each has the number of its
refresh instead, as naming all of them again would make the state much longer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk import Stream

#: In a bookmark: which run without a state it goes back to.
REFRESH = "refresh"
#: In a bookmark, as it is written: the fields it has.
FIELDS = "fields"
#: In each entry of a field that holds many.
_OF = "r"


def begin_refresh(streams: Iterable[Stream]) -> None:
    """Begin the bookmarks of streams that are about to be read from the start.

    Args:
        streams: All that the run reads, also those whose turn comes later.
    """
    number = time.time_ns() // 1_000_000
    for stream in streams:
        stream.stream_state[REFRESH] = number


def seal_state(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say in each bookmark which fields it has.

    Args:
        state: The state of a tap.

    Returns:
        A copy that has it.
    """
    bookmarks = state.get("bookmarks")
    if not isinstance(bookmarks, dict):
        return state
    return {**state, "bookmarks": {name: _seal_bookmark(mark) for name, mark in bookmarks.items()}}


def _seal_bookmark(bookmark: Mapping[str, Any]) -> dict[str, Any]:
    refresh = bookmark.get(REFRESH)
    result = dict(bookmark)
    if refresh is not None:
        for name, value in bookmark.items():
            if _has_entries(value):
                result[name] = {key: {**entry, _OF: refresh} for key, entry in value.items()}
    return {**result, FIELDS: _names(bookmark)}


def _has_entries(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(entry, dict) for entry in value.values())
    )


def _names(fields: Mapping[str, Any]) -> list[Any]:
    return [
        [name, _names(value)] if isinstance(value, dict) and not _has_entries(value) else name
        for name, value in fields.items()
        if name not in {REFRESH, FIELDS}
    ]


def are_fields(names: object) -> bool:
    """Whether something can be the list of a bookmark's fields.

    Args:
        names: What stands there.
    """
    return isinstance(names, list) and all(
        isinstance(name, str)
        or (
            isinstance(name, list)
            and len(name) == 2  # noqa: PLR2004 - a field and its own fields
            and isinstance(name[0], str)
            and are_fields(name[1])
        )
        for name in names
    )


def unseal_state(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Leave out what a full refresh has replaced.

    Args:
        state: As Meltano gives it. Bookmarks that do not say which fields they have, as those of
            earlier versions, stay as they are.

    Returns:
        The state, and by stream the fields that were left out.
    """
    bookmarks, left_out = {}, {}
    for stream, bookmark in (state.get("bookmarks") or {}).items():
        bookmarks[stream], replaced = _unseal_bookmark(bookmark)
        if replaced:
            left_out[stream] = replaced
    return {**state, "bookmarks": bookmarks}, left_out


def _unseal_bookmark(bookmark: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    if not are_fields(bookmark.get(FIELDS)):
        return bookmark, []
    refresh = bookmark.get(REFRESH)
    fields = _pick_fields(bookmark, bookmark[FIELDS], refresh)
    if refresh is not None:
        fields[REFRESH] = refresh
    return fields, [name for name in bookmark if name not in fields and name != FIELDS]


def _pick_fields(fields: Mapping[str, Any], names: list[Any], refresh: object) -> dict[str, Any]:
    picked: dict[str, Any] = {}
    for item in names:
        name, inner = item if isinstance(item, list) else (item, None)
        if name not in fields:
            continue
        value = fields[name]
        if inner is not None and isinstance(value, dict):
            value = _pick_fields(value, inner, refresh)
        elif refresh is not None and _has_entries(value):
            value = {
                key: {part: value for part, value in entry.items() if part != _OF}
                for key, entry in value.items()
                if entry.get(_OF) == refresh
            }
        picked[name] = value
    return picked
