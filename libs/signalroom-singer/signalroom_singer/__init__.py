"""What SignalRoom's Singer taps share on top of the Singer SDK.

Names are imported when they are first asked for: a target needs none of what taps need, and what
starts a tap has to run even where a package is missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signalroom_singer.cell_values import (
        DateFormat,
        parse_number,
    )
    from signalroom_singer.conform import (
        EXTRA,
        RecordConformer,
        RecordError,
        describe_value,
    )
    from signalroom_singer.errors import (
        MalformedResponseError,
        TapError,
        explain_malformed_responses,
    )
    from signalroom_singer.exit_codes import (
        ExitCode,
    )
    from signalroom_singer.failures import (
        Failures,
    )
    from signalroom_singer.http.adaptive import (
        AdaptiveLimit,
    )
    from signalroom_singer.http.auth import (
        RenewableAuth,
        Token,
        TokenAuth,
    )
    from signalroom_singer.http.client import (
        ApiClient,
    )
    from signalroom_singer.http.errors import (
        ErrorMapper,
        ForbiddenRequestError,
        RequestRejectedError,
        error_in_ok_response,
    )
    from signalroom_singer.http.rate_limit import (
        RateLimiter,
    )
    from signalroom_singer.http.retry import (
        RequestTooLargeError,
        RetryPolicy,
        ShrinkInstead,
        exponential_wait,
        parse_retry_after,
    )
    from signalroom_singer.http.size_limit import (
        ResponseTooLargeError,
        read_body,
    )
    from signalroom_singer.http.stream import (
        ApiStream,
    )
    from signalroom_singer.limits.account import (
        ACCOUNT_LIMIT,
        CONCURRENCY_LIMIT,
        RATE_LIMIT,
        RATE_LIMIT_SETTINGS,
        AccountLimits,
    )
    from signalroom_singer.message_writer import (
        BufferedMsgSpecWriter,
    )
    from signalroom_singer.permissions import (
        PermissionErrors,
    )
    from signalroom_singer.privacy.field_names import (
        Sensitive,
    )
    from signalroom_singer.privacy.redaction import (
        protect,
        redact,
    )
    from signalroom_singer.privacy.sensitive_fields import (
        PERSONAL_DATA_SETTING,
        SensitiveFields,
        safe_message,
    )
    from signalroom_singer.read_ahead import (
        ReadAhead,
    )
    from signalroom_singer.settings.problems import (
        invalid_setting,
        missing_setting,
        unknown_time_zone,
    )
    from signalroom_singer.settings.text_values import (
        EXACT,
        KEY,
        PASSWORD,
    )
    from signalroom_singer.settings.variables import (
        current_naming,
        env_aliases,
        fill_setting_labels,
        label_settings_in_backticks,
        setting_label,
    )
    from signalroom_singer.state import (
        check_date_range,
        invalid_bookmark,
        invalid_state,
        parse_bookmark,
        parse_date_setting,
        parse_midnight_setting,
        parse_timestamp_setting,
        validate_state,
    )
    from signalroom_singer.state_merge import (
        seal_state,
        unseal_state,
    )
    from signalroom_singer.stream import (
        CLIENT_ID,
        LOADED_AT,
        ManualBookmarkStream,
        SignalRoomStream,
    )
    from signalroom_singer.table_docs import (
        FULL_TABLE,
        Descriptions,
        Loading,
        without_description,
    )
    from signalroom_singer.tap import (
        COMMON_SETTINGS,
        HTTP_SETTINGS,
        SignalRoomTap,
    )
    from signalroom_singer.timestamps import (
        to_date,
        to_utc,
        utc_isoformat,
    )
    from signalroom_singer.urls import (
        validate_base_url,
    )
    from signalroom_singer.windows import (
        WINDOW_SETTINGS,
        DateWindow,
        WindowedStream,
        split_days,
    )

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
    "AdaptiveLimit",
    "ApiClient",
    "ApiStream",
    "BufferedMsgSpecWriter",
    "DateFormat",
    "DateWindow",
    "Descriptions",
    "ErrorMapper",
    "ExitCode",
    "Failures",
    "ForbiddenRequestError",
    "Loading",
    "MalformedResponseError",
    "ManualBookmarkStream",
    "PermissionErrors",
    "RateLimiter",
    "ReadAhead",
    "RecordConformer",
    "RecordError",
    "RenewableAuth",
    "RequestRejectedError",
    "RequestTooLargeError",
    "ResponseTooLargeError",
    "RetryPolicy",
    "Sensitive",
    "SensitiveFields",
    "ShrinkInstead",
    "SignalRoomStream",
    "SignalRoomTap",
    "TapError",
    "Token",
    "TokenAuth",
    "WindowedStream",
    "check_date_range",
    "current_naming",
    "describe_value",
    "env_aliases",
    "error_in_ok_response",
    "explain_malformed_responses",
    "exponential_wait",
    "fill_setting_labels",
    "invalid_bookmark",
    "invalid_setting",
    "invalid_state",
    "label_settings_in_backticks",
    "missing_setting",
    "parse_bookmark",
    "parse_date_setting",
    "parse_midnight_setting",
    "parse_number",
    "parse_retry_after",
    "parse_timestamp_setting",
    "protect",
    "read_body",
    "redact",
    "safe_message",
    "seal_state",
    "setting_label",
    "split_days",
    "to_date",
    "to_utc",
    "unknown_time_zone",
    "unseal_state",
    "utc_isoformat",
    "validate_base_url",
    "validate_state",
    "without_description",
]

_NAMES = {
    "limits.account": (
        "ACCOUNT_LIMIT",
        "CONCURRENCY_LIMIT",
        "RATE_LIMIT",
        "RATE_LIMIT_SETTINGS",
        "AccountLimits",
    ),
    "cell_values": ("DateFormat", "parse_number"),
    "errors": ("MalformedResponseError", "TapError", "explain_malformed_responses"),
    "exit_codes": ("ExitCode",),
    "failures": ("Failures",),
    "privacy.field_names": ("Sensitive",),
    "state": (
        "validate_state",
        "check_date_range",
        "parse_date_setting",
        "parse_midnight_setting",
        "parse_timestamp_setting",
        "invalid_state",
        "parse_bookmark",
        "invalid_bookmark",
    ),
    "http.adaptive": ("AdaptiveLimit",),
    "http.auth": ("RenewableAuth", "Token", "TokenAuth"),
    "http.client": ("ApiClient",),
    "http.errors": (
        "ErrorMapper",
        "ForbiddenRequestError",
        "RequestRejectedError",
        "error_in_ok_response",
    ),
    "http.rate_limit": ("RateLimiter",),
    "http.retry": (
        "RequestTooLargeError",
        "RetryPolicy",
        "ShrinkInstead",
        "exponential_wait",
        "parse_retry_after",
    ),
    "http.size_limit": ("ResponseTooLargeError", "read_body"),
    "http.stream": ("ApiStream",),
    "permissions": ("PermissionErrors",),
    "read_ahead": ("ReadAhead",),
    "conform": ("EXTRA", "RecordError", "RecordConformer", "describe_value"),
    "privacy.redaction": ("protect", "redact"),
    "state_merge": ("seal_state", "unseal_state"),
    "privacy.sensitive_fields": ("PERSONAL_DATA_SETTING", "SensitiveFields", "safe_message"),
    "settings.problems": ("invalid_setting", "missing_setting", "unknown_time_zone"),
    "settings.text_values": ("EXACT", "KEY", "PASSWORD"),
    "stream": ("CLIENT_ID", "LOADED_AT", "ManualBookmarkStream", "SignalRoomStream"),
    "table_docs": ("FULL_TABLE", "Descriptions", "Loading", "without_description"),
    "tap": ("COMMON_SETTINGS", "HTTP_SETTINGS", "SignalRoomTap"),
    "timestamps": ("to_date", "to_utc", "utc_isoformat"),
    "urls": ("validate_base_url",),
    "settings.variables": (
        "current_naming",
        "env_aliases",
        "setting_label",
        "fill_setting_labels",
        "label_settings_in_backticks",
    ),
    "windows": ("WINDOW_SETTINGS", "DateWindow", "WindowedStream", "split_days"),
    "message_writer": ("BufferedMsgSpecWriter",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
