"""What a JSON schema allows a field to hold, and the column type that holds all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signalroom_target_postgres.values.json_schema import is_property
from signalroom_target_postgres.values.sql_types import common, family, is_held, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy.types import TypeEngine

    ToSql = Callable[[dict[str, Any]], TypeEngine[object]]

#: Combinations of `anyOf`, `oneOf` and `allOf` beyond this are read as "any value".
_MOST_VARIANTS = 64
_COMBINING = {"anyOf", "oneOf", "allOf", "$ref", "type"}
_TYPES = {"string", "integer", "number", "boolean", "object", "array", "null"}
_ANY = ""
# Of objects within objects; flattening ends far sooner.
_DEPTH = 20
#: The schemas `true` and `false` as objects: any value is valid, or none.
_BOOLEANS: dict[bool, dict[str, Any]] = {True: {}, False: {"not": {}}}
_FLATTENED = {"object": "string", "array": "string"}
_ANY_FLATTENED = {"type": ["string", "integer", "number", "boolean", "null"]}


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
        return common(type_ for _, type_ in self.variants)

    @property
    def json_types(self) -> set[str]:
        """The JSON types of valid values; nothing if all are."""
        types = {json_type for json_type, _ in self.variants}
        return set() if _ANY in types else types

    def held_by(self, actual: str) -> set[str] | None:
        """Find the values that a column of a given type holds as they are.

        Args:
            actual: The column's type.

        Returns:
            Their JSON types, nothing for any; None if it holds none of the variants.
        """
        held = {json_type for json_type, type_ in self.variants if _is_begun(type_, actual)}
        if not held:
            return None
        return set() if _ANY in held else held


def without_booleans(schema: dict[str, Any]) -> dict[str, Any]:
    """Write the schemas `true` and `false` of properties and items as objects, as the SDK needs it.

    https://json-schema.org/draft/2020-12/json-schema-core#section-4.3.2

    Args:
        schema: The stream's JSON schema, or a part of it.

    Returns:
        The same.
    """
    changed: dict[str, Any] = _as_objects(schema, _DEPTH)
    return changed


def _as_objects(schema: Any, depth: int) -> Any:
    if isinstance(schema, bool):
        return dict(_BOOLEANS[schema])
    if depth == 0 or not isinstance(schema, dict):
        return schema
    changed = schema
    if isinstance(properties := schema.get("properties"), dict):
        inner = {name: _as_objects(one, depth - 1) for name, one in properties.items()}
        changed = changed | {"properties": inner}
    if "items" in schema:
        changed = changed | {"items": _as_objects(schema["items"], depth - 1)}
    return changed


def is_never(schema: Any) -> bool:
    """Whether a schema allows no value at all.

    Args:
        schema: A field's JSON schema.
    """
    return schema is False or (isinstance(schema, dict) and schema.get("not") in ({}, True))


def uncombined(schema: dict[str, Any]) -> dict[str, Any]:
    """Write a stream's schema without `anyOf` and its like, as far as that is possible.

    The SDK's flattening takes the first of several types, and leaves out fields whose first is
    a number or a boolean:
    https://github.com/meltano/sdk/blob/v0.54.9/singer_sdk/helpers/_flattening.py (0.54.9)

    Args:
        schema: The stream's JSON schema.

    Returns:
        The same with a list of types in place of each combination.
    """
    return _uncombined(schema, schema, _DEPTH)


def _uncombined(schema: dict[str, Any], root: Any, depth: int) -> dict[str, Any]:
    if depth == 0 or not isinstance(schema.get("properties"), dict):
        return schema
    properties = {
        name: _uncombined(_one_of_types(one, root), root, depth - 1)
        for name, one in schema["properties"].items()
    }
    return schema | {"properties": properties}


def _one_of_types(schema: Any, root: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    if is_never(schema):
        return {"type": "null", "not": {}}
    if "type" in schema and not _COMBINING & schema.keys() - {"type"}:
        return schema
    found = _variants(schema, root)
    types = [*dict.fromkeys(one.get("type", _ANY) for one in found)]
    if _ANY in types:
        # Of a field without `type` the SDK takes the first list, as `enum`, for `anyOf`, and makes
        # a text, also where numbers come.
        return {name: schema[name] for name in schema.keys() & {"description"}} | _ANY_FLATTENED
    valued = [one for one in found if one["type"] != "null"]
    if len(valued) != 1:
        # What only one of several types has, as a format, is no longer true of the field; and
        # flattening makes texts of objects and arrays.
        return {"type": [*dict.fromkeys(_FLATTENED.get(one, one) for one in types)]}
    return valued[0] | {"type": types}


def _is_begun(wanted: str, actual: str) -> bool:
    """Whether a column can hold values of a type: all, or integers until one is too large."""
    elements = {family(wanted.removesuffix("[]")), family(actual.removesuffix("[]"))}
    is_same = wanted.endswith("[]") == actual.endswith("[]")
    return is_held(wanted, actual) or (is_same and elements == {"integer"})


def declared_type(schema: Any, root: Any, to_sql: ToSql) -> DeclaredType:
    """Read a field's schema.

    Args:
        schema: The field's JSON schema.
        root: The stream's, for `$ref`.
        to_sql: Gives the column type of a schema with a single JSON type.

    Returns:
        What it declares.
    """
    found = _variants(schema, root)
    types = [one.get("type", _ANY) for one in found]
    variants = {
        (json_type, _sql_type(one, root, to_sql))
        for one, json_type in zip(found, types, strict=True)
        if json_type != "null"
    }
    if not variants:
        variants = {(_ANY, type_name(to_sql({})))}
    return DeclaredType(frozenset(variants), nullable=bool({_ANY, "null"} & {*types}) or not found)


def constants(schema: Any, root: Any) -> tuple[Any, ...]:
    """Find the one value that a field can have.

    Args:
        schema: The field's JSON schema.
        root: The stream's, for `$ref`.

    Returns:
        The value, by `const` or an `enum` of one, also within `allOf` and its like; nothing where
        there may be others. That a field may be null does not count as another.
    """
    found: list[Any] = []
    for variant in _variants(schema, root):
        values = [variant["const"]] if "const" in variant else variant.get("enum")
        if not isinstance(values, list):
            if variant.get("type") == "null":
                continue
            return ()
        found += [one for one in values if one not in found]
    return (found[0],) if len(found) == 1 else ()


def _sql_type(variant: dict[str, Any], root: Any, to_sql: ToSql) -> str:
    items = variant.get("items")
    if (
        variant.get("type") == "array"
        and isinstance(items, dict)
        and "x-sql-datatype" not in variant
    ):
        types = {one.get("type", _ANY) for one in _variants(items, root)} - {"null"}
        if not types or _ANY in types:
            return "jsonb[]"
        # By JSON type alone, as the stock target: arrays of date-times are arrays of text.
        return f"{common(type_name(to_sql({'type': one})) for one in types)}[]"
    return type_name(to_sql(variant))


def _variants(schema: Any, root: Any, refs: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Split a schema into schemas of at most one type each, without combining keywords."""
    if is_never(schema):
        return []
    if not isinstance(schema, dict):
        return [{}]
    own = {name: value for name, value in schema.items() if name not in _COMBINING}
    variants = [{**own, "type": one} if one else own for one in _own_types(schema)]
    for branches in _combined(schema, root, refs):
        merged = (_merged(one, other) for one in variants for other in branches)
        variants = _distinct(one for one in merged if one is not None)
        if len(variants) > _MOST_VARIANTS:
            return [{}]
    # A schema that contradicts itself says nothing of what will come.
    return variants or [{}]


