"""A record of all requests to vendors."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LONGEST = 50_000


@dataclass
class Entry:
    """A request; ``at`` is monotonic, ``concurrent`` counts it and the others under way."""

    at: float
    vendor: str
    method: str
    path: str
    query: str
    concurrent: int
    range: str = ""
    body: str = ""
    status: int = 0
    seconds: float = 0.0


class Journal:
    """Wraps the vendors, and records their requests."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=_LONGEST)
        self._under_way = 0

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Record the requests of an application."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"].startswith("/control"):
                await app(scope, receive, send)
                return
            self._under_way += 1
            vendor, _, path = scope["path"].lstrip("/").partition("/")
            entry = Entry(
                at=time.monotonic(),
                vendor=vendor,
                method=scope["method"],
                path=f"/{path}",
                query=scope["query_string"].decode(),
                concurrent=self._under_way,
                range=dict(scope["headers"]).get(b"range", b"").decode(),
            )
            self.entries.append(entry)

            async def receive_and_note() -> Message:
                message = await receive()
                if entry.method == "PUT":
                    # It uploads a file of megabytes.
                    return message
                entry.body += message.get("body", b"").decode(errors="replace")
                return message

            def end() -> None:
                # When the response begins, as the client may send its next request after that.
                if not entry.seconds:
                    entry.seconds = time.monotonic() - entry.at
                    self._under_way -= 1

            try:
                await app(scope, receive_and_note, _Send(send, entry, end))
            finally:
                end()

        return serve

    def summary(self) -> dict[str, Any]:
        """The number of requests, and the requests themselves."""
        entries = list(self.entries)
        return {
            "count": len(entries),
            "max_concurrent": max((entry.concurrent for entry in entries), default=0),
            "refused": sum(entry.status == 429 for entry in entries),  # noqa: PLR2004
            "requests": [asdict(entry) for entry in entries],
        }


class _Send:
    """Records the status; exposes the connection as uvicorn's own ``send`` does."""

    def __init__(self, send: Send, entry: Entry, end: Callable[[], None]) -> None:
        self._send = send
        self._entry = entry
        self._end = end

    @property
    def __self__(self) -> Any:
        return self._send.__self__  # type: ignore[attr-defined]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._entry.status = message["status"]
            self._end()
        await self._send(message)
