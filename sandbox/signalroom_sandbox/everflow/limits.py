"""Everflow's limits: https://developers.everflow.io/user-guide/rate-limiting."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from signalroom_sandbox.vendor import ApiError, RequestWindow

_HOUR = 3600


@dataclass
class Limits:
    """A token bucket for all requests, slots for reports, an hourly quota of BigQuery."""

    per_second: float = 30
    burst: float = 50
    concurrent_reports: int = 10
    bigquery_per_hour: int = 1000
    _tokens: float = field(default=50, init=False)
    _filled: float = field(default_factory=time.monotonic, init=False)
    _reports: int = field(default=0, init=False)
    _bigquery: RequestWindow = field(default_factory=RequestWindow, init=False)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def take(self) -> dict[str, str]:
        """Count a request, and return the headers with the remaining requests."""
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.per_second)
        self._filled = now
        if self._tokens < 1:
            raise ApiError(429, "Rate limit exceeded")
        self._tokens -= 1
        return {
            "X-RateLimit-Limit": str(int(self.burst)),
            "X-RateLimit-Remaining": str(int(self._tokens)),
        }

    def begin_report(self) -> None:
        """Take a slot for a report."""
        if self._reports >= self.concurrent_reports:
            raise ApiError(429, "Too many concurrent reporting requests")
        self._reports += 1

    def end_report(self) -> None:
        """Release the slot."""
        self._reports -= 1

    def take_bigquery(self) -> None:
        """Count a report that is read from BigQuery."""
        if self._bigquery.take((self.bigquery_per_hour, _HOUR)):
            raise ApiError(429, "Big Query usage is above limit")
