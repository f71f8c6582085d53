"""File locks that the kernel gives up when their holder dies, however it dies.

Lists of process ids in files need a clean exit to stay true, and are wrong once an id is
used again. A ``flock`` is neither: it ends with the last process that holds the file open.
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
    """Hold a file together with others.

    Args:
        path: The lock file.

    Returns:
        A file descriptor; closing it gives up the lock.
    """
    descriptor = _open(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def try_exclusive(path: Path) -> int | None:
    """Hold a file alone, if nobody else holds it.

    Args:
        path: The lock file.

    Returns:
        A file descriptor; closing it gives up the lock. None if somebody holds it.
    """
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_held(path: Path) -> bool:
    """Tell whether any process holds the file.

    Args:
        path: The lock file.

    Returns:
        True if one does.
    """
    descriptor = try_exclusive(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def exclusive(path: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a file alone, waiting for it if need be.

    Args:
        path: The lock file.
        on_wait: Called once before waiting.

    Yields:
        Nothing.
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
