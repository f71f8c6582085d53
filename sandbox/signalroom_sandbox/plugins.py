"""Plugins: each package below this one is a mock vendor, which its ``plugin`` module declares."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.actions import actions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from signalroom_sandbox.actions import Action, VendorActions
    from signalroom_sandbox.vendor import Vendor


@dataclass(frozen=True)
class Plugin:
    """A vendor, and how a tap reads it.

    Attributes:
        tap: Name of the tap that reads the vendor.
        vendor: Class of the mock vendor.
        actions: Makes the vendor's control actions; each public method is an endpoint.
        settings: The tap's settings, from the vendor's URL and the vendor.
        name: First part of the vendor's paths, unless it is the name of the package.
        short_names: Shorter environment variables, by the setting that they stand for.
        faults: Faults that only this vendor has, by name.
        attributes: Attributes of ``SandboxServer`` besides the URL.
        controls: Methods of the control client that prepare their arguments, by action.
    """

    tap: str
    vendor: type[Vendor]
    actions: type[VendorActions]
    settings: Callable[[str, Any], dict[str, str]]
    name: str = ""
    short_names: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, Any] = field(default_factory=dict)
    attributes: Callable[[Any], dict[str, str]] = lambda _: {}
    controls: Mapping[str, Callable[..., dict[str, Any]]] = field(default_factory=dict)

    @property
    def endpoints(self) -> tuple[Action, ...]:
        """The control actions of the vendor."""
        return actions_of(self.actions)  # type: ignore[arg-type] # mypy: a type is hashable

    def variables(self, url: str, vendor: Vendor, *, short: bool = False) -> dict[str, str]:
        """The environment in which the tap reads the mock vendor.

        Args:
            url: URL that the vendor's paths begin with.
            vendor: The vendor of this plugin.
            short: Whether to use the shorter names of variables.
        """
        prefix = self.tap.replace("-", "_")
        names = self.short_names if short else {}
        return {
            names.get(key, f"{prefix}_{key}".upper()): value
            for key, value in self.settings(url, vendor).items()
        }


@cache
def plugins() -> dict[str, Plugin]:
    """All plugins by name, in the order of their packages."""
    found_plugins = {}
    for package in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if package.ispkg:
            module = importlib.import_module(f"signalroom_sandbox.{package.name}.plugin")
            plugin: Plugin = module.PLUGIN
            found_plugins[plugin.name or package.name] = plugin
    return found_plugins
