"""A stream, as the layers below the sink know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Removal:
    """What becomes of rows that vanished at their source.

    Args:
        method: The setting `removed_rows`: delete, mark or archive.
        deletion_column: The column that marks a row, by its field's name.
        max_share_of_scope: The share of the rows of a scope that may vanish at once.
        max_share_of_run: The share of all rows that a run reads again that may vanish.
    """

    method: str
    deletion_column: str
    max_share_of_scope: float
    max_share_of_run: float

    @property
    def marks(self) -> bool:
        """Whether rows stay, with the time when they vanished."""
        return self.method == "mark"


@dataclass(frozen=True)
class StreamSpec:
    """What a stream is, and what the settings say of loading it.

    Args:
        name: The stream's name, after stream maps.
        schema: The stream's JSON schema, after stream maps.
        key_properties: The fields that are the stream's key.
        load_method: The setting `load_method`: upsert, append-only or overwrite.
        quarantines: Whether records that do not fit go into `<table>__rejected`.
        obeys_activate_version: Whether an ACTIVATE_VERSION may remove older rows.
        hard_delete: Whether older rows are deleted, and not only marked as deleted.
        deletion_column: The column that marks a deleted row, by its field's name.
        has_metadata: Whether the columns of record metadata (`_sdc_*`) are added.
        adds_comments: Whether the table and its columns get the schema's descriptions as comments.
        skips_unchanged: Whether rows that come again as they are stay as they were loaded. Not if
            their version, or the run that loaded them, may decide which rows are outdated.
        replace_nul: Whether the character NUL becomes U+FFFD, which PostgreSQL can store.
        sync_started_at: When the run began, in milliseconds since 1970.
        batch_bytes: How many bytes of rows may be held in memory.
        removal: What becomes of rows that vanish from scopes which the tap read completely; None if
            they stay, or if the tap does not say what it read.
        keeps_history: Whether versions of rows are kept in `<table>__history`, if rows have keys.
    """

    name: str
    schema: Mapping[str, Any]
    key_properties: Sequence[str]
    load_method: str
    quarantines: bool
    obeys_activate_version: bool
    hard_delete: bool
    deletion_column: str
    has_metadata: bool
    adds_comments: bool
    skips_unchanged: bool
    replace_nul: bool
    sync_started_at: int
    batch_bytes: int
    removal: Removal | None = None
    keeps_history: bool = False

    @property
    def merge_keys(self) -> Sequence[str]:
        """The fields that rows are merged by; none if rows are appended."""
        return () if self.load_method == "append-only" else self.key_properties
