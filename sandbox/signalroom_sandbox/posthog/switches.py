"""Behaviours that a test can turn on: each was observed at PostHog, or may occur."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Switches:
    """The behaviours; the defaults are as documented for PostHog's cloud."""

    #: Rows beyond this number are cut off silently.
    row_cap: int = 50_000
    #: Queries over more seconds than this time out; for queries of persons, the seconds between
    #: the first and the last creation of matching persons count.
    longest_span: float = float("inf")
    #: The status of a timeout: 504, or 512 if PostHog rejects the query before it runs.
    slow_status: int = 504
    #: This number of queries get a 202, and their results have to be polled.
    answered_later: int = 0
    #: This number of polls find the query still running.
    polls: int = 2
    #: How polling ends: "results", "error", "gone".
    ends_in: str = "results"
    #: An instance without the query API.
    no_query_api: bool = False
    #: The older events endpoint writes the project's time as if it were UTC.
    local_time_as_utc: bool = False
    #: Queries' rows come in the reverse order.
    reversed_rows: bool = False
    #: Times in queries' rows are moved by this number of seconds.
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
    #: Parameters that this version ignores, separated by commas. If ``archived`` is among them,
    #: feature flags are those of an older version.
    unknown_parameters: str = ""
    #: This number of lists of definitions get a 503, as their SQL took more than 25 seconds.
    slow_definitions: int = 0
