"""Who may ask: one key that lasts, and those that STS gives out for a while."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from signalroom_sandbox.sticky_s3.answers import refusal, refusal_of_sts

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCESS_KEY = "AKIASANDBOXSTICKY713"
SECRET = "sandbox-sticky-secret"  # noqa: S105 - of no use elsewhere, and not looked at here
_CREDENTIAL = re.compile(rb"Credential=([^/]+)/[^/]*/[^/]*/([^/]*)/")


@dataclass
class Request:
    """What a request says of itself."""

    key: str
    service: str
    token: str

    @classmethod
    def of(cls, headers: Mapping[bytes, bytes]) -> Request:
        """Read the headers."""
        found = _CREDENTIAL.search(headers.get(b"authorization", b""))
        key, service = (found[1].decode(), found[2].decode()) if found else ("", "s3")
        return cls(key, service, headers.get(b"x-amz-security-token", b"").decode())


class Access:
    """The keys that are known."""

    def __init__(self) -> None:
        """Begin with none but the one that lasts."""
        self.ahead = timedelta()
        self._issued: dict[str, tuple[str, datetime]] = {}

    def reset(self) -> None:
        """Forget what was given out, and put the clock right."""
        self.ahead = timedelta()
        self._issued.clear()

    def issue(self, answer: bytes) -> bool:
        """Know the key that STS gives out in this answer, and whether there is one."""
        names = (b"AccessKeyId", b"SessionToken", b"Expiration")
        found = [re.search(b"<%b>([^<]+)</%b>" % (name, name), answer) for name in names]
        key, token, until = (match[1].decode() if match else "" for match in found)
        if not (key and token and until):
            return False
        # As long as it says: the clock may be ahead of the moment it names.
        self._issued[key] = token, datetime.fromisoformat(until) + self.ahead
        return True

    def refused(self, request: Request) -> tuple[int, bytes] | None:
        """The status and the body of a refusal, if the key is to be refused."""
        if request.key == ACCESS_KEY:
            return None
        token, until = self._issued.get(request.key, ("", None))
        if until is None:
            reason = "unknown" if request.key else "anonymous"
        elif request.token != token:
            reason = "token"
        elif datetime.now(UTC) + self.ahead >= until:
            reason = "expired"
        else:
            return None
        if request.service == "sts":
            code, text = _BY_STS[reason]
            return 403, refusal_of_sts(code, text)
        status, code, text = _BY_S3[reason]
        more = f"<AWSAccessKeyId>{request.key}</AWSAccessKeyId>" if reason == "unknown" else ""
        return status, refusal(code, text, more=more)


_BY_S3 = {
    "anonymous": (403, "AccessDenied", "Access Denied"),
    "unknown": (
        403,
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    "token": (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
    "expired": (400, "ExpiredToken", "The provided token has expired."),
}
_BY_STS = {
    "anonymous": ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    "unknown": ("InvalidClientTokenId", "The security token included in the request is invalid."),
    "token": ("InvalidClientTokenId", "The security token included in the request is invalid."),
    "expired": ("ExpiredToken", "The security token included in the request is expired"),
}
