"""Access keys: one that does not expire, and temporary ones of STS."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from signalroom_sandbox.sticky_s3.errors import error_body, sts_error_body
from signalroom_sandbox.sticky_s3.signature import Signature, Signed, headers_of

if TYPE_CHECKING:
    from starlette.types import Scope

ACCESS_KEY = "AKIASANDBOXSTICKY713"
SECRET = "sandbox-sticky-secret"  # noqa: S105 - of no use elsewhere


@dataclass
class Request:
    """A request, with its credentials."""

    signature: Signature | None
    signed: Signed

    @classmethod
    def of(cls, scope: Scope) -> Request:
        """Read the request, without its body."""
        headers = headers_of(scope["headers"])
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        signed = Signed(scope["method"], path, query, headers)
        return cls(Signature.of(headers.get("authorization", "")), signed)

    @property
    def key(self) -> str:
        """The id of the access key; empty if there is none."""
        return self.signature.key if self.signature else ""

    @property
    def service(self) -> str:
        """The AWS service that it is signed for."""
        return self.signature.service if self.signature else "s3"

    @property
    def token(self) -> str:
        """The session token of a temporary key."""
        return self.signed.headers.get("x-amz-security-token", "")

    @property
    def needs_body(self) -> bool:
        """Whether the signature covers the body itself."""
        return self.signature is not None and "x-amz-content-sha256" not in self.signed.headers

    def with_body(self, body: bytes) -> Request:
        """A copy with the body."""
        return replace(self, signed=replace(self.signed, body=body))


class Access:
    """The valid keys."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        # Secret, session token and expiration, by the id of the key.
        self._issued: dict[str, tuple[str, str, datetime]] = {}

    def reset(self) -> None:
        """Revoke temporary keys, and reset the clock."""
        self.ahead = timedelta()
        self._issued.clear()

    def issue(self, body: bytes) -> bool:
        """Register the key that a response of STS issues, and return whether there is one."""
        names = (b"AccessKeyId", b"SecretAccessKey", b"SessionToken", b"Expiration")
        matches = [re.search(b"<%b>([^<]+)</%b>" % (name, name), body) for name in names]
        key, secret, token, until = (match[1].decode() if match else "" for match in matches)
        if not (key and secret and token and until):
            return False
        # The key lasts its full lifetime, even if the clock is ahead.
        self._issued[key] = secret, token, datetime.fromisoformat(until) + self.ahead
        return True

    def error_response(self, request: Request) -> tuple[int, bytes] | None:
        """Status and body of the error, if the request has no permission."""
        reason = self._reason(request)
        if not reason:
            return None
        if request.service == "sts":
            code, text = _BY_STS[reason]
            return 403, sts_error_body(code, text)
        status, code, text = _BY_S3[reason]
        more = f"<AWSAccessKeyId>{request.key}</AWSAccessKeyId>" if reason == "unknown" else ""
        return status, error_body(code, text, more=more)

    def _reason(self, request: Request) -> str:
        """The reason for an error; empty if there is none."""
        secret, token, until = SECRET, "", None
        if request.key != ACCESS_KEY:
            secret, token, until = self._issued.get(request.key, ("", "", None))
            if until is None:
                return "unknown" if request.key else "anonymous"
            if request.token != token:
                return "token"
        if request.signature is None or not request.signature.fits(secret, request.signed):
            return "signature"
        return "expired" if until and datetime.now(UTC) + self.ahead >= until else ""


_NO_MATCH = "The request signature we calculated does not match the signature you provided."
_CONSULT = "Consult the service documentation for details."
_BY_S3 = {
    "anonymous": (403, "AccessDenied", "Access Denied"),
    "unknown": (
        403,
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    "signature": (
        403,
        "SignatureDoesNotMatch",
        f"{_NO_MATCH} Check your key and signing method.",
    ),
    "token": (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
    "expired": (400, "ExpiredToken", "The provided token has expired."),
}
_BY_STS = {
    "anonymous": ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    "unknown": ("InvalidClientTokenId", "The security token included in the request is invalid."),
    "signature": (
        "SignatureDoesNotMatch",
        f"{_NO_MATCH} Check your AWS Secret Access Key and signing method. {_CONSULT}",
    ),
    "token": ("InvalidClientTokenId", "The security token included in the request is invalid."),
    "expired": ("ExpiredToken", "The security token included in the request is expired"),
}
