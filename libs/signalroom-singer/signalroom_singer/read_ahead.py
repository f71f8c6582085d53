"""Reads several tasks in threads, and yields their pages in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

T = TypeVar("T")
R = TypeVar("R")

#: Seconds to wait for threads on exit; a thread that waits for a retry is abandoned.
_PATIENCE = 2.0


class _Slot(Generic[R]):
    """The pages of one task that were read but not consumed yet."""

    def __init__(self) -> None:
        self.pages: deque[list[R]] = deque()
        self.records = 0
        self.done = False
        self.error: BaseException | None = None


class ReadAhead(Generic[T, R]):
    """Reads tasks in threads, ahead of the one whose pages are being consumed.

    Iterating yields ``(task, page)`` in the order of the tasks, and ``(task, None)`` when
    a task is finished. An error surfaces where its task stands in the order, after all
    that was read before it; what comes after it is dropped.

    Memory is bounded: while ``buffer`` records wait, only the task in turn reads on.

    Use as a context manager: leaving it stops the threads, and waits a little for their
    requests, so that none is sent after a run.
    """

    def __init__(
        self,
        tasks: Sequence[T],
        read: Callable[[T], Iterable[list[R]]],
        *,
        workers: int,
        buffer: int = 5_000,
    ) -> None:
        """Prepare; reading starts on entering the context.

        Args:
            tasks: The tasks in the order of the result.
            read: Returns the pages (lists of records) of a task; runs in a thread.
            workers: The number of tasks that are read at once.
            buffer: Records that may wait before reading ahead stops.
        """
        self._tasks = tasks
        self._read = read
        self._buffer = buffer
        self._slots: dict[int, _Slot[R]] = {}
        self._changed = threading.Condition()
        self._head = 0
        self._next = 0
        self._waiting = 0
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"read-ahead-{number}", daemon=True)
            for number in range(min(workers, len(tasks)))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        deadline = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def __iter__(self) -> Iterator[tuple[T, list[R] | None]]:
        for index, task in enumerate(self._tasks):
            with self._changed:
                self._head = index
                self._changed.notify_all()
            for page in self._pages(index):
                yield task, page
            yield task, None

    def _pages(self, index: int) -> Iterator[list[R]]:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: (slot := self._slots.get(index)) and (slot.pages or slot.done)
                )
                slot = self._slots[index]
                if not slot.pages:
                    del self._slots[index]
                    if slot.error:
                        raise slot.error
                    return
                page = slot.pages.popleft()
                slot.records -= len(page)
                self._waiting -= len(page)
                self._changed.notify_all()
            yield page

    def _work(self) -> None:
        while (index := self._take()) is not None:
            slot = self._slots[index]
            try:
                for page in self._read(self._tasks[index]):
                    if not self._put(index, slot, page):
                        return
            except BaseException as error:  # noqa: BLE001 - raised again where it is consumed
                slot.error = error
            with self._changed:
                slot.done = True
                self._changed.notify_all()

    def _take(self) -> int | None:
        """The next task to read, once there is room to read ahead; None at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._stopped
                    or self._next >= len(self._tasks)
                    or self._next == self._head
                    or self._waiting < self._buffer
                )
            )
            if self._stopped or self._next >= len(self._tasks):
                return None
            index = self._next
            self._next += 1
            self._slots[index] = _Slot()
            return index

    def _put(self, index: int, slot: _Slot[R], page: list[R]) -> bool:
        """Hand a page over, then wait until there is room for another; False to stop."""
        with self._changed:
            slot.pages.append(page)
            slot.records += len(page)
            self._waiting += len(page)
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: (
                    self._stopped
                    or (slot.records if index == self._head else self._waiting) < self._buffer
                )
            )
            return not self._stopped
