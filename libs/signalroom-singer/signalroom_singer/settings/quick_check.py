"""Checks settings without importing jsonschema, which is a fifth of the start of a tap.

Almost all settings are valid, and most rules about them are plain. What is neither is left to
jsonschema, which also says what is wrong.
"""

from __future__ import annotations

import re
from types import NoneType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    NoneType: "null",
}
#: Keywords that say nothing about which values are valid.
_ANNOTATIONS = frozenset(
    {"$schema", "default", "description", "examples", "format", "secret", "title", "writeOnly"}
)


def is_plainly_valid(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value is valid by a schema of plain rules; sets defaults, as the SDK does.

    Args:
        schema: A JSON schema.
        value: The value. Of objects in it, properties that are missing get their default.

    Returns:
        True if it is valid. False if it is not, or if only jsonschema can tell.
    """
    return all(
        keyword in _ANNOTATIONS
        or keyword.startswith("x-")
        or (keyword in _RULES and _RULES[keyword](schema, value))
        for keyword in schema
    )


def _has_type(schema: Mapping[str, Any], value: Any) -> bool:
    types, actual = schema["type"], _TYPES.get(type(value))
    if isinstance(types, str):
        types = [types]
    return actual in types or (actual == "integer" and "number" in types)


def _is_in_enum(schema: Mapping[str, Any], value: Any) -> bool:
    # For Python, True is also 1.
    return (value is None or isinstance(value, str)) and value in schema["enum"]


def _is_within_bounds(schema: Mapping[str, Any], value: Any) -> bool:
    if type(value) not in {int, float}:
        return not isinstance(value, int | float)
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _is_long_enough(schema: Mapping[str, Any], value: Any) -> bool:
    return not isinstance(value, str) or len(value) >= schema["minLength"]


def _matches_pattern(schema: Mapping[str, Any], value: Any) -> bool:
    return not isinstance(value, str) or re.search(schema["pattern"], value) is not None


def _has_required(schema: Mapping[str, Any], value: Any) -> bool:
    return not isinstance(value, dict) or all(name in value for name in schema["required"])


def _has_valid_properties(schema: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return True
    properties = schema["properties"]
    for name, declared in properties.items():
        if "default" in declared:
            value.setdefault(name, declared["default"])
    return all(
        is_plainly_valid(declared, value[name])
        for name, declared in properties.items()
        if name in value
    )


def _has_valid_others(schema: Mapping[str, Any], value: Any) -> bool:
    rule = schema["additionalProperties"]
    if rule is True or not isinstance(value, dict):
        return True
    others = value.keys() - schema.get("properties", {}).keys()
    return not others or (
        isinstance(rule, dict) and all(is_plainly_valid(rule, value[name]) for name in others)
    )


def _has_valid_items(schema: Mapping[str, Any], value: Any) -> bool:
    return not isinstance(value, list) or all(
        is_plainly_valid(schema["items"], entry) for entry in value
    )


_RULES: dict[str, Callable[[Mapping[str, Any], Any], bool]] = {
    "additionalProperties": _has_valid_others,
    "enum": _is_in_enum,
    "items": _has_valid_items,
    "maximum": _is_within_bounds,
    "minLength": _is_long_enough,
    "minimum": _is_within_bounds,
    "pattern": _matches_pattern,
    "properties": _has_valid_properties,
    "required": _has_required,
    "type": _has_type,
}
