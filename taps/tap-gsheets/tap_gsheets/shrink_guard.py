"""Detects suspicious edits since the last successful read: lost columns, shrunk or other tabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from signalroom_singer import invalid_state
from tap_gsheets.column_names import normalize_title, snake_case

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_gsheets.table import Table

#: With fewer rows than these, losing most of them is not suspicious.
_MIN_ROWS = 10
#: A column without a title: a note next to the table comes and goes.
_UNTITLED = re.compile(r"column_[a-z]{1,3}")
#: Characters that people add to a title without changing what it means; % and $ do change it.
_PUNCTUATION = re.compile(r"""[:;,*'"()\[\]{}/\\|&]+""")


def validate_bookmark(stream: str, bookmark: Mapping[str, Any]) -> None:
    """Check the fields of a bookmark that later reads are compared with.

    Args:
        stream: Name of the stream, for errors.
        bookmark: The stream's bookmark in the state.

    Raises:
        TapError: If a field is of another type.
    """
    columns, count = bookmark.get("columns", []), bookmark.get("row_count", 0)
    titles = bookmark.get("titles", {})
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise invalid_state(columns, stream=stream, field="columns")
    if not isinstance(titles, dict) or not all(isinstance(title, str) for title in titles.values()):
        raise invalid_state(titles, stream=stream, field="titles")
    if not isinstance(count, int):
        raise invalid_state(count, stream=stream, field="row_count")


def describe_loss(bookmark: Mapping[str, Any], table: Table, max_percent: int) -> str | None:
    """Describe what a tab has lost since the last successful read.

    Args:
        bookmark: The stream's bookmark; empty before the first read.
        table: The tab's rows now.
        max_percent: Percentage of its rows that the tab may lose.

    Returns:
        The end of a sentence; None if nothing is missing.
    """
    if names := _describe_new_names(bookmark, table):
        return names
    old_columns = [name for name in bookmark.get("columns", ()) if not _UNTITLED.fullmatch(name)]
    if missing := [name for name in old_columns if name not in table.columns]:
        title = bookmark.get("titles", {}).get(missing[0])
        columns = {text: name for name, text in table.titles_by_column.items()}
        column = columns.get(title)
        return f"the column {missing[0]} is gone, which the last good read had; " + (
            f"its title {title!r} has the column {column} now, as another makes the same name"
            if column
            else f"now there are {', '.join(table.columns)}"
        )
    if title_change := _describe_title_change(bookmark, table):
        return title_change
    before, now = bookmark.get("row_count", 0), len(table.rows)
    if before >= _MIN_ROWS and (before - now) * 100 > before * max_percent:
        return f"it shrank from {before} rows to {now}"
    return None


def _describe_new_names(bookmark: Mapping[str, Any], table: Table) -> str | None:
    """Describe columns whose names changed when titles began to count instead of positions.

    States of versions before that have no titles.
    """
    old_columns = bookmark.get("columns", ())
    new = [
        f"{name} ({title!r})"
        for name, title in table.titles_by_column.items()
        if name not in old_columns and snake_case(title) != name and not _UNTITLED.fullmatch(name)
    ]
    missing = [name for name in old_columns if name not in table.columns]
    if "titles" in bookmark or not new or not missing:
        return None
    return (
        f"this version of the tap names columns whose titles make the same name by their text: "
        f"{', '.join(new)} in place of {', '.join(missing)}. List the stream in accept_changes for "
        "one run, and use the new names in queries"
    )


def _describe_title_change(bookmark: Mapping[str, Any], table: Table) -> str | None:
    """Describe the first column whose name belongs to another title now."""
    titles = table.titles_by_column
    for name, old_title in bookmark.get("titles", {}).items():
        title = titles.get(name, old_title)
        if title == old_title or _UNTITLED.fullmatch(name):
            continue
        # The same title in another spelling is fine, unless the sheet still has the old one.
        plain, old_plain = (
            normalize_title(_PUNCTUATION.sub(" ", text)) for text in (title, old_title)
        )
        if old_title in titles.values() or plain != old_plain:
            return (
                f"the column {name} had the title {old_title!r} at the last good read, and "
                f"{title!r} has its name now"
            )
    return None


def describe_other_tab(
    bookmark: Mapping[str, Any], spreadsheet_id: str, gid: str, title: str
) -> str | None:
    """Describe that a stream was another tab, whose title makes the same name.

    A copy with the original's title is not another tab: that is how people restore one.

    Args:
        bookmark: The stream's bookmark; empty before the first read.
        spreadsheet_id: Id of the spreadsheet now.
        gid: Number of the tab now.
        title: Title of the tab now.

    Returns:
        The end of a sentence; None if it is the same tab, or a copy.
    """
    old_title = bookmark.get("title")
    same_spreadsheet = bookmark.get("spreadsheet_id") == spreadsheet_id
    if (
        not same_spreadsheet
        or bookmark.get("sheet_id") == gid
        or not isinstance(old_title, str)
        or normalize_title(old_title) == normalize_title(title)
    ):
        return None
    return f"the last good read of this stream was of the tab {old_title!r}, which is another"


def describe_move(bookmark: Mapping[str, Any], titles_by_gid: Mapping[str, str]) -> str:
    """Describe what happened to a tab that is not found by its name.

    Args:
        bookmark: The stream's bookmark.
        titles_by_gid: The titles of the spreadsheet's tabs by their numbers.
    """
    title = titles_by_gid.get(str(bookmark.get("sheet_id")))
    if title is None:
        return "it is gone"
    return f"it was renamed to {title!r}" if title != bookmark.get("title") else "it is hidden now"
