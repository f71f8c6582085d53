"""How much of a response is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

#: Bytes, unpacked. Pages are a few MB; a first page of rows of unknown size may reach 250.
LARGEST_RESPONSE = 512 << 20
_CHUNK = 1 << 16


class ResponseTooLargeError(OSError):
    """A response of more than :data:`LARGEST_RESPONSE` bytes.

    A megabyte of gzip can be a gigabyte of text, which would not fit into memory.
    """

    def __init__(self) -> None:
        super().__init__(f"a response of more than {LARGEST_RESPONSE >> 20} MiB")


def read_body(response: requests.Response) -> None:
    """Read a response that was requested with ``stream=True``, and close it if it is too large.

    Args:
        response: The response; afterwards its ``content`` is there.

    Raises:
        ResponseTooLargeError: If it has more than `LARGEST_RESPONSE` bytes.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            if size > LARGEST_RESPONSE:
                response.close()
                raise ResponseTooLargeError
            chunks.append(chunk)
        # What the property `content` does, which knows of no limit.
        response._content = b"".join(chunks)  # noqa: SLF001
    finally:
        # The traceback of an error keeps them in memory, until the next try has ended.
        chunks.clear()
