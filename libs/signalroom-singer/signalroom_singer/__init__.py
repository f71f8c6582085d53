"""What SignalRoom's Singer taps share on top of the Singer SDK: what the author of a tap needs.

Names are imported when they are first used: a target needs none of what taps need, and the code
that starts a tap has to run even where a package is missing. Inner parts are imported from their
modules.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signalroom_singer.cell_values import parse_number
    from signalroom_singer.conform import EXTRA, RecordConformer
    from signalroom_singer.errors import MalformedResponseError, TapError
    from signalroom_singer.exit_codes import ExitCode
    from signalroom_singer.http.adaptive import AdaptiveLimit
    from signalroom_singer.http.auth import RenewableAuth, Token, TokenAuth
    from signalroom_singer.http.client import ApiClient
    from signalroom_singer.http.errors import (
        ErrorMapper,
        ForbiddenRequestError,
        RequestRejectedError,
        error_in_ok_response,
    )
    from signalroom_singer.http.rate_limit import RateLimiter
    from signalroom_singer.http.retry import (
        RequestTooLargeError,
        RetryPolicy,
        ShrinkInstead,
        parse_retry_after,
    )
    from signalroom_singer.http.stream import ApiStream
    from signalroom_singer.limits.account import (
        CONCURRENCY_LIMIT,
        RATE_LIMIT,
        RATE_LIMIT_SETTINGS,
        AccountLimits,
    )
    from signalroom_singer.permissions import PermissionErrors
    from signalroom_singer.privacy.field_names import Sensitive
    from signalroom_singer.privacy.redaction import protect, redact
    from signalroom_singer.privacy.sensitive_fields import PERSONAL_DATA_SETTING
    from signalroom_singer.read_ahead import ReadAhead
    from signalroom_singer.settings.dates import (
        parse_date_setting,
        parse_midnight_setting,
        parse_timestamp_setting,
    )
    from signalroom_singer.settings.problems import (
        invalid_setting,
        missing_setting,
        unknown_time_zone,
    )
    from signalroom_singer.settings.text_values import EXACT, KEY, PASSWORD
    from signalroom_singer.settings.variables import env_aliases, setting_label
    from signalroom_singer.state import invalid_state, parse_bookmark
    from signalroom_singer.stream import (
        CLIENT_ID,
        LOADED_AT,
        ManualBookmarkStream,
        SignalRoomStream,
    )
    from signalroom_singer.table_docs import FULL_TABLE, Descriptions, Loading
    from signalroom_singer.tap import COMMON_SETTINGS, HTTP_SETTINGS, SignalRoomTap
    from signalroom_singer.timestamps import to_date, to_utc, utc_isoformat
    from signalroom_singer.urls import validate_base_url
    from signalroom_singer.windows import WINDOW_SETTINGS, DateWindow, WindowedStream

__all__ = [
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
    "AdaptiveLimit",
    "ApiClient",
    "ApiStream",
    "DateWindow",
    "Descriptions",
    "ErrorMapper",
    "ExitCode",
    "ForbiddenRequestError",
    "Loading",
    "MalformedResponseError",
    "ManualBookmarkStream",
    "PermissionErrors",
    "RateLimiter",
    "ReadAhead",
    "RecordConformer",
    "RenewableAuth",
    "RequestRejectedError",
    "RequestTooLargeError",
    "RetryPolicy",
    "Sensitive",
    "ShrinkInstead",
    "SignalRoomStream",
    "SignalRoomTap",
    "TapError",
    "Token",
    "TokenAuth",
    "WindowedStream",
    "env_aliases",
    "error_in_ok_response",
    "invalid_setting",
    "invalid_state",
    "missing_setting",
    "parse_bookmark",
    "parse_date_setting",
    "parse_midnight_setting",
    "parse_number",
    "parse_retry_after",
    "parse_timestamp_setting",
    "protect",
    "redact",
    "setting_label",
    "to_date",
    "to_utc",
    "unknown_time_zone",
    "utc_isoformat",
    "validate_base_url",
]

#: The module of each name.
_MODULES = {
    "AccountLimits": "limits.account",
    "AdaptiveLimit": "http.adaptive",
    "ApiClient": "http.client",
    "ApiStream": "http.stream",
    "CLIENT_ID": "stream",
    "COMMON_SETTINGS": "tap",
    "CONCURRENCY_LIMIT": "limits.account",
    "DateWindow": "windows",
    "Descriptions": "table_docs",
    "EXACT": "settings.text_values",
    "EXTRA": "conform",
    "ErrorMapper": "http.errors",
    "ExitCode": "exit_codes",
    "FULL_TABLE": "table_docs",
    "ForbiddenRequestError": "http.errors",
    "HTTP_SETTINGS": "tap",
    "KEY": "settings.text_values",
    "LOADED_AT": "stream",
    "Loading": "table_docs",
    "MalformedResponseError": "errors",
    "ManualBookmarkStream": "stream",
    "PASSWORD": "settings.text_values",
    "PERSONAL_DATA_SETTING": "privacy.sensitive_fields",
    "PermissionErrors": "permissions",
    "RATE_LIMIT": "limits.account",
    "RATE_LIMIT_SETTINGS": "limits.account",
    "RateLimiter": "http.rate_limit",
    "ReadAhead": "read_ahead",
    "RecordConformer": "conform",
    "RenewableAuth": "http.auth",
    "RequestRejectedError": "http.errors",
    "RequestTooLargeError": "http.retry",
    "RetryPolicy": "http.retry",
    "Sensitive": "privacy.field_names",
    "ShrinkInstead": "http.retry",
    "SignalRoomStream": "stream",
    "SignalRoomTap": "tap",
    "TapError": "errors",
    "Token": "http.auth",
    "TokenAuth": "http.auth",
    "WINDOW_SETTINGS": "windows",
    "WindowedStream": "windows",
    "env_aliases": "settings.variables",
    "error_in_ok_response": "http.errors",
    "invalid_setting": "settings.problems",
    "invalid_state": "state",
    "missing_setting": "settings.problems",
    "parse_bookmark": "state",
    "parse_date_setting": "settings.dates",
    "parse_midnight_setting": "settings.dates",
    "parse_number": "cell_values",
    "parse_retry_after": "http.retry",
    "parse_timestamp_setting": "settings.dates",
    "protect": "privacy.redaction",
    "redact": "privacy.redaction",
    "setting_label": "settings.variables",
    "to_date": "timestamps",
    "to_utc": "timestamps",
    "unknown_time_zone": "settings.problems",
    "utc_isoformat": "timestamps",
    "validate_base_url": "urls",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
