"""Lasting behaviours that a test turns on: each was seen at PostHog, or may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Switches:
    """PostHog's cloud as documented, where all are off."""

    #: More rows than this are cut off without a word.
    row_cap: int = 50_000
    #: A query that spans more seconds than this is refused, as too slow; one on persons, if those
    #: that match were created within more.
    longest_span: float = float("inf")
    #: With this status: 504, or 512 where PostHog refuses it before it runs.
    slow_status: int = 504
    #: So many queries are answered 202, and their results are to be asked for.
    answered_later: int = 0
    #: So often such a result is not there yet.
    polls: int = 2
    #: What then comes of it: "results", "error", "gone".
    ends_in: str = "results"
    #: An instance without the query API.
    no_query_api: bool = False
    #: The older events endpoint writes the project's time as if it were UTC.
    local_time_as_utc: bool = False
    #: Queries' rows come in the reverse of the order that was asked for.
    reversed_rows: bool = False
    #: Moments in queries' rows are moved by so many seconds.
    moved_seconds: float = 0.0
    #: A column that this version does not have.
    missing_column: str = ""
    #: Columns of answers come in another order.
    shuffled_columns: bool = False
    #: All pages of a list repeat the first.
    repeated_pages: bool = False
    #: Lists say that there is more, and give an empty page.
    empty_last_page: bool = False
    #: Lists come without an envelope's ``next`` and ``count``.
    bare_results: bool = False
    #: ``next`` leads to another host.
    foreign_next: bool = False
    #: Parameters that this version does not know, with commas: it ignores them. One that does not
    #: know ``archived`` has feature flags of that time.
    unknown_parameters: str = ""
    #: So many lists of definitions are answered 503, as their SQL took more than 25 seconds.
    slow_definitions: int = 0
