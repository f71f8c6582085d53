"""Writes Arrow tables into a PostgreSQL table, by COPY."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import Cursor, errors, sql

from signalroom_target_postgres.connection import row_errors
from signalroom_target_postgres.messages.rejects import RejectedRecord
from signalroom_target_postgres.rows.background import prefetch_one
from signalroom_target_postgres.rows.metadata import LOAD_COLUMNS
from signalroom_target_postgres.rows.unknown_fields import with_unknown, without_unknown
from signalroom_target_postgres.values.array_literals import array_json
from signalroom_target_postgres.values.arrow_json import record_json
from signalroom_target_postgres.values.copy_format import encode_copy_text
from signalroom_target_postgres.values.sql_types import type_family
from signalroom_target_postgres.warehouse.bad_rows import SavepointTrials, find_rejected
from signalroom_target_postgres.warehouse.counts import RowCounts
from signalroom_target_postgres.warehouse.orphans import Orphans, have_keys_of
from signalroom_target_postgres.warehouse.policies import check_policies
from signalroom_target_postgres.warehouse.staging import ORDINAL, Staging
from signalroom_target_postgres.warehouse.table import Table, column_list
from signalroom_target_postgres.warehouse.table_traits import TableTraits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from signalroom_target_postgres.rows.columns import Column

# Fewer rows are not worth a thread.
_THREADED_ROWS = 1024
#: Rows that the server rejected, and the error of each.
RejectedRows = tuple[pa.Table, "list[psycopg.Error]"]
# Errors that may disappear once other rows are written.
_OF_OTHER_ROWS = (errors.ForeignKeyViolation, errors.UniqueViolation, errors.ExclusionViolation)
_TO_UPDATE = "; to update such rows, give the stream a key and set `load_method` to upsert"
_TO_ALLOW_NULL = (
    ", and the stream does not have it: ALTER TABLE ... ALTER COLUMN ... DROP NOT NULL or SET "
    "DEFAULT (for tables made by dlt: signalroom-postgres take-over)"
)


class LateRejectError(Exception):
    """Deferred constraints reject a row: to find it, they have to be checked at once."""


@dataclass
class TableWriter:
    """Writes batches of a stream's rows, within the caller's transaction.

    Args:
        table: The table to write into.
        columns: The stream's columns by name.
        metadata: Those of them that the loader fills. They differ with each run, and are left out
            of a rejected record, so that it is the same one when it comes again.
        replace_nul: Whether NUL becomes U+FFFD, which PostgreSQL can store.
        skips_unchanged: Whether rows are not written again that only differ in when they were
            loaded.
    """

    table: Table
    columns: Mapping[str, Column]
    metadata: Collection[str] = ()
    replace_nul: bool = True
    skips_unchanged: bool = False
    #: How the table takes rows.
    traits: TableTraits = field(default_factory=TableTraits)
    #: Whether no row is expected to be there already, so that COPY can go straight into the table.
    expects_no_conflicts: bool = False
    #: Whether to encode rows in another thread while others are sent.
    threaded: bool = True
    #: Whether constraints that could wait for COMMIT are checked with each statement.
    checks_now: bool = False
    #: A table that gets the keys of the rows, if any.
    sent_keys: sql.Identifier | None = None
    #: Rows that the server rejected.
    rejects: list[RejectedRecord] = field(default_factory=list)
    #: Rejected rows that refer to rows which do not exist.
    orphans: list[Orphans] = field(default_factory=list)
    #: Rows that the table took.
    counts: RowCounts = field(default_factory=RowCounts)
    _written: int = 0
    # Rows that were rejected because of other rows: they are retried once all are written.
    _postponed: list[RejectedRows] = field(default_factory=list)

    def begin(self, cursor: Cursor[Any]) -> None:
        """Have constraints checked with each statement, if `checks_now`.

        Args:
            cursor: A cursor within a transaction, after rows were deleted.
        """
        if self.checks_now and (statement := self.traits.check_now):
            cursor.execute(statement)

    def write(self, cursor: Cursor[Any], rows: pa.Table) -> None:
        """Insert rows, or update those whose keys exist; the last row of a key wins.

        Those that the server rejects are added to `rejects`.

        Args:
            cursor: A cursor within a transaction.
            rows: Rows with all or some of the stream's columns.

        Raises:
            LateRejectError: If only a writer that `checks_now` can find the rejected rows.
        """
        keys = self.table.keys
        if keys:
            rows = deduplicate(rows, keys)
            self._forget_replaced(rows)
            self.table.lock(cursor)
        self._written += rows.num_rows
        error = None
        if self.traits.takes_copy and (self.expects_no_conflicts or not keys):
            error = _row_error(cursor, lambda: self._copy(cursor, self.table.identifier, rows))
            if error is None:
                self.counts.new += max(0, cursor.rowcount)
                if self.sent_keys is not None:
                    self._copy(cursor, self.sent_keys, rows.select([*keys]))
                return
            if keys and isinstance(error, errors.UniqueViolation):
                # Rows of another loader, or of an earlier run.
                self.expects_no_conflicts = False
                error = None
        if error is None:
            error = _row_error(cursor, lambda: self._merge(cursor, rows))
        if error is not None:
            self._postpone_or_reject(self._write_others(cursor, rows, error))

    def finish(self, cursor: Cursor[Any]) -> None:
        """Check deferred constraints, and retry rows that other rows may have made possible.

        Args:
            cursor: A cursor within the transaction, after all rows.

        Raises:
            LateRejectError: As for `write`.
        """
        if not self.checks_now and (statement := self.traits.check_now):
            error = _row_error(cursor, lambda: cursor.execute(statement))
            if error is not None:
                raise LateRejectError from error
        self._retry_postponed(cursor)
        for rows, causes in self._postponed:
            rejects = [*self._describe_rejects(rows, causes)]
            self.rejects += rejects
            is_orphan = [isinstance(error, errors.ForeignKeyViolation) for error in causes]
            if any(is_orphan):
                self.orphans.append(
                    (rows.filter(pa.array(is_orphan)), [*compress(rejects, is_orphan)])
                )
        self._postponed.clear()

    def _retry_postponed(self, cursor: Cursor[Any]) -> None:
        """Write postponed rows, as long as the table takes some of them."""
        count = self._count_postponed()
        while self._postponed and count < self._written:
            postponed, self._postponed = self._postponed, []
            for rows, causes in postponed:
                self._postpone_or_reject(self._write_others(cursor, rows, causes[0]))
            left = self._count_postponed()
            if left == count:
                return
            count = left

    def _count_postponed(self) -> int:
        return sum(rows.num_rows for rows, _ in self._postponed)

    @property
    def rejects_all(self) -> bool:
        """Whether the table rejected all rows for a reason that no record can change."""
        return 0 < self._written == len(self.rejects) and all(
            reject.of_table for reject in self.rejects
        )

    def _merge(self, cursor: Cursor[Any], rows: pa.Table) -> None:
        columns = without_unknown(rows).column_names
        compared = self._compared_columns(rows)
        staging = Staging(
            cursor, self.table, columns, updates=self.traits.updates, compared=compared
        )
        self._copy(cursor, staging.identifier, rows)
        counts = staging.insert_all(rows.num_rows)
        if compared is not None:
            counts.unchanged = rows.num_rows - counts.rows_written
        self._drop(cursor, staging)
        self.counts.add(counts)

    def _compared_columns(self, rows: pa.Table) -> list[str] | None:
        """The columns of which one has to differ for a row to be written again; None if each is."""
        keys = self.table.keys
        if not (self.skips_unchanged and keys and self._has_exact_keys(rows)):
            return None
        own = {*keys, *LOAD_COLUMNS}
        return [name for name in without_unknown(rows).column_names if name not in own] or None

    def _has_exact_keys(self, rows: pa.Table) -> bool:
        """Whether keys that differ in the rows differ in the table, too: 1.0 and 1.00 do not."""
        types = self.table.types
        return self.traits.exact_texts and all(
            _is_exact(rows.column(name), types.get(name, "")) for name in self.table.keys
        )

    def _drop(self, cursor: Cursor[Any], staging: Staging) -> None:
        """Drop the temporary table, once the keys of its rows are noted."""
        if self.sent_keys is not None:
            insert = sql.SQL("INSERT INTO {} SELECT {} FROM {}")
            keys = column_list(self.table.keys)
            cursor.execute(insert.format(self.sent_keys, keys, staging.identifier))
        staging.drop()

    def _write_others(
        self, cursor: Cursor[Any], rows: pa.Table, error: psycopg.Error
    ) -> RejectedRows:
        """Load all rows but those that the server rejects; return these, with the errors."""
        if self.traits.deferrable and not self.checks_now:
            raise LateRejectError from error
        self._check_policies(cursor, [error])
        columns = without_unknown(rows).column_names
        staging = Staging(cursor, self.table, columns, numbered=True, updates=self.traits.updates)
        numbers = pa.array(range(rows.num_rows), pa.int64())
        numbered = rows.append_column(ORDINAL, numbers)
        with SavepointTrials(cursor) as trials:

            def copy(start: int, stop: int) -> psycopg.Error | None:
                part = numbered.slice(start, stop - start)
                return trials.call(lambda: self._copy(cursor, staging.identifier, part))

            rejected = dict(find_rejected(rows.num_rows, copy))
        before, after = staging.index()
        with SavepointTrials(cursor) as trials:

            def insert(start: int, stop: int) -> psycopg.Error | None:
                error = trials.execute(before + staging.numbers(start, stop) + after)
                if error is None:
                    self.counts.add(staging.insert.counts(cursor))
                return error

            rejected |= find_rejected(rows.num_rows, insert)
        self._drop(cursor, staging)
        self._check_policies(cursor, rejected.values())
        numbers = sorted(rejected)
        return rows.take(pa.array(numbers, pa.int64())), [rejected[number] for number in numbers]

    def _forget_replaced(self, newer: pa.Table) -> None:
        """Discard postponed rows whose keys came again: the last row of a key wins."""
        postponed, self._postponed = self._postponed, []
        for rows, causes in postponed:
            is_last = pc.invert(have_keys_of(rows, [newer], self.table.keys))
            self._written -= rows.num_rows - (pc.sum(is_last).as_py() or 0)
            if left := [*compress(causes, is_last.to_pylist())]:
                self._postponed.append((rows.filter(is_last), left))

    def _check_policies(self, cursor: Cursor[Any], causes: Iterable[psycopg.Error]) -> None:
        """Fail where a policy is missing, as that is not a row's fault."""
        if not any(map(row_errors.is_rejected_by_policy, causes)):
            return
        commands, purpose = ["INSERT"], "Adding rows"
        if self.table.keys:
            commands, purpose = ["SELECT", "INSERT", "UPDATE"], "Merging rows by their key"
        check_policies(cursor, self.table, commands, purpose)

    def _postpone_or_reject(self, rejected: RejectedRows) -> None:
        """Reject rows, or postpone them until all others are written."""
        rows, causes = rejected
        is_later = [isinstance(error, _OF_OTHER_ROWS) for error in causes]
        mask = pa.array(is_later)
        if any(is_later):
            self._postponed.append((rows.filter(mask), [*compress(causes, is_later)]))
        if not all(is_later):
            final = [error for error, later in zip(causes, is_later, strict=True) if not later]
            self.rejects += self._describe_rejects(rows.filter(pc.invert(mask)), final)

    def _copy(self, cursor: Cursor[Any], into: sql.Identifier, rows: pa.Table) -> None:
        rows = without_unknown(rows)
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(into, column_list(rows.column_names))
        text = encode_copy_text(
            rows,
            types={name: column.type for name, column in self.columns.items()},
            replace_nul=self.replace_nul,
        )
        with cursor.copy(statement) as copy:
            for lines in (
                prefetch_one(text) if self.threaded and rows.num_rows > _THREADED_ROWS else text
            ):
                copy.write(lines)

    def _describe_rejects(
        self, rows: pa.Table, causes: Sequence[psycopg.Error]
    ) -> Iterator[RejectedRecord]:
        """Make rejected records of rows, with the reasons."""
        loaded = without_unknown(rows)
        loaded = loaded.select([name for name in loaded.column_names if name not in self.metadata])
        fields = loaded.rename_columns([self.columns[name].field for name in loaded.column_names])
        written = {column.field: partial(_record_text, column) for column in self.columns.values()}
        for number, error in enumerate(causes):
            record = record_json(fields.slice(number, 1), written)
            record = with_unknown(record, rows.slice(number, 1), fields.column_names)
            reason, column = row_errors.reason_of(error)
            of_table = row_errors.is_faulty_function(error)
            if isinstance(error, errors.UniqueViolation) and not self.table.keys:
                reason += _TO_UPDATE
            if isinstance(error, errors.NotNullViolation) and column not in self.columns:
                reason += _TO_ALLOW_NULL
                of_table = True
            oversized = row_errors.is_oversized(error)
            yield RejectedRecord(record, reason, column, oversized=oversized, of_table=of_table)