def _own_types(schema: dict[str, Any]) -> list[str]:
    types = schema.get("type")
    if isinstance(types, str):
        types = [types]
    if types and isinstance(types, list):
        return [one if one in _TYPES else _ANY for one in types]
    if "const" in schema:
        return [_json_type(schema["const"])]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return [*dict.fromkeys(map(_json_type, schema["enum"]))]
    return [_ANY]


def _combined(
    schema: dict[str, Any], root: Any, refs: frozenset[str]
) -> Iterator[list[dict[str, Any]]]:
    """Each condition that has to hold besides the schema's own, as its variants."""
    for name in ("anyOf", "oneOf"):
        if branches := _listed(schema, name):
            yield _distinct(
                variant for branch in branches for variant in _variants(branch, root, refs)
            )
    for branch in _listed(schema, "allOf"):
        yield _variants(branch, root, refs)
    if isinstance(ref := schema.get("$ref"), str):
        # One that leads nowhere, or back to itself, may be anything.
        target = None if ref in refs else _resolved(ref, root)
        yield [{}] if target is None else _variants(target, root, refs | {ref})


def _listed(schema: dict[str, Any], name: str) -> list[Any]:
    found = schema.get(name)
    return found if isinstance(found, list) else []


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    """A schema for what is valid by both; None if nothing is."""
    types = {schema["type"] for schema in (one, other) if "type" in schema}
    if types == {"integer", "number"}:
        types = {"integer"}
    if len(types) > 1:
        return None
    return {**one, **other, **({"type": types.pop()} if types else {})}


def _distinct(variants: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for variant in variants:
        if variant not in found:
            found.append(variant)
    return found


def _resolved(ref: str, root: Any) -> Any:
    if not ref.startswith("#"):
        return None
    found = root
    for part in ref[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    # The fields' own schemas are checked when the message comes; what they refer to is not.
    return found if isinstance(found, bool) or is_property(found) else None


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "boolean"), (int, "integer"), (str, "string"), (dict, "object"))
    for kind, name in (*kinds, (list, "array")):
        if isinstance(value, kind):
            return name
    return "number"
