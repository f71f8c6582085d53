"""Who may ask: one key that lasts, and those that STS gives out for a while."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from signalroom_sandbox.sticky_s3.errors import refusal, refusal_of_sts
from signalroom_sandbox.sticky_s3.signature import Signature, Signed, headers_of

if TYPE_CHECKING:
    from starlette.types import Scope

ACCESS_KEY = "AKIASANDBOXSTICKY713"
SECRET = "sandbox-sticky-secret"  # noqa: S105 - of no use elsewhere


@dataclass
class Request:
    """What a request says of itself."""

    signature: Signature | None
    signed: Signed

    @classmethod
    def of(cls, scope: Scope) -> Request:
        """Read it, but for its body."""
        headers = headers_of(scope["headers"])
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        signed = Signed(scope["method"], path, query, headers)
        return cls(Signature.of(headers.get("authorization", "")), signed)

    @property
    def key(self) -> str:
        """The id of its access key; nothing without one."""
        return self.signature.key if self.signature else ""

    @property
    def service(self) -> str:
        """Whom it asks."""
        return self.signature.service if self.signature else "s3"

    @property
    def token(self) -> str:
        """The token of a key that is for a while."""
        return self.signed.headers.get("x-amz-security-token", "")

    @property
    def needs_body(self) -> bool:
        """Whether the signature is also about the body itself."""
        return self.signature is not None and "x-amz-content-sha256" not in self.signed.headers

    def with_body(self, body: bytes) -> Request:
        """The same, with its body."""
        return replace(self, signed=replace(self.signed, body=body))


class Access:
    """The keys that are known."""

    def __init__(self) -> None:
        """Begin with none but the one that lasts."""
        self.ahead = timedelta()
        # Secret, token and end of each.
        self._issued: dict[str, tuple[str, str, datetime]] = {}

    def reset(self) -> None:
        """Forget what was given out, and put the clock right."""
        self.ahead = timedelta()
        self._issued.clear()

    def issue(self, answer: bytes) -> bool:
        """Know the key that STS gives out in this answer, and whether there is one."""
        names = (b"AccessKeyId", b"SecretAccessKey", b"SessionToken", b"Expiration")
        found = [re.search(b"<%b>([^<]+)</%b>" % (name, name), answer) for name in names]
        key, secret, token, until = (match[1].decode() if match else "" for match in found)
        if not (key and secret and token and until):
            return False
        # As long as it says: the clock may be ahead of the moment it names.
        self._issued[key] = secret, token, datetime.fromisoformat(until) + self.ahead
        return True

    def refused(self, request: Request) -> tuple[int, bytes] | None:
        """The status and the body of a refusal, if the request is to be refused."""
        reason = self._reason(request)
        if not reason:
            return None
        if request.service == "sts":
            code, text = _BY_STS[reason]
            return 403, refusal_of_sts(code, text)
        status, code, text = _BY_S3[reason]
        more = f"<AWSAccessKeyId>{request.key}</AWSAccessKeyId>" if reason == "unknown" else ""
        return status, refusal(code, text, more=more)

    def _reason(self, request: Request) -> str:
        """Why it is refused; nothing if it is not."""
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
        (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        ),
    ),
    "token": (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
    "expired": (400, "ExpiredToken", "The provided token has expired."),
}
_BY_STS = {
    "anonymous": ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    "unknown": ("InvalidClientTokenId", "The security token included in the request is invalid."),
    "signature": (
        "SignatureDoesNotMatch",
        (
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service "
            "documentation for details."
        ),
    ),
    "token": ("InvalidClientTokenId", "The security token included in the request is invalid."),
    "expired": ("ExpiredToken", "The security token included in the request is expired"),
}
