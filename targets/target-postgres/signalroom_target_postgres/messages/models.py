"""Singer messages, as the reader passes them on."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from signalroom_singer.scopes import COMPLETE_SCOPES

#: What a message without a record or a state has in its place.
MISSING = Raw()


class Message(msgspec.Struct, gc=False, rename={"scopes": COMPLETE_SCOPES}):
    """A Singer message; one with other fields is decoded again as a dict.

    Args:
        type: `RECORD`, `STATE` or another type.
        stream: The stream that it is about, if any.
        record: The JSON of a record, not decoded yet.
        value: The JSON of a state.
        time_extracted: When the tap read the record.
        version: The version of the table that a full-table stream writes.
        scopes: The JSON of the scopes that are complete with a state.
    """

    type: str
    stream: str | None = None
    record: Raw = MISSING
    value: Raw = MISSING
    time_extracted: str | None = None
    version: int | None = None
    scopes: Raw = MISSING
