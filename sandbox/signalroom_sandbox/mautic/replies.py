"""Responses of Mautic: JSON, and pages for a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from signalroom_sandbox.mautic.access import ApiError
from signalroom_sandbox.vendor import json_response

if TYPE_CHECKING:
    from starlette.requests import Request

_UNCACHED = {"Cache-Control": "no-cache, private"}
_PAGE = "<!DOCTYPE html>\n<html><head><title>{}</title></head><body><h1>{}</h1></body></html>"
#: How PHP reads a number that begins a text.
_LEADING = re.compile(r"\s*[+-]?\d+")


class OutOfMemoryError(Exception):
    """PHP ran out of memory.

    Args:
        status: HTTP status code, which a proxy in front may change.
    """

    def __init__(self, status: int) -> None:
        super().__init__("Allowed memory size exhausted")
        self.status = status


def number_in(value: Any) -> int:
    """The number at the beginning of a text, as PHP reads it; otherwise 0."""
    match = _LEADING.match(str(value))
    return int(match[0]) if match else 0


def as_json(payload: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response of the API.

    Args:
        payload: What is encoded as JSON.
        status: HTTP status code.
        headers: Headers of only some responses.
    """
    return json_response(payload, status, _UNCACHED | (headers or {}))


def as_page(status: int, title: str, headers: dict[str, str] | None = None) -> Response:
    """A page for a browser.

    Args:
        status: HTTP status code.
        title: Title of the page.
        headers: Headers of only some pages.
    """
    sent = _UNCACHED | (headers or {})
    return Response(_PAGE.format(title, title), status, sent, media_type="text/html")


async def unknown(request: Request, __: Exception) -> Response:
    """The response to an unknown path: JSON below the API, otherwise a page."""
    path = request.url.path
    if "/api/" in f"{path}/" or "/oauth" in path:
        return as_json(ApiError(404, f"Requested URL not found: {path}").body, 404)
    return as_page(404, "I'm sorry! I couldn't find the page", {"Set-Cookie": "sandbox=1; path=/"})
