"""Records as a stream map makes them: written as JSON, or misfits that name the expression."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_singer.streammaps import shortened
from signalroom_target_postgres.messages.rejects import Misfit
from signalroom_target_postgres.values.arrow_json import NOT_FINITE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from signalroom_singer.streammaps import Failure, RecordMap

_ADVICE = (
    "Correct the expression in the setting stream_maps (where a field may be null: `... if FIELD "
    "is not None else None`)"
)
_TYPED = (
    ". A property that a map makes is a text, or of the type of the field whose name it has, "
    "unless its expression begins with what makes its type: float(...), int(...), bool(...) or "
    "str(...)"
)
_NO_JSON = "expected a value that JSON has, got another"
# As of `Decimal` and dates, which expressions may give.
_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
_UNWRITTEN = (ValueError, TypeError, ArithmeticError, RecursionError)


def written(record: dict[str, Any]) -> tuple[bytes, Misfit | None]:
    """Write a record as JSON.

    Args:
        record: As a stream map, or flattening, made it.

    Returns:
        Its JSON; and what is wrong with it, if JSON does not have its values.
    """
    for name, value in record.items():
        if _is_not_finite(value):
            return b"", Misfit(_as_far_as_it_goes(record), NOT_FINITE, name)
    try:
        return _encode(record), None
    except _UNWRITTEN:
        at_fault = next((name for name in record if not _can_be_written(record[name])), None)
        return b"", Misfit(_as_far_as_it_goes(record), _NO_JSON, at_fault)


def unmapped(record: dict[str, Any], failures: Sequence[Failure]) -> Misfit:
    """Make a misfit of a record on which a stream map failed.

    Args:
        record: What the map made of it.
        failures: What it did not; at least one.

    Returns:
        The misfit.
    """
    first, *more = failures
    others = [f"; column {one.column!r}: {one.reason}" for one in more if one.column]
    return Misfit(
        _as_far_as_it_goes(record),
        "".join([first.reason, *others]),
        first.column,
        advice=_ADVICE,
        unmapped=True,
    )


def unchanged(record: bytes, record_map: RecordMap) -> bytes:
    """Leave out of a record that cannot be read what its stream's map removes or changes.

    Args:
        record: Its text, in JSON or not.
        record_map: The map, which cannot be applied to it.

    Returns:
        The JSON of the fields that the map leaves as they are, as far as they can be read.
    """
    try:
        found = json.loads(record, parse_float=str)
    except (ValueError, RecursionError):
        found = None
    return _as_far_as_it_goes(record_map.unchanged(found) if isinstance(found, dict) else {})


def explained(misfits: Sequence[Misfit], expressions: Mapping[str, str]) -> Sequence[Misfit]:
    """Say of values that a stream map made which expression it was, and how to give it a type.

    Args:
        misfits: Records that do not fit.
        expressions: The map's expressions, by the properties that they make.

    Returns:
        The same.
    """
    return [_explained(one, expressions) for one in misfits] if expressions else misfits


def _explained(misfit: Misfit, expressions: Mapping[str, str]) -> Misfit:
    expression = expressions.get(misfit.column or "", "")
    # What is only copied is as the tap sent it.
    if not misfit.reason.startswith("expected ") or not expression or expression.isidentifier():
        return misfit
    reason = f"{misfit.reason}, from the stream map's expression {shortened(expression)}"
    if misfit.reason not in {NOT_FINITE, _NO_JSON}:
        reason += _TYPED
    return replace(misfit, reason=reason, advice="Correct it in the setting stream_maps")


def _is_not_finite(value: object) -> bool:
    """Whether a map made a number that JSON does not have, which would become null."""
    if isinstance(value, float):
        return not isfinite(value)
    return isinstance(value, Decimal) and not value.is_finite()


def _can_be_written(value: object) -> bool:
    try:
        _encode(value)
    except _UNWRITTEN:
        return False
    return True


def _as_far_as_it_goes(record: dict[str, Any]) -> bytes:
    """A record's JSON; what JSON does not have is a text, or left out."""
    fits = {
        name: str(value) if _is_not_finite(value) else value
        for name, value in record.items()
        if _can_be_written(value)
    }
    return _encode(fits)
