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
    from signalroom_singer.columns import columns_of
    from signalroom_singer.conform import EXTRA, RecordConformer
    from signalroom_singer.errors import MalformedResponseError, TapError
    from signalroom_singer.exit_codes import ExitCode
    from signalroom_singer.failures import PermissionErrors
    from signalroom_singer.http.adaptive import AdaptiveLimit
    from signalroom_singer.http.auth import Token, TokenAuth
    from signalroom_singer.http.client import ApiClient, ClientContext
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
    from signalroom_singer.http.stream import ApiStream, from_client
    from signalroom_singer.limits.account import (
        CONCURRENCY_LIMIT,
        RATE_LIMIT_SETTINGS,
        rate_limit_setting,
    )
    from signalroom_singer.privacy.field_names import Sensitive
    from signalroom_singer.privacy.redaction import protect, redact
    from signalroom_singer.privacy.sensitive_fields import PERSONAL_DATA_SETTING
    from signalroom_singer.read_ahead import ReadAhead
    from signalroom_singer.scopes import (
        Condition,
        Conditions,
        before,
        between,
        none_of,
        one_of,
        or_null,
        since,
        without_prefix,
    )
    from signalroom_singer.settings.dates import (
        parse_date_setting,
        parse_midnight_setting,
        parse_timestamp_setting,
        parse_zone_setting,
    )
    from signalroom_singer.settings.declared import (
        ALLOW_HTTP_SETTING,
        STREAM_NAME,
        TIMEZONE_SETTING,
        custom_reports_setting,
    )
    from signalroom_singer.settings.problems import invalid_setting, missing_setting
    from signalroom_singer.settings.text_values import EXACT, KEY, PASSWORD
    from signalroom_singer.settings.variables import env_aliases, setting_label
    from signalroom_singer.state import invalid_state, parse_bookmark
    from signalroom_singer.stream import (
        CLIENT_ID,
        LOADED_AT,
        ManualBookmarkStream,
        SignalRoomStream,
        from_setting,
    )
    from signalroom_singer.table_docs import FULL_TABLE, Descriptions, Loading
    from signalroom_singer.tap import COMMON_SETTINGS, HTTP_SETTINGS, SignalRoomTap
    from signalroom_singer.timestamps import to_utc, utc_isoformat
    from signalroom_singer.urls import validate_base_url
    from signalroom_singer.windows import (
        WINDOW_SETTINGS,
        DateWindow,
        WindowedStream,
        split_days,
    )

__all__ = [
    "ALLOW_HTTP_SETTING",
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
    "RATE_LIMIT_SETTINGS",
    "STREAM_NAME",
    "TIMEZONE_SETTING",
    "WINDOW_SETTINGS",
    "AdaptiveLimit",
    "ApiClient",
    "ApiStream",
    "ClientContext",
    "Condition",
    "Conditions",
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
    "before",
    "between",
    "columns_of",
    "custom_reports_setting",
    "env_aliases",
    "error_in_ok_response",
    "from_client",
    "from_setting",
    "invalid_setting",
    "invalid_state",
    "missing_setting",
    "none_of",
    "one_of",
    "or_null",
    "parse_bookmark",
    "parse_date_setting",
    "parse_midnight_setting",
    "parse_number",
    "parse_retry_after",
    "parse_timestamp_setting",
    "parse_zone_setting",
    "protect",
    "rate_limit_setting",
    "redact",
    "setting_label",
    "since",
    "split_days",
    "to_utc",
    "utc_isoformat",
    "validate_base_url",
    "without_prefix",
]

#: The names of each module.
_NAMES = {
    "cell_values": ("parse_number",),
    "columns": ("columns_of",),
    "conform": ("EXTRA", "RecordConformer"),
    "errors": ("MalformedResponseError", "TapError"),
    "exit_codes": ("ExitCode",),
    "failures": ("PermissionErrors",),
    "http.adaptive": ("AdaptiveLimit",),
    "http.auth": ("Token", "TokenAuth"),
    "http.client": ("ApiClient", "ClientContext"),
    "http.errors": (
        "ErrorMapper",
        "ForbiddenRequestError",
        "RequestRejectedError",
        "error_in_ok_response",
    ),
    "http.rate_limit": ("RateLimiter",),
    "http.retry": ("RequestTooLargeError", "RetryPolicy", "ShrinkInstead", "parse_retry_after"),
    "http.stream": ("ApiStream", "from_client"),
    "limits.account": ("CONCURRENCY_LIMIT", "RATE_LIMIT_SETTINGS", "rate_limit_setting"),
    "privacy.field_names": ("Sensitive",),
    "privacy.redaction": ("protect", "redact"),
    "privacy.sensitive_fields": ("PERSONAL_DATA_SETTING",),
    "read_ahead": ("ReadAhead",),
    "scopes": (
        "Condition",
        "Conditions",
        "before",
        "between",
        "none_of",
        "one_of",
        "or_null",
        "since",
        "without_prefix",
    ),
    "settings.dates": (
        "parse_date_setting",
        "parse_midnight_setting",
        "parse_timestamp_setting",
        "parse_zone_setting",
    ),
    "settings.declared": (
        "ALLOW_HTTP_SETTING",
        "STREAM_NAME",
        "TIMEZONE_SETTING",
        "custom_reports_setting",
    ),
    "settings.problems": ("invalid_setting", "missing_setting"),
    "settings.text_values": ("EXACT", "KEY", "PASSWORD"),
    "settings.variables": ("env_aliases", "setting_label"),
    "state": ("invalid_state", "parse_bookmark"),
    "stream": (
        "CLIENT_ID",
        "LOADED_AT",
        "ManualBookmarkStream",
        "SignalRoomStream",
        "from_setting",
    ),
    "table_docs": ("FULL_TABLE", "Descriptions", "Loading"),
    "tap": ("COMMON_SETTINGS", "HTTP_SETTINGS", "SignalRoomTap"),
    "timestamps": ("to_utc", "utc_isoformat"),
    "urls": ("validate_base_url",),
    "windows": ("WINDOW_SETTINGS", "DateWindow", "WindowedStream", "split_days"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
