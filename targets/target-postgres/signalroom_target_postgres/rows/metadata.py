"""The columns of record metadata (`_sdc_*`)."""

from __future__ import annotations

VERSION = "_sdc_table_version"
SYNC_STARTED_AT = "_sdc_sync_started_at"
#: What the SDK calls record metadata, but for `_sdc_deleted_at`, which records may bring.
METADATA = (
    "_sdc_extracted_at",
    "_sdc_received_at",
    "_sdc_batched_at",
    "_sdc_sequence",
    VERSION,
    SYNC_STARTED_AT,
)
#: SignalRoom's taps say here when they read the row.
LOADED_AT = "_loaded_at"
#: The columns that say when and by which run a row was loaded, and not what it is.
LOAD_COLUMNS = frozenset(METADATA) - {VERSION} | {LOADED_AT}
