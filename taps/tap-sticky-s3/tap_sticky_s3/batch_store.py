"""Files on their way to the target: each S3 object's rows, once it was read whole."""

from __future__ import annotations

import atexit
import errno
import select
import shutil
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pyarrow as pa

from signalroom_singer import invalid_setting
from signalroom_singer.cards import CardFindings

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Sequence

    from signalroom_singer import TapError
    from tap_sticky_s3.client import S3Object

#: Targets that know the name remove files in such a folder once they are loaded.
_OURS = "signalroom-batch-"
_STALE = 2 * 24 * 3600  # seconds
_ROWS_AT_ONCE = 4096
_ARROW = ".arrow"
_LOOK = 0.02  # seconds


@dataclass
class ParsedFile:
    """An object that was read, whole or in vain.

    Attributes:
        thing: Its version.
        path: Its rows as a file of columns; none if it has none.
        constants: What all its rows have in common, by column.
        header: Its header, as it is written.
        rows: How many rows it has, with those that were skipped.
        short: Rows with too few cells.
        long: Rows with too many.
        skipped: Rows that are not loaded.
        unnamed_nulls: Cells that are NULL to most who write an escape character, but not here.
        error: Why it could not be read.
        cards: The card data in it.
    """

    thing: S3Object
    path: Path | None = None
    constants: dict[str, Any] = field(default_factory=dict)
    header: Sequence[str] = ()
    rows: int = 0
    short: int = 0
    long: int = 0
    skipped: int = 0
    unnamed_nulls: int = 0
    error: TapError | None = None
    cards: CardFindings = field(default_factory=CardFindings)

    def records(self) -> Iterator[dict[str, Any]]:
        """Read the rows.

        Yields:
            Cells by column, without the constants.
        """
        if self.path is None:
            return
        for batch in _batches(self.path):
            names = [name for name in batch.schema.names if name not in self.constants]
            yield from batch.select(names).to_pylist()


class BatchStore:
    """Files of columns, each in a folder of its own, which goes with it.

    Args:
        form: Their format: `arrow` or `parquet`.
        root: Where the folders are made; the system's place for temporary files by default.
        prefix: How the files' names begin.
        most: How many files may wait to be loaded.
        logger: Where waits are told.

    Raises:
        ValueError: If the root is not on this machine.
    """

    def __init__(
        self,
        form: str,
        root: str | None,
        prefix: str | None,
        *,
        most: int,
        logger: logging.Logger,
    ) -> None:
        self.form = form
        self.root = _local(root)
        self._name = f"{prefix or ''}rows.{form}"
        self._most = most
        self._logger = logger
        self._cleaned = False
        self._lock = threading.Lock()
        self._unsent: set[Path] = set()
        self._sent: list[Path] = []
        self._taken = False
        self._patience = 60.0

    def new_path(self) -> Path:
        """Make a place for a file that is to be written."""
        with self._lock:
            if not self._cleaned:
                self._cleaned = True
                self.root.mkdir(parents=True, exist_ok=True)
                self._remove_stale()
                atexit.register(self.close)
            path = Path(tempfile.mkdtemp(prefix=_OURS, dir=self.root)) / self._name
            self._unsent.add(path)
        return path

    def drop(self, path: Path) -> None:
        """Remove a file that is not needed any more.

        Args:
            path: The file; it may be missing.
        """
        with self._lock:
            self._unsent.discard(path)
        shutil.rmtree(path.parent, ignore_errors=True)

    def send(self, path: Path) -> str:
        """Let a file go to the target, once there are not too many on their way.

        Args:
            path: The file, which the target removes.

        Returns:
            Its address.

        Raises:
            BrokenPipeError: If the target has ended.
        """
        deadline = time.monotonic() + self._patience
        while self._waiting() >= self._most:
            if not self._taken and time.monotonic() > deadline:
                self._logger.warning(
                    "The target does not remove the batch files that it loads: they stay in "
                    "%s/%s*. Remove them after the run, or unset `batch_config`.",
                    *(self.root, _OURS),
                )
                self._most = sys.maxsize
                break
            if _nobody_reads():
                # A write would tell, but here none is made.
                raise BrokenPipeError(errno.EPIPE, "The target has ended")
            time.sleep(_LOOK)
        with self._lock:
            self._unsent.discard(path)
        self._sent.append(path)
        return path.as_uri()

    def _waiting(self) -> int:
        before = len(self._sent)
        self._sent = [path for path in self._sent if path.exists()]
        self._taken = self._taken or len(self._sent) < before
        return len(self._sent)

    def close(self) -> None:
        """Remove what was not sent; the rest is the target's."""
        for path in [*self._unsent]:
            self.drop(path)

    def _remove_stale(self) -> None:
        """Remove what killed runs left behind."""
        for folder in self.root.glob(f"{_OURS}*"):
            try:
                if time.time() - folder.stat().st_mtime > _STALE:
                    shutil.rmtree(folder, ignore_errors=True)
            except FileNotFoundError:
                continue


def write(path: Path, batches: Iterator[pa.RecordBatch], constants: Sequence[str]) -> None:
    """Write rows in the format that the path's suffix names; without any, nothing.

    Args:
        path: Where to.
        batches: The rows.
        constants: Columns with one value in all rows.
    """
    with ExitStack() as stack:
        writer: Any = None
        for batch in batches:
            if writer is None:
                writer = stack.enter_context(_writer(path, batch.schema, constants))
            # Parquet keeps what comes as batches until there are a million rows.
            writer.write_table(pa.Table.from_batches([batch]))


def _writer(path: Path, schema: pa.Schema, constants: Sequence[str]) -> Any:
    if path.suffix == _ARROW:
        return pa.ipc.new_file(str(path), schema)
    import pyarrow.parquet as pq  # noqa: PLC0415 - for whoever wants it

    # For speed: it lives for a second. Only what is the same throughout is packed.
    return pq.ParquetWriter(
        path, schema, compression="none", use_dictionary=[*constants], write_statistics=False
    )


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix == _ARROW:
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
        return
    import pyarrow.parquet as pq  # noqa: PLC0415 - for whoever wants it

    with pq.ParquetFile(path, pre_buffer=False) as parquet:
        yield from parquet.iter_batches(_ROWS_AT_ONCE)


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose other end is closed."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError):
        # No such call on this system, or no file at all.
        return False


def _local(root: str | None) -> Path:
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
