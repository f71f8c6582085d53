"""How much of an answer is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes, unpacked. Pages have some megabytes, and the first of unknown rows up to 250 or so.
LARGEST_ANSWER = 512 << 20


class AnswerTooLargeError(requests.RequestException):
    """An answer of more than :data:`LARGEST_ANSWER` bytes.

    A megabyte of gzip can be a gigabyte of text: memory would be gone before it is looked at.
    """


class _Bounded(requests.Response):
    """`content`, `text` and `json` all read by this."""

    @override
    def iter_content(self, *args: Any, **options: Any) -> Iterator[Any]:
        size = 0
        for chunk in super().iter_content(*args, **options):
            size += len(chunk)
            if size > LARGEST_ANSWER:
                self.close()
                msg = f"an answer of more than {LARGEST_ANSWER >> 20} MiB"
                raise AnswerTooLargeError(msg)
            yield chunk


class BoundedAdapter(HTTPAdapter):
    """Stops to read an answer that no vendor has reason to send."""

    @override
    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        response.__class__ = _Bounded  # requests has no other way to choose it
        return response
