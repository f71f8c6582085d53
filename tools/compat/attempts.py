"""Tests versions one after the other and prints a table; the ``make compat`` commands share it."""

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

#: Environments and programs that are installed for the tests.
HERE = ROOT / ".meltano" / "compat"


class Outcome(NamedTuple):
    """The outcome of the tests with one version.

    Attributes:
        version: The version, as the table shows it.
        code: The exit code of the tests.
        summary: The last line of their output.
        place: The path of the program or environment that was used.
    """

    version: str
    code: int
    summary: str
    place: Path


def run_tests(command: Sequence[str | Path], env: Mapping[str, str]) -> tuple[int, str]:
    """Run tests and print their output as it comes.

    Args:
        command: The command line of pytest.
        env: The environment variables of pytest.

    Returns:
        The exit code and the last line of the output.
    """
    with subprocess.Popen(  # noqa: S603 - pytest
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        last = ""
        for line in process.stdout or ():
            sys.stdout.write(line)
            last = line.strip() or last
    return process.returncode, re.sub(r" in [\d.]+s.*|=", "", last).strip()


def try_versions(
    versions: Iterable[str],
    attempt: Callable[[str], Outcome | str],
    form: str,
    heads: Sequence[str],
) -> int:
    """Test versions one after the other, and print a table of the outcomes.

    Args:
        versions: The versions to test, as ``attempt`` takes them.
        attempt: Tests one version; returns the reason as text if that is not possible.
        form: The format string of a line of the table, with four columns.
        heads: The heads of the four columns.

    Returns:
        The exit code: 0 if versions were tested, and none failed.
    """
    lines, codes = [heads], []
    for version in versions:
        began = time.monotonic()
        outcome = attempt(version)
        if isinstance(outcome, str):
            lines.append((version, "NOT TRIED", "", outcome))
            continue
        codes.append(outcome.code)
        result = f"FAILED: {outcome.summary}" if outcome.code else outcome.summary
        seconds = f"{time.monotonic() - began:.0f} s"
        lines.append((outcome.version, result, seconds, str(outcome.place)))
    sys.stdout.write("\n" + "".join(f"{form.format(*line)}\n" for line in lines))
    return int(any(codes) or not codes)
