"""Signatures of requests, version 4, as AWS documents them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^/]+)/([^/]*/([^/]*)/([^/]*)/aws4_request), *"
    r"SignedHeaders=([^,]*), *Signature=([0-9a-f]*)"
)


@dataclass(frozen=True)
class Signature:
    """The header `Authorization` of a request.

    Args:
        key: The id of the access key.
        scope: Date, region and service.
        service: The service alone.
        headers: The names of the headers that are signed, in order.
        value: The signature, in hexadecimal.
    """

    key: str
    scope: str
    service: str
    headers: tuple[str, ...]
    value: str

    @classmethod
    def of(cls, authorization: str) -> Signature | None:
        """Read the header.

        Args:
            authorization: Value of the header.

        Returns:
            The signature; None if the header has none of this version.
        """
        match = _AUTHORIZATION.match(authorization)
        if not match:
            return None
        key, scope, _, service, headers, value = match.groups()
        return cls(key, scope, service, tuple(headers.split(";")), value)

    def fits(self, secret: str, request: Signed) -> bool:
        """Whether a request was signed with a secret.

        Args:
            secret: The secret access key.
            request: Parts of the request.
        """
        values = request.headers
        canonical = "\n".join(
            (
                request.method,
                request.path if self.service == "s3" else quote(request.path, safe="/~"),
                _sort_query(request.query),
                *(f"{name}:{values.get(name, '')}" for name in self.headers),
                "",
                ";".join(self.headers),
                values.get("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest(),
            )
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join((_ALGORITHM, values.get("x-amz-date", ""), self.scope, digest))
        expected = _hmac(_signing_key(secret, self.scope), text).hex()
        return hmac.compare_digest(expected, self.value)


@dataclass(frozen=True)
class Signed:
    """The parts of a request that a signature covers.

    Args:
        method: GET, PUT, ...
        path: As it was sent.
        query: As it was sent.
        headers: By their names in lower case.
        body: Body of a request without a header for its hash.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Join headers as they are signed: repeated spaces and names are merged.

    Args:
        pairs: Headers as ASGI has them.

    Returns:
        The values by the names.
    """
    headers: dict[str, str] = {}
    for raw_name, raw in pairs:
        name, value = raw_name.decode("latin-1"), " ".join(raw.decode("latin-1").split())
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _sort_query(query: str) -> str:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, _, value in sorted(pairs))


@lru_cache(maxsize=64)
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
