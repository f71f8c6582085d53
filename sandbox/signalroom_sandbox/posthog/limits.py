"""PostHog's limits: requests a minute and an hour by class, queries at once, bytes read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from signalroom_sandbox.posthog.access import ApiError
from signalroom_sandbox.vendor import RequestWindow

_MINUTE, _HOUR = 60, 3600
#: Resources with limits of their own.
_CLASSES = {
    "query": "queries_",
    "events": "clickhouse_",
    "insights": "clickhouse_",
    "session_recordings": "clickhouse_",
}


@dataclass
class Limits:
    """Sliding windows of requests, by class; slots of queries; a budget of bytes read.

    Attributes:
        per_minute: Requests of lists and the like.
        per_hour: The same.
        clickhouse_per_minute: Of events, insights and recordings.
        clickhouse_per_hour: The same.
        queries_per_minute: Of everything below ``/query/``.
        queries_per_hour: The same.
        concurrent_queries: Queries that may run at once.
        budget_bytes: Bytes that may be read before queries are rejected; 0 means no limit.
    """

    per_minute: int = 480
    per_hour: int = 4800
    clickhouse_per_minute: int = 240
    clickhouse_per_hour: int = 1200
    queries_per_minute: int = 240
    queries_per_hour: int = 2400
    concurrent_queries: int = 3
    budget_bytes: int = 0
    _requests: dict[str, RequestWindow] = field(
        default_factory=lambda: defaultdict(RequestWindow), init=False
    )
    _queries: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    def take(self, resource: str) -> None:
        """Count a request.

        Args:
            resource: The part of the path after the id of the project.
        """
        kind = _CLASSES.get(resource, "")
        minute = getattr(self, f"{kind}per_minute"), _MINUTE
        hour = getattr(self, f"{kind}per_hour"), _HOUR
        if seconds := self._requests[kind].take(minute, hour):
            wait = int(seconds) + 1
            detail = f"Request was throttled. Expected available in {wait} seconds."
            raise ApiError(429, "throttled", detail, retry_after=wait)

    def begin_query(self) -> None:
        """Take a slot, unless the budget is used up."""
        if self.budget_bytes and self._bytes >= self.budget_bytes:
            detail = "The project has read its hourly budget of bytes through API queries."
            raise ApiError(429, "api_queries_budget_exceeded", detail, retry_after=1800)
        if self._queries >= self.concurrent_queries:
            # PostHog does not know when a slot will be free, so there is no Retry-After.
            raise ApiError(429, "throttled", "Too many queries are running at once.")
        self._queries += 1

    def end_query(self, read: int = 0) -> dict[str, str]:
        """Release the slot, and return the headers with the cost.

        Args:
            read: Bytes that were read.
        """
        self._queries -= 1
        self._bytes += read
        left = max(0, self.budget_bytes - self._bytes) if self.budget_bytes else 20 << 30
        return {
            "X-PostHog-Query-Bytes-Read": str(read),
            "X-PostHog-Query-Budget-Remaining-Bytes": str(left),
        }
