"""RedTrack's limit: 20 reports a minute."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from signalroom_sandbox.redtrack.errors import ApiError


@dataclass
class Limits:
    """So many requests in any ``window`` seconds, of reports or of the whole ``account``."""

    per_window: int = 20
    window: float = 60.0
    scope: str = "report"
    retry_after: str | None = None
    _moments: deque[float] = field(default_factory=deque, init=False)

    def take(self, path: str) -> None:
        """Count a request, or reject it; rejected ones do not count."""
        if self.scope == "report" and path != "/report":
            return
        now = time.monotonic()
        while self._moments and self._moments[0] <= now - self.window:
            self._moments.popleft()
        if len(self._moments) >= self.per_window:
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            raise ApiError(429, "too many requests", headers)
        self._moments.append(now)
