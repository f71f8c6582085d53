"""The bucket: its objects, and the application that serves them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from signalroom_sandbox.exchange import respond
from signalroom_sandbox.sticky_s3.access import Access, Request
from signalroom_sandbox.sticky_s3.errors import SWAP, XML
from signalroom_sandbox.sticky_s3.exports import day_of, delivery_time, export, key_of
from signalroom_sandbox.vendor import Vendor

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAME = "sticky-713-data-repo"
_DAYS = 14
_ROWS = {"orders-create": 120, "orders-update": 140}
_ACCOUNT = "123456789012"
# All sandboxes of a process share moto, so each has a bucket of another name.
_numbers = itertools.count(1)


def _bucket_name() -> str:
    number = next(_numbers)
    return NAME if number == 1 else f"{NAME}-{number}"


@dataclass
class StickyS3(Vendor):
    """A bucket as Sticky.io fills it; a scale of 1 is about 120 orders a day."""

    bucket: str = field(default_factory=_bucket_name, init=False)
    access: Access = field(default_factory=Access, init=False)
    page_size: int | None = field(default=None, init=False)
    #: Whether the next reset has to fill the bucket again.
    changed: bool = field(default=True, init=False)
    _filled_on: date | None = field(default=None, init=False)
    _exports: dict[tuple[str, date], bytes] = field(default_factory=dict, init=False)
    _wsgi: Any = field(default=None, init=False)

    # Data

    def reset(self) -> None:
        """Restore the bucket when it is next used."""
        super().reset()
        self.page_size = None
        self.access.reset()
        if self.changed or self._filled_on != _today():
            self._filled_on = None

    def backend(self, *, fill: bool = True) -> Any:
        """The backend of moto, with the bucket in it.

        Args:
            fill: Whether a new bucket is filled.
        """
        # Importing moto takes a second.
        from moto.s3.models import s3_backends  # noqa: PLC0415

        backend = s3_backends[_ACCOUNT]["aws"]
        if self._filled_on is None:
            self._filled_on, self.changed = _today(), not fill
            self.remove(backend)
            backend.create_bucket(self.bucket, "us-east-1")
            if fill:
                self._fill(backend, self._filled_on)
        return backend

    def _fill(self, backend: Any, today: date) -> None:
        for kind, ago in itertools.product(_ROWS, range(_DAYS, 0, -1)):
            day = today - timedelta(days=ago)
            if (kind, day) not in self._exports:
                rows = round(_ROWS[kind] * self.scale)
                self._exports[kind, day] = export(kind, day, rows, seed=self.seed)
            key = key_of(kind, day, seed=self.seed)
            stored = backend.put_object(self.bucket, key, self._exports[kind, day])
            stored.last_modified = delivery_time(kind, day, seed=self.seed)

    def empty(self, backend: Any) -> None:
        """Delete all objects, and the uploads that are under way."""
        bucket = backend.get_bucket(self.bucket)
        uploads = bucket.multiparts
        items = itertools.chain(*bucket.keys.lists(), uploads.values())
        for item in items:
            if hasattr(item, "dispose"):  # a delete marker has no content
                item.dispose()
        bucket.keys.clear()
        uploads.clear()

    def remove(self, backend: Any) -> None:
        """Delete the bucket, if there is one."""
        if self.bucket in backend.buckets:
            self.empty(backend)
            backend.delete_bucket(self.bucket)

    def advance(self, by: timedelta) -> None:
        """Set the clock of temporary credentials ahead."""
        self.access.ahead += by

    # Requests

    def app(self) -> ASGIApp:
        """The bucket itself, as moto needs the raw paths, which a router drops."""
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request below `/s3`."""
        request = Request.of(scope)
        if request.needs_body:
            body, receive = await _read(receive)
            request = request.with_body(body)
        await self.delay()
        if error := self.access.error_response(request):
            status, body = error
            body = b"" if scope["method"] == "HEAD" else body
            await respond(send, status, body, media_type=XML)
            return
        backend = self.backend()
        path = scope["path"].removeprefix("/s3") or "/"
        if SWAP in scope:
            self._swap(backend, path, scope[SWAP])
        if scope["method"] in {"PUT", "POST", "DELETE"} and request.service != "sts":
            self.changed = True
        raw = scope.get("raw_path", scope["path"].encode()).removeprefix(b"/s3") or b"/"
        query = self._clamp_page(scope["query_string"])
        inner = {**scope, "path": path, "raw_path": raw, "query_string": query, "root_path": ""}
        if request.service == "sts":
            send = self._register_keys(send)
        await self._moto()(inner, receive, send)

    def _swap(self, backend: Any, path: str, params: dict[str, Any]) -> None:
        """Overwrite the requested object."""
        key = path.removeprefix(f"/{self.bucket}/")
        if key in {path, ""}:
            return  # a listing
        body = params.get("text", "").encode()
        if "rows" in params:
            kind = key.partition("/")[0]
            day = date.fromisoformat(day_of(key) or str(_today()))
            kind = kind if kind in _ROWS else "orders-create"
            body = export(kind, day, params["rows"], seed=self.seed)
        self.changed = True
        backend.put_object(self.bucket, key, body)

    def _clamp_page(self, query: bytes) -> bytes:
        """Reduce the page size of a listing."""
        if not self.page_size or b"list-type=2" not in query:
            return query
        parameters = dict(parse_qsl(query.decode(), keep_blank_values=True))
        keys = min(self.page_size, int(parameters.get("max-keys", self.page_size)))
        return urlencode(parameters | {"max-keys": str(keys)}).encode()

    def _register_keys(self, send: Send) -> Send:
        """Register the keys that a response issues."""
        body, issued = b"", False

        async def send_and_register(message: Message) -> None:
            nonlocal body, issued
            body += message.get("body", b"")
            # Before the body is sent, as the client may use the key at once; and not again with
            # the empty message that ends it, as the clock may have changed by then.
            issued = issued or self.access.issue(body)
            await send(message)

        return send_and_register

    def _moto(self) -> Any:
        if self._wsgi is None:
            from a2wsgi import WSGIMiddleware  # noqa: PLC0415
            from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
                DomainDispatcherApplication,
                create_backend_app,
            )

            moto = DomainDispatcherApplication(create_backend_app)

            def with_raw_uri(environ: Any, start: Any) -> Any:
                # The raw key; otherwise moto decodes the key twice.
                environ["RAW_URI"] = environ["asgi.scope"]["raw_path"].decode()
                return moto(environ, start)

            self._wsgi = WSGIMiddleware(with_raw_uri)
        return self._wsgi


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """A request's body, and a function that receives it again."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return body, again


def _today() -> date:
    return datetime.now(UTC).date()