def _record_text(column: Column, text: str) -> str:
    """Return the JSON that a record had for a value that is copied as a text."""
    kind = type_family(column.type)
    if kind == "array":
        is_json = type_family(column.type.removesuffix("[]")) == "json"
        return array_json(text, is_json=is_json)
    # Also in a column of texts: a number that the schema declares is one in its record.
    is_other = bool(column.json_types) or kind in {"integer", "number"}
    is_json = kind == "json" or (is_other and "string" not in column.json_types)
    return text if is_json else msgspec.json.encode(text).decode()


def _row_error(cursor: Cursor[Any], work: Callable[[], object]) -> psycopg.Error | None:
    """Run work in a savepoint; return the error if the server rejected a row."""
    try:
        with cursor.connection.transaction():
            work()
    except psycopg.Error as error:
        if not row_errors.rejects_row(error):
            raise
        return error
    return None


def deduplicate(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return the last row of each key, in their order.

    Args:
        rows: Rows of which some may have the same key.
        keys: The columns of the key.
    """
    keyed = rows.select([*keys]).append_column(ORDINAL, pa.array(range(rows.num_rows), pa.int64()))
    last = keyed.group_by([*keys]).aggregate([(ORDINAL, "max")])
    if last.num_rows == rows.num_rows:
        return rows
    indices = last.column(f"{ORDINAL}_max")
    return rows.take(indices.take(pc.array_sort_indices(indices.combine_chunks())))


def _is_exact(values: pa.ChunkedArray, type_: str) -> bool:
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return type_ in {"text", "character varying"}
    if pa.types.is_integer(kind):
        return type_ in {"smallint", "integer", "bigint"}
    if pa.types.is_timestamp(kind):
        return type_ in {"timestamp with time zone", "timestamp without time zone"}
    return pa.types.is_date32(kind) and type_ == "date"
