"""A server that replies as a test says: with errors, late, cut off, or with something else."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Reply:
    """What the server sends for one request.

    Attributes:
        body: Bytes are sent as they are, anything else as JSON. ``b"<html>"`` is a proxy's page,
            ``b'{"data": ['`` JSON that ends early.
        status: The HTTP status code.
        headers: Headers to send with it, such as ``Retry-After``.
        delay: Seconds to wait before the response is sent.
        cut_at: The number of bytes of the body after which the connection is closed; the response
            promises all of them.
        drop: Whether the connection is closed without a response.
    """

    body: Any = field(default_factory=list)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0
    cut_at: int | None = None
    drop: bool = False

    def encode(self) -> bytes:
        """Encode the body."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class FaultyServer:
    """An HTTP server on a free port of this machine, whose replies a test queues.

    Use as a context manager::

        with FaultyServer(Reply(status=503), Reply([{"id": 1}])) as server:
            tap = TapOrders(config={"api_url": server.url, "max_retry_wait": 0, ...})
            assert len(sync(tap, "orders").records["orders"]) == 1
            assert len(server.requests) == 2

    Args:
        replies: The replies in order.
        default: The reply to each request after them.
    """

    def __init__(self, *replies: Reply, default: Reply | None = None) -> None:
        self.replies = deque(replies)
        self.default = default or Reply()
        #: The method and path, with its query, of each request: ``GET /v1/orders?page=2``.
        self.requests: list[str] = []
        #: The body of each request.
        self.bodies: list[bytes] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )

    @property
    def url(self) -> str:
        """The address of the server, without a trailing slash."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_reply(self) -> Reply:
        """Take the reply to the next request."""
        try:
            return self.replies.popleft()
        except IndexError:
            return self.default


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Ignore clients that hang up: some tests are about that."""


def _handler(server: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            server.bodies.append(self.rfile.read(length))
            server.requests.append(f"{self.command} {self.path}")
            reply = server.next_reply()
            if reply.delay:
                time.sleep(reply.delay)
            self.close_connection = reply.drop or reply.cut_at is not None
            if not reply.drop:
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.send(reply)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - as the server looks for it

        def send(self, reply: Reply) -> None:
            body = reply.encode()
            self.send_response(reply.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            for name, value in (headers | dict(reply.headers)).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: reply.cut_at])

        def log_message(self, *_: Any) -> None:
            """Write nothing between the output of tests."""

    return Handler
