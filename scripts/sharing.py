"""What files that are there already must know of a new source: new texts, nothing is written here.

All that stands in them stays as it is: lines are put in, in the order of names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import tomlkit
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    }
    return {root / name: content for name, content in texts.items()}


def minute(path: Path) -> int:
    """The minute of an hour that is farthest from those in which other sources are loaded.

    Args:
        path: Of ``meltano.yml``.
    """
    schedules = YAML(typ="safe").load(path)["schedules"]
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
    for kind in ("environment", "extractor", "job", "schedule"):
        loaded = YAML().load(text)
        try:
            sequence: Any = {
                "environment": lambda loaded: _sandboxed(loaded)["config"]["plugins"]["extractors"],
                "extractor": lambda loaded: loaded["plugins"]["extractors"],
                "job": lambda loaded: loaded["jobs"],
                "schedule": lambda loaded: loaded["schedules"],
            }[kind](loaded)
        except (KeyError, StopIteration):
            msg = f"meltano.yml has no list of {kind}s, which a new source has to be in."
            raise NoPlaceError(msg) from None
        text = _put_in(text, sequence, items[kind])
    return text


def _sandboxed(loaded: Any) -> Any:
    return next(one for one in loaded["environments"] if one["name"] == "sandbox")


def _put_in(text: str, sequence: Sequence[Any], item: str) -> str:
    """Put an item into a list of items with names, in their order.

    Args:
        text: Of the file.
        sequence: The list, as ruamel.yaml read it: it knows the lines.
        item: The new one, as lines.
    """
    lines = text.splitlines(keepends=True)
    name = re.match(r"- name: (\S+)", item)[1]  # type: ignore[index]
    later = [one for one in sequence if one["name"] > name]
    indent = " " * (sequence.lc.col)  # type: ignore[attr-defined]
    if later:
        at = later[0].lc.line
    else:
        # Behind the last: as far as lines are below its dash.
        at = sequence[-1].lc.line + 1
        while at < len(lines) and lines[at].startswith(f"{indent} "):
            at += 1
    lines[at:at] = [indent + line for line in item.splitlines(keepends=True)]
    return "".join(lines)


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
