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
