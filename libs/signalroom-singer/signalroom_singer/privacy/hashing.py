"""Loads columns as hashes, which still can be joined and counted, but identify nobody."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from signalroom_singer.conform import EXTRA
from signalroom_singer.settings.problems import invalid_setting, missing_setting
from signalroom_singer.settings.text_values import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HASH_COLUMNS, HASH_SALT = "hash_columns", "hash_salt"
#: The settings of every tap.
HASH_SETTINGS = (
    th.Property(
        HASH_COLUMNS,
        th.ArrayType(th.StringType(nullable=False)),
        default=[],
        title="Hash columns",
        description=(
            "Columns to load as hashes, as `contacts.email`, `*.email` or, within an object, "
            "`contacts.owner.email` (of what has no column: `contacts._extra.email`): HMAC-SHA-256 "
            "with `hash_salt`, as text. The same value has the same hash in all streams and taps "
            "with that salt; null stays null."
        ),
        examples=[["contacts.email", "*.phone"]],
    ),
    th.Property(
        HASH_SALT,
        th.StringType,
        secret=True,
        title="Hash salt",
        description=(
            "What `hash_columns` are hashed with: a long random text. Keep it: with another one "
            "all hashes change."
        ),
        **EXACT,
    ),
)
_SHORTEST_SALT = 8
_TEXT = {"type": ["string", "null"]}


def check_hashing(config: Mapping[str, Any]) -> None:
    """Validate the settings of hashes.

    Args:
        config: The tap's settings.

    Raises:
        ConfigValidationError: If a setting is missing or invalid.
    """
    patterns, salt = config.get(HASH_COLUMNS) or (), config.get(HASH_SALT) or ""
    for pattern in patterns:
        if "." not in pattern.strip("."):
            problem = "expected stream.column, such as contacts.email or *.email"
            raise invalid_setting(HASH_COLUMNS, problem, pattern)
    if patterns and len(salt) < _SHORTEST_SALT:
        why = (
            f"{HASH_COLUMNS} needs {_SHORTEST_SALT} characters or more, better 32; without it, "
            "anyone could hash a list of addresses and compare"
        )
        if not salt:
            raise missing_setting(HASH_SALT, why)
        raise invalid_setting(HASH_SALT, f"it is too short, {why}")


@dataclass(frozen=True)
class ColumnHashes:
    """Hashes some columns of a stream.

    Args:
        stream: The name of the stream.
        patterns: The setting `hash_columns`.
        salt: The setting `hash_salt`.
    """

    stream: str
    patterns: tuple[str, ...]
    salt: str

    @classmethod
    def from_config(cls, stream: str, config: Mapping[str, Any]) -> ColumnHashes:
        """Read the settings for a stream.

        Args:
            stream: The name of the stream.
            config: The tap's settings.
        """
        patterns = config.get(HASH_COLUMNS) or ()
        of_stream = (
            pattern for pattern in patterns if fnmatchcase(stream, pattern.partition(".")[0])
        )
        return cls(stream, tuple(of_stream), config.get(HASH_SALT) or "")

    def __bool__(self) -> bool:
        """Whether any column of the stream may be hashed."""
        return bool(self.patterns)

    def is_hashed(self, column: str) -> bool:
        """Whether a whole column is hashed, rather than fields within it.

        Args:
            column: The name of the column.
        """
        return _is_hashed(column, self.patterns)

    def paths_within(self, columns: Iterable[str]) -> dict[str, list[list[str]]]:
        """Find the fields that are hashed within objects.

        Args:
            columns: The stream's columns.

        Returns:
            The paths of the fields, by column.
        """
        paths_by_column = ((column, _paths_in(column, self.patterns)) for column in columns)
        return {column: paths for column, paths in paths_by_column if paths}

    def unused_patterns(self, columns: Iterable[str]) -> list[str]:
        """Find the patterns that match no column.

        Args:
            columns: The stream's columns.
        """
        known = [EXTRA, *(name for name in columns if not name.startswith("_"))]
        return [
            pattern
            for pattern in self.patterns
            if not any(
                fnmatchcase(column, part)
                for column in known
                for part in (pattern.partition(".")[2], pattern.split(".")[1])
            )
        ]

    def hash_value(self, value: Any) -> str | None:
        """Hash a value.

        Args:
            value: Any JSON value. Numbers are hashed by their digits: 12, 12.0 and "12" alike.

        Returns:
            64 hexadecimal digits; None for null.
        """
        if value is None:
            return None
        return hmac.digest(self.salt.encode(), _text(value).encode(), "sha256").hex()

    def hash_record(self, record: dict[str, Any]) -> dict[str, Any]:
        """Hash the columns of a record.

        Args:
            record: A record that fits its stream's schema.

        Returns:
            A new record, in which values of hashed columns in `_extra` are hashed too.
        """
        hashes: dict[str, Any] = {
            name: self.hash_value(record[name]) for name in record if self.is_hashed(name)
        }
        for name, paths in self.paths_within(record).items():
            hashes[name] = self._inner(record[name], paths)
        extra = record.get(EXTRA)
        if isinstance(extra, dict):
            hashes[EXTRA] = self.hash_record(extra)
        return {**record, **hashes}

    def hash_schema(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Make hashed columns text in a schema.

        Args:
            columns: The properties of a stream's JSON schema.

        Returns:
            The same properties, in which hashed columns are text.
        """
        hashed_columns = {
            name: {**_description(column), **_TEXT}
            for name, column in columns.items()
            if self.is_hashed(name)
        }
        for name, paths in self.paths_within(columns).items():
            hashed_columns[name] = _with_texts(columns[name], paths)
        return {**columns, **hashed_columns}

    def _inner(self, value: Any, paths: list[list[str]]) -> Any:
        if isinstance(value, list):
            return [self._inner(item, paths) for item in value]
        if not isinstance(value, dict):
            return value
        hashes = {}
        for name in value:
            rests = [rest for first, *rest in paths if fnmatchcase(name, first)]
            if [] in rests:
                hashes[name] = self.hash_value(value[name])
            elif rests:
                hashes[name] = self._inner(value[name], rests)
        return {**value, **hashes}


