"""What a test does to the bucket, and what it asks of it."""

from __future__ import annotations

import base64
import csv
import io
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.sticky_s3.exports import HEADER, day_of, delivered, export, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signalroom_sandbox.sticky_s3.bucket import StickyS3

_ONLY_LOOK = {"objects", "totals"}
_UNDONE_ANYWAY = {"page_size", "latency"}


def act(s3: StickyS3, action: str, given: dict[str, Any]) -> Any:
    """Change the bucket, or look at it.

    Args:
        s3: The bucket.
        action: The name of a method of `Actions`.
        given: Its arguments.

    Raises:
        ValueError: moto refuses.
    """
    backend = s3.backend(fill=action not in {"clear", "delete_bucket"})
    from moto.core.exceptions import ServiceException  # noqa: PLC0415 - slow; see `backend`

    if action not in _ONLY_LOOK | _UNDONE_ANYWAY:
        s3.changed = True
    try:
        return getattr(Actions(s3, backend), action)(**given)
    except ServiceException as error:
        raise ValueError(str(error)) from None


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
        *,
        modified: str | None = None,
        storage_class: str | None = None,
        content_encoding: str | None = None,
    ) -> str:
        """Store an object; the body is base64. Gives its ETag."""
        moment = _naive(modified) if modified else None
        more = {"storage": storage_class} if storage_class else {}
        stored = self._backend.put_object(self._bucket, key, base64.b64decode(body), **more)
        if moment:
            stored.last_modified = moment
        if content_encoding:
            stored.set_metadata({"Content-Encoding": content_encoding})
        return str(stored.etag)

    def export(
        self,
        kind: str,
        day: str,
        rows: int,
        *,
        key: str | None = None,
        seed: int | None = None,
        modified: str | None = None,
    ) -> str:
        """Store the export of a day; gives its key."""
        when, seed = date.fromisoformat(day), self._s3.seed if seed is None else seed
        moment = _naive(modified) if modified else delivered(kind, when, seed=seed)
        key = key or key_of(kind, when, seed=seed)
        body = export(kind, when, rows, seed=seed)
        self._backend.put_object(self._bucket, key, body).last_modified = moment
        return key

    def redeliver(self, key: str, to: str, modified: str) -> None:
        """Store a copy of an object under another key, as if it had been exported again."""
        body = self._backend.get_object(self._bucket, key).value
        stored = self._backend.put_object(self._bucket, to, body)
        stored.last_modified = _naive(modified)

    def shorten(self, key: str, rows: int, modified: str) -> None:
        """Overwrite an export by its first rows."""
        self._rewrite(key, self._rows(key)[:rows], modified)

    def correct(self, key: str, row: int, values: dict[str, str], modified: str) -> None:
        """Overwrite an export with other values in one of its rows, the first being 0."""
        rows = self._rows(key)
        rows[row] |= values
        self._rewrite(key, rows, modified)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._backend.delete_object(self._bucket, key)

    def touch(self, key: str, modified: str) -> None:
        """Change when an object was stored, as it seems."""
        self._backend.buckets[self._bucket].keys[key].last_modified = _naive(modified)

    def clear(self) -> None:
        """Delete everything."""
        self._s3.empty(self._backend)

    def delete_bucket(self) -> None:
        """Delete everything, and the bucket with it."""
        self._s3.remove(self._backend)

    def versioning(self, on: bool) -> None:  # noqa: FBT001 - JSON has no keywords
        """Keep versions."""
        self._backend.put_bucket_versioning(self._bucket, "Enabled" if on else "Suspended")

    def page_size(self, keys: int) -> None:
        """List at most so many objects at once."""
        self._s3.page_size = int(keys)

    def latency(self, seconds: float) -> None:
        """Let each answer take so long."""
        self._s3.latency = float(seconds)

    def objects(self, prefix: str = "") -> list[dict[str, Any]]:
        """The objects."""
        return [
            {
                "key": key,
                "size": item.size,
                "etag": item.etag.strip('"'),
                "modified": item.last_modified.replace(tzinfo=UTC).isoformat(),
            }
            for key, item in self._stored(prefix)
        ]

    def totals(self, prefix: str) -> dict[str, Any]:
        """What queries on the loaded tables must say, summed from the files.

        ``rows``, ``revenue``, ``by_day``, ``rows_by_day`` and ``new_by_state`` are of rows as they
        are in the files; ``orders`` of each order that is NEW by the file that was stored last.
        """
        rows, total = 0, Decimal(0)
        by_state: dict[str, Decimal] = defaultdict(Decimal)
        by_day: dict[str, Decimal] = defaultdict(Decimal)
        rows_by_day: dict[str, int] = defaultdict(int)
        for key, item in self._stored(prefix):
            day = day_of(key)
            for row in _read(item):
                amount = Decimal(row["total_amount"] or 0)
                rows, total = rows + 1, total + amount
                by_day[day] += amount
                rows_by_day[day] += 1
                if row["order_status"] == "NEW" and amount > 85:  # noqa: PLR2004
                    by_state[row["billing_state"]] += amount
        return {
            "rows": rows,
            "revenue": _number(total),
            "new_by_state": {state: _number(amount) for state, amount in by_state.items()},
            "by_day": {day: _number(amount) for day, amount in by_day.items()},
            "rows_by_day": rows_by_day,
            "orders": self._orders(prefix),
        }

    def _orders(self, prefix: str) -> dict[str, Any]:
        """Orders that are NEW, their revenue, and how many have no amount."""
        stored = sorted(self._stored(prefix), key=lambda each: (each[1].last_modified, each[0]))
        newest: dict[str, list[dict[str, str]]] = {}
        first_day: dict[str, str] = {}
        for key, item in stored:
            day = day_of(key)
            lines: dict[str, list[dict[str, str]]] = defaultdict(list)
            for row in _read(item):
                lines[row["orders_id"]].append(row)
            newest |= lines
            for order in lines:
                first_day[order] = min(first_day.get(order, day), day)
        amounts = {
            order: next((row["total_amount"] for row in rows if row["total_amount"]), "")
            for order, rows in newest.items()
            if rows[0]["order_status"] == "NEW"
        }
        by_day: dict[str, Decimal] = defaultdict(Decimal)
        for order, amount in amounts.items():
            by_day[first_day[order]] += Decimal(amount or 0)
        return {
            "count": len(amounts),
            "no_amount": sum(not amount for amount in amounts.values()),
            "revenue": _number(sum(by_day.values(), Decimal(0))),
            "by_day": {day: _number(amount) for day, amount in by_day.items()},
        }

    def _rows(self, key: str) -> list[dict[str, str]]:
        return _read(self._backend.get_object(self._bucket, key))

    def _rewrite(self, key: str, rows: list[dict[str, str]], modified: str) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, HEADER, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        stored = self._backend.put_object(self._bucket, key, text.getvalue().encode())
        stored.last_modified = _naive(modified)

    def _stored(self, prefix: str) -> Iterator[tuple[str, Any]]:
        for key, item in sorted(self._backend.buckets[self._bucket].keys.items()):
            if key.startswith(prefix) and hasattr(item, "size"):  # a mark of deletion has none
                yield key, item


def _read(item: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(item.value.decode(), newline="")))


def _number(amount: Decimal) -> int | float:
    """A sum as JSON has it; amounts have two decimals at most."""
    return int(amount) if amount == int(amount) else float(amount)


def _naive(text: str) -> datetime:
    """A moment as moto keeps it; UTC, where it does not say."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo:
        moment = moment.astimezone(UTC)
    return moment.replace(tzinfo=None)
