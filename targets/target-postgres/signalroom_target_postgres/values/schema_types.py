"""The values that a JSON schema allows, and the column type that holds all of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_target_postgres.values.sql_types import (
    common_type_of,
    is_held,
    type_family,
    type_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy.types import TypeEngine

    ToSql = Callable[[dict[str, Any]], TypeEngine[object]]

#: Combinations of `anyOf`, `oneOf` and `allOf` beyond this are read as "any value".
_MAX_VARIANTS = 64
#: Keywords that combine schemas, or say a type.
_COMBINING = {"anyOf", "oneOf", "allOf", "$ref", "type"}
_TYPES = {"string", "integer", "number", "boolean", "object", "array", "null"}
#: The JSON types of Python's; others are numbers.
_TYPES_OF_VALUES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    str: "string",
    dict: "object",
    list: "array",
}
_ANY = ""
# Of objects within objects; flattening ends far sooner.
_DEPTH = 20
#: The schemas `true` and `false` as objects: any value is valid, or none.
_BOOLEANS: dict[bool, dict[str, Any]] = {True: {}, False: {"not": {}}}
_FLATTENED = {"object": "string", "array": "string"}
_ANY_FLATTENED = {"type": ["string", "integer", "number", "boolean", "null"]}


class Property(msgspec.Struct, rename="camel"):
    """A part of a JSON schema, as far as a column is made of it; `true` and `false` are others."""

    type: str | list[str] = ""
    format: str | None = None
    any_of: list[Property | bool] = []
    one_of: list[Property | bool] = []
    all_of: list[Property | bool] = []
    items: Any = None
    minimum: float | None = None
    maximum: float | None = None
    sql_datatype: str | None = msgspec.field(default=None, name="x-sql-datatype")


@dataclass(frozen=True)
class DeclaredType:
    """What a schema declares of a field.

    Args:
        variants: Pairs of a JSON type (empty for any) and the column type for its values.
        nullable: Whether null is valid.
    """

    variants: frozenset[tuple[str, str]]
    nullable: bool

    @property
    def type(self) -> str:
        """The column type that holds every valid value."""
        return common_type_of(type_ for _, type_ in self.variants)

    @property
    def json_types(self) -> set[str]:
        """The JSON types of valid values; none if all are."""
        types = {json_type for json_type, _ in self.variants}
        return set() if _ANY in types else types

    def types_held_by(self, actual: str) -> set[str] | None:
        """Return the JSON types of the values that a column holds as they are.

        Args:
            actual: The type of the column.

        Returns:
            The JSON types, an empty set for any; None if it holds none of the variants.
        """
        types = {json_type for json_type, type_ in self.variants if _holds_some(type_, actual)}
        if not types:
            return None
        return set() if _ANY in types else types


def without_booleans(schema: Any, depth: int = _DEPTH) -> Any:
    """Replace the schemas `true` and `false` of properties and items by objects, for the SDK.

    https://json-schema.org/draft/2020-12/json-schema-core#section-4.3.2

    Args:
        schema: The stream's JSON schema, or a part of it.
        depth: How many levels of objects and arrays are replaced.
    """
    if isinstance(schema, bool):
        return dict(_BOOLEANS[schema])
    if depth == 0 or not isinstance(schema, dict):
        return schema
    changed = schema
    if isinstance(properties := schema.get("properties"), dict):
        inner = {name: without_booleans(part, depth - 1) for name, part in properties.items()}
        changed = changed | {"properties": inner}
    if "items" in schema:
        changed = changed | {"items": without_booleans(schema["items"], depth - 1)}
    return changed


def is_never(schema: Any) -> bool:
    """Whether a schema allows no value at all."""
    return schema is False or (isinstance(schema, dict) and schema.get("not") in ({}, True))


def merge_types(schema: dict[str, Any]) -> dict[str, Any]:
    """Replace `anyOf` and its like by lists of types, as far as that is possible.

    The SDK's flattening takes the first of several types, and leaves out fields whose first is
    a number or a boolean:
    https://github.com/meltano/sdk/blob/v0.54.9/singer_sdk/helpers/_flattening.py (0.54.9)
    """
    return _merge_types(schema, schema, _DEPTH)


def _merge_types(schema: dict[str, Any], root: Any, depth: int) -> dict[str, Any]:
    if depth == 0 or not isinstance(schema.get("properties"), dict):
        return schema
    properties = {
        name: _merge_types(_with_type_list(inner, root), root, depth - 1)
        for name, inner in schema["properties"].items()
    }
    return schema | {"properties": properties}


def _with_type_list(schema: Any, root: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    if is_never(schema):
        return {"type": "null", "not": {}}
    if "type" in schema and not _COMBINING & schema.keys() - {"type"}:
        return schema
    variants = _variants(schema, root)
    types = [*dict.fromkeys(variant.get("type", _ANY) for variant in variants)]
    if _ANY in types:
        # Of a field without `type` the SDK takes the first list, as `enum`, for `anyOf`, and makes
        # a text, also where numbers come.
        return {name: schema[name] for name in schema.keys() & {"description"}} | _ANY_FLATTENED
    valued = [variant for variant in variants if variant["type"] != "null"]
    if len(valued) != 1:
        # What only one of several types has, as a format, is no longer true of the field; and
        # flattening makes texts of objects and arrays.
        return {"type": [*dict.fromkeys(_FLATTENED.get(name, name) for name in types)]}
    return valued[0] | {"type": types}


def _holds_some(type_: str, actual: str) -> bool:
    """Whether a column holds values of a type: all, or integers until one is too large."""
    elements = {type_family(type_.removesuffix("[]")), type_family(actual.removesuffix("[]"))}
    is_same = type_.endswith("[]") == actual.endswith("[]")
    return is_held(type_, actual) or (is_same and elements == {"integer"})


def declared_type(schema: Any, root: Any, to_sql: ToSql) -> DeclaredType:
    """Read a field's schema.

    Args:
        schema: The field's JSON schema.
        root: The stream's schema, for `$ref`.
        to_sql: Returns the column type of a schema with a single JSON type.
    """
    variants = _variants(schema, root)
    types = [variant.get("type", _ANY) for variant in variants]
    pairs = {
        (json_type, _sql_type(variant, root, to_sql))
        for variant, json_type in zip(variants, types, strict=True)
        if json_type != "null"
    }
    if not pairs:
        pairs = {(_ANY, type_name(to_sql({})))}
    nullable = bool({_ANY, "null"} & {*types}) or not variants
    return DeclaredType(frozenset(pairs), nullable)


def constants(schema: Any, root: Any) -> tuple[Any, ...]:
    """Return the one value that a field can have.

    Args:
        schema: The field's JSON schema.
        root: The stream's schema, for `$ref`.

    Returns:
        The value, by `const` or an `enum` of one, also within `allOf` and its like; nothing where
        there may be others. That a field may be null does not count as another.
    """
    distinct: list[Any] = []
    for variant in _variants(schema, root):
        values = [variant["const"]] if "const" in variant else variant.get("enum")
        if not isinstance(values, list):
            if variant.get("type") == "null":
                continue
            return ()
        distinct += [value for value in values if value not in distinct]
    return (distinct[0],) if len(distinct) == 1 else ()


def _sql_type(variant: dict[str, Any], root: Any, to_sql: ToSql) -> str:
    items = variant.get("items")
    if (
        variant.get("type") == "array"
        and isinstance(items, dict)
        and "x-sql-datatype" not in variant
    ):
        types = {inner.get("type", _ANY) for inner in _variants(items, root)} - {"null"}
        if not types or _ANY in types:
            return "jsonb[]"
        # By JSON type alone, as the stock target: arrays of date-times are arrays of text.
        return f"{common_type_of(type_name(to_sql({'type': name})) for name in types)}[]"
    return type_name(to_sql(variant))


def _variants(schema: Any, root: Any, refs: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Split a schema into schemas of at most one type each, without combining keywords."""
    if is_never(schema):
        return []
    if not isinstance(schema, dict):
        return [{}]
    own = {name: value for name, value in schema.items() if name not in _COMBINING}
    variants = [{**own, "type": type_} if type_ else own for type_ in _own_types(schema)]
    for branches in _conditions(schema, root, refs):
        pairs = (_intersect(variant, branch) for variant in variants for branch in branches)
        variants = _deduplicate(schema for schema in pairs if schema is not None)
        if len(variants) > _MAX_VARIANTS:
            return [{}]
    # A schema that contradicts itself does not restrict values.
    return variants or [{}]


