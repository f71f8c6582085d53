"""Starts a tap or target, and logs a readable error if it cannot start.

Only the standard library is imported here, so that a missing package is an error like any other:
one line, with the level error under Meltano.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

from signalroom_singer.cli.lazy_imports import lazy_imports
from signalroom_singer.cli.loader_failure import LOG_CONFIG, stop_tap

_INTERRUPTED = 130  # as a shell has it: 128 and SIGINT


def run(name: str, module: str, plugin: str, *, loads: bool = False) -> None:
    """Import a tap or target, and run its command.

    Args:
        name: Its name, for the error message.
        module: The module of its class.
        plugin: The name of its class.
        loads: Whether it is a target rather than a tap.
    """
    # Imports create many objects and drop few: garbage collection would take an eighth of the
    # start. Objects that exist afterwards stay, and need no collection.
    gc.disable()
    try:
        with lazy_imports(module.partition(".")[0]):
            command = getattr(import_module(module), plugin)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception as error:  # a package of another version fails in any way
        if os.environ.get("LOGLEVEL", "").upper() == "DEBUG":
            raise
        if loads:
            stop_tap()
        write_log_line(name, f"Error: {_describe_failure(name, error)}", level="error")
        sys.exit(1)
    gc.freeze()
    gc.enable()
    command.cli()


def _describe_failure(name: str, error: Exception) -> str:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return (
        f"{name} cannot start ({reason}). A package that it needs is missing or has the wrong "
        f"version: reinstall {name} (with Meltano: `meltano install --clean`; in this project: "
        "`make setup`). LOGLEVEL=DEBUG shows where."
    )


def write_log_line(name: str, message: str, *, level: str = "info") -> None:
    """Log a message in the form of the log settings, without loading them.

    Args:
        name: The name of the tap or target.
        message: The text of the message.
        level: The level that Meltano shows.
    """
    if _is_structured():
        # As Meltano's parser expects it:
        # https://github.com/meltano/meltano/blob/v4.4.1/src/meltano/core/logging/parsers.py
        message = json.dumps(
            {
                "level": level,
                "pid": os.getpid(),
                "logger_name": name,
                "ts": time.time(),
                "thread_name": threading.current_thread().name,
                "app_name": name,
                "message": message,
            }
        )
    sys.stderr.write(f"{message}\n")


def _is_structured() -> bool:
    path = os.environ.get(LOG_CONFIG)
    try:
        return path is not None and "StructuredFormatter" in Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
