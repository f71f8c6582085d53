"""What commands print while they work."""

from __future__ import annotations

import sys


def print_lines(*lines: str) -> None:
    """Print lines at once, also where standard output is a pipe.

    Args:
        lines: The text of each line, without its line feed.
    """
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()
