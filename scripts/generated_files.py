"""What the scripts that generate files share: write those that are stale, or name them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

ROOT = Path(__file__).parents[1]


def main(
    description: str,
    generated: Callable[[], Mapping[Path, str]],
    present: Callable[[], Collection[Path]] = tuple,
) -> int:
    """Run a script: write the files, or with ``--check`` name those that are not up to date.

    Args:
        description: What the script does.
        generated: Gives the text that each file should have.
        present: Gives the files of earlier runs; those that are not generated any more are removed.

    Returns:
        The exit code: 1 if a check finds a file that is not up to date.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    files = generated()
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    gone = sorted({*present()} - files.keys())
    for path in (*stale, *gone):
        if not check and path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
        elif not check:
            path.unlink()
        sys.stdout.write(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}\n")
    is_stale = check and bool(stale or gone)
    if is_stale:
        sys.stdout.write("Run `make settings`.\n")
    return int(is_stale)
