"""What SignalRoom's Singer taps share on top of the Singer SDK."""

from __future__ import annotations

from signalroom_singer.answers import AnswerTooLargeError, BoundedAdapter
from signalroom_singer.errors import TapError, expecting
from signalroom_singer.given import (
    check_bookmarks,
    configured_day,
    configured_midnight,
    spoiled_state,
    stored_moment,
    unreadable_state,
)
from signalroom_singer.http import ForbiddenRequestError, HTTPStream, RefusedError
from signalroom_singer.pacing import Pacer
from signalroom_singer.readahead import ReadAhead
from signalroom_singer.records import EXTRA, RecordError, RecordShaper
from signalroom_singer.redaction import protect, redact
from signalroom_singer.refusals import Refusals
from signalroom_singer.retry import exponential_wait, parse_retry_after
from signalroom_singer.stream import CLIENT_ID, LOADED_AT, OwnBookmarkStream, SignalRoomStream
from signalroom_singer.tap import COMMON_SETTINGS, HTTP_SETTINGS, SignalRoomTap
from signalroom_singer.timestamps import to_date, to_utc, utc_isoformat
from signalroom_singer.urls import base_url
from signalroom_singer.windows import WINDOW_SETTINGS, DateWindow, WindowedStream, split_days
from signalroom_singer.writer import BufferedMsgSpecWriter

__all__ = [
    "CLIENT_ID",
    "COMMON_SETTINGS",
    "EXTRA",
    "HTTP_SETTINGS",
    "LOADED_AT",
    "WINDOW_SETTINGS",
    "AnswerTooLargeError",
    "BoundedAdapter",
    "BufferedMsgSpecWriter",
    "DateWindow",
    "ForbiddenRequestError",
    "HTTPStream",
    "OwnBookmarkStream",
    "Pacer",
    "ReadAhead",
    "RecordError",
    "RecordShaper",
    "Refusals",
    "RefusedError",
    "SignalRoomStream",
    "SignalRoomTap",
    "TapError",
    "WindowedStream",
    "base_url",
    "check_bookmarks",
    "configured_day",
    "configured_midnight",
    "expecting",
    "exponential_wait",
    "parse_retry_after",
    "protect",
    "redact",
    "split_days",
    "spoiled_state",
    "stored_moment",
    "to_date",
    "to_utc",
    "unreadable_state",
    "utc_isoformat",
]
