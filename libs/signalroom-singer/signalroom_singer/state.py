"""The state of a tap: checks what people may have edited by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.state_merge import FIELDS, are_fields
from signalroom_singer.timestamps import clamp

if TYPE_CHECKING:
    from collections.abc import Mapping


def parse_bookmark(value: object, *, stream: str) -> datetime | None:
    """Parse a timestamp in the state.

    Args:
        value: The value in the state; without an offset it is UTC. Timestamps before 1900, or near
            the end of the year 9999, are moved to the nearest that every time zone has.
        stream: The name of the stream.

    Returns:
        The timestamp in UTC; None if there is none.

    Raises:
        TapError: If the value is not a timestamp.
    """
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise invalid_bookmark(value, stream=stream) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return clamp(aware).astimezone(UTC)


def validate_state(state: Mapping[str, Any]) -> None:
    """Check that each stream, and each of its partitions, has a valid state.

    Args:
        state: The state of a tap, as it was passed to it.

    Raises:
        TapError: If a part of the state is not as a tap writes it.
    """
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        raise invalid_state(bookmarks, field="bookmarks")
    for stream, bookmark in bookmarks.items():
        if not isinstance(bookmark, dict) or not _is_text(bookmark):
            raise invalid_state(bookmark, stream=stream)
        partitions = bookmark.get("partitions", [])
        if not isinstance(partitions, list) or not all(
            isinstance(partition, dict) and isinstance(partition.get("context"), dict)
            for partition in partitions
        ):
            raise invalid_state(partitions, stream=stream, field="partitions")
        if not are_fields(bookmark.get(FIELDS, [])):
            raise invalid_state(bookmark[FIELDS], stream=stream, field=FIELDS)


def _is_text(bookmark: Mapping[str, Any]) -> bool:
    try:
        json.dumps(bookmark, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a character: the state could not be written again
        return False
    return True


def invalid_state(value: object, *, stream: str = "", field: str = "") -> TapError:
    """Make the error for a state, or a part of one, that is not as a tap writes it.

    Args:
        value: The invalid part of the state.
        stream: The name of the stream, if it is the state of one.
        field: The name of the field with that part.
    """
    of = f" of stream {stream}" if stream else ""
    msg = (
        f"The state{of}{f' ({field})' if field else ''} cannot be used: {str(value)[:100]!r} is "
        "not valid here. Fix it with `meltano state edit`, or read everything "
        "again with --full-refresh."
    )
    return TapError(msg, exit_code=ExitCode.DATA)


def invalid_bookmark(value: object, *, stream: str) -> TapError:
    """Make the error for a bookmark that is not a timestamp.

    Args:
        value: The value in the state.
        stream: The name of the stream.
    """
    msg = (
        f"{stream}: {str(value)[:100]!r} in the state is not a timestamp (2026-01-31T12:00:00Z). "
        "Fix it with `meltano state edit`, or read everything again with --full-refresh."
    )
    return TapError(msg, exit_code=ExitCode.DATA)
