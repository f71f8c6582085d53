"""What SignalRoom's Singer taps share on top of the Singer SDK.

Names are imported when they are first asked for: a target needs none of what taps need, and what
starts a tap has to run even where a package is missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signalroom_singer.accountlimits import (
        ACCOUNT_LIMIT,
        CONCURRENCY_LIMIT,
        RATE_LIMIT,
        RATE_LIMIT_SETTINGS,
        AccountLimits,
    )
    from signalroom_singer.answers import AnswerTooLargeError, BoundedAdapter
    from signalroom_singer.cells import DateFormat, number_in
    from signalroom_singer.errors import TapError, UnexpectedAnswerError, expecting
    from signalroom_singer.exitcodes import ExitCode
    from signalroom_singer.failures import Failures
    from signalroom_singer.fieldnames import Sensitive
    from signalroom_singer.given import (
        check_bookmarks,
        check_days,
        configured_day,
        configured_midnight,
        configured_moment,
        spoiled_state,
        stored_moment,
        unreadable_state,
    )
    from signalroom_singer.http import ForbiddenRequestError, HTTPStream, RefusedError
    from signalroom_singer.pacing import Pacer
    from signalroom_singer.readahead import ReadAhead
    from signalroom_singer.records import EXTRA, RecordError, RecordShaper, describe_value
    from signalroom_singer.redaction import protect, redact
    from signalroom_singer.refreshes import sealed, unsealed
    from signalroom_singer.refusals import Refusals
    from signalroom_singer.retry import exponential_wait, parse_retry_after
    from signalroom_singer.sensitive import PERSONAL_DATA_SETTING, SensitiveFields, safe_message
    from signalroom_singer.settings import invalid_setting, missing_setting, unknown_time_zone
    from signalroom_singer.settingtexts import EXACT, KEY, PASSWORD
    from signalroom_singer.stream import CLIENT_ID, LOADED_AT, OwnBookmarkStream, SignalRoomStream
    from signalroom_singer.tabledocs import FULL_TABLE, Descriptions, Loading, undescribed
    from signalroom_singer.tap import COMMON_SETTINGS, HTTP_SETTINGS, SignalRoomTap
    from signalroom_singer.timestamps import to_date, to_utc, utc_isoformat
    from signalroom_singer.urls import base_url
    from signalroom_singer.variables import (
        current,
        given_by,
        named,
        with_variables,
        with_variables_in_backticks,
    )
    from signalroom_singer.windows import WINDOW_SETTINGS, DateWindow, WindowedStream, split_days
    from signalroom_singer.writer import BufferedMsgSpecWriter

__all__ = [
    "ACCOUNT_LIMIT",
    "CLIENT_ID",
    "COMMON_SETTINGS",
    "CONCURRENCY_LIMIT",
    "EXACT",
    "EXTRA",
    "FULL_TABLE",
    "HTTP_SETTINGS",
    "KEY",
    "LOADED_AT",
    "PASSWORD",
    "PERSONAL_DATA_SETTING",
    "RATE_LIMIT",
    "RATE_LIMIT_SETTINGS",
    "WINDOW_SETTINGS",
    "AccountLimits",
    "AnswerTooLargeError",
    "BoundedAdapter",
    "BufferedMsgSpecWriter",
    "DateFormat",
    "DateWindow",
    "Descriptions",
    "ExitCode",
    "Failures",
    "ForbiddenRequestError",
    "HTTPStream",
    "Loading",
    "OwnBookmarkStream",
    "Pacer",
    "ReadAhead",
    "RecordError",
    "RecordShaper",
    "Refusals",
    "RefusedError",
    "Sensitive",
    "SensitiveFields",
    "SignalRoomStream",
    "SignalRoomTap",
    "TapError",
    "UnexpectedAnswerError",
    "WindowedStream",
    "base_url",
    "check_bookmarks",
    "check_days",
    "configured_day",
    "configured_midnight",
    "configured_moment",
    "current",
    "describe_value",
    "expecting",
    "exponential_wait",
    "given_by",
    "invalid_setting",
    "missing_setting",
    "named",
    "number_in",
    "parse_retry_after",
    "protect",
    "redact",
    "safe_message",
    "sealed",
    "split_days",
    "spoiled_state",
    "stored_moment",
    "to_date",
    "to_utc",
    "undescribed",
    "unknown_time_zone",
    "unreadable_state",
    "unsealed",
    "utc_isoformat",
    "with_variables",
    "with_variables_in_backticks",
]

_NAMES = {
    "accountlimits": (
        "ACCOUNT_LIMIT",
        "CONCURRENCY_LIMIT",
        "RATE_LIMIT",
        "RATE_LIMIT_SETTINGS",
        "AccountLimits",
    ),
    "answers": ("AnswerTooLargeError", "BoundedAdapter"),
    "cells": ("DateFormat", "number_in"),
    "errors": ("TapError", "UnexpectedAnswerError", "expecting"),
    "exitcodes": ("ExitCode",),
    "failures": ("Failures",),
    "fieldnames": ("Sensitive",),
    "given": (
        "check_bookmarks",
        "check_days",
        "configured_day",
        "configured_midnight",
        "configured_moment",
        "spoiled_state",
        "stored_moment",
        "unreadable_state",
    ),
    "http": ("ForbiddenRequestError", "HTTPStream", "RefusedError"),
    "pacing": ("Pacer",),
    "readahead": ("ReadAhead",),
    "records": ("EXTRA", "RecordError", "RecordShaper", "describe_value"),
    "redaction": ("protect", "redact"),
    "refreshes": ("sealed", "unsealed"),
    "refusals": ("Refusals",),
    "retry": ("exponential_wait", "parse_retry_after"),
    "sensitive": ("PERSONAL_DATA_SETTING", "SensitiveFields", "safe_message"),
    "settings": ("invalid_setting", "missing_setting", "unknown_time_zone"),
    "settingtexts": ("EXACT", "KEY", "PASSWORD"),
    "stream": ("CLIENT_ID", "LOADED_AT", "OwnBookmarkStream", "SignalRoomStream"),
    "tabledocs": ("FULL_TABLE", "Descriptions", "Loading", "undescribed"),
    "tap": ("COMMON_SETTINGS", "HTTP_SETTINGS", "SignalRoomTap"),
    "timestamps": ("to_date", "to_utc", "utc_isoformat"),
    "urls": ("base_url",),
    "variables": ("current", "given_by", "named", "with_variables", "with_variables_in_backticks"),
    "windows": ("WINDOW_SETTINGS", "DateWindow", "WindowedStream", "split_days"),
    "writer": ("BufferedMsgSpecWriter",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
