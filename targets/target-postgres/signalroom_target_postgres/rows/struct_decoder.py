"""Decodes a stream's records into msgspec structs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.rows.columns import Column

_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
#: JSON's null, not decoded.
NULL = Raw(b"null")
decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class StructDecoder:
    """Decodes the records of a stream into structs with a field for each column.

    Args:
        columns: The columns, in the order of the struct's fields.
        strict: Whether a field that the struct does not have is an error.
    """

    def __init__(self, columns: Sequence[Column], *, strict: bool) -> None:
        # A field may have any name, an attribute may not.
        names = {f"f{number}": column.field for number, column in enumerate(columns)}
        self._aliases = {name: alias for alias, name in names.items() if _ESCAPED.search(name)}
        names |= {alias: alias for alias in self._aliases.values()}
        self._row = msgspec.defstruct(
            "Row",
            [_field(attribute, column) for attribute, column in zip(names, columns, strict=True)],
            rename=names,
            forbid_unknown_fields=strict,
            gc=False,
            kw_only=True,
        )
        self._decode = msgspec.json.Decoder(self._row).decode
        self._line_decoders: dict[str, msgspec.json.Decoder[Any]] = {}

    @property
    def decodes_lines(self) -> bool:
        """Whether whole lines can be decoded at once."""
        return not self._aliases

    def decode(self, record: Raw) -> Any:
        """Decode a record's JSON."""
        if not self._aliases:
            return self._decode(record)
        # msgspec does not take names of fields with characters that JSON escapes.
        fields = decode_fields(record)
        return self._decode(
            msgspec.json.encode({self._aliases.get(name, name): fields[name] for name in fields})
        )

    def decode_lines(self, text: bytes, stream: str) -> list[Any]:
        """Decode RECORD messages, one a line.

        Args:
            text: Lines that each have a line feed.
            stream: The stream of all of them.

        Returns:
            A struct for each message, with its `record`, `time_extracted` and `version`.
        """
        if (decoder := self._line_decoders.get(stream)) is None:
            # If a message repeats one of its fields, the last one counts.
            line = msgspec.defstruct(
                "Line",
                [
                    ("type", Literal["RECORD"]),
                    ("record", self._row),
                    ("time_extracted", str | None, None),
                    ("version", int | None, None),
                ],
                tag_field="stream",
                tag=stream,
                gc=False,
            )
            decoder = self._line_decoders[stream] = msgspec.json.Decoder(line)
        return decoder.decode_lines(text)


def _field(attribute: str, column: Column) -> tuple[Any, ...]:
    read_as = column.codec.read_as
    if read_as is None:
        return (attribute, None, None)
    if column.required:
        return (attribute, read_as)
    if read_as is Raw:
        return (attribute, Raw, NULL)
    return (attribute, read_as | None, None)
