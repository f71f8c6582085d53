"""What a person's mistake looks like: a tab held against its last good read."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_singer import spoiled_state
from tap_gsheets.columns import snake_case, spelling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_gsheets.tables import Table

#: Of fewer rows than these, losing most is no sign of anything.
_FEW = 10
#: A column without a header: a stray note beside the table comes and goes.
_STRAY = re.compile(r"column_[a-z]{1,3}")
#: Marks that people add to a title and that do not change what it means; % and $ do.
_MARKS = re.compile(r"""[:;,*'"()\[\]{}/\\|&]+""")


def digest(*parts: Any) -> str:
    """Tell contents apart.

    Args:
        parts: Anything JSON can hold, and rows of it.
    """
    found = hashlib.sha256()
    for part in parts:
        for item in part if isinstance(part, list) else (part,):
            found.update(msgspec.json.encode(item))
            found.update(b"\n")
    return found.hexdigest()


def check_read(stream: str, before: Mapping[str, Any]) -> None:
    """See that a stream's state can be compared with.

    Args:
        stream: Its name.
        before: Its bookmark.

    Raises:
        TapError: If it cannot.
    """
    columns, count = before.get("columns", []), before.get("row_count", 0)
    titles = before.get("titles", {})
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise spoiled_state(columns, stream=stream, field="columns")
    if not isinstance(titles, dict) or not all(isinstance(one, str) for one in titles.values()):
        raise spoiled_state(titles, stream=stream, field="titles")
    if not isinstance(count, int):
        raise spoiled_state(count, stream=stream, field="row_count")


def titles_of(table: Table) -> dict[str, str]:
    """The titles of a table's columns, by the columns' names; those without one are left out."""
    pairs = zip(table.columns, table.titles, strict=True)
    return {name: title for name, title in pairs if title}


def _retitled(before: Mapping[str, Any], table: Table) -> str | None:
    """Say which column another title has taken over, if one has."""
    now = titles_of(table)
    for name, title in before.get("titles", {}).items():
        other = now.get(name, title)
        if other == title or _STRAY.fullmatch(name):
            continue
        # The same title, typed another time, unless the sheet still has the old one.
        plain, had = (spelling(_MARKS.sub(" ", text)) for text in (other, title))
        if title in now.values() or plain != had:
            return (
                f"the column {name} had the title {title!r} at the last good read, and {other!r} "
                "has its name now"
            )
    return None


def _renamed(before: Mapping[str, Any], table: Table) -> str | None:
    """Say which columns got other names when titles were told apart by their text, not their place.

    The state had no titles until then.
    """
    had = before.get("columns", ())
    now = [
        f"{name} ({title!r})"
        for name, title in titles_of(table).items()
        if name not in had and snake_case(title) != name and not _STRAY.fullmatch(name)
    ]
    gone = [name for name in had if name not in table.columns]
    if "titles" in before or not now or not gone:
        return None
    return (
        f"this version of the tap names columns whose titles make the same name by their text: "
        f"{', '.join(now)} in place of {', '.join(gone)}. List the stream in accept_changes for "
        "one run, and use the new names in queries"
    )


def loss(before: Mapping[str, Any], table: Table, most_percent: int) -> str | None:
    """Say what a tab lost since its last good read.

    Args:
        before: The stream's bookmark; empty before the first read.
        table: The tab now.
        most_percent: The share of rows it may lose.

    Returns:
        A sentence's end, or nothing.
    """
    if renamed := _renamed(before, table):
        return renamed
    had_columns = [name for name in before.get("columns", ()) if not _STRAY.fullmatch(name)]
    if gone := [name for name in had_columns if name not in table.columns]:
        title = before.get("titles", {}).get(gone[0])
        now = {text: name for name, text in titles_of(table).items()}.get(title)
        return f"the column {gone[0]} is gone, which the last good read had; " + (
            f"its title {title!r} has the column {now} now, as another makes the same name"
            if now
            else f"now there are {', '.join(table.columns)}"
        )
    if changed := _retitled(before, table):
        return changed
    had, has = before.get("row_count", 0), len(table.rows)
    if had >= _FEW and (had - has) * 100 > had * most_percent:
        return f"it shrank from {had} rows to {has}"
    return None


def other_tab(before: Mapping[str, Any], book: str, gid: str, title: str) -> str | None:
    """Say that a stream was another tab, whose title makes the same name.

    A copy that took the original's title is none: so people restore a tab.

    Args:
        before: The stream's bookmark.
        book: The spreadsheet now.
        gid: The tab's number now.
        title: Its title.

    Returns:
        A sentence's end, or nothing.
    """
    had = before.get("title")
    is_other = before.get("spreadsheet_id") == book and before.get("sheet_id") != gid
    if not is_other or not isinstance(had, str) or spelling(had) == spelling(title):
        return None
    return f"the last good read of this stream was of the tab {had!r}, which is another"


def moved(before: Mapping[str, Any], tabs: Mapping[str, str]) -> str:
    """Say what became of a tab that is not found by its name.

    Args:
        before: The stream's bookmark.
        tabs: The titles there are by the tabs' numbers.
    """
    title = tabs.get(str(before.get("sheet_id")))
    if title is None:
        return "it is gone"
    return f"it was renamed to {title!r}" if title != before.get("title") else "it is hidden now"
