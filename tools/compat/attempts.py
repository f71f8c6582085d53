"""What ``make compat`` and ``make compat-postgres`` share: tries in turn, and a table."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

#: What is installed to be tried.
HERE = ROOT / ".meltano" / "compat"


class Tried(NamedTuple):
    """What came of one version.

    Attributes:
        version: As it is shown.
        code: pytest's exit code.
        said: Its last words.
        place: What was used.
    """

    version: str
    code: int
    said: str
    place: Path


def tests(command: Sequence[str | Path], env: Mapping[str, str]) -> tuple[int, str]:
    """Run tests, showing what they print.

    Args:
        command: pytest, with its options.
        env: Its environment.

    Returns:
        pytest's exit code and its last words.
    """
    with subprocess.Popen(  # noqa: S603 - pytest
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        last = ""
        for line in process.stdout or ():
            sys.stdout.write(line)
            last = line.strip() or last
    return process.returncode, re.sub(r" in [\d.]+s.*|=", "", last).strip()


def in_turn(
    versions: Iterable[str], attempt: Callable[[str], Tried | str], form: str, heads: Sequence[str]
) -> int:
    """Try versions, and show a table of what came of them.

    Args:
        versions: Which.
        attempt: Tries one; or says why that cannot be.
        form: Of a line of the table, for its four columns.
        heads: Theirs.

    Returns:
        The exit code: 0 if some were tried, and none failed.
    """
    lines, codes = [heads], []
    for version in versions:
        began = time.monotonic()
        found = attempt(version)
        if isinstance(found, str):
            lines.append((version, "NOT TRIED", "", found))
            continue
        codes.append(found.code)
        result = f"FAILED: {found.said}" if found.code else found.said
        seconds = f"{time.monotonic() - began:.0f} s"
        lines.append((found.version, result, seconds, str(found.place)))
    sys.stdout.write("\n" + "".join(f"{form.format(*line)}\n" for line in lines))
    return int(any(codes) or not codes)
