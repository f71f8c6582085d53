"""The base class of the streams."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from signalroom_singer import SignalRoomStream
from tap_sticky_s3.descriptions import DESCRIPTIONS

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Record
    from singer_sdk.singerlib import Catalog

_INCREMENTAL = "INCREMENTAL"


class StickyStream(SignalRoomStream):
    """A stream whose progress is the files that are loaded, not a bookmark."""

    descriptions = DESCRIPTIONS
    # A state is written after a file, and at no other time.
    STATE_MSG_FREQUENCY = sys.maxsize
    # Whoever put a column into a file wants it loaded.
    left_out = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize as the SDK does."""
        super().__init__(*args, **kwargs)
        self.forced_replication_method = _INCREMENTAL

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        # A full table replacement would delete the rows of files that are no longer in the bucket.
        self.forced_replication_method = _INCREMENTAL

    @override
    def _increment_stream_state(self, latest_record: Record, **_: Any) -> None:
        """Do nothing: progress is counted in files, not in records."""
