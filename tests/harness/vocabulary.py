"""Counts words that say nothing in the code of each package.

`python tests/harness/vocabulary.py [PACKAGE]` lists them.

The glossary is in CONTRIBUTING.md. `test_vocabulary.py` holds the counts at their limits.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
#: Names that fit any value. Name the value instead: `rows`, `missing_columns`, `retry_after`.
EMPTY_NAMES = frozenset(
    {
        *("asked", "came", "found", "given", "gotten", "held", "kept", "listed", "made", "one"),
        *("said", "seen", "shown", "some", "something", "stuff", "taken", "thing", "told"),
        *("wanted", "what", "which", "whole", "whose"),
    }
)
#: Participles that do not end in -ed or -ing.
IRREGULAR = frozenset(
    {
        *("broken", "built", "chosen", "drawn", "found", "given", "gone", "held", "hidden"),
        *("kept", "known", "made", "meant", "said", "sent", "shown", "spelt", "spoken", "taken"),
        *("told", "understood", "written"),
    }
)
#: Verbs and nouns that only look like participles.
NO_PARTICIPLES = frozenset(
    {
        *("bed", "embed", "exceed", "feed", "proceed", "seed", "speed", "succeed", "need"),
        *("bring", "ping", "ring", "spring", "string", "thing", "heading", "mapping", "setting"),
        *("encoding", "ordering", "warning", "rounding", "bearing", "paging", "padding"),
        *("recording", "versioning"),
    }
)
FEWEST_WORDS = 3
KINDS = ("name", "participle", "argument")
_SECTION = re.compile(r"^ *(Args|Arguments):\n((?: +.*\n?|\n)*)", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Finding:
    """A place to reword."""

    kind: str
    path: str
    line: int
    text: str


def packages() -> dict[str, Path]:
    """The code that is shipped, by the name of its folder."""
    folders = [
        init.parent
        for pattern in ("libs/*", "taps/*", "targets/*", "sandbox", "orchestrate")
        for init in ROOT.glob(f"{pattern}/*/__init__.py")
        if init.parent.name != "tests"
    ]
    folders.append(ROOT / "tools")
    return {folder.name: folder for folder in sorted(folders)}


def findings(folder: Path) -> list[Finding]:
    """Everything to reword in the modules of a folder."""
    places = []
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text())
        place = str(path.relative_to(ROOT))
        for kind, line, text in (*_empty_names(tree), *_functions(tree)):
            places.append(Finding(kind, place, line, text))
    return places


def counts(places: list[Finding]) -> dict[str, int]:
    """How many places there are of each kind."""
    return {kind: sum(place.kind == kind for place in places) for kind in KINDS}


def _empty_names(tree: ast.AST) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.alias):
            name = node.asname or ""
        if name.strip("_").lower() in EMPTY_NAMES:
            yield "name", getattr(node, "lineno", 0), name


def _functions(tree: ast.AST) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not isinstance(node, ast.ClassDef) and is_bare_participle(node.name):
            yield "participle", node.lineno, node.name
        for entry in short_arguments(ast.get_docstring(node) or ""):
            yield "argument", node.lineno, f"{node.name}: {entry}"


def is_bare_participle(name: str) -> bool:
    """Whether a function's name is a participle alone, which says neither verb nor value.

    Args:
        name: As it is defined, with leading underscores; `__missing__` is Python's own.
    """
    word = name.strip("_").lower()
    if name.startswith("__") or "_" in word or word in NO_PARTICIPLES:
        return False
    return word in IRREGULAR or bool(re.fullmatch(r"[a-z]{2,}(ed|ing)", word))


def short_arguments(docstring: str) -> list[str]:
    """The entries of a docstring's `Args:` that have fewer than three words.

    Args:
        docstring: Of a function or a class, indentation removed.
    """
    short = []
    for _, body in _SECTION.findall(docstring):
        lines = [line for line in body.splitlines() if line.strip()]
        indents = [len(line) - len(line.lstrip()) for line in lines]
        starts = [number for number, indent in enumerate(indents) if indent == min(indents)]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            name, _, text = " ".join(part.strip() for part in lines[start:end]).partition(":")
            if len(text.split()) < FEWEST_WORDS:
                short.append(f"{name.strip()}:{text}")
    return short


if __name__ == "__main__":
    for package in sys.argv[1:] or packages():
        rows = findings(packages()[package])
        for finding in sorted(rows):
            print(f"{finding.path}:{finding.line}: {finding.kind}: {finding.text}")  # noqa: T201
        print(f"{package}: {counts(rows)}")  # noqa: T201
