"""Pages that cannot be trusted: each row comes once, and none is missing without an error."""

from __future__ import annotations

import logging

import pytest

from tap_redtrack.client import Page
from tap_redtrack.paging import PagingError, StablePager, may_be_cut


class Lists:
    """Answers with the pages of one scan after the other; the last scan's for ever."""

    def __init__(self, *scans, size=2, total=None):
        self.scans, self.size, self.total = scans, size, total
        self.scan = -1
        self.requests = 0

    def request_page(self, number):
        self.requests += 1
        self.scan += number == 1
        pages = self.scans[min(self.scan, len(self.scans) - 1)]
        rows = pages[number - 1] if number <= len(pages) else []
        return Page([{"id": row} for row in rows], self.total)

    def rows(self):
        pager = StablePager(
            self.request_page,
            lambda row: row["id"],
            size=self.size,
            label="offers",
            logger=logging.getLogger("pages"),
        )
        return [row["id"] for page in pager for row in page]


@pytest.mark.parametrize("total", (None, 0, 3))
def test_a_short_page_is_the_only_request(total):
    lists = Lists([[1, 2, 3]], size=5, total=total)
    assert lists.rows() == [1, 2, 3]
    assert lists.requests == 1


def test_an_empty_list_is_one_request():
    lists = Lists([])
    assert lists.rows() == []
    assert lists.requests == 1


def test_short_pages_go_on_up_to_the_total():
    """The server uses smaller pages than the tap requests."""
    lists = Lists([[1, 2, 3], [4, 5, 6]], size=5, total=6)
    assert lists.rows() == [1, 2, 3, 4, 5, 6]
    assert lists.requests == 2


def test_full_pages_go_on_up_to_an_empty_one():
    lists = Lists([[1, 2], [3, 4]], total=4)
    assert lists.rows() == [1, 2, 3, 4]
    assert lists.requests == 3


def test_a_row_that_moved_hides_another_until_all_is_read_again():
    lists = Lists([[1, 2], [2, 3]], [[1, 2], [3, 4]])
    assert lists.rows() == [1, 2, 3, 4]
    assert lists.scan == 1


def test_scans_go_on_until_one_has_all_rows_that_others_had():
    lists = Lists([[1, 2], [2, 3]], [[1, 2], [4]], [[1, 2], [3, 4]])
    assert lists.rows() == [1, 2, 3, 4]
    assert lists.scan == 2


def test_two_scans_with_the_same_rows_are_enough():
    lists = Lists([[1, 2], [2, 3]], total=3)
    assert lists.rows() == [1, 2, 3]
    assert lists.scan == 1


def test_rows_that_keep_moving_while_some_are_missing_are_an_error():
    lists = Lists([[1, 2], [2, 3]], total=5)
    with pytest.raises(PagingError, match="offers: the pages had different rows each of 5 times"):
        lists.rows()
    assert lists.scan == 4


@pytest.mark.parametrize("pages", ([], [[1, 2, 3]]))
def test_a_total_that_is_too_high_twice_is_warned_of(caplog, pages):
    rows = [row for page in pages for row in page]
    lists = Lists(pages, size=5, total=6)
    assert lists.rows() == rows
    assert lists.scan == 1
    assert caplog.messages == [
        f"offers: RedTrack reported 6 rows but returned {len(rows)}, twice the same"
    ]


@pytest.mark.parametrize(
    ("rows", "size", "total"),
    (
        # Full pages: another must follow.
        (range(3), 3, None),
        (range(3), 3, 3),
        # Fewer than the tap requested, but not as many as there are.
        (range(10), 50, 20),
    ),
)
def test_a_page_that_is_repeated_is_an_error_where_rows_may_be_missing(rows, size, total):
    lists = Lists([[*rows], [*rows]], size=size, total=total)
    with pytest.raises(PagingError, match="offers: RedTrack repeats a page in place of the next"):
        lists.rows()
    assert lists.scan == 1


def test_a_page_that_is_repeated_may_be_all_there_is():
    """Ten rows are a usual size of pages, and all rows of an account."""
    lists = Lists([[*range(10)], [*range(10)]], size=50)
    assert lists.rows() == [*range(10)]


def test_a_page_of_rows_that_came_before_ends_a_scan():
    """It is not the one before: RedTrack begins again from the first page."""
    lists = Lists([[1, 2], [3, 4], [1, 2]], size=2)
    with pytest.raises(PagingError, match="repeats a page"):
        lists.rows()


@pytest.mark.parametrize(
    ("rows", "size", "is_cut"), ((7, 7, True), (8, 7, True), (6, 7, False), (50, 1000, True))
)
def test_which_pages_may_be_cut(rows, size, is_cut):
    assert may_be_cut(rows, size) is is_cut
