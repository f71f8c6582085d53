"""Stream maps: which columns they set to a constant, and how they fail on a record."""

from __future__ import annotations

import ast
import fnmatch
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import simpleeval  # type: ignore[import-untyped]
from singer_sdk import mapper as mapper_module
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.mapper import CustomStreamMap
from singer_sdk.singerlib import Catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from singer_sdk.mapper import PluginMapper, StreamMap
    from singer_sdk.singerlib import CatalogEntry

#: What expressions may use and still be constants; all else may change from record to record.
_FUNCTIONS = {"str", "int", "float", "bool", "md5", "sha256"}
_LONGEST = 200
# With it, all fields that are not named are removed.
_ELSE = "__else__"
# What Python's TypeErrors quote, unless it is a value.
_QUOTED = re.compile("""['"](?P<text>[^'"]*)['"]""")
_MIXED = re.compile("'float' and 'decimal.Decimal'|'decimal.Decimal' and 'float'")
_TYPES = {"NoneType", "bool", "decimal.Decimal", "dict", "float", "int", "list", "set", "str"}


def _null_stays(digest: Callable[[str], str]) -> Callable[[Any], str | None]:
    def digest_of(value: Any) -> str | None:
        return None if value is None else digest(str(value))

    return digest_of


# In the SDK, md5(FIELD) fails where the field is null or a number. It has no hook for functions,
# and looks these up by name: https://github.com/meltano/sdk/blob/v0.54.9/singer_sdk/mapper.py
mapper_module.md5 = _null_stays(mapper_module.md5)  # type: ignore[assignment]
mapper_module.sha256 = _null_stays(mapper_module.sha256)  # type: ignore[assignment]


@dataclass(frozen=True)
class Failure:
    """A failure of a stream map on a record.

    Args:
        column: The property that was to be made; None for the filter, and for flattening.
        reason: Which expression failed and how, without the record's values.
    """

    column: str | None
    reason: str


class StreamMapsOnDemand(dict[str, list["StreamMap"]]):
    """The maps of a tap without the setting ``stream_maps``, each made when its stream is read.

    The SDK makes those of all streams, and a catalog for them, when a tap is created: three
    quarters of the time that takes, in a tap of forty streams (``setup_mapper`` of 0.54.9,
    https://github.com/meltano/sdk/blob/v0.54.9/singer_sdk/tap_base.py).

    Args:
        mapper: The mapper of the tap.
        entry_of: Gets a stream's entry in the catalog, by its name.
    """

    def __init__(self, mapper: PluginMapper, entry_of: Callable[[str], CatalogEntry]) -> None:
        super().__init__()
        self._mapper = mapper
        self._entry_of = entry_of

    def __missing__(self, stream: str) -> list[StreamMap]:
        self._mapper.register_raw_streams_from_catalog(Catalog({stream: self._entry_of(stream)}))
        return self[stream]


class RecordMap:
    """Applies a stream map completely, even if an expression fails on a record.

    Args:
        mapper: The mapper of the target.
        stream: The stream that the map is applied to.
        stream_map: One of the stream's maps.
    """

    def __init__(self, mapper: PluginMapper, stream: str, stream_map: StreamMap) -> None:
        self.stream_map = stream_map
        self._mapper = mapper
        self._stream = stream
        #: The expression that makes a property, by its name.
        self.expressions: dict[str, str] = {}
        self._failures: list[Failure] = []
        # The rules of the settings by field.
        self._rules: dict[str, Any] = {}
        if isinstance(stream_map, CustomStreamMap):
            rules = _settings_of(mapper, stream, stream_map)
            self._rules = {
                name: rule
                for name, rule in rules.items()
                if not name.startswith("__") or name == _ELSE
            }
            self.expressions = dict(_rules_of(mapper, stream, stream_map))
            # The SDK has no hook. The functions that it made of the expressions call this method by
            # its name: https://github.com/meltano/sdk/blob/v0.54.9/singer_sdk/mapper.py (0.54.9).
            # It is taken from the class, as a map is used again if the same schema is sent again.
            self._evaluate = partial(CustomStreamMap._eval, stream_map)  # noqa: SLF001
            stream_map._eval = self._evaluate_or_note  # type: ignore[method-assign] # noqa: SLF001

    def apply(self, record: dict[str, Any]) -> tuple[dict[str, Any] | None, list[Failure]]:
        """Apply the map.

        Args:
            record: The record to map; left as it is.

        Returns:
            The new record, or None if it is filtered out; and what failed. Properties that could
            not be made are left out of it, unless they were null, so that it has nothing that the
            map is to remove.
        """
        self._failures = []
        mapped: dict[str, Any] | None
        try:
            mapped = self.stream_map.transform(dict(record))
        except Exception as error:  # noqa: BLE001 - anything that a value of any type does
            reason = f"the stream map cannot flatten it ({_why(error)})"
            return self._untouched_keys(record), [*self._failures, Failure(None, reason)]
        if self._failures:
            # A null reveals nothing, and explains why its expression failed.
            nulls = {name for name, value in record.items() if value is None}
            failed = {failure.column for failure in self._failures} - nulls
            mapped = {
                name: failure for name, failure in (mapped or {}).items() if name not in failed
            }
        return mapped, self._failures

    def preserves(self, fields: Iterable[str]) -> bool:
        """Whether the map lets all records pass, and leaves some of their fields as they are.

        Args:
            fields: The names of the fields.
        """
        return preserves(self._mapper, self._stream, self.stream_map, fields)

    @property
    def is_copy(self) -> bool:
        """Whether the map leaves all fields of records as they are; it may leave out records."""
        return all(name == rule for name, rule in self._rules.items())

    def unchanged_fields(self, record: dict[str, Any]) -> dict[str, Any]:
        """Select the fields of a record that the map leaves unchanged.

        Args:
            record: A record to which the map cannot be applied.

        Returns:
            The fields that are the same after the map.
        """
        rules = self._rules
        keys = self.stream_map.transformed_key_properties or ()
        is_left = {
            name: rules[name] == name if name in rules else _ELSE not in rules or name in keys
            for name in record
        }
        return {name: value for name, value in record.items() if is_left[name]}

    def _untouched_keys(self, record: dict[str, Any]) -> dict[str, Any]:
        """Select the keys that the map does not compute, which it cannot remove."""
        if not isinstance(self.stream_map, CustomStreamMap):
            return record
        keys = self.stream_map.transformed_key_properties or ()
        return {key: record[key] for key in keys if key in record and key not in self.expressions}

    def _evaluate_or_note(
        self, expr: str, expr_parsed: ast.Expr, record: dict[str, Any], property_name: str | None
    ) -> Any:
        try:
            return self._evaluate(expr, expr_parsed, record, property_name)
        except Exception as error:  # noqa: BLE001 - an expression may raise anything
            kind = "expression" if property_name else "`__filter__` expression"
            reason = f"the stream map's {kind} {quote_expression(expr)} failed: {_why(error)}"
            self._failures.append(Failure(property_name, reason))
            # A record whose filter failed is processed further.
            return None if property_name else True


