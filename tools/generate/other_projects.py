"""Writes the commands of ``docs/other-projects.md``: plugins in another Meltano project.

``meltano add --from-ref`` takes a plugin's settings from our definition in ``hub/``, but not
Meltano's extras: the schema of its tables, the selected streams, whether its catalog may be cached.
The commands set them to the values of ``meltano.yml``, so that tables are the same.
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
#: The extras that ``meltano add`` leaves out, by their names in ``meltano config``.
_EXTRAS = ("load_schema", "select", "use_cached_catalog")


def commands() -> dict[str, list[str]]:
    """The commands that add each plugin, by the plugin's name, the loader first."""
    with (ROOT / "meltano.yml").open(encoding="utf-8") as file:
        plugins = YAML(typ="safe").load(file)["plugins"]
    kinds = {name: kind for kind in ("loaders", "extractors") for name in _names(plugins, kind)}
    by_path = definitions()
    by_plugin = {}
    for name, kind in kinds.items():
        path = f"{kind}/{name}/{VARIANT}.yml"
        if path in by_path:
            (plugin,) = [plugin for plugin in plugins[kind] if plugin["name"] == name]
            by_plugin[name] = [*_commands(name, path, plugin, by_path[path])]
    return by_plugin


def _names(plugins: dict[str, Any], kind: str) -> list[str]:
    return [plugin["name"] for plugin in plugins[kind]]


def _commands(
    name: str, path: str, plugin: dict[str, Any], definition: dict[str, Any]
) -> Iterator[str]:
    yield f"meltano add --no-install --from-ref {DEFINITIONS}/{path} {name}"
    for extra in _EXTRAS:
        if extra in plugin:
            yield _set(name, f"_{extra}", plugin[extra])
    defaults = {setting["name"]: setting.get("value") for setting in definition["settings"]}
    for key, value in plugin.get("config", {}).items():
        if defaults.get(key) != value:
            yield _set(name, key, value)


def _set(name: str, setting: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"meltano config set {name} {setting} {shlex.quote(text)}"


def page(text: str) -> str:
    """Bring the commands on the page up to date.

    Args:
        text: The current text of the page.
    """
    parts = []
    for name, lines in commands().items():
        title = "The loader" if name == LOADER else name
        parts += [f"### {title}", "", "```bash", *lines, "```", ""]
    return splice(text, "plugin commands", "\n".join(["", *parts]))


GENERATOR = Generator(lambda: {PAGE: page(PAGE.read_text())})
