"""How a test says what happens to the bucket."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

    from signalroom_sandbox.server import Control


class ControlS3:
    """What happens to the bucket.

    Args:
        control: The control endpoint.
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    def put(
        self,
        key: str,
        body: bytes | str,
        *,
        modified: datetime | str | None = None,
        storage_class: str | None = None,
        content_encoding: str | None = None,
    ) -> str:
        """Store an object, dated back perhaps; gives its ETag."""
        given = {
            "key": key,
            "body": base64.b64encode(body.encode() if isinstance(body, str) else body).decode(),
            "modified": _text(modified),
            "storage_class": storage_class,
            "content_encoding": content_encoding,
        }
        return str(self._do("put", **given))

    def export(
        self,
        kind: str,
        day: date,
        rows: int,
        *,
        seed: int | None = None,
        key: str | None = None,
        modified: datetime | str | None = None,
    ) -> str:
        """Store the export of a day; gives its key."""
        given = {"seed": seed, "key": key, "modified": _text(modified)}
        return str(self._do("export", kind=kind, day=day.isoformat(), rows=rows, **given))

    def redeliver(self, key: str, *, to: str, modified: datetime | str) -> None:
        """Store a copy of an object under another key, as if it had been exported again."""
        self._do("redeliver", key=key, to=to, modified=_text(modified))

    def shorten(self, key: str, rows: int, *, modified: datetime | str) -> None:
        """Overwrite an export by its first rows."""
        self._do("shorten", key=key, rows=rows, modified=_text(modified))

    def correct(
        self, key: str, row: int, values: dict[str, str], *, modified: datetime | str
    ) -> None:
        """Overwrite an export with other values in one of its rows, the first being 0."""
        self._do("correct", key=key, row=row, values=values, modified=_text(modified))

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._do("delete", key=key)

    def touch(self, key: str, modified: datetime | str) -> None:
        """Change when an object was stored, as it seems."""
        self._do("touch", key=key, modified=_text(modified))

    def clear(self) -> None:
        """Delete everything."""
        self._do("clear")

    def delete_bucket(self) -> None:
        """Delete everything, and the bucket with it."""
        self._do("delete_bucket")

    def versioning(self, *, on: bool) -> None:
        """Keep versions."""
        self._do("versioning", on=on)

    def page_size(self, keys: int) -> None:
        """List at most so many objects at once."""
        self._do("page_size", keys=keys)

    def latency(self, seconds: float) -> None:
        """Let each answer take so long."""
        self._do("latency", seconds=seconds)

    def objects(self, prefix: str = "") -> Any:
        """The objects: ``key``, ``size``, ``etag``, ``modified``."""
        return self._do("objects", prefix=prefix)

    def totals(self, prefix: str) -> Any:
        """What queries must say.

        ``rows``, ``revenue``, ``new_by_state``, and by the days in the keys ``by_day`` (revenue)
        and ``rows_by_day``, of all rows; ``orders``, of orders that are NEW by their latest file:
        ``count``, ``revenue``, ``no_amount`` (orders without one) and ``by_day`` (revenue by the
        day in the key of the first file that has the order).
        """
        return self._do("totals", prefix=prefix)

    def _do(self, action: str, **given: Any) -> Any:
        return self._control.ask("POST", f"/s3/{action}", given)


def _text(moment: datetime | str | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment
