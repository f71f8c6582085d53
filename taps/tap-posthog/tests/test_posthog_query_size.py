"""How much a query requests: what PostHog can answer in time, and what fits into memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tap_posthog.keyset import KeysetCursor, condition_after
from tap_posthog.query_size import SUCCESSES_TO_GROW, QuerySize
from tap_posthog.time_windows import TimeWindow

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def window(length):
    return TimeWindow(BEGIN, BEGIN + length)


def page(rows, size=10):
    """Rows of so many bytes each; other values than texts are small."""
    return [{"properties": "x" * size, "number": 7} for _ in range(rows)]


class TestRows:
    def test_the_first_page_is_small(self):
        assert QuerySize(HOUR, 50_000).rows == 250
        assert QuerySize(HOUR, 120).rows == 120

    def test_pages_of_small_rows_grow_eightfold_up_to_the_most(self):
        size = QuerySize(HOUR, 50_000)
        sizes = []
        for _ in range(4):
            size.note_page(page(size.rows))
            sizes.append(size.rows)
        assert sizes == [2_000, 16_000, 50_000, 50_000]

    def test_a_page_has_16_mib_at_most(self):
        size = QuerySize(HOUR, 50_000)
        size.note_page(page(16, size=1 << 16))
        assert size.rows == 256
        size.note_page(page(256, size=1 << 15))
        # A whole number, as it becomes a LIMIT.
        assert str(size.rows) == "512"

    def test_pages_are_never_smaller_than_100_rows(self):
        size = QuerySize(HOUR, 50_000)
        size.note_page(page(2, size=1 << 20))
        assert size.rows == 100
        few = QuerySize(HOUR, 20)
        few.note_page(page(2, size=1 << 20))
        assert few.rows == 20

    def test_an_empty_page_says_nothing_of_the_size_of_rows(self):
        size = QuerySize(HOUR, 50_000)
        size.note_page([])
        assert size.rows == 250

    def test_rows_without_texts_are_small(self):
        size = QuerySize(HOUR, 50_000)
        size.note_page([{"number": 7}, {"number": None}])
        assert size.rows == 2_000


class TestTooLarge:
    def test_time_is_halved_down_to_a_second(self):
        size = QuerySize(HOUR, 50_000)
        assert size.length == HOUR
        assert size.shrink(window(HOUR)) == "reading 0:30:00 at once"
        assert size.length == HOUR / 2
        # The next window was planned before.
        size.shrink(window(HOUR))
        assert size.length == HOUR / 2
        size.shrink(window(1.5 * SECOND))
        assert size.length == SECOND

    def test_then_rows_are_quartered_down_to_100(self):
        size = QuerySize(HOUR, 50_000)
        for _ in range(3):
            size.note_page(page(size.rows))
        assert size.rows == 50_000
        rows = []
        while size.can_shrink(window(SECOND)):
            assert size.shrink(window(SECOND)) == f"requesting {size.rows} rows at once"
            rows.append(size.rows)
        assert rows == [12_500, 3_125, 781, 195, 100]
        assert size.length == HOUR

    def test_a_second_of_100_rows_cannot_be_less(self):
        size = QuerySize(HOUR, 100)
        assert not size.can_shrink(window(SECOND))
        assert size.can_shrink(window(2 * SECOND))
        assert QuerySize(HOUR, 101).can_shrink(window(SECOND))

    @pytest.mark.parametrize("too_few", (0, 1))
    def test_more_is_tried_again_after_many_successes(self, too_few):
        size = QuerySize(HOUR, 4_000)
        size.note_page(page(250))
        size.shrink(window(HOUR))
        size.shrink(window(SECOND))
        assert size.rows == 500
        for _ in range(SUCCESSES_TO_GROW - too_few):
            size.note_page(page(500))
        grows = not too_few
        assert size.length == (HOUR if grows else HOUR / 2)
        assert size.rows == (2_000 if grows else 500)


class TestWindows:
    def test_they_are_shown_in_utc(self):
        assert str(window(HOUR)) == ("2026-03-01T00:00:00.000000Z to 2026-03-01T01:00:00.000000Z")

    @pytest.mark.parametrize(
        ("length", "lengths"),
        (
            (HOUR, [HOUR, HOUR, HOUR / 2]),
            (2.5 * HOUR, [2.5 * HOUR]),
            (HOUR / 2, [HOUR / 2] * 5),
            (3 * HOUR, [2.5 * HOUR]),
        ),
    )
    def test_they_are_split_without_gaps(self, length, lengths):
        windows = window(2.5 * HOUR).split(length)
        assert [part.length for part in windows] == lengths
        assert windows[0].begin == BEGIN
        assert [part.end for part in windows[:-1]] == [part.begin for part in windows[1:]]
        assert windows[-1].end == BEGIN + 2.5 * HOUR

    def test_a_second_is_the_shortest(self):
        assert window(SECOND).is_shortest
        assert not window(2 * SECOND).is_shortest


class TestKeyset:
    def test_a_row_is_after_another_by_the_first_difference(self):
        condition, values = condition_after(
            ("timestamp", "toString(uuid)", "event"), ("{a}", "{b}", "{c}"), ("1", "2", "3")
        )
        assert condition == (
            "timestamp > {a} OR (timestamp = {a} AND (toString(uuid) > {b} OR "
            "(toString(uuid) = {b} AND (event > {c}))))"
        )
        assert values == {"after_0": "1", "after_1": "2", "after_2": "3"}

    def test_the_cursor_of_a_row(self):
        row = {"at": "2026-03-01T00:00:00.000000Z", "uuid": "u", "event": None, "extra": 1}
        cursor = KeysetCursor.from_row(row, "at", ("uuid", "event"))
        assert cursor == KeysetCursor("2026-03-01T00:00:00.000000Z", ("u", ""))
