"""A request that a fault hits, and ways to respond to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON = b"application/json"


@dataclass(frozen=True)
class Exchange:
    """A request, with the vendor that would respond to it.

    Attributes:
        app: The application of the vendors.
        scope: The request, without its body.
        receive: Receives the request's body.
        send: Sends the response.
        params: Parameters of the fault.
    """

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    params: dict[str, Any]

    async def drain(self) -> None:
        """Read the request to its end."""
        while (await self.receive()).get("more_body"):
            pass

    async def respond(
        self,
        status: int,
        body: bytes,
        headers: Iterable[tuple[bytes, bytes]] = (),
        *,
        media_type: bytes = JSON,
    ) -> None:
        """Read the request to its end, and respond in place of the vendor.

        Args:
            status: HTTP status code.
            body: Body of the response.
            headers: Headers besides those of the body.
            media_type: The header ``Content-Type``; none if it is empty.
        """
        await self.drain()
        await respond(self.send, status, body, headers, media_type=media_type)

    async def vendor_response(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Let the vendor respond, without sending it.

        Returns:
            Status, headers without the length of the body, and the body.
        """
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(self.scope, self.receive, keep)
        start, *parts = messages
        headers = [item for item in start["headers"] if item[0].lower() != b"content-length"]
        return start["status"], headers, b"".join(part.get("body", b"") for part in parts)

    async def send_part(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, end: int
    ) -> None:
        """Send the beginning of a response.

        Args:
            status: HTTP status code.
            headers: Headers of the response, without the length of its body.
            body: The full body.
            end: How many bytes of it are sent.
        """
        length = (b"content-length", str(len(body)).encode())
        start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body[:end], "more_body": True})

    @property
    def transport(self) -> Any:
        """The connection: uvicorn's ``send`` is bound to its owner, as ASGI has no message."""
        return self.send.__self__.transport  # type: ignore[attr-defined]


async def respond(
    send: Send,
    status: int,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    media_type: bytes = JSON,
) -> None:
    """Send a response.

    Args:
        send: ASGI's function for messages.
        status: HTTP status code.
        body: Body of the response.
        headers: Headers besides those of the body.
        media_type: The header ``Content-Type``; none if it is empty.
    """
    own = [(b"content-length", str(len(body)).encode())]
    if media_type:
        own.append((b"content-type", media_type))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *own]})
    await send({"type": "http.response.body", "body": body})
