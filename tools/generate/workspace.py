"""Writes the lists of the folders in ``taps``: in ``pyproject.toml``, and Airflow's pools.

No tap is imported, so a new one need not be installed yet.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import tomlkit

from tools import ROOT
from tools.generate.files import Generator

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MANIFEST = ROOT / "pyproject.toml"
_POOLS = ROOT / "orchestrate" / "pools.json"
_PREFIX = "tap-"
_SLOTS = 4


def tap_names() -> list[str]:
    """The names of the packages under ``taps``, sorted."""
    # A folder without a manifest has only Python's caches, of a tap on another branch.
    return sorted(path.parent.name for path in (ROOT / "taps").glob("tap-*/pyproject.toml"))


def texts() -> dict[Path, str]:
    """The generated files, with the text that each should have."""
    names = tap_names()
    return {
        _MANIFEST: manifest(_MANIFEST.read_text(encoding="utf-8"), names),
        _POOLS: pools(_POOLS.read_text(encoding="utf-8"), names),
    }


def manifest(text: str, names: Iterable[str]) -> str:
    """Bring the lists of taps in the root's ``pyproject.toml`` up to date.

    Args:
        text: The current text; comments and everything else are kept.
        names: The packages under ``taps``, sorted.
    """
    document: Any = tomlkit.parse(text)
    dependencies = document["project"]["dependencies"]
    for entry in [entry for entry in dependencies if entry.startswith(_PREFIX)]:
        dependencies.remove(entry)
    for name in names:
        dependencies.append(name)
    sources = document["tool"]["uv"]["sources"]
    for name in [name for name in sources if name.startswith(_PREFIX)]:
        sources.remove(name)
    lines = "".join(f"{name} = {{ workspace = true }}\n" for name in names)
    sources.update(tomlkit.parse(lines))
    return tomlkit.dumps(document)


def pools(text: str, names: Iterable[str]) -> str:
    """Bring Airflow's pools up to date: one per tap, others are removed.

    Args:
        text: The current text; slots and descriptions that were changed by hand are kept.
        names: The packages under ``taps``, sorted.
    """
    before = json.loads(text)
    lines = []
    for name in names:
        source = name.removeprefix(_PREFIX)
        default = {
            "slots": _SLOTS,
            "description": f"Runs of {name} at once",
            "include_deferred": False,
        }
        lines.append(f"  {json.dumps(source)}: {json.dumps(before.get(source, default))}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


GENERATOR = Generator(texts)
