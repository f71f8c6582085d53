"""File locks that the kernel releases when their holder dies, however it dies.

A list of process ids in a file is correct only if every process exits cleanly, and wrong once an
id is reused. A ``flock`` has neither problem: it ends with the last process that has the file open.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def take_shared(path: Path) -> int:
    """Lock a file together with others.

    Args:
        path: The lock file.

    Returns:
        A file descriptor; closing it releases the lock.
    """
    descriptor = _open(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def try_exclusive(path: Path) -> int | None:
    """Lock a file exclusively, if nobody else has locked it.

    Args:
        path: The lock file.

    Returns:
        A file descriptor; closing it releases the lock. None if somebody has locked the file.
    """
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_held(path: Path) -> bool:
    """Whether any process has locked the file."""
    descriptor = try_exclusive(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def exclusive(path: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Lock a file exclusively, waiting for it if need be.

    Args:
        path: The lock file.
        on_wait: Called once before waiting.
    """
    descriptor = try_exclusive(path)
    if descriptor is None:
        on_wait()
        descriptor = _open(path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    # 0644: a lock can be taken on a file that is only readable.
    return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
