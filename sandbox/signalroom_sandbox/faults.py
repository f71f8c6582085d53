"""Faults of servers and networks, injected before a vendor's own code."""

from __future__ import annotations

import asyncio
import gzip
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_sandbox.exchange import JSON, Exchange, respond
from signalroom_sandbox.plugins import plugins

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

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
            # Otherwise the next request would get a strange response.
            msg = f"match is not a regular expression: {error}"
            raise ValueError(msg) from None

    def hits(self, path: str, method: str = "GET", query: str = "") -> bool:
        """Whether the fault hits this request, which is counted then."""
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
            exchange = Exchange(self._app, scope, receive, send, fault.params)
            await known_faults()[fault.fault](exchange)


def _status(status: int, text: str) -> Any:
    async def act(exchange: Exchange) -> None:
        wait = exchange.params.get("retry_after")
        headers = [] if wait is None else [(b"retry-after", str(wait).encode())]
        body = msgspec.json.encode({"error": exchange.params.get("text", text)})
        await exchange.respond(status, body, headers)

    return act


def _body(status: int, body: bytes, media_type: bytes = JSON) -> Any:
    async def act(exchange: Exchange) -> None:
        await exchange.respond(status, body, media_type=media_type)

    return act


async def _custom_response(exchange: Exchange) -> None:
    params = exchange.params
    headers = [(name.encode(), str(value).encode()) for name, value in params["headers"].items()]
    await exchange.respond(params["status"], msgspec.json.encode(params["body"]), headers)


async def _echo_key(exchange: Exchange) -> None:
    scope = exchange.scope
    headers = {name: value for name, value in scope["headers"] if b"key" in name or b"auth" in name}
    secrets = b" ".join([*headers.values(), scope["query_string"]]).decode()
    body = msgspec.json.encode({"error": f"not allowed: {secrets}"})
    await exchange.respond(exchange.params.get("status", 500), body)


async def _redirect(exchange: Exchange) -> None:
    host = exchange.params.get("location", "https://elsewhere.example.com")
    location = (b"location", f"{host}{exchange.scope['path']}".encode())
    await exchange.respond(302, b"", [location], media_type=b"")


async def _timeout(exchange: Exchange) -> None:
    await exchange.drain()
    try:
        # The message after the body is the disconnect of a client that timed out.
        await asyncio.wait_for(exchange.receive(), exchange.params.get("seconds", 5))
    except TimeoutError:
        await respond(exchange.send, 504, b"{}")


async def _connection_reset(exchange: Exchange) -> None:
    await exchange.drain()
    exchange.transport.abort()


async def _gzip(exchange: Exchange) -> None:
    status, headers, body = await exchange.vendor_response()
    headers.append((b"content-encoding", b"gzip"))
    await respond(exchange.send, status, gzip.compress(body), headers, media_type=b"")


async def _truncated_json(exchange: Exchange) -> None:
    status, headers, body = await exchange.vendor_response()
    await respond(exchange.send, status, body[: len(body) // 2], headers, media_type=b"")


async def _cut_body(exchange: Exchange) -> None:
    status, headers, body = await exchange.vendor_response()
    at = exchange.params.get("at", 0.5)
    end = int(at * len(body)) if isinstance(at, float) else at
    await exchange.send_part(status, headers, body, end)
    exchange.transport.close()


#: The faults of any vendor, by name.
SHARED_FAULTS: dict[str, Any] = {
    "answer": _custom_response,
    "bigquery_429": _status(429, "Big Query usage is above limit"),
    "connection_reset": _connection_reset,
    "cut_body": _cut_body,
    "echo_key": _echo_key,
    "empty_200": _body(200, b""),
    "error_200": _body(200, b'{"error":"Something went wrong"}'),
    "gzip": _gzip,
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
    "truncated_json": _truncated_json,
}


def known_faults() -> dict[str, Any]:
    """All faults by name: those of any vendor, and each vendor's own."""
    faults = dict(SHARED_FAULTS)
    for plugin in plugins().values():
        faults |= plugin.faults
    return faults
