"""Control actions: changes of the bucket, and totals to compare with."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.actions import VendorActions, read_only
from signalroom_sandbox.sticky_s3.exports import HEADER, day_of, delivery_time, export, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Actions(VendorActions):
    """Control actions of the bucket."""

    def put(
        self,
        key: str,
        body: bytes,
        *,
        modified: str = "",
        storage_class: str = "STANDARD",
        content_encoding: str = "",
    ) -> str:
        """Store an object (`body` is base64); returns its ETag."""
        with self._changed_backend() as backend:
            item = backend.put_object(self._bucket, key, body, storage=storage_class)
            if modified:
                item.last_modified = _utc(modified)
            if content_encoding:
                item.set_metadata({"Content-Encoding": content_encoding})
            return str(item.etag)

    def export(
        self,
        kind: str,
        day: date,
        rows: int,
        *,
        key: str = "",
        seed: int | None = None,
        modified: str = "",
    ) -> str:
        """Store the export of a day; returns its key."""
        seed = self._vendor.seed if seed is None else seed
        moment = _utc(modified) if modified else delivery_time(kind, day, seed=seed)
        key = key or key_of(kind, day, seed=seed)
        self._store(key, export(kind, day, rows, seed=seed), moment)
        return key

    def redeliver(self, key: str, to: str, modified: str) -> None:
        """Store a copy under another key, as if exported again."""
        self._store(to, self._read(key), _utc(modified))

    def shorten(self, key: str, rows: int, modified: str) -> None:
        """Overwrite an export with its first rows."""
        self._store(key, _csv_of(_rows_of(self._read(key))[:rows]), _utc(modified))

    def correct(self, key: str, row: int, values: dict[str, str], modified: str) -> None:
        """Overwrite an export with other values in a row (from 0)."""
        rows = _rows_of(self._read(key))
        rows[row] |= values
        self._store(key, _csv_of(rows), _utc(modified))

    def delete(self, key: str) -> None:
        """Delete an object."""
        with self._changed_backend() as backend:
            backend.delete_object(self._bucket, key)

    def touch(self, key: str, modified: str) -> None:
        """Change an object's modification time."""
        with self._changed_backend() as backend:
            backend.buckets[self._bucket].keys[key].last_modified = _utc(modified)

    def clear(self) -> None:
        """Delete all objects."""
        with self._changed_backend(fill=False) as backend:
            self._vendor.empty(backend)

    def delete_bucket(self) -> None:
        """Delete the bucket with all objects."""
        with self._changed_backend(fill=False) as backend:
            self._vendor.remove(backend)

    def versioning(self, on: bool) -> None:  # noqa: FBT001 - an argument in JSON
        """Turn versioning on or off."""
        with self._changed_backend() as backend:
            backend.put_bucket_versioning(self._bucket, "Enabled" if on else "Suspended")

    def page_size(self, keys: int) -> None:
        """Limit the objects of a listing's page."""
        self._vendor.page_size = keys

    @read_only
    def objects(self, prefix: str = "") -> list[dict[str, Any]]:
        """The objects: `key`, `size`, `etag`, `modified`."""
        return [
            {
                "key": key,
                "size": item.size,
                "etag": item.etag.strip('"'),
                "modified": item.last_modified.replace(tzinfo=UTC).isoformat(),
            }
            for key, item in self._items(prefix)
        ]

    @read_only
    def totals(self, prefix: str) -> dict[str, Any]:
        """The expected totals; `orders` counts each order once, by its latest file.

        ``rows``, ``revenue``, ``by_day``, ``rows_by_day`` and ``new_by_state`` are of all rows of
        the files; ``orders`` is of the orders that are NEW: ``count``, ``revenue``, ``no_amount``
        (orders without one) and ``by_day`` (revenue by the day in the key of the first file that
        has the order).
        """
        rows, total = 0, Decimal(0)
        by_state: dict[str, Decimal] = defaultdict(Decimal)
        by_day: dict[str, Decimal] = defaultdict(Decimal)
        rows_by_day: dict[str, int] = defaultdict(int)
        for key, item in self._items(prefix):
            day = day_of(key)
            for row in _rows_of(item.value):
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
        items = sorted(self._items(prefix), key=lambda each: (each[1].last_modified, each[0]))
        newest: dict[str, list[dict[str, str]]] = {}
        first_day: dict[str, str] = {}
        for key, item in items:
            day = day_of(key)
            lines: dict[str, list[dict[str, str]]] = defaultdict(list)
            for row in _rows_of(item.value):
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

    # moto

    @property
    def _bucket(self) -> str:
        return str(self._vendor.bucket)

    @contextmanager
    def _changed_backend(self, *, fill: bool = True) -> Iterator[Any]:
        """Moto's backend, for a change that the next reset undoes."""
        with _moto_errors():
            backend = self._vendor.backend(fill=fill)
            self._vendor.changed = True
            yield backend

    def _read(self, key: str) -> bytes:
        with _moto_errors():
            item = self._vendor.backend().get_object(self._bucket, key)
        if item is None:
            msg = f"no object {key}"
            raise LookupError(msg)
        return bytes(item.value)

    def _store(self, key: str, body: bytes, modified: datetime) -> None:
        with self._changed_backend() as backend:
            backend.put_object(self._bucket, key, body).last_modified = modified

    def _items(self, prefix: str) -> Iterator[tuple[str, Any]]:
        for key, item in sorted(self._vendor.backend().buckets[self._bucket].keys.items()):
            if key.startswith(prefix) and hasattr(item, "size"):  # a delete marker has none
                yield key, item


@contextmanager
def _moto_errors() -> Iterator[None]:
    from moto.core.exceptions import ServiceException  # noqa: PLC0415 - slow; see `backend`

    try:
        yield
    except ServiceException as error:
        raise ValueError(str(error)) from None


def _rows_of(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def _csv_of(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HEADER, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _number(amount: Decimal) -> int | float:
    """A sum as JSON has it; amounts have two decimals at most."""
    return int(amount) if amount == int(amount) else float(amount)


def _utc(text: str) -> datetime:
    """Parse a moment as moto stores it: UTC without a zone."""
    moment = datetime.fromisoformat(text)
    return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)
