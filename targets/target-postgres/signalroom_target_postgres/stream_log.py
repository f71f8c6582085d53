"""What is logged of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_target_postgres.warehouse.rejected import short_hash

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Sequence

    from signalroom_target_postgres.messages.rejects import RejectedRecord
    from signalroom_target_postgres.warehouse.stream_loader import LoadResult
    from signalroom_target_postgres.warehouse.table import Note, Table


class StreamLog:
    """Logs what becomes of a stream.

    Args:
        logger: The logger of the sink.
        stream: The stream's name.
        table: The table that it is loaded into.
        rejected_table: The table of its rejected records.
    """

    def __init__(
        self, logger: logging.Logger, stream: str, table: Table, rejected_table: Table
    ) -> None:
        self._logger = logger
        self._stream = stream
        self._table = table
        self._rejected_table = rejected_table
        self._warned_fields: set[str] = set()
        self._warned_scopes: set[str] = set()

    def log_notes(self, notes: Iterable[Note]) -> None:
        """Log how the table was created or altered."""
        for note in notes:
            log = self._logger.warning if note.is_warning else self._logger.info
            log("%s", note.text)

    def warn_unknown_fields(self, fields: Iterable[str]) -> None:
        """Warn once of each field that is not loaded."""
        for name in {*fields} - self._warned_fields:
            self._warned_fields.add(name)
            if not name.startswith("_sdc_"):
                self._logger.warning(
                    "Records of %s have the field %r, which its schema does not have: it (and "
                    "others like it) is not loaded",
                    self._stream,
                    name,
                )

    def warn_no_history(self) -> None:
        """Warn that the stream's rows cannot be told apart."""
        self._logger.warning(
            "%s has no history, though history_streams names it: that takes a primary key "
            "(`__key_properties__` in the setting stream_maps), and another load_method than "
            "append-only",
            self._stream,
        )

    def log_load(self, result: LoadResult, *, marks_deleted: bool) -> None:
        """Log what a transaction loaded and removed.

        Args:
            result: What the transaction did.
            marks_deleted: Whether removed rows are only marked as deleted.
        """
        rows = result.rows - len(result.refused)
        if rows:
            self._logger.debug("Loaded %d records into %s", rows, self._table)
        if removed := result.counts.removed:
            verb = "Marked as deleted" if marks_deleted else "Deleted"
            self._logger.debug("%s %d rows of %s", verb, removed, self._table)

    def warn_quarantined(self, rejects: Sequence[RejectedRecord]) -> None:
        """Warn of records that were quarantined."""
        if rejects:
            self._logger.warning(
                "Quarantined %d records of %s in %s; the first (record_hash %s...): %s",
                *(len(rejects), self._stream, self._rejected_table),
                *(short_hash(rejects[0]), rejects[0].describe()),
            )

    def log_refresh(self, rows: int, *, replaced: bool) -> None:
        """Log a full refresh.

        Args:
            rows: How many rows were staged and loaded.
            replaced: Whether they replaced the table's rows.
        """
        text = "Replaced the rows of %s by %d new ones" if replaced else "Added to %s: %d rows"
        self._logger.debug(text, self._table, rows)

    def warn_unscoped(self, columns: Iterable[str]) -> None:
        """Warn of rows that a full refresh left, as they may be another account's.

        Args:
            columns: Columns of constants in which such rows are null.
        """
        for column in columns:
            self._logger.warning(
                "%s has rows without a value in %s, which the schema or the stream map of %s sets "
                "to a constant. They were kept, as they may be another account's: delete them, or "
                "fill the column, if they are not",
                *(self._table, column, self._stream),
            )

    def warn_no_records(self) -> None:
        """Warn that a table was not replaced, as nothing says that the stream is empty."""
        self._logger.warning(
            "No records of %s came, and no ACTIVATE_VERSION that says it is empty: %s was left as "
            "it was",
            *(self._stream, self._table),
        )

    def warn_older_versions(self, rows: int) -> None:
        """Warn of rows of older versions that an ACTIVATE_VERSION before the records left."""
        self._logger.warning(
            "%s keeps %d rows of earlier versions: the tap sent ACTIVATE_VERSION before the "
            "records of %s, and nothing after them that says they are complete. If rows that are "
            "deleted at the source should go, run the tap by `signalroom-run-tap`",
            *(self._table, rows, self._stream),
        )

    def warn_unusable_scopes(self, fields: Iterable[str]) -> None:
        """Warn once of each field by which vanished rows are not found.

        Args:
            fields: Fields without a column in which they have the order of the source.
        """
        for name in {*fields} - self._warned_scopes:
            self._warned_scopes.add(name)
            self._logger.warning(
                "Rows of %s that are gone at the source are not removed from %s: that needs the "
                "column of %r, with a type that has its order. Select the column, or give it that "
                "type",
                *(self._stream, self._table, name),
            )

    def log_orphans(self, count: int) -> None:
        """Log orphans that were loaded after all."""
        self._logger.info(
            "Loaded %d records into %s that had been quarantined before the rows came that they "
            "refer to; they are no longer in %s",
            *(count, self._table, self._rejected_table),
        )
