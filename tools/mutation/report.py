"""Writes ``tests/mutation.md``: the score of each module, and why each survivor lives.

Of modules without results in ``.mutation``, as in a fresh clone, the page keeps what it says.
"""

from __future__ import annotations

import fnmatch
import itertools
import re
import tomllib
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from tools import ROOT
from tools.mutation.results import module_name, read
from tools.mutation.scope import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

PAGE = ROOT / "tests" / "mutation.md"
#: Why mutants survive.
REASONS = ROOT / "tools" / "mutation" / "survivors.toml"
_TABLE = "<!-- table -->"
_LIST = "<!-- survivors -->"
_NOTICED = ("killed", "timeout")
_COLUMNS = ("mutants", "tested", "killed", "timeout", "survived", "no test", "score")
_ROW = re.compile(r"^\| `([^`]+)` \|((?: \d+ \|)+)", re.MULTILINE)


def read_reasons() -> dict[str, dict[str, str]]:
    """Read why mutants survive, by module and then by pattern of the mutant's name."""
    return tomllib.loads(REASONS.read_text(encoding="utf-8"))


def find_pattern(name: str, patterns: Iterable[str]) -> str | None:
    """Find the pattern that a mutant's name matches; None if there is none.

    Args:
        name: The name of a mutant.
        patterns: Texts in which `*` stands for any text.
    """
    for pattern in patterns:
        # Brackets of the code are none of a pattern.
        if fnmatch.fnmatchcase(name, re.sub(r"([\[\]?])", r"[\1]", pattern)):
            return pattern
    return None


def write_report() -> list[str]:
    """Write the tables of the page, from the results of all runs.

    Returns:
        The mutants that live without a reason in `REASONS`, and the reasons without a mutant.
    """
    reasons = read_reasons()
    page = PAGE.read_text(encoding="utf-8")
    rows, sections = read_rows(page), _read_sections(page)
    complaints: list[str] = []
    table = [f"| Module | {' | '.join(_COLUMNS)} |", f"|---|{'---:|' * len(_COLUMNS)}"]
    survivors: list[str] = []
    totals: Counter[str] = Counter()
    for name, group in GROUPS.items():
        table.append(f"| **{name}** |{' |' * len(_COLUMNS)}")
        for path in group.module_paths():
            module, content = module_name(path), read(path)
            of_module = reasons.pop(module, {})
            if content["mutants"]:
                counts = Counter(item["status"] for item in content["mutants"])
                counts["mutants"], counts["tested"] = content["total"], len(content["mutants"])
                survivors += _survivors(path, content["mutants"], of_module, complaints)
            elif module in rows:
                counts = rows[module]
                survivors += sections.get(module, [])
            else:
                continue
            totals += counts
            table.append(_row(f"`{module}`", counts))
    table.append(_row("**All**", totals))
    complaints += [f"No such module: {module}" for module in reasons]
    head = f"{datetime.now(UTC):%Y-%m-%d}, mutmut {version('mutmut')}"
    _replace({_TABLE: [head, "", *table], _LIST: survivors})
    return complaints


def read_rows(page: str) -> dict[str, Counter[str]]:
    """Read the numbers of each module from the table of the page.

    Args:
        page: The text of the page.
    """
    return {
        module: Counter(dict(zip(_COLUMNS, map(int, re.findall(r"\d+", cells)), strict=False)))
        for module, cells in _ROW.findall(page)
    }


def _read_sections(page: str) -> dict[str, list[str]]:
    """The lines about the survivors of each module, as the page has them."""
    part = page.partition(_LIST)[2].partition(_end_of(_LIST))[0]
    sections = re.split(r"^### `([^`]+)`$", part, flags=re.MULTILINE)[1:]
    return {
        module: [f"### `{module}`", "", *text.strip().splitlines(), ""]
        for module, text in zip(sections[::2], sections[1::2], strict=True)
    }


def _row(name: str, counts: Mapping[str, int]) -> str:
    noticed = sum(counts[status] for status in _NOTICED)
    numbers = [str(counts[column]) for column in _COLUMNS[:-1]]
    return f"| {name} | {' | '.join(numbers)} | {noticed / counts['tested']:.1%} |"


def _survivors(
    path: Path,
    mutants: list[dict[str, str]],
    reasons: dict[str, str],
    complaints: list[str],
) -> Iterator[str]:
    unused = set(reasons)
    lines = []
    for item in mutants:
        if item["status"] in _NOTICED:
            continue
        pattern = find_pattern(item["name"], reasons)
        unused.discard(pattern or "")
        reason = reasons[pattern] if pattern else "*Not explained.*"
        if not pattern:
            complaints.append(f"{module_name(path)}: {item['name']}")
        lines.append(f"- {_show_change(item['name'])}: {reason}")
    complaints += [f"{module_name(path)}: nothing left of {text}" for text in sorted(unused)]
    if lines:
        yield from (f"### `{module_name(path)}`", "", *lines, "")


def _show_change(name: str) -> str:
    function, _, change = name.partition(": ")
    before, _, after = change.partition(" -> ")
    start = _equal_characters(before, after)
    end = _equal_characters(before[start:][::-1], after[start:][::-1])
    # With some of the code around what changes, from the beginning of a word.
    start = max(0, before.rfind(" ", 0, max(0, start - 12)) + 1)
    tail = max(0, end - 12)
    texts = [text[start : len(text) - tail].replace("`", "'") for text in (before, after)]
    return f"`{function}`: `{texts[0]}` becomes `{texts[1]}`"


def _equal_characters(first: str, second: str) -> int:
    pairs = zip(first, second, strict=False)
    equal = itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)
    return sum(1 for _ in equal)


def _end_of(mark: str) -> str:
    return mark.replace("<!-- ", "<!-- end of ")


def _replace(sections: Mapping[str, list[str]]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for mark, lines in sections.items():
        before, _, rest = text.partition(mark)
        end = _end_of(mark)
        after = rest.partition(end)[2]
        text = "\n".join([f"{before}{mark}", *lines, f"{end}{after}"])
    PAGE.write_text(text, encoding="utf-8")
