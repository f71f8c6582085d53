"""``make fidelity``: see the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tools import fidelity
from tools.fidelity import clients, google, hogql, s3
from tools.fidelity.environments import FailedError, NotAvailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tools.fidelity.environments import Result

    Check = Callable[[Path], Result]

#: The number of differences printed per check, and of characters per difference.
_MAX_DIFFERENCES, _MAX_CHARACTERS = 20, 400
CHECKS: dict[str, Check] = {**google.CHECKS, **hogql.CHECKS, **s3.CHECKS, **clients.CHECKS}


def main(arguments: list[str] | None = None) -> int:
    """Run the checks.

    Args:
        arguments: The command line's arguments; those of the process if None.

    Returns:
        The exit code: 0 if no check fails.
    """
    parser = argparse.ArgumentParser(prog="make fidelity", description=fidelity.__doc__)
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument(
        "--strict", action="store_true", help="also fail if a package cannot be installed"
    )
    options = parser.parse_args(arguments)
    codes = [_report(name, CHECKS[name], strict=options.strict) for name in options.only]
    return max(codes)


def _report(name: str, check: Check, *, strict: bool) -> int:
    """Run a check, print its result and its differences, and return its exit code."""
    began = time.monotonic()
    code, differences = 1, []
    try:
        with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder:
            result = check(Path(folder))
    except NotAvailableError as error:
        code, text = int(strict), f"not available: {error}"
    except FailedError as error:
        text = f"FAILED: {error}"
    else:
        code, differences = int(bool(result.differences)), result.differences
        outcome = f"FAILED: {len(differences)} differences" if differences else "ok"
        text = f"{outcome}; {result.summary} ({result.versions})"
    _write([f"{name:18}{text} [{time.monotonic() - began:.0f} s]", *_indent(differences)])
    return code


def _indent(differences: list[str]) -> Iterable[str]:
    yield from (f"    {line[:_MAX_CHARACTERS]}" for line in differences[:_MAX_DIFFERENCES])
    if len(differences) > _MAX_DIFFERENCES:
        yield f"    and {len(differences) - _MAX_DIFFERENCES} more"


def _write(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
