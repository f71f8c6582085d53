"""Validates URLs in settings."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from signalroom_singer.settings.problems import invalid_setting
from signalroom_singer.settings.variables import setting_label


def validate_base_url(url: str, *, setting: str, allow_http: bool | None = None) -> str:
    """Validate the base URL in a setting.

    Args:
        url: As configured; the scheme may be left out (``https`` is meant).
        setting: The name of the setting, for messages.
        allow_http: Whether plain HTTP to any host is accepted; None if the tap has no such setting.

    Returns:
        The URL without a trailing slash.

    Raises:
        ConfigValidationError: If it is not a URL, carries credentials or a query, or would
            send credentials unencrypted to another machine.
    """
    text = url.strip()
    if "://" not in text:
        text = f"https://{text}"
    text = text.rstrip("/")
    parts = urlsplit(text)
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        problem = "expected a web address, such as https://host"
    elif parts.username or parts.password or parts.query or parts.fragment:
        problem = "expected a plain address, without user, password, query or fragment"
    elif parts.scheme == "http" and not (allow_http or _is_loopback(parts.hostname)):
        problem = "it would send your credentials unencrypted. Use https://"
        if allow_http is not None:
            problem += (
                f", or set {setting_label('allow_http')} if the network in between is your own"
            )
    else:
        return text
    address = f"{parts.scheme}://{parts.hostname or ''}"
    raise invalid_setting(setting, problem, address)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
