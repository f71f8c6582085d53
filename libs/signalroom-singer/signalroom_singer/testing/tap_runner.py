"""Runs a tap in this process, and sorts what it wrote."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from signalroom_singer.scopes import COMPLETE_SCOPES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from signalroom_singer.tap import SignalRoomTap


@dataclass
class SyncResult:
    """The messages that a tap wrote, and the error that ended it.

    Attributes:
        messages: All Singer messages in order, decoded.
        error: The error that ended the run, if `sync` was called with `fails`.
        text: The messages as they were written.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    error: BaseException | None = None
    text: str = ""

    @property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """The records of each stream, in order; empty for a stream without any."""
        records: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for message in self._of_type("RECORD"):
            records[message["stream"]].append(message["record"])
        return records

    @property
    def schemas(self) -> dict[str, dict[str, Any]]:
        """The last SCHEMA message of each stream."""
        return {message["stream"]: message for message in self._of_type("SCHEMA")}

    @property
    def state(self) -> dict[str, Any] | None:
        """The last state; None if there was none."""
        states = [message["value"] for message in self._of_type("STATE")]
        return states[-1] if states else None

    def bookmarks(self, stream: str) -> list[Any]:
        """The bookmarks of a stream, in the order in which they were written.

        Args:
            stream: The name of the stream.
        """
        states = [message["value"]["bookmarks"] for message in self._of_type("STATE")]
        values = [state.get(stream, {}).get("replication_key_value") for state in states]
        return [value for value in values if value]

    def scopes(self, stream: str) -> list[dict[str, Any]]:
        """What the rows of a stream meet that were read completely, in order, by column.

        Args:
            stream: The name of the stream.
        """
        return [
            scope["where"]
            for message in self._of_type("STATE")
            for scope in message.get(COMPLETE_SCOPES, ())
            if scope["stream"] == stream and "where" in scope
        ]

    def sums(self, stream: str, columns: Sequence[str]) -> dict[str, dict[str, Decimal]]:
        """The sums of columns over the records of each day, by their `date`.

        Args:
            stream: The name of the stream.
            columns: The columns to add up.
        """
        days: dict[str, dict[str, Decimal]] = {}
        for record in self.records[stream]:
            sums = days.setdefault(record["date"], dict.fromkeys(columns, Decimal(0)))
            for name in columns:
                sums[name] += Decimal(str(record[name]))
        return days

    def _of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


def sync(
    tap: SignalRoomTap,
    *streams: str,
    fails: type[BaseException] | tuple[type[BaseException], ...] = (),
) -> SyncResult:
    """Run a tap in this process, and close it.

    Args:
        tap: The tap, made with its settings and state.
        streams: The streams to read; the others are deselected. Without names, the tap's own
            selection holds.
        fails: The errors that are expected: they are returned rather than raised.

    Returns:
        The messages that the tap wrote to stdout, also before an error.
    """
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="utf-8")
    error: BaseException | None = None
    if streams:
        select_streams(tap, streams)
    with redirect_stdout(stdout):
        try:
            tap.sync_all()
        except fails as caught:
            error = caught
        finally:
            tap.close()
        stdout.flush()
    text = written.getvalue().decode()
    return SyncResult([json.loads(line) for line in text.splitlines()], error, text)


def select_streams(tap: SignalRoomTap, streams: Collection[str]) -> None:
    """Select streams as a catalog does, without another request to the vendor.

    Args:
        tap: The tap whose selection is changed.
        streams: The names of the streams to select; all others are deselected.
    """
    has_new = any(not tap.streams[name].selected for name in streams)
    for stream in tap.streams.values():
        for metadata in stream.metadata.values():
            metadata.selected = stream.name in streams
        # What follows from the metadata may have been computed already.
        stream.selected = stream.name in streams
    if has_new:
        # The SDK makes maps once, of the streams that are selected then.
        tap._catalog = None  # noqa: SLF001
        tap.setup_mapper()
        for stream in tap.streams.values():
            stream._stream_maps = None  # noqa: SLF001
