"""Lasting behaviours of a vendor that a test turns on and off."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def turn(switches: Any, values: Mapping[str, Any]) -> None:
    """Set switches.

    Args:
        switches: A dataclass of them.
        values: By name.

    Raises:
        ValueError: If there is no such switch.
    """
    known = {item.name for item in fields(switches)}
    if unknown := values.keys() - known:
        msg = f"no such switch: {', '.join(unknown)}; there are: {', '.join(sorted(known))}"
        raise ValueError(msg)
    for name, value in values.items():
        setattr(switches, name, value)
