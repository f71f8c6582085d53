"""Threads: one loads a batch while the main thread reads on, one prepares what is sent next."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


def prefetch_one(items: Iterable[T]) -> Iterator[T]:
    """Iterate in a thread, one item ahead: the server works on one while the next is made.

    Args:
        items: The items; an error is raised where its item would have been.

    Yields:
        The items.
    """
    end = object()
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        future = pool.submit(next, iterator, end)
        while (item := future.result()) is not end:
            future = pool.submit(next, iterator, end)
            yield item  # type: ignore[misc] # not the end


class BackgroundTask:
    """Runs one task at a time in a thread; it starts and ends in the calling thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._task: tuple[Future[Any], Callable[[Any], None]] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a task was started and not waited for."""
        return self._task is not None

    @property
    def is_done(self) -> bool:
        """Whether a task has ended, so that `wait` does not wait."""
        return self._task is not None and self._task[0].done()

    def start(self, work: Callable[[], T], on_done: Callable[[T], None]) -> None:
        """Start a task, once the one before it has ended.

        Args:
            work: What to do in the thread.
            on_done: Called with its result by the thread that waits, unless it failed.
        """
        self.wait()
        self._task = (self._pool.submit(work), on_done)

    def wait(self) -> None:
        """Wait for the task, if there is one; raise its error, or call its `on_done`."""
        if self._task is None:
            return
        (future, on_done), self._task = self._task, None
        on_done(future.result())

    def close(self) -> None:
        """End the thread after its task, whose result is ignored."""
        self._pool.shutdown(wait=False)
