"""Batch files on disk, until the target has loaded them."""

from __future__ import annotations

import atexit
import errno
import select
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from signalroom_singer import invalid_setting

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence

#: Formats of batch files.
BATCH_FORMATS = ("arrow", "parquet")
#: How many messages may wait for the target with their batch files.
_MAX_PENDING = 8
#: Targets that know this prefix remove the files in such a folder once they have loaded them.
_FOLDER_PREFIX = "signalroom-batch-"
_STALE_SECONDS = 2 * 24 * 3600
_POLL_SECONDS = 0.02


class BatchStore:
    """A folder of batch files, each in a subfolder of its own, which is removed together with it.

    Args:
        form: Format of the files: `arrow` or `parquet`.
        root: Path or file URL of the folder; by default the system's folder for temporary files.
        prefix: Start of the files' names.
        max_pending: How many messages may wait for the target with their files.
        logger: Logger for warnings about the target.

    Raises:
        ConfigValidationError: If the root is not on this machine.
    """

    def __init__(
        self,
        form: str,
        root: str | None,
        prefix: str | None,
        *,
        max_pending: int,
        logger: logging.Logger,
    ) -> None:
        self.form = form
        self.root = _local_path(root)
        self._name = f"{prefix or ''}rows.{form}"
        self._max_pending = max_pending
        self._logger = logger
        self._is_ready = False
        self._lock = threading.Lock()
        self._unsent: set[Path] = set()
        # The last file of each message.
        self._sent: list[Path] = []
        self._target_removes_files = False
        self._patience = 60.0

    def new_path(self) -> Path:
        """Make a folder for a new file, and return the file's path."""
        with self._lock:
            if not self._is_ready:
                self._is_ready = True
                self.root.mkdir(parents=True, exist_ok=True)
                self._remove_stale_folders()
                atexit.register(self.close)
            path = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=self.root)) / self._name
            self._unsent.add(path)
        return path

    def remove(self, path: Path) -> None:
        """Remove a file that is not needed any more.

        Args:
            path: Path of the file, which may not exist.
        """
        with self._lock:
            self._unsent.discard(path)
        shutil.rmtree(path.parent, ignore_errors=True)

    def hand_over(self, paths: Sequence[Path]) -> list[str]:
        """Leave a message's files to the target, once fewer than `max_pending` wait for it.

        Args:
            paths: Paths of the files; the target removes them, the last one last.

        Returns:
            The URLs of the files.

        Raises:
            BrokenPipeError: If the target has ended.
        """
        deadline = time.monotonic() + self._patience
        while self._count_pending() >= self._max_pending:
            if not self._target_removes_files and time.monotonic() > deadline:
                self._logger.warning(
                    "The target does not remove the batch files that it loads: they stay in "
                    "%s/%s*. Remove them after the run, or unset `batch_config`.",
                    *(self.root, _FOLDER_PREFIX),
                )
                self._max_pending = sys.maxsize
                break
            if _is_stdout_closed():
                # Writing a message would raise this error, but here none is written.
                raise BrokenPipeError(errno.EPIPE, "The target has ended")
            time.sleep(_POLL_SECONDS)
        with self._lock:
            self._unsent.difference_update(paths)
        self._sent.append(paths[-1])
        return [path.as_uri() for path in paths]

    def _count_pending(self) -> int:
        before = len(self._sent)
        self._sent = [path for path in self._sent if path.exists()]
        self._target_removes_files = self._target_removes_files or len(self._sent) < before
        return len(self._sent)

    def close(self) -> None:
        """Remove the files that were not sent; the target removes the others."""
        for path in [*self._unsent]:
            self.remove(path)

    def _remove_stale_folders(self) -> None:
        """Remove the folders of runs that were killed."""
        for folder in self.root.glob(f"{_FOLDER_PREFIX}*"):
            try:
                if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
            except FileNotFoundError:
                continue


def make_batch_store(config: Mapping[str, Any], logger: logging.Logger) -> BatchStore:
    """Make the store that the setting `batch_config` describes.

    Args:
        config: The tap's settings.
        logger: Logger for warnings about the target.

    Raises:
        ConfigValidationError: If the format or the root cannot be used.
    """
    batch_config = config.get("batch_config") or {}
    form = (batch_config.get("encoding") or {}).get("format", "arrow")
    storage = batch_config.get("storage") or {}
    if form not in BATCH_FORMATS:
        problem = f"expected the format {' or '.join(BATCH_FORMATS)}"
        raise invalid_setting("batch_config", problem, form)
    return BatchStore(
        form, storage.get("root"), storage.get("prefix"), max_pending=_MAX_PENDING, logger=logger
    )


def _is_stdout_closed() -> bool:
    """Whether standard output is a pipe whose other end is closed."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError):
        # The system has no poll(), or standard output is not a file.
        return False


def _local_path(root: str | None) -> Path:
    if root is None:
        return Path(tempfile.gettempdir())
    address = urlparse(root)
    if address.scheme not in {"", "file"}:
        problem = (
            "expected a root on this machine: a folder that tap and target share, such as "
            "file:///tmp/signalroom"
        )
        raise invalid_setting("batch_config", problem, root)
    return Path(url2pathname(address.path) if address.scheme else root)
