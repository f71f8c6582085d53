"""Singer messages, as the reader hands them on."""

from __future__ import annotations

import msgspec
from msgspec import Raw

#: What a message without a record or a state has in its place.
MISSING = Raw()


class Message(msgspec.Struct, gc=False):
    """A Singer message; what has another form is read again as a dict.

    Args:
        type: `RECORD`, `STATE` or another.
        stream: The stream, where it is about one.
        record: A record's JSON, not read yet.
        value: A state's JSON.
        time_extracted: When the tap read the record.
        version: The version of the table that a full-table stream writes.
    """

    type: str
    stream: str | None = None
    record: Raw = MISSING
    value: Raw = MISSING
    time_extracted: str | None = None
    version: int | None = None
