"""An instance's own fields of contacts and companies, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from signalroom_singer import CLIENT_ID, EXTRA, LOADED_AT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk.helpers.types import Record

#: What Mautic calls types; all others are text.
_TYPES: dict[str, Any] = {
    "boolean": th.BooleanType,
    "date": th.DateType,
    "datetime": th.DateTimeType,
    "multiselect": th.ArrayType(th.StringType),
    "number": th.NumberType,
}
#: What every instance has, for roles that may not see the list of fields.
_USUAL = (
    *("title", "firstname", "lastname", "company", "position", "email", "mobile", "phone"),
    *("address1", "address2", "city", "state", "zipcode", "country"),
)
#: Types whose values are not what the column holds.
_ODD = frozenset({"date", "datetime", "multiselect"})
#: Fields that are columns of a contact, and that Mautic gives twice.
_SAME = frozenset({"id", "points", "last_active"})
#: Columns that every row has besides.
_OURS = frozenset({CLIENT_ID, EXTRA, LOADED_AT})
#: MySQL's way of writing no date.
_NO_DATE = "0000-00-00"


@dataclass(frozen=True, slots=True)
class Field:
    """A field that people made, or that came with Mautic."""

    alias: str
    kind: str
    label: str


class Fields:
    """The fields of a kind of record.

    Args:
        definitions: As Mautic lists them, or none if it does not.
        taken: Columns that a record has besides.
    """

    def __init__(
        self, definitions: Iterable[Mapping[str, Any]] | None, taken: Iterable[str]
    ) -> None:
        found = (
            [Field(name, "text", name) for name in _USUAL]
            if definitions is None
            else [
                Field(str(item["alias"]), str(item.get("type")), str(item.get("label")))
                for item in definitions
            ]
        )
        self._taken = _OURS.union(taken)
        self._aliases = frozenset(field.alias for field in found)
        self._own = [field for field in found if field.alias not in _SAME]
        self._columns = {field.alias: self._column(field.alias) for field in self._own}
        #: Columns whose values have to be looked at.
        self._odd = [
            (self._columns[field.alias], field.kind) for field in self._own if field.kind in _ODD
        ]

    def properties(self) -> list[th.Property[Any]]:
        """Their columns, by alias."""
        return [
            th.Property(
                self._columns[field.alias],
                _TYPES.get(field.kind, th.StringType),
                description=field.label,
            )
            for field in self._own
        ]

    def values(self, row: Record) -> Record:
        """The values of a record; those of fields that came since go by their alias too.

        Args:
            row: With ``fields``, as Mautic sent it.
        """
        groups = row.get("fields")
        groups = groups if isinstance(groups, dict) else {}
        given = groups.get("all")
        if not isinstance(given, dict):
            given = {
                alias: field.get("value")
                for group in groups.values()
                if isinstance(group, dict)
                for alias, field in group.items()
                if isinstance(field, dict)
            }
        columns = self._columns
        found = {
            columns[alias] if alias in columns else self._column(alias): value
            for alias, value in given.items()
            if alias not in _SAME
        }
        for column, kind in self._odd:
            found[column] = _read(kind, found.get(column))
        return found

    def _column(self, alias: str) -> str:
        if alias not in self._taken:
            return alias
        column = f"field_{alias}"
        # Another field may have that very alias, and keeps it.
        while column in self._aliases or column in self._taken:
            column = f"field_{column}"
        return column


def _read(kind: str, value: Any) -> Any:
    if kind == "multiselect":
        return [item for item in value.split("|") if item] if isinstance(value, str) else value
    return None if str(value).startswith(_NO_DATE) else value
