"""Adds a new source to ``meltano.yml``, and leaves the rest of the file as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from pathlib import Path

_MINUTES = 60


class NoPlaceError(Exception):
    """A file has no place for the new entry; the message names the file and what is missing."""


def entries(root: Path, snippets: Path) -> dict[Path, str]:
    """The new text of each file that lists sources.

    Args:
        root: The repository's folder.
        snippets: The rendered folder ``shared`` of the template.

    Raises:
        NoPlaceError: If a file has no place for its entry.
    """
    project = root / "meltano.yml"
    snippet = (snippets / "meltano.yml").read_text(encoding="utf-8")
    return {project: add_plugin(project.read_text(encoding="utf-8"), snippet)}


def free_minute(text: str) -> int:
    """The minute of an hour that is farthest from those at which schedules start.

    Args:
        text: The text of ``meltano.yml``.
    """
    schedules = YAML(typ="safe").load(text)["schedules"]
    starts = [schedule["interval"].split()[0] for schedule in schedules]
    used = [int(start) for start in starts if start.isdecimal()]

    def distance(minute: int) -> int:
        gaps = (abs(minute - start) for start in used)
        return min((min(gap, _MINUTES - gap) for gap in gaps), default=_MINUTES)

    return max(range(_MINUTES), key=distance)


def add_plugin(text: str, snippet: str) -> str:
    """Add a tap, its job, its schedule and its sandbox settings to ``meltano.yml``.

    Args:
        text: The text of ``meltano.yml``.
        snippet: The new items, each below a line with its kind.

    Raises:
        NoPlaceError: If one of the lists is missing.
    """
    items = dict(re.findall(r"^(\w+):\n((?:[ -].*\n)+)", snippet, re.MULTILINE))
    project = YAML().load(text)
    try:
        (sandbox,) = [item for item in project["environments"] if item["name"] == "sandbox"]
        lists = {
            "environment": sandbox["config"]["plugins"]["extractors"],
            "extractor": project["plugins"]["extractors"],
            "job": project["jobs"],
            "schedule": project["schedules"],
        }
    except (KeyError, ValueError):
        msg = (
            "meltano.yml lacks an environment named sandbox, plugins, jobs or schedules, where a "
            "new source belongs. Put it back."
        )
        raise NoPlaceError(msg) from None
    lines = text.splitlines(keepends=True)
    # From the end, so that the line numbers of earlier lists stay valid.
    for kind, sequence in sorted(lists.items(), key=lambda pair: -pair[1].lc.line):
        _insert(lines, sequence, items[kind])
    return "".join(lines)


def _insert(lines: list[str], sequence: Any, item: str) -> None:
    """Insert an item into a list whose items are in the order of their names.

    Args:
        lines: The lines of the file, changed in place.
        sequence: The list as ruamel.yaml loaded it, with line numbers.
        item: The new item's lines, without indentation.
    """
    name = YAML(typ="safe").load(item)[0]["name"]
    later = [entry for entry in sequence if entry["name"] > name]
    indent = " " * sequence.lc.col
    if later:
        at = later[0].lc.line
    else:
        # After the last item, which ends at the first line that is not indented below its dash.
        at = sequence[-1].lc.line + 1
        while at < len(lines) and lines[at].startswith(f"{indent} "):
            at += 1
    lines[at:at] = [indent + line for line in item.splitlines(keepends=True)]
