"""The custom fields of contacts and companies, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from signalroom_singer import CLIENT_ID, EXTRA, LOADED_AT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk.helpers.types import Record

#: Types by Mautic's names of them; all others are text.
_TYPES: dict[str, Any] = {
    "boolean": th.BooleanType,
    "date": th.DateType,
    "datetime": th.DateTimeType,
    "multiselect": th.ArrayType(th.StringType),
    "number": th.NumberType,
}
#: Fields that every instance has, for roles that may not see the list of fields.
_DEFAULT_FIELDS = (
    *("title", "firstname", "lastname", "company", "position", "email", "mobile", "phone"),
    *("address1", "address2", "city", "state", "zipcode", "country"),
)
#: Types whose values have to be converted.
_CONVERTED_TYPES = frozenset({"date", "datetime", "multiselect"})
#: Fields that are columns of a contact as well: Mautic sends them twice.
_DUPLICATES = frozenset({"id", "points", "last_active"})
#: Columns that the kit adds to every row.
_KIT_COLUMNS = frozenset({CLIENT_ID, EXTRA, LOADED_AT})
#: What MySQL stores in place of a missing date.
_NO_DATE = "0000-00-00"


@dataclass(frozen=True, slots=True)
class Field:
    """A custom field, or one that comes with Mautic."""

    alias: str
    kind: str
    label: str


class CustomFields:
    """The fields of contacts or of companies.

    Args:
        definitions: The fields as Mautic lists them, or None if the role may not see the list.
        columns: The other columns of a record.
    """

    def __init__(
        self, definitions: Iterable[Mapping[str, Any]] | None, columns: Iterable[str]
    ) -> None:
        fields = (
            [Field(name, "text", name) for name in _DEFAULT_FIELDS]
            if definitions is None
            else [
                Field(str(item["alias"]), str(item.get("type")), str(item.get("label")))
                for item in definitions
            ]
        )
        self._reserved = _KIT_COLUMNS.union(columns)
        self._aliases = frozenset(field.alias for field in fields)
        self._fields = [field for field in fields if field.alias not in _DUPLICATES]
        self._columns = {field.alias: self._column(field.alias) for field in self._fields}
        self._conversions = [
            (self._columns[field.alias], field.kind)
            for field in self._fields
            if field.kind in _CONVERTED_TYPES
        ]

    def properties(self) -> list[th.Property[Any]]:
        """The columns of the fields, with their types."""
        return [
            th.Property(
                self._columns[field.alias],
                _TYPES.get(field.kind, th.StringType),
                description=field.label,
            )
            for field in self._fields
        ]

    def values(self, row: Record) -> Record:
        """Take the values of the fields out of a row; those of newer fields go by their alias too.

        Args:
            row: A row with ``fields``, as Mautic sent it.
        """
        groups = row.get("fields")
        groups = groups if isinstance(groups, dict) else {}
        values = groups.get("all")
        if not isinstance(values, dict):
            values = {
                alias: field.get("value")
                for group in groups.values()
                if isinstance(group, dict)
                for alias, field in group.items()
                if isinstance(field, dict)
            }
        columns = self._columns
        record = {
            columns[alias] if alias in columns else self._column(alias): value
            for alias, value in values.items()
            if alias not in _DUPLICATES
        }
        for column, kind in self._conversions:
            record[column] = _convert(kind, record.get(column))
        return record

    def _column(self, alias: str) -> str:
        if alias not in self._reserved:
            return alias
        column = f"field_{alias}"
        # Another field may have that very alias, and keeps it.
        while column in self._aliases or column in self._reserved:
            column = f"field_{column}"
        return column


def _convert(kind: str, value: Any) -> Any:
    if kind == "multiselect":
        return [item for item in value.split("|") if item] if isinstance(value, str) else value
    return None if isinstance(value, str) and value.startswith(_NO_DATE) else value
