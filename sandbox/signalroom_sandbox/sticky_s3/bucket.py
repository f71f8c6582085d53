"""The bucket: what is in it, and who may ask."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from signalroom_sandbox.sticky_s3.answers import SWAP, answer, refusal
from signalroom_sandbox.sticky_s3.exports import delivered, export, key_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

ACCESS_KEY = "AKIASANDBOXSTICKY713"
SECRET = "sandbox-sticky-secret"  # noqa: S105 - of no use elsewhere, and not looked at here
NAME = "sticky-713-data-repo"
_DAYS = 14
_ROWS = {"orders-create": 120, "orders-update": 140}
_CREDENTIAL = re.compile(rb"Credential=([^/]+)/")
_ISSUED = "ASIA"  # how keys begin that AssumeRole gives
_ACCOUNT = "123456789012"
# moto's buckets are the whole process's: another sandbox in it has another bucket.
_numbers = itertools.count(1)


class StickyS3:
    """A bucket as Sticky.io fills it.

    Args:
        seed: Another seed is another set of data.
        scale: How much data; 1 is about 120 orders a day.
    """

    def __init__(self, *, seed: int = 713, scale: float = 1.0) -> None:
        self._seed = seed
        self._scale = scale
        number = next(_numbers)
        self.bucket = NAME if number == 1 else f"{NAME}-{number}"
        self._touched = True
        self._made = False
        self._page_size: int | None = None
        self._wsgi: Any = None

    # The data.

    def reset(self) -> None:
        """Put the bucket back as it was, when it is next looked at."""
        self._page_size = None
        if self._touched:
            self._made = False

    def _backend(self, *, fill: bool = True) -> Any:
        # moto takes a second to import, which whoever wants another vendor need not wait for.
        from moto.s3.models import s3_backends  # noqa: PLC0415

        backend = s3_backends[_ACCOUNT]["aws"]
        if not self._made:
            self._made, self._touched = True, False
            if self.bucket in backend.buckets:
                self._empty(backend)
                backend.buckets[self.bucket].versioning_status = None
            else:
                backend.create_bucket(self.bucket, "us-east-1")
            if fill:
                self._fill(backend)
        return backend

    def _fill(self, backend: Any) -> None:
        today = datetime.now(UTC).date()
        for kind, rows in _ROWS.items():
            for ago in range(_DAYS, 0, -1):
                self._export(backend, kind, today - timedelta(days=ago), round(rows * self._scale))

    def _export(self, backend: Any, kind: str, day: date, rows: int) -> None:
        body = export(kind, day, rows, seed=self._seed)
        stored = backend.put_object(self.bucket, key_of(kind, day, seed=self._seed), body)
        stored.last_modified = delivered(kind, day, seed=self._seed)

    def _empty(self, backend: Any) -> None:
        keys = backend.buckets[self.bucket].keys
        for versions in keys.lists():
            for version in versions:
                if hasattr(version, "dispose"):  # a mark of deletion holds nothing
                    version.dispose()
        keys.clear()

    # Control.

    def control(self, action: str, given: dict[str, Any]) -> Any:
        """Change the bucket, or look at it.

        Args:
            action: The name of a method of `Actions`.
            given: Its arguments.
        """
        backend = self._backend(fill=action != "clear")
        self._touched = True
        return getattr(Actions(self, backend), action)(**given)

    # Requests.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request below `/s3`."""
        headers = dict(scope["headers"])
        found = _CREDENTIAL.search(headers.get(b"authorization", b""))
        key = found[1].decode() if found else ""
        if key != ACCESS_KEY and not key.startswith(_ISSUED):
            body = refusal(
                "InvalidAccessKeyId",
                403,
                "The AWS Access Key Id you provided does not exist in our records.",
                more=f"<AWSAccessKeyId>{key}</AWSAccessKeyId>",
            )
            await answer(send, 403, body)
            return
        backend = self._backend()
        path = scope["path"].removeprefix("/s3") or "/"
        if SWAP in scope:
            self._touched = True
            backend.put_object(self.bucket, path.split("/", 2)[2], scope[SWAP].encode())
        if scope["method"] in {"PUT", "POST", "DELETE"}:
            self._touched = True
        raw = scope.get("raw_path", scope["path"].encode()).removeprefix(b"/s3") or b"/"
        query = self._clamped(scope["query_string"])
        inner = {**scope, "path": path, "raw_path": raw, "query_string": query, "root_path": ""}
        await self._moto()(inner, receive, send)

    def _clamped(self, query: bytes) -> bytes:
        """Ask for smaller pages than the asker did."""
        if not self._page_size or b"list-type=2" not in query:
            return query
        asked = dict(parse_qsl(query.decode(), keep_blank_values=True))
        return urlencode(asked | {"max-keys": str(self._page_size)}).encode()

    def _moto(self) -> Any:
        if self._wsgi is None:
            from a2wsgi import WSGIMiddleware  # noqa: PLC0415
            from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
                DomainDispatcherApplication,
                create_backend_app,
            )

            moto: Any = DomainDispatcherApplication(create_backend_app)
            self._wsgi = WSGIMiddleware(moto)
        return self._wsgi


