"""Makes the function that decodes a stream's records into msgspec structs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from signalroom_target_postgres.rows.columns import Column

_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
#: JSON's null, not decoded.
NULL = Raw(b"null")
decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def build_decode(columns: Sequence[Column], *, strict: bool) -> Callable[[Raw], Any]:
    """Define a struct with a field for each column, and make its decoder.

    Args:
        columns: The columns, in the order of the struct's fields.
        strict: Whether a field that the struct does not have is an error.

    Returns:
        A function that decodes a record's JSON.
    """
    # A field may have any name, an attribute may not.
    names = {f"f{number}": column.field for number, column in enumerate(columns)}
    aliases = {name: alias for alias, name in names.items() if _ESCAPED.search(name)}
    names |= {alias: alias for alias in aliases.values()}
    row = msgspec.defstruct(
        "Row",
        [_field(attribute, column) for attribute, column in zip(names, columns, strict=True)],
        rename=names,
        forbid_unknown_fields=strict,
        gc=False,
        kw_only=True,
    )
    decode = msgspec.json.Decoder(row).decode
    if not aliases:
        return decode

    def decode_renamed(record: Raw) -> Any:
        # msgspec does not take names of fields with characters that JSON escapes.
        fields = decode_fields(record)
        return decode(
            msgspec.json.encode({aliases.get(name, name): fields[name] for name in fields})
        )

    return decode_renamed


def _field(attribute: str, column: Column) -> tuple[Any, ...]:
    read_as = column.codec.read_as
    if read_as is None:
        return (attribute, None, None)
    if column.required:
        return (attribute, read_as)
    if read_as is Raw:
        return (attribute, Raw, NULL)
    return (attribute, read_as | None, None)
