"""Writes generated files, or names those that are stale."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path


class GeneratorError(Exception):
    """A file cannot be generated; the message says why and what to do."""


@dataclass(frozen=True)
class Generator:
    """A source of generated files.

    Args:
        texts: Gives the text that each file should have.
        present: Gives the files of earlier runs: those that ``texts`` no longer has are removed.
    """

    texts: Callable[[], Mapping[Path, str]]
    present: Callable[[], Collection[Path]] = tuple

    def write(self) -> list[Path]:
        """Bring the files up to date.

        Returns:
            The files that were written or removed.
        """
        texts, stale = self._stale()
        for path in stale:
            if path in texts:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(texts[path], encoding="utf-8")
            else:
                path.unlink()
        return stale

    def check(self) -> list[Path]:
        """List the files that are not up to date, or should no longer exist."""
        return self._stale()[1]

    def _stale(self) -> tuple[Mapping[Path, str], list[Path]]:
        texts = self.texts()
        changed = [
            path
            for path, text in texts.items()
            if not path.is_file() or path.read_text(encoding="utf-8") != text
        ]
        return texts, [*changed, *sorted({*self.present()} - texts.keys())]


def splice(text: str, marker: str, content: str) -> str:
    """Replace the lines between those with ``<marker>`` and ``end of <marker>``.

    Args:
        text: A file's text.
        marker: The text that both lines have.
        content: The new lines between them, without a line break at the end.

    Raises:
        ValueError: If the text does not have exactly one such pair of lines.
    """
    pattern = re.compile(
        rf"(^[^\n]*(?<!end of ){re.escape(marker)}\b[^\n]*\n)"
        rf".*?(^[^\n]*end of {re.escape(marker)})",
        re.DOTALL | re.MULTILINE,
    )
    if len(pattern.findall(text)) != 1:
        msg = f"expected one pair of lines with {marker!r} and 'end of {marker}'"
        raise ValueError(msg)
    return pattern.sub(lambda match: match.group(1) + content + "\n" + match.group(2), text)


def report(paths: Collection[Path], *, verb: str) -> None:
    """Print one line per file.

    Args:
        paths: Files below the repository's root.
        verb: The word that each line begins with: ``stale`` or ``written``.
    """
    for path in paths:
        sys.stdout.write(f"{verb}: {path.relative_to(ROOT)}\n")
