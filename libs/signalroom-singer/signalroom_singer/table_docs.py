"""The documentation of a stream's table: its columns, and how it is loaded.

Descriptions go into the schema, so into the catalog, and from there into the table's comments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Descriptions:
    """The descriptions of a tap's tables and columns.

    Attributes:
        tables: A sentence for each stream, by its name.
        columns: By ``column``, for all streams that have it, or by ``stream.column``.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    def column(self, stream: str, name: str, declared: str | None = None) -> str | None:
        """Describe a column.

        Args:
            stream: The stream's name.
            name: The name of the column.
            declared: The description that the stream's schema has.

        Returns:
            The description for this stream, or the declared one, or that for all streams.
        """
        return self.columns.get(f"{stream}.{name}") or declared or self.columns.get(name)

    def schema(self, stream: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Add descriptions to a stream's schema.

        Args:
            stream: The stream's name.
            schema: Its JSON schema; left as it is.

        Returns:
            The same schema, with descriptions of the table and of its columns.
        """
        columns = {
            name: column | {"description": text}
            if (text := self.column(stream, name, column.get("description")))
            else column
            for name, column in schema["properties"].items()
        }
        described = {**schema, "properties": columns}
        if about := self.tables.get(stream):
            described["description"] = about
        return described


def without_description(column: Mapping[str, Any]) -> dict[str, Any]:
    """Return a column's JSON schema without its description.

    Args:
        column: The column's JSON schema.
    """
    return {name: value for name, value in column.items() if name != "description"}


@dataclass(frozen=True, slots=True)
class Loading:
    """How a stream is loaded, for its documentation.

    Attributes:
        method: How it is read, such as "Full table". ``{stream.lookback_days}`` and the like are
            replaced by the stream's value with default settings.
        restated: Which loaded rows change at the vendor, and how the changes are loaded.
        deleted: What happens to rows that are deleted at the vendor.
    """

    method: str
    restated: str
    deleted: str = "They stay in the table"


FULL_TABLE = Loading(
    "Full table",
    "Every run reads all rows again",
    "They are removed from the table once all rows were read",
)
