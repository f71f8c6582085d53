"""``--test``: reads a record of each stream, and prints which streams are readable."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

from signalroom_singer.message_writer import BufferedMsgSpecWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk import Stream, Tap
    from singer_sdk.singerlib.encoding.simple import Message


class CountingWriter(BufferedMsgSpecWriter):
    """Counts records by stream, and does not write them: they may have customers' data."""

    def __init__(self) -> None:
        super().__init__()
        #: The number of records of each stream.
        self.records: Counter[str] = Counter()

    @override
    def write_message(self, message: Message) -> None:
        """Count a message.

        Args:
            message: The message to count; only records are counted.
        """
        if isinstance(message, RecordMessage):
            self.records[message.stream] += 1


def try_streams(tap: Tap, writer: CountingWriter) -> None:
    """Read a record of each stream that is selected, and print the streams' names.

    Args:
        tap: The tap whose streams are read.
        writer: The tap's writer, which counts records.
    """
    # The SDK would try all streams. A key may lack permission for those that are off by default.
    selected = [stream for stream in tap.streams.values() if stream.selected]
    for stream in selected:
        # The SDK reads a child with its parent.
        if stream.parent_stream_type is None:
            family = [*_family(stream, selected)]
            tap.run_sync_dry_run(1, family)
            for member in family:
                count = sum(writer.records[each.stream_alias] for each in member.stream_maps)
                click.echo(f"{member.name}: ok ({'a record read' if count else 'empty'})")


def _family(stream: Stream, selected: Iterable[Stream]) -> Iterator[Stream]:
    yield stream
    for child in stream.child_streams:
        if child in selected:
            yield from _family(child, selected)
