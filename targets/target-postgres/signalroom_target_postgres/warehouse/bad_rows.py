"""Finds the rows that a table rejects, and loads the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from signalroom_target_postgres.connection.row_errors import rejects_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from psycopg import Cursor

_BEGIN = b"SAVEPOINT signalroom_rows"
_KEEP = b"RELEASE SAVEPOINT signalroom_rows"
_UNDO = b"ROLLBACK TO SAVEPOINT signalroom_rows"


def find_rejected(
    count: int, attempt: Callable[[int, int], psycopg.Error | None]
) -> list[tuple[int, psycopg.Error]]:
    """Load rows in as large ranges as the table takes.

    A range that is rejected is halved down to its first bad row; after that row, ranges double
    again. So a bad row costs about twice the logarithm of the rows between two of them in
    attempts, and where all rows are bad, each costs one.

    Args:
        count: How many rows there are.
        attempt: Loads the rows from one number up to, but without, another: all of them, or none,
            and then returns the server's error.

    Returns:
        The numbers of the rows that were rejected alone, in their order, with the errors.
    """
    rejected = []
    start, size = 0, count
    # Rows from `start` up to here are rejected together.
    bad_end = 0
    while start < count:
        stop = start + max(1, (bad_end - start) // 2) if bad_end > start else start + size
        stop = min(stop, count)
        error = attempt(start, stop)
        if error is None:
            size = 2 * (stop - start)
            start = stop
        elif stop - start == 1:
            rejected.append((start, error))
            start, size, bad_end = stop, 1, 0
        else:
            bad_end = stop
    return rejected


class SavepointTrials:
    """Runs statements one by one; one in which the server rejects a row is rolled back.

    It is a savepoint that moves on with each success, in the statement's own round trip: on a
    distant server, round trips are most of the time that many bad rows take.

    Args:
        cursor: A cursor within a transaction.
    """

    def __init__(self, cursor: Cursor[Any]) -> None:
        self._cursor = cursor
        self._failed = False

    def __enter__(self) -> Self:
        self._cursor.execute(_BEGIN)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # After other errors the caller's transaction is rolled back.
        if kind is None:
            self._run(_KEEP)

    def execute(self, statement: bytes) -> psycopg.Error | None:
        """Run a statement.

        Args:
            statement: A statement without parameters.

        Returns:
            The error, if the server rejected a row.
        """
        return self._attempt(lambda: self._run(statement, _KEEP, _BEGIN))

    def call(self, work: Callable[[], None]) -> psycopg.Error | None:
        """Run work that takes more than a statement.

        Args:
            work: What to run within the savepoint.

        Returns:
            The error, if the server rejected a row.
        """

        def run() -> None:
            if self._failed:
                self._run()
            work()
            self._run(_KEEP, _BEGIN)

        return self._attempt(run)

    def _attempt(self, work: Callable[[], None]) -> psycopg.Error | None:
        try:
            work()
        except psycopg.Error as error:
            if not rejects_row(error):
                raise
            self._failed = True
            return error
        return None

    def _run(self, *statements: bytes) -> None:
        """Send statements in one message, after the rollback of a failed attempt."""
        undo = [_UNDO] if self._failed else []
        self._failed = False
        self._cursor.execute(b"; ".join([*undo, *statements]), prepare=False)
