"""Records that a stream map made: encoded as JSON, or rejected with the name of the expression."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_singer.stream_maps import Failure, RecordMap, quote_expression
from signalroom_target_postgres.messages.rejects import RejectedRecord
from signalroom_target_postgres.values.arrow_json import NOT_FINITE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_ADVICE = (
    "Correct the expression in the setting stream_maps (where a field may be null: `... if FIELD "
    "is not None else None`)"
)
_TYPED = (
    ". A property of a map is a text, or has the type of the field of the same name, unless its "
    "expression starts with a conversion: float(...), int(...), bool(...) or str(...)"
)
_NO_JSON = "expected a value that JSON has, got another"
# Expressions may return `Decimal` and dates.
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
_NOT_ENCODABLE = (ValueError, TypeError, ArithmeticError, RecursionError)


def encode_mapped(record: dict[str, Any]) -> tuple[bytes, RejectedRecord | None]:
    """Encode a record as JSON.

    Args:
        record: A record that a stream map, or flattening, made.

    Returns:
        The record's JSON; and a rejected record, if JSON does not have one of its values.
    """
    for name, value in record.items():
        if _is_not_finite(value):
            return b"", RejectedRecord(_encode_encodable(record), NOT_FINITE, name)
    try:
        return _encode(record), None
    except _NOT_ENCODABLE:
        at_fault = next((name for name in record if not _is_encodable(record[name])), None)
        return b"", RejectedRecord(_encode_encodable(record), _NO_JSON, at_fault)


def reject_unmapped(record: dict[str, Any], failures: Sequence[Failure]) -> RejectedRecord:
    """Make a rejected record of one on which a stream map failed.

    Args:
        record: The fields that the map made.
        failures: The expressions that failed; at least one.
    """
    first, *more = failures
    others = [
        f"; column {failure.column!r}: {failure.reason}" for failure in more if failure.column
    ]
    return RejectedRecord(
        _encode_encodable(record),
        "".join([first.reason, *others]),
        first.column,
        advice=_ADVICE,
        unmapped=True,
    )


def encode_unchanged(record: bytes, record_map: RecordMap) -> bytes:
    """Encode the fields of a record that its stream's map does not change or remove.

    Args:
        record: The text of the record, which may not be valid JSON.
        record_map: The map, which cannot be applied to it.

    Returns:
        The JSON of the fields that could be decoded.
    """
    try:
        fields = json.loads(record, parse_float=str)
    except (ValueError, RecursionError):
        fields = None
    return _encode_encodable(
        record_map.unchanged_fields(fields) if isinstance(fields, dict) else {}
    )


def name_expressions(
    rejects: Sequence[RejectedRecord], expressions: Mapping[str, str]
) -> Sequence[RejectedRecord]:
    """Add the stream map's expression to the reasons of rejected records.

    Args:
        rejects: Records that do not fit.
        expressions: The map's expressions, by the properties that they make.
    """
    return (
        [_name_expression(failure, expressions) for failure in rejects] if expressions else rejects
    )


def _name_expression(reject: RejectedRecord, expressions: Mapping[str, str]) -> RejectedRecord:
    expression = expressions.get(reject.column or "", "")
    # A field that is only copied is as the tap sent it.
    if not reject.reason.startswith("expected ") or not expression or expression.isidentifier():
        return reject
    reason = f"{reject.reason}, from the stream map's expression {quote_expression(expression)}"
    if reject.reason not in {NOT_FINITE, _NO_JSON}:
        reason += _TYPED
    return replace(reject, reason=reason, advice="Correct it in the setting stream_maps")


def _is_not_finite(value: object) -> bool:
    """Whether a map made a number that JSON does not have, which would become null."""
    if isinstance(value, float):
        return not isfinite(value)
    return isinstance(value, Decimal) and not value.is_finite()


def _is_encodable(value: object) -> bool:
    try:
        _encode(value)
    except _NOT_ENCODABLE:
        return False
    return True


def _encode_encodable(record: dict[str, Any]) -> bytes:
    """Encode a record; values that JSON does not have become texts, or are left out."""
    fits = {
        name: str(value) if _is_not_finite(value) else value
        for name, value in record.items()
        if _is_encodable(value)
    }
    return _encode(fits)
