"""A record of every request that a vendor got."""

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
    """One request; ``at`` is monotonic, ``concurrent`` counts those under way with it."""

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
    """Wraps the vendors and writes down what they are asked."""

    def __init__(self) -> None:
        """Begin empty."""
        self.entries: deque[Entry] = deque(maxlen=_LONGEST)
        self._under_way = 0

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Watch an app."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
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

            async def watched_receive() -> Message:
                message = await receive()
                if entry.method == "PUT":
                    # A file, of megabytes.
                    return message
                entry.body += message.get("body", b"").decode(errors="replace")
                return message

            def answered() -> None:
                # Once: when the answer begins, after which the asker may already ask again.
                if not entry.seconds:
                    entry.seconds = time.monotonic() - entry.at
                    self._under_way -= 1

            try:
                await app(scope, watched_receive, _Send(send, entry, answered))
            finally:
                answered()

        return watched

    def summary(self) -> dict[str, Any]:
        """Counts, and the entries."""
        entries = list(self.entries)
        return {
            "count": len(entries),
            "max_concurrent": max((entry.concurrent for entry in entries), default=0),
            "refused": sum(entry.status == 429 for entry in entries),  # noqa: PLR2004
            "requests": [asdict(entry) for entry in entries],
        }


class _Send:
    """Notes the status; knows the connection, as uvicorn's own ``send`` does."""

    def __init__(self, send: Send, entry: Entry, answered: Callable[[], None]) -> None:
        self._send = send
        self._entry = entry
        self._answered = answered

    @property
    def __self__(self) -> Any:
        return self._send.__self__  # type: ignore[attr-defined]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._entry.status = message["status"]
            self._answered()
        await self._send(message)
