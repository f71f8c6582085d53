"""Extracts the readable text of vendors' errors."""

from __future__ import annotations

import json
from typing import Any


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
