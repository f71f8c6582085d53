"""Which columns a stream map sets to a constant."""

from __future__ import annotations

import ast
import fnmatch
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import simpleeval  # type: ignore[import-untyped]
from singer_sdk.mapper import CustomStreamMap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.mapper import PluginMapper, StreamMap

#: What expressions may use and still be constants; all else may change from record to record.
_FUNCTIONS = {"str", "int", "float", "bool", "md5", "sha256"}


def constants_of(mapper: PluginMapper, stream: str, stream_map: StreamMap) -> dict[str, Any]:
    """Find the columns that have the same value in all records that a stream map makes.

    Args:
        mapper: The tap's or the target's.
        stream: The stream that the map is applied to.
        stream_map: One of the stream's maps.

    Returns:
        The columns with their values.
    """
    if not isinstance(stream_map, CustomStreamMap):
        return {}
    names = {
        "config": stream_map.map_config,
        "__stream_name__": stream_map.stream_alias,
        "__original_stream_name__": stream,
    }
    found = {}
    for column, expression in _rules_of(mapper, stream, stream_map):
        if not _is_constant(expression, names):
            continue
        evaluator = simpleeval.EvalWithCompoundTypes(functions=stream_map.functions, names=names)
        # What is wrong with an expression is said when the map is applied to a record.
        with suppress(Exception):
            found[column] = evaluator.eval(expression)
    return found


def _rules_of(
    mapper: PluginMapper, stream: str, stream_map: CustomStreamMap
) -> Iterator[tuple[str, str]]:
    """The settings that a map was made of; the SDK does not keep them with it."""
    is_primary = mapper.stream_maps[stream][0] is stream_map
    rules: Mapping[str, Any] = {}
    for name, given in mapper.stream_maps_dict.items():
        if not isinstance(given, dict):
            continue
        source = given.get("__source__", name)
        matches = stream == source or fnmatch.fnmatch(stream, source)
        if matches and (
            "__source__" not in given if is_primary else name == stream_map.stream_alias
        ):
            # As in the SDK, the last one counts.
            rules = given
    for column, expression in rules.items():
        if isinstance(expression, str) and not column.startswith("__"):
            yield column, expression


def _is_constant(expression: str, names: Mapping[str, Any]) -> bool:
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError):
        return False
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return expression != "__NULL__" and used <= {*names, *_FUNCTIONS}
