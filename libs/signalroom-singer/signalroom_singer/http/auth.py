"""Credentials that change during a run.

A key that stays the same needs nothing of this module: `singer_sdk.authenticators` has
``APIKeyAuthenticator`` (header or query) and ``BearerTokenAuthenticator``, requests has
``HTTPBasicAuth``.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from signalroom_singer.privacy.redaction import protect

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

_HEADER = "Authorization"
#: A token is renewed this many seconds before it expires, or at a quarter of its life if that is
#: less.
_MARGIN = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """An access token.

    Args:
        value: The text that goes into the header, without ``Bearer``.
        lifetime: The seconds from now until it expires.
    """

    value: str
    lifetime: float


class TokenAuth:
    """A bearer token for all streams and threads, requested when it is first needed.

    It is requested again shortly before it expires, and after a 401. The token is kept out of
    logs and errors.

    Args:
        request_token: Requests a new token from the vendor; runs in one thread at a time.
    """

    def __init__(self, request_token: Callable[[], Token]) -> None:
        self._request_token = request_token
        self._lock = threading.Lock()
        self._header = ""
        self._expires_at = 0.0

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request with the token.

        Args:
            r: The request, which gets the header.
        """
        with self._lock:
            if time.monotonic() >= self._expires_at:
                token = self._request_token()
                protect([token.value])
                self._header = f"Bearer {token.value}"
                margin = min(_MARGIN, token.lifetime / 4)
                self._expires_at = time.monotonic() + token.lifetime - margin
            r.headers[_HEADER] = self._header
        return r

    def renew(self, rejected: requests.PreparedRequest) -> None:
        """Request another token for the next request.

        Args:
            rejected: The signed request that the vendor answered with 401.
        """
        with self._lock:
            # Another thread may have renewed it meanwhile.
            if rejected.headers.get(_HEADER) == self._header:
                self._expires_at = 0.0
