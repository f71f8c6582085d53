"""Makes states survive Meltano's merge: bookmarks that a full refresh replaced are ignored.

``meltano run --full-refresh`` starts a tap without a state, and merges its new state into the old
one, dictionary by dictionary: a key that the new state lacks keeps its old value. After a refresh
that was interrupted, streams that it had not reached would count as loaded up to their old
bookmarks.

So a run without a state begins with one that names every stream, and each bookmark lists its own
fields. Meltano replaces lists, so this one is always that of the newest state. In a field with many
entries (files), each entry has the number of its refresh instead, as a list of all of them would
make the state much longer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk import Stream

#: In a bookmark: the number of the full refresh that it belongs to.
REFRESH = "refresh"
#: In a bookmark, once it is written: the list of its fields.
FIELDS = "fields"
#: In each entry of a field with many entries: the number of its full refresh.
_OF = "r"


def begin_refresh(streams: Iterable[Stream]) -> None:
    """Start the bookmarks of a full refresh.

    Args:
        streams: All streams that the run reads.
    """
    number = time.time_ns() // 1_000_000
    for stream in streams:
        stream.stream_state[REFRESH] = number


def seal_state(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the list of its fields to each bookmark.

    Args:
        state: The state of a tap.

    Returns:
        A copy with these lists.
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
    names = [
        name if _has_entries(value) else _name_with_fields(name, value)
        for name, value in bookmark.items()
        if name not in {REFRESH, FIELDS}
    ]
    return {**result, FIELDS: names}


def _has_entries(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(entry, dict) for entry in value.values())
    )


def _name_with_fields(name: str, value: object) -> str | list[Any]:
    if not isinstance(value, dict):
        return name
    return [name, [_name_with_fields(key, inner) for key, inner in value.items()]]


def are_fields(names: object) -> bool:
    """Whether a value is a valid list of a bookmark's fields.

    Args:
        names: The value in the state.
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
    """Remove the parts of a state that a full refresh has replaced.

    Args:
        state: The state as Meltano passes it. Bookmarks without a list of fields, which earlier
            versions wrote, stay as they are.

    Returns:
        The state, and the fields that were removed, by stream.
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
            # Entries within it do not have the number: only those of the bookmark itself do.
            value = _pick_fields(value, inner, None)
        elif refresh is not None and _has_entries(value):
            value = {
                key: {part: value for part, value in entry.items() if part != _OF}
                for key, entry in value.items()
                if entry.get(_OF) == refresh
            }
        picked[name] = value
    return picked
