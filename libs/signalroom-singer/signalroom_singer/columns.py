"""Declares columns of the same type on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

if TYPE_CHECKING:
    from singer_sdk.typing import JSONTypeHelper


def columns_of(
    kind: JSONTypeHelper[Any] | type[JSONTypeHelper[Any]],
    *names: str,
    description: str | None = None,
) -> list[th.Property[Any]]:
    """Declare columns of one type: ``*columns_of(th.StringType, "name", "status")``.

    Args:
        kind: The type of the columns, as for `th.Property`.
        names: The names of the columns, in order.
        description: What all of them hold.

    Returns:
        A property for each column, for a `th.PropertiesList`.
    """
    return [th.Property(name, kind, description=description) for name in names]
