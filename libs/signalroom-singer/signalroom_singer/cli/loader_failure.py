"""A loader that fails under Meltano stops the tap first, and then exits.

Meltano (4.4.1) passes the tap's output to the loader. If the loader has exited, Meltano ends in a
traceback of BrokenPipeError, far below the loader's own error; and until the tap writes again, it
keeps reading for nothing. So the loader leaves a note where the taps of this project look for it,
discards input until the tap has stopped, and logs its error last. A third-party tap does not look
for the note: after some seconds it gets a SIGTERM.

Only the standard library is imported: a loader that cannot start does the same.
"""

from __future__ import annotations

import os
import re
import select
import signal
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: The variable that names a file of log settings; Meltano sets it for its plugins.
LOG_CONFIG = "SINGER_SDK_LOG_CONFIG"
#: Another one: an id of the Meltano process, which tap and loader of a run have in common.
RUN = "MELTANO_PARENT_CONTEXT_UUID"
#: Seconds after which a tap that ignores the note, a third-party one, is terminated.
_UNNOTICED = 5.0
#: Seconds to wait for a tap that does not end after that either.
_PATIENCE = 30.0
_POLL_SECONDS = 0.25
_READ_BYTES = 1 << 20
_STARTED = time.time()


def note_path() -> Path | None:
    """Return the path of the note of the run that this process belongs to.

    Returns:
        A file in `.meltano/run`; None if Meltano did not start this process.
    """
    config = Path(os.environ.get(LOG_CONFIG, ""))
    # As `config_files` in meltano/core/plugin/singer names it.
    run = os.environ.get(RUN, "")
    if not config.name.endswith(".singer_sdk_logging.json") or not re.fullmatch(r"[\w-]+", run):
        return None
    folder = config.resolve().parents[1]
    return folder / f"loader-failed-{run}" if folder.name == "run" else None


def stop_tap(
    patience: float = _PATIENCE, clock: Callable[[], float] = time.monotonic, descriptor: int = 0
) -> None:
    """Stop the tap of the run, and discard what it still writes.

    No state is saved for the discarded rows: the loader writes none any more.

    Args:
        patience: Seconds to wait for a tap that ignores the note.
        clock: A monotonic clock, in seconds.
        descriptor: The file descriptor of standard input.
    """
    note = note_path()
    if note is None or not _is_piped(descriptor):
        return
    with suppress(OSError):
        note.touch()
    until, ended = clock() + patience, False
    try:
        while (left := until - clock()) > 0:
            if not ended and left < patience - _UNNOTICED:
                _end_tap()
                ended = True
            ready = select.select([descriptor], [], [], min(left, _POLL_SECONDS))[0]
            if ready and not os.read(descriptor, _READ_BYTES):
                return
    except OSError:  # nobody is at the other end
        return
    finally:
        with suppress(OSError):
            note.unlink()


def _end_tap() -> None:
    """Send a SIGTERM to the plugins of the same Meltano process; on Linux only, by /proc."""
    run = f"{RUN}={os.environ[RUN]}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        # Processes of other users cannot be read, and any may end meanwhile.
        with suppress(OSError, ValueError):
            process = int(folder.name)
            parent = int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1])
            if process == os.getpid() or parent != os.getppid():
                continue
            if run in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(process, signal.SIGTERM)


def has_failed() -> bool:
    """Whether the loader of the run has failed.

    A note of an earlier run, whose loader was killed before it removed it, does not count.
    """
    note = note_path()
    try:
        return note is not None and note.stat().st_mtime >= _began()
    except OSError:
        return False


def watch_for_failure() -> None:
    """Watch for the note in a thread; once it exists, this process gets a SIGTERM."""
    if note_path() is None:
        return

    def look() -> None:
        while not has_failed():
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, name="loader-failure", daemon=True).start()


def _began() -> float:
    """When this process started, or a little earlier: Meltano writes the log settings first."""
    with suppress(OSError):
        return min(_STARTED, Path(os.environ[LOG_CONFIG]).stat().st_mtime)
    return _STARTED


def _is_piped(descriptor: int) -> bool:
    """Whether another program is at the other end of a pipe, or of asyncio's socket."""
    with suppress(OSError):
        mode = os.fstat(descriptor).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
    return False
