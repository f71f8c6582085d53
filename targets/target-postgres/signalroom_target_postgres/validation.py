"""Full JSON-schema validation, of numbers as they were written."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from jsonschema.validators import extend  # type: ignore[import-untyped] # without stubs
from singer_sdk.sinks.core import JSONSchemaValidator

if TYPE_CHECKING:
    from singer_sdk.exceptions import InvalidRecord

_LONGEST = 200


class RecordValidator(JSONSchemaValidator):
    """The SDK's validator for records whose numbers are decimals.

    Args:
        schema: The stream's schema.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        # A decimal has no remainder by a float (`multipleOf`).
        super().__init__(_exact(schema))
        kind = type(self.validator)
        checker = kind.TYPE_CHECKER.redefine("integer", _is_integer)
        # Not the SDK's format checker: formats are not validated by default.
        self.validator = extend(kind, type_checker=checker)(
            schema=self.validator.schema, format_checker=self.validator.format_checker
        )


def broken_rule(error: InvalidRecord) -> str:
    """Say what validation found, without the value.

    Args:
        error: From the validator.

    Returns:
        A part of a sentence. It names the field, not what is in it: names within an object may be
        values, as those of people.
    """
    cause = error.__cause__
    path = getattr(cause, "absolute_path", None)
    field = f"$.{path[0]}" if path else "$"
    rule = getattr(cause, "validator", "schema")
    wanted = str(getattr(cause, "validator_value", ""))[:_LONGEST]
    return f"at {field} it breaks the schema's `{rule}`: {wanted}"


def _exact(schema: Any) -> Any:
    if isinstance(schema, float):
        return Decimal(str(schema))
    if isinstance(schema, dict):
        return {name: _exact(inner) for name, inner in schema.items()}
    return [_exact(inner) for inner in schema] if isinstance(schema, list) else schema


def _is_integer(_: object, value: object) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)
