"""Behaviours that a test turns on: each was observed at PostHog, or may occur."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Switches:
    """PostHog's cloud as documented, where all are off."""

    #: More rows than this are cut off silently.
    row_cap: int = 50_000
    #: Queries over more seconds than this time out; those on persons by the creation of the
    #: persons that match.
    longest_span: float = float("inf")
    #: With this status: 504, or 512 where PostHog rejects them before they run.
    slow_status: int = 504
    #: So many queries get a 202, and their results have to be polled.
    answered_later: int = 0
    #: So many polls find the query still running.
    polls: int = 2
    #: How polling ends: "results", "error", "gone".
    ends_in: str = "results"
    #: An instance without the query API.
    no_query_api: bool = False
    #: The older events endpoint writes the project's time as if it were UTC.
    local_time_as_utc: bool = False
    #: Queries' rows come in the reverse order.
    reversed_rows: bool = False
    #: Moments in queries' rows are moved by so many seconds.
    moved_seconds: float = 0.0
    #: A column that this version does not have.
    missing_column: str = ""
    #: Columns of responses come in another order.
    shuffled_columns: bool = False
    #: All pages of a list repeat the first.
    repeated_pages: bool = False
    #: Lists have a next page, which is empty.
    empty_last_page: bool = False
    #: Lists come without an envelope's ``next`` and ``count``.
    bare_results: bool = False
    #: ``next`` leads to another host.
    foreign_next: bool = False
    #: Parameters that this version ignores, with commas. One that ignores ``archived`` has
    #: feature flags of that time.
    unknown_parameters: str = ""
    #: So many lists of definitions get a 503, as their SQL took more than 25 seconds.
    slow_definitions: int = 0