def _own_types(schema: dict[str, Any]) -> list[str]:
    types = schema.get("type")
    if isinstance(types, str):
        types = [types]
    if types and isinstance(types, list):
        return [type_ if type_ in _TYPES else _ANY for type_ in types]
    if "const" in schema:
        return [_json_type(schema["const"])]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return [*dict.fromkeys(map(_json_type, schema["enum"]))]
    return [_ANY]


def _conditions(
    schema: dict[str, Any], root: Any, refs: frozenset[str]
) -> Iterator[list[dict[str, Any]]]:
    """The variants of each condition that the schema adds to its own keywords."""
    for name in ("anyOf", "oneOf"):
        if branches := _branches_of(schema, name):
            yield _deduplicate(
                variant for branch in branches for variant in _variants(branch, root, refs)
            )
    for branch in _branches_of(schema, "allOf"):
        yield _variants(branch, root, refs)
    if isinstance(ref := schema.get("$ref"), str):
        # One that leads nowhere, or back to itself, may be anything.
        target = None if ref in refs else _resolve(ref, root)
        yield [{}] if target is None else _variants(target, root, refs | {ref})


def _branches_of(schema: dict[str, Any], name: str) -> list[Any]:
    branches = schema.get(name)
    return branches if isinstance(branches, list) else []


def _intersect(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any] | None:
    """A schema for what is valid by both; None if nothing is."""
    types = {schema["type"] for schema in (first, second) if "type" in schema}
    if types == {"integer", "number"}:
        types = {"integer"}
    if len(types) > 1:
        return None
    return {**first, **second, **({"type": types.pop()} if types else {})}


def _deduplicate(variants: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    distinct: list[dict[str, Any]] = []
    for variant in variants:
        if variant not in distinct:
            distinct.append(variant)
    return distinct


def _resolve(ref: str, root: Any) -> Any:
    if not ref.startswith("#"):
        return None
    target = root
    for part in ref[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, dict) or name not in target:
            return None
        target = target[name]
    # The fields' own schemas are checked when the message comes; what they refer to is not.
    with suppress(msgspec.ValidationError):
        msgspec.convert(target, Property | bool)
        return target
    return None


def _json_type(value: object) -> str:
    return _TYPES_OF_VALUES.get(type(value), "number")
