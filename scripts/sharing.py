"""What files that are there already must know of a new source: new texts, nothing is written here.

All that stands in them stays as it is: lines are put in, in the order of names.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import tomlkit
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from pathlib import Path

    from tomlkit.items import Array

_HOUR = 60


class NoPlaceError(Exception):
    """A file is not as this expects it; the message says which and what to do."""


def shared(root: Path, tap: str, module: str, snippets: Path) -> dict[Path, str]:
    """The new text of each file.

    Args:
        root: The repository.
        tap: The new package.
        module: Its vendor in the sandbox.
        snippets: The rendered ``shared`` of the template.

    Raises:
        NoPlaceError: If a file has no place for it.
    """
    given = {path.name: path.read_text(encoding="utf-8") for path in snippets.iterdir()}

    def text(name: str) -> str:
        return (root / name).read_text(encoding="utf-8")

    texts = {
        "pyproject.toml": manifest(text("pyproject.toml"), tap),
        "meltano.yml": project(text("meltano.yml"), given["meltano.yml"]),
        ".env.example": environment(text(".env.example"), tap, given["env.example"]),
        "sandbox/README.md": endpoints(
            text("sandbox/README.md"), module, given["sandbox-readme.md"]
        ),
        "orchestrate/pools.json": pools(text("orchestrate/pools.json"), tap),
    }
    return {root / name: content for name, content in texts.items()}


def minute(text: str) -> int:
    """The minute of an hour that is farthest from those in which other sources are loaded.

    Args:
        text: Of ``meltano.yml``.
    """
    schedules = YAML(typ="safe").load(text)["schedules"]
    starts = [one["interval"].split()[0] for one in schedules]
    taken = [int(start) for start in starts if start.isdecimal()]

    def distance(minute: int) -> int:
        return min(
            (min(abs(minute - one), _HOUR - abs(minute - one)) for one in taken), default=_HOUR
        )

    return max(range(_HOUR), key=distance)


def manifest(text: str, tap: str) -> str:
    """The root's ``pyproject.toml``, with a tap more.

    Args:
        text: As it is.
        tap: The new package.
    """
    document: Any = tomlkit.parse(text)
    module = tap.replace("-", "_")
    tool = document["tool"]
    try:
        arrays = (
            (document["project"]["dependencies"], tap, "tap-"),
            (tool["ruff"]["lint"]["isort"]["known-first-party"], module, "tap_"),
            (tool["mypy"]["mypy_path"], f"taps/{tap}", "taps/"),
            (tool["mypy"]["packages"], module, "tap_"),
            (tool["pytest"]["ini_options"]["pythonpath"], f"taps/{tap}/tests", "taps/"),
        )
        sources = tool["uv"]["sources"]
    except KeyError as error:
        msg = f"pyproject.toml has no {error}, which a new tap has to be in. Put it back."
        raise NoPlaceError(msg) from None
    for array, value, kin in arrays:
        _insert(array, value, kin)
    later = {one: sources.pop(one) for one in [*sources] if one > tap}
    sources.update(tomlkit.parse(f"{tap} = {{ workspace = true }}\n"))
    sources.update(later)
    return tomlkit.dumps(document)


def _insert(array: Array, value: str, kin: str) -> None:
    """Put a value among its kin, in order; behind the last of all where it has none."""
    later = [
        number for number, one in enumerate(array) if str(one).startswith(kin) and str(one) > value
    ]
    others = [number for number, one in enumerate(array) if str(one).startswith(kin)]
    at = later[0] if later else (others[-1] + 1 if others else len(array))
    array.insert(at, value)


def project(text: str, snippet: str) -> str:
    """``meltano.yml``, with a source more.

    Args:
        text: As it is.
        snippet: The items, by what they are.
    """
    items = dict(re.findall(r"^(\w+):\n((?:[ -].*\n)+)", snippet, re.MULTILINE))
    loaded = YAML().load(text)
    try:
        (sandboxed,) = [one for one in loaded["environments"] if one["name"] == "sandbox"]
        lists = {
            "environment": sandboxed["config"]["plugins"]["extractors"],
            "extractor": loaded["plugins"]["extractors"],
            "job": loaded["jobs"],
            "schedule": loaded["schedules"],
        }
    except (KeyError, ValueError):
        msg = (
            "meltano.yml lacks an environment named sandbox, plugins, jobs or schedules, where a "
            "new source belongs. Put it back."
        )
        raise NoPlaceError(msg) from None
    lines = text.splitlines(keepends=True)
    # From the end, so that the lines before stay where they were read.
    for kind, sequence in sorted(lists.items(), key=lambda pair: -pair[1].lc.line):
        _put_in(lines, sequence, items[kind])
    return "".join(lines)


def _put_in(lines: list[str], sequence: Any, item: str) -> None:
    """Put an item into a list of items with names, in their order.

    Args:
        lines: Of the file.
        sequence: The list, as ruamel.yaml read it: it knows the lines.
        item: The new one, as lines.
    """
    name = YAML(typ="safe").load(item)[0]["name"]
    later = [one for one in sequence if one["name"] > name]
    indent = " " * sequence.lc.col
    if later:
        at = later[0].lc.line
    else:
        # Behind the last: as far as lines are below its dash.
        at = sequence[-1].lc.line + 1
        while at < len(lines) and lines[at].startswith(f"{indent} "):
            at += 1
    lines[at:at] = [indent + line for line in item.splitlines(keepends=True)]


def pools(text: str, tap: str) -> str:
    """Airflow's pools, with one for a tap more.

    Args:
        text: As they are, one a line.
        tap: The new package.
    """
    description = f"Runs of {tap} at once"
    pool = {"slots": 4, "description": description, "include_deferred": False}
    found = json.loads(text) | {tap.removeprefix("tap-"): pool}
    lines = (f"  {json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def environment(text: str, tap: str, snippet: str) -> str:
    """``.env.example``, with a place for the settings of a tap more.

    Args:
        text: As it is.
        tap: The new package.
        snippet: The markers.
    """
    for match in re.finditer(r"^# --- settings of (tap-\S+)\n", text, re.MULTILINE):
        if match[1] > tap:
            return text[: match.start()] + snippet + text[match.start() :]
    return text.rstrip("\n") + "\n" + snippet


def endpoints(text: str, module: str, snippet: str) -> str:
    """The sandbox's README, with the control endpoints of a vendor more.

    They come after those of S3, by name: as the endpoint has them, and a test holds them to.

    Args:
        text: As it is.
        module: The new vendor.
        snippet: The rows.
    """
    lines = text.splitlines(keepends=True)
    rows = {
        number: match[1]
        for number, line in enumerate(lines)
        if (match := re.match(r"\| `(?:GET|POST|DELETE) /(\w+)/\w+` \|", line))
    }
    last = max((number for number, vendor in rows.items() if vendor == "s3"), default=None)
    if last is None:
        msg = "sandbox/README.md has no table of control endpoints any more: put it back."
        raise NoPlaceError(msg)
    at = last + 1
    while rows.get(at, module) < module:
        at += 1
    return "".join([*lines[:at], snippet, *lines[at:]])
