"""Errors of S3 and STS, and the faults that only S3 has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signalroom_sandbox.exchange import Exchange

XML = b"application/xml"
#: Key of a request's scope with the content that replaces the object before the response.
SWAP = "signalroom.swap"


def error_body(code: str, text: str, *, more: str = "") -> bytes:
    """An error as S3 writes it.

    Args:
        code: S3's code of the error.
        text: Message of the error.
        more: Further elements, as XML.
    """
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{text}</Message>{more}"
        "<RequestId>0A49CE4060975EAC</RequestId></Error>"
    ).encode()


def sts_error_body(code: str, text: str) -> bytes:
    """An error as STS writes it.

    Args:
        code: STS's code of the error.
        text: Message of the error.
    """
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
        f"<Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    ).encode()


def _error(
    code: str,
    status: int,
    text: str,
    *,
    more: str = "",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Any:
    async def act(exchange: Exchange) -> None:
        # A response to HEAD has no body, and so no code.
        is_head = exchange.scope["method"] == "HEAD"
        body = b"" if is_head else error_body(code, text, more=more)
        await exchange.respond(status, body, headers, media_type=XML)

    return act


def _plain(status: int, body: bytes) -> Any:
    async def act(exchange: Exchange) -> None:
        await exchange.respond(status, body, media_type=XML)

    return act


async def _slow(exchange: Exchange) -> None:
    """Send half of the response, and the rest later."""
    status, headers, body = await exchange.vendor_response()
    half = len(body) // 2
    await exchange.send_part(status, headers, body, half)
    await asyncio.sleep(exchange.params.get("seconds", 5))
    await exchange.send({"type": "http.response.body", "body": body[half:]})


async def _swap(exchange: Exchange) -> None:
    scope = {**exchange.scope, SWAP: exchange.params}
    await exchange.app(scope, exchange.receive, exchange.send)


_ELSEWHERE = "sticky-713-data-repo.s3.eu-west-1.amazonaws.com"
FAULTS: dict[str, Any] = {
    "slow_down": _error("SlowDown", 503, "Please reduce your request rate."),
    "s3_500": _error("InternalError", 500, "We encountered an internal error."),
    "s3_403": _error("AccessDenied", 403, "Access Denied"),
    "s3_404": _error("NoSuchKey", 404, "The specified key does not exist."),
    "s3_412": _error("PreconditionFailed", 412, "At least one of the pre-conditions failed"),
    "invalid_access_key": _error(
        "InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist."
    ),
    "signature_mismatch": _error(
        "SignatureDoesNotMatch", 403, "The request signature we calculated does not match."
    ),
    "expired_token": _error("ExpiredToken", 400, "The provided token has expired."),
    "permanent_redirect": _error(
        "PermanentRedirect",
        301,
        "The bucket you are attempting to access must be addressed using the specified endpoint.",
        more=f"<Endpoint>{_ELSEWHERE}</Endpoint>",
        headers=((b"x-amz-bucket-region", b"eu-west-1"),),
    ),
    "assume_role_denied": _plain(
        403,
        sts_error_body("AccessDenied", "User is not authorized to perform: sts:AssumeRole"),
    ),
    # S3 can fail after it began to respond.
    "internal_error_200": _plain(
        200, error_body("InternalError", "We encountered an internal error.")
    ),
    "unparsable_listing": _plain(200, b"<ListBucketResult><Contents><Key>orders-crea"),
    "slow_body": _slow,
    "swap": _swap,
}
