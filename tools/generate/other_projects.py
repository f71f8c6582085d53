"""Writes the commands of ``docs/other-projects.md``: plugins in another Meltano project.

``meltano add --from-ref`` takes a plugin's settings from our definition in ``hub/``, and leaves
out what Meltano calls extras: the schema of its tables, which streams are selected, whether its
catalog may be cached. The commands set them as ``meltano.yml`` has them, so tables are the same.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from tools import ROOT
from tools.generate.files import Generator, splice
from tools.generate.hub import LOADER, VARIANT, definitions

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs/other-projects.md"
DEFINITIONS = "https://raw.githubusercontent.com/signalroom/signalroom/main/hub"
#: What ``meltano add`` leaves out, as ``meltano config`` calls it.
_EXTRAS = ("load_schema", "select", "use_cached_catalog")


def commands() -> dict[str, list[str]]:
    """The commands that add each plugin, by its name: the loader first."""
    with (ROOT / "meltano.yml").open(encoding="utf-8") as file:
        plugins = YAML(typ="safe").load(file)["plugins"]
    kinds = {name: kind for kind in ("loaders", "extractors") for name in _names(plugins, kind)}
    listed = definitions()
    found = {}
    for name, kind in kinds.items():
        path = f"{kind}/{name}/{VARIANT}.yml"
        if path in listed:
            (plugin,) = [one for one in plugins[kind] if one["name"] == name]
            found[name] = [*_commands(name, path, plugin, listed[path])]
    return found


def _names(plugins: dict[str, Any], kind: str) -> list[str]:
    return [plugin["name"] for plugin in plugins[kind]]


def _commands(
    name: str, path: str, plugin: dict[str, Any], listed: dict[str, Any]
) -> Iterator[str]:
    yield f"meltano add --no-install --from-ref {DEFINITIONS}/{path} {name}"
    for extra in _EXTRAS:
        if extra in plugin:
            yield _set(name, f"_{extra}", plugin[extra])
    defaults = {one["name"]: one.get("value") for one in listed["settings"]}
    for setting, value in plugin.get("config", {}).items():
        if defaults.get(setting) != value:
            yield _set(name, setting, value)


def _set(name: str, setting: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"meltano config set {name} {setting} {shlex.quote(text)}"


def page(text: str) -> str:
    """The page with the commands of today.

    Args:
        text: The page as it is.
    """
    parts = []
    for name, lines in commands().items():
        title = "The loader" if name == LOADER else name
        parts += [f"### {title}", "", "```bash", *lines, "```", ""]
    return splice(text, "plugin commands", "\n".join(["", *parts]))


GENERATOR = Generator(lambda: {PAGE: page(PAGE.read_text())})
