"""RedTrack's limit: 20 reports a minute."""

from __future__ import annotations

from dataclasses import dataclass, field

from signalroom_sandbox.vendor import ApiError, RequestWindow


@dataclass
class Limits:
    """Requests in any ``window`` seconds: of reports, or of the whole ``account``."""

    per_window: int = 20
    window: float = 60.0
    scope: str = "report"
    retry_after: str | None = None
    _requests: RequestWindow = field(default_factory=RequestWindow, init=False)

    def take(self, path: str) -> None:
        """Count a request, or reject it; rejected ones do not count."""
        if self.scope == "report" and path != "/report":
            return
        if self._requests.take((self.per_window, self.window)):
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            raise ApiError(429, "too many requests", headers)
