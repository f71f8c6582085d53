"""Errors of S3 and STS, and the faults that only S3 has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: In a request's scope: the object's new content before the response.
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


async def respond(
    send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a response in XML.

    Args:
        send: ASGI's function for messages.
        status: HTTP status code.
        body: Body of the response.
        headers: Headers besides those of the body.
    """
    own = [
        (b"content-type", b"application/xml"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})


def _error(
    code: str,
    status: int,
    text: str,
    *,
    more: str = "",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Any:
    async def act(_: ASGIApp, scope: Scope, receive: Receive, send: Send, __: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        # To HEAD there is no body, and so no code.
        body = b"" if scope["method"] == "HEAD" else error_body(code, text, more=more)
        await respond(send, status, body, headers)

    return act


def _plain(status: int, body: bytes) -> Any:
    async def act(_: ASGIApp, __: Scope, receive: Receive, send: Send, ___: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await respond(send, status, body)

    return act


async def _slow(app: ASGIApp, scope: Scope, receive: Receive, send: Send, params: Any) -> None:
    """Send half of the response, and the rest later."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    body = b"".join(message.get("body", b"") for message in messages[1:])
    half = len(body) // 2
    await send(messages[0])
    await send({"type": "http.response.body", "body": body[:half], "more_body": True})
    await asyncio.sleep(params.get("seconds", 5))
    await send({"type": "http.response.body", "body": body[half:]})


async def _swap(app: ASGIApp, scope: Scope, receive: Receive, send: Send, params: Any) -> None:
    await app({**scope, SWAP: params}, receive, send)


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
    # S3 fails after it began to respond.
    "internal_error_200": _plain(
        200, error_body("InternalError", "We encountered an internal error.")
    ),
    "unparsable_listing": _plain(200, b"<ListBucketResult><Contents><Key>orders-crea"),
    "slow_body": _slow,
    "swap": _swap,
}
