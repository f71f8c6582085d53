"""Vendors that plug themselves in: packages here with a ``PLUG``, as `make new-source` makes."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from starlette.types import ASGIApp


class Resettable(Protocol):
    """What a sandbox asks of every vendor."""

    latency: float

    def reset(self) -> None:
        """Undo what tests changed."""


class Vendor(Resettable, Protocol):
    """What it asks of one that plugs itself in."""

    def advance(self, further: timedelta) -> None:
        """Set the clock ahead."""

    def app(self) -> ASGIApp:
        """The API."""


@dataclass(frozen=True)
class Plug:
    """A vendor, and what there is to know to use it.

    Attributes:
        tap: Which tap reads it.
        vendor: Makes it, of a ``seed`` and a ``scale``.
        actions: Makes what tests do to it, of the vendor; its public methods are endpoints.
        settings: The tap's settings to read it, by the sandbox's URL.
    """

    tap: str
    vendor: Callable[..., Vendor]
    actions: Callable[[Any], Any]
    settings: Callable[[str], dict[str, str]]

    def variables(self, url: str) -> dict[str, str]:
        """The environment with which its tap uses a sandbox.

        Args:
            url: Where the sandbox listens.
        """
        prefix = self.tap.replace("-", "_")
        return {f"{prefix}_{key}".upper(): value for key, value in self.settings(url).items()}


@cache
def plugs() -> dict[str, Plug]:
    """The plugs by the name of their package, which is the first part of their paths."""
    packages = pkgutil.iter_modules([str(Path(__file__).parent)], "signalroom_sandbox.")
    modules = [importlib.import_module(found.name) for found in packages if found.ispkg]
    return {
        module.__name__.rpartition(".")[2]: module.PLUG
        for module in modules
        if hasattr(module, "PLUG")
    }
