"""What mock vendors share: the state that tests change, JSON responses, errors and rate limits."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from starlette.types import ASGIApp

_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass
class Vendor:
    """A mock vendor: its data, limits and behaviours, all of which a test may change.

    Attributes:
        seed: Another seed makes other data.
        scale: How much data there is, relative to the default.
        latency: Seconds that each response takes.
    """

    seed: int = 713
    scale: float = 1.0
    latency: float = 0.0

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Undo what tests changed."""
        self.latency = 0.0

    def advance(self, by: timedelta) -> None:
        """Set the vendor's clock ahead.

        Args:
            by: How far, in addition to earlier calls.
        """
        raise NotImplementedError

    def app(self) -> ASGIApp:
        """The vendor's API; paths are below the scope's ``root_path``."""
        raise NotImplementedError

    async def delay(self) -> None:
        """Wait for the latency of a response."""
        if self.latency:
            await asyncio.sleep(self.latency)


def json_response(
    payload: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "application/json",
) -> Response:
    """A response with a JSON body, in which decimals are numbers with all their digits.

    Args:
        payload: What is encoded as JSON.
        status: HTTP status code.
        headers: Headers besides those of the body.
        media_type: The header ``Content-Type``.
    """
    return Response(_encoder.encode(payload), status, dict(headers or {}), media_type=media_type)


class ApiError(Exception):
    """An error response.

    Args:
        status: HTTP status code.
        text: The vendor's message, in English.
        headers: Headers besides those of the body.
        body: The JSON body; ``{"error": text}`` if it is not given.
    """

    def __init__(
        self, status: int, text: str, headers: Mapping[str, str] | None = None, *, body: Any = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.body = {"error": text} if body is None else body
        self.headers = dict(headers or {})

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The error as a response.

        Args:
            headers: Headers besides the error's own.
        """
        return json_response(self.body, self.status, {**self.headers, **(headers or {})})


@dataclass
class RequestWindow:
    """The requests of the last seconds, for limits such as 60 requests a minute."""

    _times: deque[float] = field(default_factory=deque, init=False)

    def take(self, *limits: tuple[int, float]) -> float:
        """Count a request, unless a limit is reached.

        Args:
            limits: How many requests are allowed in how many seconds.

        Returns:
            The seconds until a request is allowed; 0 if this one was counted.
        """
        now = time.monotonic()
        longest = max(seconds for _, seconds in limits)
        while self._times and self._times[0] <= now - longest:
            self._times.popleft()
        for limit, seconds in limits:
            recent = [at for at in self._times if at > now - seconds]
            if len(recent) >= limit:
                return recent[0] + seconds - now if recent else seconds
        self._times.append(now)
        return 0.0
