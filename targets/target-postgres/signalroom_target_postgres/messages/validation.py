"""What messages other than records and states have to look like; what does not is said at once.

The SDK, the stock target and our own code take fields as they come, and fail anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_target_postgres.values.json_schema import Property

if TYPE_CHECKING:
    from collections.abc import Mapping


class InvalidMessageError(Exception):
    """A message has not what it needs.

    Args:
        kind: The message's type.
        reason: What is wrong with it.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class _Columns(msgspec.Struct):
    properties: dict[str, Any]
    required: list[str] | None = None


class _Schema(msgspec.Struct):
    stream: str
    schema: _Columns
    key_properties: list[str] | None = None


class _Record(msgspec.Struct):
    stream: str
    record: dict[str, Any]


class _Encoding(msgspec.Struct):
    format: str
    compression: str | None = None


class _Batch(msgspec.Struct):
    stream: str
    manifest: list[str]
    encoding: _Encoding
    version: int | None = None


class _ActivateVersion(msgspec.Struct):
    stream: str
    version: int


_MESSAGES: Mapping[str, type[msgspec.Struct]] = {
    "SCHEMA": _Schema,
    "RECORD": _Record,
    "BATCH": _Batch,
    "ACTIVATE_VERSION": _ActivateVersion,
}


def validate_message(message: dict[str, Any]) -> None:
    """See that a message has what is read of it.

    Args:
        message: It; of a type that is known.

    Raises:
        NoShapeError: If it has not.
    """
    kind = message["type"]
    try:
        msgspec.convert(message, _MESSAGES[kind])
    except msgspec.ValidationError as error:
        raise InvalidMessageError(kind, str(error)) from None
    if "\0" in message["stream"]:
        raise InvalidMessageError(kind, "the stream's name has the character NUL")
    if kind == "SCHEMA":
        for name, declared in message["schema"]["properties"].items():
            try:
                msgspec.convert(declared, Property | bool)
            except msgspec.ValidationError as error:
                raise InvalidMessageError(kind, f"column {name!r}: {error}") from None
            if declared is False and name in (message.get("key_properties") or ()):
                reason = f"column {name!r} is a key, and its schema `false` allows no value"
                raise InvalidMessageError(kind, reason)
