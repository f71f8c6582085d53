"""Mautic's rate limit: calls of each token in an hour that begins with the first call."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from signalroom_sandbox.mautic.access import controller_error


@dataclass
class Limits:
    """Windows of calls, by token.

    Attributes:
        per_hour: Calls in a window; 0 means no limit.
        window: Length of a window in seconds.
    """

    per_hour: int = 0
    window: float = 3600.0
    _windows: dict[str, tuple[float, int]] = field(default_factory=dict, init=False)

    def take(self, token: str) -> dict[str, str]:
        """Count a call, and return the headers of the limit.

        Args:
            token: The access token of the call.

        Raises:
            ApiError: With status 429.
        """
        if not self.per_hour:
            return {}
        # Whole seconds, as PHP counts them: a window ends at the very second that the header names.
        now = float(int(time.time()))
        began, count = self._windows.get(token, (now, 0))
        if now >= began + self.window:
            began, count = now, 0
        self._windows[token] = began, count + 1
        headers = {
            "X-RateLimit-Limit": str(self.per_hour),
            "X-RateLimit-Remaining": str(max(0, self.per_hour - count - 1)),
            "X-RateLimit-Reset": str(int(began + self.window)),
        }
        if count >= self.per_hour:
            message = f"You exceeded the rate limit of {self.per_hour} API calls per hour."
            error = controller_error(429, message)
            error.headers = headers
            raise error
        return headers