class Actions:
    """What a test does to the bucket.

    Args:
        s3: The bucket.
        backend: moto's.
    """

    def __init__(self, s3: StickyS3, backend: Any) -> None:
        self._s3 = s3
        self._backend = backend
        self._bucket = s3.bucket

    def put(
        self,
        key: str,
        body: str,
        modified: str | None = None,
        storage_class: str | None = None,
    ) -> str:
        """Store an object; the body is base64. Gives its ETag."""
        more = {"storage": storage_class} if storage_class else {}
        stored = self._backend.put_object(self._bucket, key, base64.b64decode(body), **more)
        if modified:
            stored.last_modified = _naive(modified)
        return str(stored.etag)

    def export(self, kind: str, day: str, rows: int, key: str | None = None) -> str:
        """Store the export of a day; gives its key."""
        when = date.fromisoformat(day)
        key = key or key_of(kind, when)
        stored = self._backend.put_object(self._bucket, key, export(kind, when, rows))
        stored.last_modified = delivered(kind, when)
        return key

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._backend.delete_object(self._bucket, key)

    def touch(self, key: str, modified: str) -> None:
        """Change when an object was stored, as it seems."""
        self._backend.buckets[self._bucket].keys[key].last_modified = _naive(modified)

    def clear(self) -> None:
        """Delete everything."""
        self._s3._empty(self._backend)  # noqa: SLF001 - of one module

    def versioning(self, on: bool) -> None:  # noqa: FBT001 - JSON has no keywords
        """Keep versions."""
        self._backend.put_bucket_versioning(self._bucket, "Enabled" if on else "Suspended")

    def page_size(self, keys: int) -> None:
        """List at most so many objects at once."""
        self._s3._page_size = keys  # noqa: SLF001 - of one module

    def objects(self, prefix: str = "") -> list[dict[str, Any]]:
        """The objects."""
        found = self._backend.buckets[self._bucket].keys.items()
        return [
            {"key": key, "size": item.size, "etag": item.etag.strip('"')}
            for key, item in sorted(found)
            if key.startswith(prefix) and hasattr(item, "size")  # a mark of deletion has none
        ]

    def totals(self, prefix: str) -> dict[str, Any]:
        """What queries on the loaded tables must say, summed from the files."""
        rows, total = 0, 0
        by_state: dict[str, int] = defaultdict(int)
        by_day: dict[str, int] = defaultdict(int)
        for key, item in self._backend.buckets[self._bucket].keys.items():
            if not key.startswith(prefix):
                continue
            day = key.split("report_")[1][:10]
            for row in csv.DictReader(io.StringIO(item.value.decode(), newline="")):
                amount = int(row["total_amount"])
                rows, total = rows + 1, total + amount
                by_day[day] += amount
                if row["order_status"] == "NEW" and amount > 85:  # noqa: PLR2004
                    by_state[row["billing_state"]] += amount
        return {"rows": rows, "revenue": total, "new_by_state": by_state, "by_day": by_day}


def _naive(text: str) -> datetime:
    """A moment as moto keeps it."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
