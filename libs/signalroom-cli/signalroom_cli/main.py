"""``signalroom``: one command, with a subcommand for each job."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Modules with `main(arguments)`, imported when they are asked for: Meltano takes a second.
_COMMANDS = {
    "run": ("run", "Run pipelines as `meltano run` does, reading only their clients' files"),
    "status": ("status.command", "Show what each pipeline did, and whether one is stale"),
    "test": ("connection", "Read one record per stream, to verify credentials and permissions"),
    "new-client": ("clients", "Write a client's taps, credentials and schedules"),
    "remove-client": ("removal", "Remove a client's states, rows, schedules and file"),
    "backfill": ("backfill", "Load a date range in parallel chunks, without touching the bookmark"),
    "clean-up": ("cleanup.command", "Remove old runs, logs and working folders; never the state"),
    "schedules": ("schedules", "List the schedules as tasks for Airflow, and check them"),
    "demo": ("demo", "Load the mock vendors' data into an embedded PostgreSQL, twice"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 0, or what the subcommand documents.
    """
    listed = "\n".join(f"  {name:<13} {text}" for name, (_, text) in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="signalroom",
        description="Commands for a SignalRoom project. Run them in the project's folder.",
        epilog=f"commands:\n{listed}\n\n`signalroom COMMAND --help` lists the options of one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    release = f"signalroom {version('signalroom-cli')}"
    parser.add_argument("--version", action="version", version=release)
    parser.add_argument("command", choices=_COMMANDS, metavar="COMMAND", help="see below")
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    # All that follows the command is its own: argparse would take a `--` out of it.
    command: str = parser.parse_args(given[:1]).command
    module, _ = _COMMANDS[command]
    run = import_module(f"signalroom_cli.{module}").main
    code: int = run(given[1:])
    return code
