"""Lines of the input: those that are records of one stream are decoded together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# As most taps write them. Others, in another order, are decoded one by one.
_START = re.compile(rb'\{"type": ?"RECORD", ?"stream": ?"([^"\\\n]+)", ?"record": ?\{')


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that follow each other.

    Args:
        stream: The stream of which all of them look like RECORD messages; None for another line.
        text: The lines, each with its line feed.
        count: How many there are.
    """

    stream: str | None
    text: bytes
    count: int


def split_block(block: bytes) -> Iterator[Lines]:
    """Split lines into those of the same stream that follow each other, and single other lines.

    Args:
        block: Lines as the input has them, each of them complete.

    Yields:
        All of them, in their order.
    """
    start = 0
    while start < len(block):
        end = block.index(b"\n", start) + 1
        stream, count = None, 1
        if match := _START.match(block, start):
            stream = match[1].decode(errors="replace")
            while block.startswith(match[0], end):
                end = block.index(b"\n", end) + 1
                count += 1
        yield Lines(stream, block[start:end], count)
        start = end
