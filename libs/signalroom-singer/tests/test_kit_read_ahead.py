from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalroom_singer import ReadAhead


def read_all(tasks, read, **options):
    with ReadAhead(tasks, read, **options) as pages:
        return list(pages)


@given(
    st.lists(st.lists(st.lists(st.integers(), max_size=4), max_size=4), max_size=8),
    st.integers(1, 5),
    st.integers(1, 6),
)
def test_the_order_is_that_of_one_worker(pages, workers, buffer):
    tasks = list(enumerate(pages))
    expected = [
        pair for task in tasks for pair in (*((task, page) for page in task[1]), (task, None))
    ]
    assert read_all(tasks, lambda task: iter(task[1]), workers=workers, buffer=buffer) == expected


def test_tasks_are_read_at_once():
    together = threading.Barrier(3, timeout=120)  # ends a hang

    def read(task):
        together.wait()
        yield [task]

    assert len(read_all([1, 2, 3], read, workers=3)) == 6


def test_an_error_comes_in_its_place():
    def read(task):
        yield [task]
        if task == 2:
            msg = "no"
            raise ValueError(msg)

    seen = []
    with (
        pytest.raises(ValueError, match="no"),
        ReadAhead([1, 2, 3], read, workers=3) as pages,
    ):
        seen.extend(pages)
    assert seen == [(1, [1]), (1, None), (2, [2])]


def test_reading_ahead_stops_when_the_buffer_is_full():
    read_pages = []
    blocked = threading.Event()

    def read(task):
        for number in range(100):
            read_pages.append((task, number))
            yield [number] * 10
            if task == 2 and number > 20:
                blocked.set()

    with ReadAhead([1, 2], read, workers=2, buffer=50) as pages:
        first = next(iter(pages))
        assert first == (1, [0] * 10)
        assert not blocked.wait(0.2)
    # Each worker may have one page more in hand than the buffer takes.
    assert len(read_pages) <= 5 + 2 + 5


def test_leaving_stops_the_threads():
    before = threading.active_count()
    with ReadAhead(range(1000), lambda task: iter([[task]]), workers=4, buffer=10) as pages:
        next(iter(pages))
    assert threading.active_count() <= before
