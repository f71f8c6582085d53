"""What is done in a thread beside the main one: it reads on while the server is busy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Iterate in a thread, one item ahead: the server is busy with one while we make the next.

    Args:
        items: Whatever makes them; errors come out where the item would have.

    Yields:
        The items.
    """
    end = object()
    made = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming = pool.submit(next, made, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, made, end)
            yield item  # type: ignore[misc] # not the end


class Aside:
    """One task at a time, begun here and ended here; only its middle is in another thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="aside")
        self._task: tuple[Future[Any], Callable[[], None]] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a task was begun and is not settled."""
        return self._task is not None

    @property
    def is_done(self) -> bool:
        """Whether a task waits to be settled."""
        return self._task is not None and self._task[0].done()

    def begin(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        """Begin a task, once the one before it has ended.

        Args:
            work: What to do in the thread.
            then: What to do here afterwards, if it did not fail.
        """
        self.settle()
        self._task = (self._pool.submit(work), then)

    def settle(self) -> None:
        """Wait for the task, if there is one; raise what it raised, or do what comes then."""
        if self._task is None:
            return
        (future, then), self._task = self._task, None
        future.result()
        then()

    def close(self) -> None:
        """End the thread, after the task that it has; what becomes of that is not asked."""
        self._pool.shutdown(wait=False)
