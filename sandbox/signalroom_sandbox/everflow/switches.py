"""Behaviours that a test can turn on: each was observed at Everflow, or may occur."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Switches:
    """The behaviours; the defaults are as documented."""

    #: A truncated table has no flag for it.
    flag_missing: bool = False
    #: Filters have no effect.
    filter_ignored: bool = False
    #: A date's id is midnight in the report zone instead of UTC.
    local_midnight_ids: bool = False
    #: Columns have no label.
    label_missing: bool = False
    #: An empty report is null.
    table_null: bool = False
    #: Reports have a new, unknown metric.
    new_metric: bool = False
    #: Entities come as a bare list.
    bare_lists: bool = False
    #: The maximum rows of a page.
    page_clamp: int = 2000
    #: The response states which page size was used.
    page_size_told: bool = True
    #: "steady", "absent", "growing" or "shrinking" while pages are read.
    total_count: str = "steady"
    #: At this page size, a row at each page boundary is repeated, and another missing; 0: never.
    lossy_page_size: int = 0
    #: Rows that are repeated, and counted twice.
    repeated_rows: int = 0
    #: All pages after the first repeat it.
    repeated_pages: bool = False
    #: The paths that are not documented do not exist.
    undocumented_missing: bool = False
