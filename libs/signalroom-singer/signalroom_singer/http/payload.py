"""Decodes JSON as vendors send it, and describes bodies that are something else."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_singer.privacy.sensitive_fields import safe_message

if TYPE_CHECKING:
    import requests

_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: The fields in which vendors put the text of an error.
_ERROR_FIELDS = ("error", "detail", "message", "errors")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def decode_json(body: bytes) -> Any:
    """Decode a body; fractions become ``Decimal``, so that money stays exact.

    Args:
        body: The bytes of a response, unpacked.

    Raises:
        ValueError: If the body is not JSON.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return _decoder.decode(body)
    except _NOT_JSON:
        pass
    try:
        # Some vendors leave raw control characters in their texts, which JSON forbids.
        return json.loads(body, strict=False, parse_float=Decimal)
    except RecursionError:
        msg = "nested too deeply"
        raise ValueError(msg) from None


def describe_body(response: requests.Response) -> str:
    """Say what a body is that is not JSON: empty, an HTML page, or a number of bytes.

    Args:
        response: The response whose body could not be decoded.
    """
    body = response.content.removeprefix(_BYTE_ORDER_MARK)
    if not body.strip():
        return "an empty body"
    if body.lstrip()[:1] == b"<":
        title = _TITLE.search(body)
        text = title.group(1).decode(errors="replace").strip() if title else ""
        return f"an HTML page {safe_message(text)[:80]!r}" if text else "an HTML page"
    kind = response.headers.get("Content-Type", "no content type").split(";")[0]
    return f"{len(body)} bytes that do not parse ({kind}); the body may have been cut"


def error_text(response: requests.Response) -> str:
    """Find the vendor's own words in an error response.

    Args:
        response: A response with an error status; its body may be JSON, HTML or text.

    Returns:
        The text, which may hold secrets and personal data: see `safe_message`.
    """
    try:
        payload = _decoder.decode(response.content)
    except _NOT_JSON:
        text = response.content.strip()
        return describe_body(response) if text[:1] == b"<" else text.decode(errors="replace")
    if isinstance(payload, dict):
        for field in _ERROR_FIELDS:
            if payload.get(field):
                return message_text(payload[field])
    return json.dumps(payload, default=str)


def message_text(error: Any) -> str:
    """Extract the text of an error, without the JSON around it.

    Args:
        error: A text, an object with a ``message``, or a list of either.

    Returns:
        The text; an error without one is returned as JSON.
    """
    if isinstance(error, list) and (
        texts := [message_text(item) for item in error if _has_text(item)]
    ):
        return "; ".join(texts)
    if isinstance(error, dict) and _has_text(error):
        return str(error["message"])
    return error if isinstance(error, str) else json.dumps(error, default=str)


def _has_text(error: Any) -> bool:
    if isinstance(error, dict):
        error = error.get("message")
    return isinstance(error, str) and error != ""
