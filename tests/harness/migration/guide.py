"""The commands of `docs/migrating-from-dlt.md`, so that what is rehearsed is what people read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.pipelines import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = ROOT / "docs" / "migrating-from-dlt.md"
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        section: The heading of the second level that it is under.
        language: `bash`, `dotenv` or `sql`; empty for what is only shown.
        text: What it says.
    """

    section: str
    language: str
    text: str


def blocks(*sections: str) -> Iterator[Block]:
    """The blocks of these sections, or of all, in the guide's order."""
    for part in GUIDE.read_text().split("\n## ")[1:]:
        section = part.partition("\n")[0]
        for fence in _FENCE.finditer(part):
            indent = len(fence["indent"])
            text = "\n".join(line[indent:] for line in fence["text"].splitlines())
            if not sections or section in sections:
                yield Block(section, fence["language"], text)
