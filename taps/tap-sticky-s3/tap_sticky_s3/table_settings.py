"""The settings of each table: its files, and how they are written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signalroom_singer import invalid_setting
from tap_sticky_s3.csv.dialect import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class TableSettings:
    """The settings of a table; the tap's settings apply where the table has none of its own.

    Attributes:
        name: Name of the stream and of the table.
        prefix: Start of the keys of its files.
        pattern: Regular expression that the keys match.
        dialect: The files' delimiter, quotes, encoding and nulls.
        check_header: Whether files with unexpected headers are bad files.
    """

    name: str
    prefix: str
    pattern: str
    dialect: Dialect
    check_header: bool

    def contains(self, key: str) -> bool:
        """Whether a file belongs to the table.

        Args:
            key: Key of any object in the bucket.
        """
        return key.startswith(self.prefix) and re.search(self.pattern, key) is not None


def read_tables(config: Mapping[str, Any]) -> list[TableSettings]:
    """Read the tables of the settings `tables` or `prefixes`.

    Args:
        config: The tap's settings.

    Raises:
        ConfigValidationError: If `prefixes` is not a list, or the dialect of a table is invalid.
    """
    tables = config.get("tables") or [
        {"name": _NOT_IN_NAMES.sub("_", folder.lower()).strip("_"), "prefix": f"{folder}/"}
        for folder in _read_folders(config["prefixes"].strip())
    ]
    return [
        TableSettings(
            name=table["name"],
            prefix=table["prefix"],
            pattern=table.get("pattern", config["pattern"]),
            dialect=make_dialect({**config, **table}),
            check_header=table.get("check_header", config["check_header"]),
        )
        for table in tables
    ]


def make_dialect(config: Mapping[str, Any]) -> Dialect:
    """Make the dialect of the settings.

    Args:
        config: The tap's settings, with those of a table if there is one.

    Raises:
        ConfigValidationError: If a setting is invalid.
    """
    return Dialect(
        delimiter=config["delimiter"].replace("\\t", "\t"),
        quotechar=config["quotechar"] or None,
        doublequote=config["doublequote"],
        escapechar=config.get("escapechar"),
        encoding=config["encoding"],
        null_values=tuple(config["null_values"]),
        empty_as_null=config["empty_as_null"],
        on_bad_row=config["on_bad_row"],
    )


def _read_folders(text: str) -> list[str]:
    """Read folders from a JSON list, or from a text with commas between them."""
    try:
        folders = json.loads(text) if text.startswith("[") else text.split(",")
    except ValueError:
        folders = [None]
    # Other JSON, such as an object, may have commas too.
    is_list = not text.startswith(("{", "'", '"'))
    if not is_list or not all(isinstance(folder, str) for folder in folders):
        raise invalid_setting("prefixes", 'expected a,b or ["a", "b"]', text)
    return [folder.strip().strip("/") for folder in folders if folder.strip()]
