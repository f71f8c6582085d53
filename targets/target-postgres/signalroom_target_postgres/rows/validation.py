"""JSON-schema validation, with the exact values of numbers."""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from jsonschema.exceptions import (  # type: ignore[import-untyped] # without stubs
    ValidationError,
)
from jsonschema.validators import extend  # type: ignore[import-untyped] # without stubs
from referencing.exceptions import Unresolvable
from singer_sdk.exceptions import InvalidRecord
from singer_sdk.sinks.core import JSONSchemaValidator

from signalroom_target_postgres.values.array_literals import MAX_DIGITS
from signalroom_target_postgres.values.arrow_json import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 200
_EXACT = Context(prec=2 * MAX_DIGITS)


class RecordValidator(JSONSchemaValidator):
    """The SDK's validator for records whose numbers are decimals.

    Args:
        schema: The JSON schema of the stream.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        # `multipleOf`: Python does not divide a decimal by a float.
        super().__init__(_exact(schema))
        kind = type(self.validator)
        checker = kind.TYPE_CHECKER.redefine("integer", _is_integer)
        # Not the SDK's format checker: formats are not validated by default.
        rules = {"multipleOf": _multiple_of}
        self.validator = extend(kind, rules, type_checker=checker)(
            schema=self.validator.schema, format_checker=self.validator.format_checker
        )

    def describe_violation(self, record: dict[str, Any]) -> str | None:
        """Describe how a record violates the schema, without the value, as a part of a sentence.

        Args:
            record: The fields of the record.

        Returns:
            It names the field, but nothing within it: names within an object may be values, as
            those of people. None if the record is valid.
        """
        try:
            self.validate(record)
        except RecursionError:
            return "it is nested too deeply, or the schema's `$ref` never ends"
        except Unresolvable:
            return "the schema's `$ref` refers to nothing"
        except InvalidRecord as error:
            cause = error.__cause__
            path = getattr(cause, "absolute_path", None)
            field = f"$.{path[0]}" if path else "$"
            rule = getattr(cause, "validator", "schema")
            constraint = _as_text(getattr(cause, "validator_value", ""))[:_LONGEST]
            return f"at {field} it breaks the schema's `{rule}`: {constraint}"
        return None


def _as_text(constraint: Any) -> str:
    """Write a part of a schema as the schema has it; a text, as a pattern, without quotes."""
    return constraint if isinstance(constraint, str) else encode(constraint).decode()


def _exact(schema: Any) -> Any:
    if isinstance(schema, float):
        return Decimal(str(schema))
    if isinstance(schema, dict):
        return {name: _exact(inner) for name, inner in schema.items()}
    return [_exact(inner) for inner in schema] if isinstance(schema, list) else schema


def _multiple_of(validator: Any, divisor: Any, value: Any, _: object) -> Iterator[ValidationError]:
    """Check `multipleOf` as the library does, which fails for more than 28 digits."""
    if not validator.is_type(value, "number"):
        return
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    try:
        is_multiple = not _EXACT.remainder(number, Decimal(divisor))
    except InvalidOperation:
        is_multiple = False
    if not is_multiple:
        yield ValidationError("not a multiple")


def _is_integer(_: object, value: object) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)
