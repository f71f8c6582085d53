"""Tests the mutants of groups of modules, and writes ``tests/mutation.md``."""

from __future__ import annotations

import argparse
import os
import sys

from tools.mutation.report import write_report
from tools.mutation.runner import Options, run_group
from tools.mutation.scope import GROUPS


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command line; by default that of the process.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help=", ".join(GROUPS))
    parser.add_argument("--jobs", type=int, default=2, help="mutants that are tested at a time")
    parser.add_argument("--sample", type=int, default=0, help="mutants of each module, at random")
    parser.add_argument("--seed", type=int, default=1, help="chooses the sample")
    parser.add_argument("--again", action="store_true", help="only unexplained survivors")
    parser.add_argument(
        "--seconds", type=float, default=Options.seconds, help="of tests for a mutant, at most"
    )
    parser.add_argument("--report", action="store_true", help="only write tests/mutation.md")
    parser.add_argument("--tests", default="", help="only tests with this text in their id")
    parser.add_argument("--modules", default="", help="only modules with such a text in their path")
    parser.add_argument("--functions", default="", help="only those of functions of this name")
    options = vars(parser.parse_args(arguments))
    if options.pop("report"):
        complaints = write_report()
        sys.stdout.write("".join(f"{line}\n" for line in complaints))
        return int(bool(complaints))
    names = options.pop("groups") or list(GROUPS)
    if unknown := [name for name in names if name not in GROUPS]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    codes = []
    for name in names:
        # Each group in a process of its own: pytest collects once in a process.
        if not (pid := os.fork()):
            os._exit(run_group(GROUPS[name], Options(**options)))
        codes.append(os.waitpid(pid, 0)[1])
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