def quote_expression(expression: str) -> str:
    """Quote an expression for a message.

    Args:
        expression: The expression to quote.

    Returns:
        Its beginning, if it is long.
    """
    cut = expression if len(expression) <= _LONGEST else f"{expression[:_LONGEST]}..."
    return f"`{cut}`"


def _why(error: Exception) -> str:
    """Describe how an expression failed, without values that Python's messages may quote."""
    cause = error.__cause__ if isinstance(error, MapExpressionError) else error
    if isinstance(cause, simpleeval.NameNotDefined):
        return f"the record has no field `{cause.name}`"
    if isinstance(cause, simpleeval.FunctionNotDefined):
        return f"there is no function `{cause.func_name}`"
    if isinstance(cause, simpleeval.AttributeDoesNotExist):
        return f"a value, which may be null, has no `{cause.attr}`"
    kind, text = type(cause).__name__, str(cause)
    if isinstance(cause, TypeError) and all(
        match["text"] in _TYPES for match in _QUOTED.finditer(text)
    ):
        # The SDK reads a record's fractions as decimals, which Python does not mix with its own.
        hint = "; write float(...) around the field" if _MIXED.search(text) else ""
        return f"{kind}: {text}{hint}"
    return kind


def constant_columns(mapper: PluginMapper, stream: str, stream_map: StreamMap) -> dict[str, Any]:
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
    constants = {}
    for column, expression in _rules_of(mapper, stream, stream_map):
        if not _is_constant(expression, names):
            continue
        evaluator = simpleeval.EvalWithCompoundTypes(functions=stream_map.functions, names=names)
        # An invalid expression is reported when the map is applied to a record.
        with suppress(Exception):
            constants[column] = evaluator.eval(expression)
    return constants


def preserves(
    mapper: PluginMapper, stream: str, stream_map: StreamMap, fields: Iterable[str]
) -> bool:
    """Whether a stream map lets all records pass, and leaves some of their fields as they are.

    Args:
        mapper: The tap's or the target's.
        stream: The stream that the map is applied to.
        stream_map: One of the stream's maps.
        fields: The names of the fields.
    """
    if not isinstance(stream_map, CustomStreamMap):
        return True
    rules = _settings_of(mapper, stream, stream_map)
    if "__filter__" in rules:
        return False
    keys = stream_map.transformed_key_properties or ()
    return all(
        rules[name] == name if name in rules else _ELSE not in rules or name in keys
        for name in fields
    )


def _rules_of(
    mapper: PluginMapper, stream: str, stream_map: CustomStreamMap
) -> Iterator[tuple[str, str]]:
    """The expressions of a map."""
    for column, expression in _settings_of(mapper, stream, stream_map).items():
        if isinstance(expression, str) and not column.startswith("__"):
            yield column, expression


def _settings_of(
    mapper: PluginMapper, stream: str, stream_map: CustomStreamMap
) -> Mapping[str, Any]:
    """The settings that a map was made of; the SDK does not keep them with it."""
    is_primary = mapper.stream_maps[stream][0] is stream_map
    rules: Mapping[str, Any] = {}
    for name, rule in mapper.stream_maps_dict.items():
        if not isinstance(rule, dict):
            continue
        source = rule.get("__source__", name)
        matches = stream == source or fnmatch.fnmatch(stream, source)
        if matches and (
            "__source__" not in rule if is_primary else name == stream_map.stream_alias
        ):
            # As in the SDK, the last one counts.
            rules = rule
    return rules


def _is_constant(expression: str, names: Mapping[str, Any]) -> bool:
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError):
        return False
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return expression != "__NULL__" and used <= {*names, *_FUNCTIONS}
