"""The parts of a JSON schema that a column can be made of."""

from __future__ import annotations

from typing import Any

import msgspec


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


def is_property(schema: Any) -> bool:
    """Whether a part of a JSON schema is such that a column can be made of it."""
    try:
        msgspec.convert(schema, Property)
    except msgspec.ValidationError:
        return False
    return True