@lru_cache(maxsize=10_000)
def _is_hashed(column: str, patterns: tuple[str, ...]) -> bool:
    # Columns whose names begin with an underscore are the tap's own: the loader needs them.
    names = (".".join(_path(pattern)) for pattern in patterns)
    return not column.startswith("_") and any(fnmatchcase(column, name) for name in names)


@lru_cache(maxsize=10_000)
def _paths_in(column: str, patterns: tuple[str, ...]) -> list[list[str]]:
    if _is_hashed(column, patterns):
        return []
    paths = map(_path, patterns)
    return [rest for name, *rest in paths if rest and fnmatchcase(column, name)]


def _path(pattern: str) -> list[str]:
    """Split a pattern into column and fields; the fields of `_extra` count as columns."""
    _, *path = pattern.split(".")
    return path[1:] if path[:1] == [EXTRA] else path


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = Decimal(str(value))
        return f"{number.normalize():f}" if number.is_finite() else str(value)
    return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)


def _description(column: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": column["description"]} if "description" in column else {}


def _with_texts(column: dict[str, Any], paths: list[list[str]]) -> dict[str, Any]:
    """Make hashed fields text in the schema of an object, or of a list of objects."""
    if isinstance(column.get("items"), dict):
        return {**column, "items": _with_texts(column["items"], paths)}
    hashed_fields = {}
    for name, field in column.get("properties", {}).items():
        rests = [rest for first, *rest in paths if fnmatchcase(name, first)]
        if [] in rests:
            hashed_fields[name] = {**_description(field), **_TEXT}
        elif rests:
            hashed_fields[name] = _with_texts(field, rests)
    return (
        {**column, "properties": {**column["properties"], **hashed_fields}}
        if hashed_fields
        else column
    )
