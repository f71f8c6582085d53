"""``signalroom-run-tap``: runs a tap, and tells the loader which streams are complete.

A loader cannot know it otherwise: its input ends the same way when the tap dies. Only the standard
library is imported, as this runs with each tap.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, cast

from signalroom_singer.cli.executable import write_log_line
from signalroom_singer.cli.loader_failure import watch_for_failure
from signalroom_target_postgres.run_tap.tap_streams import TapStreams

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Options with which a tap does something else than a sync.
_OTHER_MODES = {"--about", "--discover", "-d", "--help", "--test", "--validate", "--version"}
_FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_READ_BYTES = 1 << 20
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_SIGNALLED = 128

_DESCRIPTION = """
Run a tap and pass on what it writes. When it ends with exit code 0, an ACTIVATE_VERSION for each
stream that was read in full follows: the loader can replace the table, or delete the rows that are
no longer at the source. Streams that are read incrementally are never among them.
"""


def main() -> None:
    """Run the tap that the command line names, and end with its exit code."""
    parser = argparse.ArgumentParser(
        prog="signalroom-run-tap",
        usage="signalroom-run-tap [--stream NAME]... TAP [ARGUMENT]...",
        description=_DESCRIPTION,
    )
    parser.add_argument(
        "--stream",
        action="append",
        dest="streams",
        metavar="NAME",
        help="A stream that each run reads in full; may be repeated. By default all streams, if "
        "none of the tap's is incremental.",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="TAP [ARGUMENT]...")
    options = parser.parse_args()
    if not options.command:
        parser.error("name the tap to run")
    sys.exit(run(options.command, options.streams))


def run(command: Sequence[str], selected: Sequence[str] | None = None) -> int:
    """Run a tap.

    Args:
        command: The tap and its arguments.
        selected: The streams that are read in full, where the user names them.

    Returns:
        The tap's exit code; 128 and the signal's number if it was killed.
    """
    syncs = not any(argument.partition("=")[0] in _OTHER_MODES for argument in command[1:])
    try:
        if not syncs:
            os.execvp(command[0], [*command])  # nosec B606 # noqa: S606 - the user's own tap
        return _sync(command, selected)
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "Is the tap installed, and on the PATH?"
        if error.errno == errno.ENOEXEC:
            advice = "A script begins with a line such as #!/bin/sh."
        _log(f"{command[0]} cannot be run: {reason}. {advice}", level="error")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE


def _sync(command: Sequence[str], selected: Sequence[str] | None) -> int:
    streams = TapStreams(command[1:])
    watch_for_failure()
    asked_to_end = False
    # In a process group of its own, so that Ctrl-C reaches it once: through us.
    with subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0) as process:  # noqa: S603

        def forward(number: int, _: object) -> None:
            nonlocal asked_to_end
            asked_to_end = True
            process.send_signal(number)

        for number in _FORWARDED:
            signal.signal(number, forward)
        output = cast("IO[bytes]", process.stdout)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):
                fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _READ_BYTES)
        try:
            while block := os.read(output.fileno(), _READ_BYTES):
                _write(block)
                streams.read(block)
        except BrokenPipeError:
            # The loader has ended, and has logged why. The tap notices it when it writes.
            output.close()
            return _code(process.wait()) or 1
    code = _code(process.returncode)
    # Some taps end with 0 after a signal.
    if code == 0 and not asked_to_end:
        _confirm(streams, selected)
    return code


def _confirm(streams: TapStreams, selected: Sequence[str] | None) -> None:
    """Send an ACTIVATE_VERSION for the streams that are complete."""
    streams.end()
    if streams.ends_within_a_line:
        _write(b"\n")
    complete, refused = streams.complete(selected)
    now = time.time_ns() // 1_000_000
    for name in complete:
        message: dict[str, Any] = {
            "type": "ACTIVATE_VERSION",
            "stream": name,
            # Other loaders only use the version.
            "version": streams.versions.get(name, now),
            "x-complete": True,
        }
        _write(f"{json.dumps(message)}\n".encode())
    if complete:
        _log(f"Read in full: {', '.join(complete)}")
    for reason in refused:
        _log(reason, level="warning")


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


def _log(text: str, *, level: str = "info") -> None:
    with suppress(OSError):
        write_log_line("signalroom-run-tap", f"signalroom-run-tap: {text}", level=level)


def _code(code: int) -> int:
    return code if code >= 0 else _SIGNALLED - code


if __name__ == "__main__":
    main()
