"""Faults of servers and networks, injected before a vendor's own code."""

from __future__ import annotations

import asyncio
import gzip
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_sandbox.plugins import plugins

if TYPE_CHECKING:
    from typing import TypeAlias

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    _Params: TypeAlias = dict[str, Any]

_JSON = [(b"content-type", b"application/json")]
_PAGE = b"<!doctype html><html><head><title>Service unavailable</title></head></html>"


@dataclass
class Fault:
    """A fault, for a number of the requests that match.

    Attributes:
        fault: Its name; see ``FAULTS``.
        vendor: The first part of the path.
        match: A regular expression that the rest of the path must contain; or, together with
            method and query, ``GET /path?query``.
        times: How many requests it hits.
        skip: How many matching requests pass first.
        params: Parameters of the fault.
    """

    fault: str
    vendor: str = ""
    match: str = ""
    times: int = 1
    skip: int = 0
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fault not in (known := known_faults()):
            msg = f"unknown fault {self.fault}; known are: {', '.join(sorted(known))}"
            raise ValueError(msg)
        try:
            re.compile(self.match)
        except re.error as error:
            # Now, not as a strange response to the next request.
            msg = f"match is no regular expression: {error}"
            raise ValueError(msg) from None

    def hits(self, path: str, method: str = "GET", query: str = "") -> bool:
        """Whether it hits this request; counts it if so."""
        vendor, _, rest = path.lstrip("/").partition("/")
        if self.times <= 0 or self.vendor not in {"", vendor}:
            return False
        target = f"{method} /{rest}?{query}"
        if not (re.search(self.match, rest) or re.search(self.match, target)):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class FaultMiddleware:
    """Injects faults into the requests they match."""

    def __init__(self, app: ASGIApp, faults: list[Fault]) -> None:
        """Wrap the vendors.

        Args:
            app: The application of the vendors.
            faults: The faults that are set; the list is changed from outside.
        """
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or inject a fault."""
        fault = None
        if scope["type"] == "http":
            request = scope["path"], scope["method"], scope["query_string"].decode()
            fault = next((item for item in self._faults if item.hits(*request)), None)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await known_faults()[fault.fault](self._app, scope, receive, send, fault.params)


async def _respond(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [*(headers or _JSON), length]}
    )
    await send({"type": "http.response.body", "body": body})


def _status(status: int, text: str) -> Any:
    async def act(
        _: ASGIApp, __: Scope, receive: Receive, send: Send, params: dict[str, Any]
    ) -> None:
        await _drain(receive)
        headers = list(_JSON)
        if params.get("retry_after") is not None:
            headers.append((b"retry-after", str(params["retry_after"]).encode()))
        await _respond(
            send, status, msgspec.json.encode({"error": params.get("text", text)}), headers
        )

    return act


def _body(status: int, body: bytes, kind: bytes = b"application/json") -> Any:
    async def act(_: ASGIApp, __: Scope, receive: Receive, send: Send, ___: _Params) -> None:
        await _drain(receive)
        await _respond(send, status, body, [(b"content-type", kind)])

    return act


async def _custom_response(
    _: ASGIApp, __: Scope, receive: Receive, send: Send, params: _Params
) -> None:
    await _drain(receive)
    headers = [(name.encode(), str(value).encode()) for name, value in params["headers"].items()]
    await _respond(send, params["status"], msgspec.json.encode(params["body"]), [*_JSON, *headers])


async def _echo_key(
    _: ASGIApp, scope: Scope, receive: Receive, send: Send, params: _Params
) -> None:
    await _drain(receive)
    headers = {name: value for name, value in scope["headers"] if b"key" in name or b"auth" in name}
    secrets = b" ".join([*headers.values(), scope["query_string"]]).decode()
    body = msgspec.json.encode({"error": f"not allowed: {secrets}"})
    await _respond(send, params.get("status", 500), body)


async def _redirect(
    _: ASGIApp, scope: Scope, receive: Receive, send: Send, params: _Params
) -> None:
    await _drain(receive)
    target = params.get("location", "https://elsewhere.example.com") + scope["path"]
    await _respond(send, 302, b"", [(b"location", target.encode())])


async def _timeout(_: ASGIApp, __: Scope, receive: Receive, send: Send, params: _Params) -> None:
    await _drain(receive)
    try:
        # The message after the body is the disconnect of a client that timed out.
        await asyncio.wait_for(receive(), params.get("seconds", 5))
    except TimeoutError:
        await _respond(send, 504, b"{}")


async def _connection_reset(
    _: ASGIApp, __: Scope, receive: Receive, send: Send, ___: _Params
) -> None:
    await _drain(receive)
    # uvicorn's send is bound to the cycle that has the connection: ASGI has no message for it.
    send.__self__.transport.abort()  # type: ignore[attr-defined]


async def _send_changed_body(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, change: str, params: _Params
) -> None:
    """Serve the request, and change the response's body."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    start = messages[0]
    body = b"".join(message.get("body", b"") for message in messages[1:])
    headers = [item for item in start["headers"] if item[0].lower() != b"content-length"]
    if change == "gzip":
        await _respond(
            send, start["status"], gzip.compress(body), [*headers, (b"content-encoding", b"gzip")]
        )
    elif change == "truncated":
        await _respond(send, start["status"], body[: len(body) // 2], headers)
    else:
        headers.append((b"content-length", str(len(body)).encode()))
        await send({**start, "headers": headers})
        at = params.get("at", 0.5)
        sent = body[: int(at * len(body)) if isinstance(at, float) else at]
        await send({"type": "http.response.body", "body": sent, "more_body": True})
        send.__self__.transport.close()  # type: ignore[attr-defined]


def _body_change(change: str) -> Any:
    async def act(
        app: ASGIApp, scope: Scope, receive: Receive, send: Send, params: _Params
    ) -> None:
        await _send_changed_body(app, scope, receive, send, change=change, params=params)

    return act


async def _drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


#: The faults of any vendor, by name.
SHARED_FAULTS: dict[str, Any] = {
    "answer": _custom_response,
    "bigquery_429": _status(429, "Big Query usage is above limit"),
    "connection_reset": _connection_reset,
    "cut_body": _body_change("cut"),
    "echo_key": _echo_key,
    "empty_200": _body(200, b""),
    "error_200": _body(200, b'{"error":"Something went wrong"}'),
    "gzip": _body_change("gzip"),
    "html_200": _body(200, _PAGE, b"text/html"),
    "http_401": _status(401, "No Authentication Method Found"),
    "http_403": _status(403, "Missing permission"),
    "http_404": _status(404, "Not found"),
    "http_429": _status(429, "Rate limit exceeded"),
    "http_500": _status(500, "Internal error"),
    "http_502": _body(502, _PAGE, b"text/html"),
    "http_503": _status(503, "Service unavailable"),
    "null_200": _body(200, b"null"),
    "redirect": _redirect,
    "timeout": _timeout,
    "truncated_json": _body_change("truncated"),
}


def known_faults() -> dict[str, Any]:
    """All faults by name: those of any vendor, and each vendor's own."""
    faults = dict(SHARED_FAULTS)
    for plugin in plugins().values():
        faults |= plugin.faults
    return faults
