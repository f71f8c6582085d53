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

#: How many differences are printed of each check, and how much of each.
_SHOWN, _LONGEST = 20, 400
CHECKS: dict[str, Check] = {**google.CHECKS, **hogql.CHECKS, **s3.CHECKS, **clients.CHECKS}


def main(arguments: list[str] | None = None) -> int:
    """Run the checks.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 0 if no check fails.
    """
    parser = argparse.ArgumentParser(prog="make fidelity", description=fidelity.__doc__)
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument(
        "--strict", action="store_true", help="fail, too, where a package cannot be installed"
    )
    options = parser.parse_args(arguments)
    codes = [_report(name, CHECKS[name], strict=options.strict) for name in options.only]
    return max(codes)


def _report(name: str, check: Check, *, strict: bool) -> int:
    """Print a line of a check, and what differs; gives its exit code."""
    began = time.monotonic()
    code, more = 1, []
    try:
        with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder:
            result = check(Path(folder))
    except NotAvailableError as error:
        code, text = int(strict), f"not available: {error}"
    except FailedError as error:
        text = f"FAILED: {error}"
    else:
        code, more = int(bool(result.differences)), result.differences
        outcome = f"FAILED: {len(more)} differences" if more else "ok"
        text = f"{outcome}; {result.summary} ({result.versions})"
    _write([f"{name:18}{text} [{time.monotonic() - began:.0f} s]", *_indented(more)])
    return code


def _indented(differences: list[str]) -> Iterable[str]:
    yield from (f"    {line[:_LONGEST]}" for line in differences[:_SHOWN])
    if len(differences) > _SHOWN:
        yield f"    and {len(differences) - _SHOWN} more"


def _write(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
