"""``signalroom``: one command, with a subcommand for each job."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: By subcommand, the module whose `main(arguments)` runs it, and what it does. Modules are imported
#: only for their own subcommand, as importing Meltano takes a second.
_COMMANDS = {
    "run": ("run", "Run pipelines as `meltano run` does, reading only their clients' files"),
    "scheduler": ("scheduler.command", "Run the schedules of all clients when they are due"),
    "status": ("status.command", "Show what each pipeline did, and whether one is stale"),
    "test": ("connection", "Read one record per stream, to verify credentials and permissions"),
    "new-client": ("clients", "Write a client's taps, credentials and schedules"),
    "remove-client": ("removal.command", "Remove a client's states, rows, schedules and file"),
    "backfill": (
        "backfill.command",
        "Load a date range in parallel slices, without touching the bookmark",
    ),
    "reconcile": ("reconcile.command", "Compare tables with the vendors' own totals, by day"),
    "clean-up": ("cleanup.command", "Remove old runs, logs and working folders; never the state"),
    "schedules": ("schedules", "List the schedules as tasks for Airflow, and check them"),
    "demo": ("demo.command", "Load the mock vendors' data into an embedded PostgreSQL, twice"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        arguments: The command line after ``signalroom``; by default this process's.

    Returns:
        The exit code: 0, or what the subcommand documents.
    """
    lines = "\n".join(f"  {name:<13} {text}" for name, (_, text) in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="signalroom",
        description="Commands for a SignalRoom project. Run them in the project's folder.",
        epilog=f"commands:\n{lines}\n\n`signalroom COMMAND --help` lists the options of one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    release = f"signalroom {version('signalroom-cli')}"
    parser.add_argument("--version", action="version", version=release)
    parser.add_argument("command", choices=_COMMANDS, metavar="COMMAND", help="see below")
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    # Only the first word is parsed here: argparse would remove a `--` that belongs to the command.
    command: str = parser.parse_args(words[:1]).command
    module, _ = _COMMANDS[command]
    run = import_module(f"signalroom_cli.{module}").main
    code: int = run(words[1:])
    return code
