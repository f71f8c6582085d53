"""Validates messages other than records and states, so that an error names what is wrong.

The SDK, the stock target and this package read fields without checks, and would fail anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_target_postgres.values.schema_types import Property

if TYPE_CHECKING:
    from collections.abc import Mapping


class InvalidMessageError(Exception):
    """A message lacks a field, or has one of a wrong type.

    Args:
        kind: The type of the message.
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
    """Validate the fields of a message.

    Args:
        message: A message of a known type.

    Raises:
        InvalidMessageError: If a field is missing or wrong.
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
