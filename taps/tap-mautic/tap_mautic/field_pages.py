"""Decodes pages of contacts and companies without the definitions of their fields.

With each row Mautic sends the definition of each field, in groups, beside ``all`` with the values
alone (https://devdocs.mautic.org/en/latest/rest_api/contacts.html). The definitions are nine tenths
of a page, and are not decoded.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_sdk.helpers.types import Record

_FIELDS = "fields"
_NOT_AS_EXPECTED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Fields(msgspec.Struct, gc=False):
    all: dict[str, Any]


class FieldPages:
    """Decodes the pages of a list.

    The first page is decoded in full, which shows what a row has. So is a page that has something
    else, and any other response.

    Args:
        key: The key of the rows in a page.
        decode: Decodes a body in full.
    """

    def __init__(self, key: str, decode: Callable[[bytes], Any]) -> None:
        self._key = key
        self._decode = decode
        self._names: list[str] = []
        self._decoder: msgspec.json.Decoder[Any] | None = None

    def decode(self, body: bytes) -> Any:
        """Decode a body; each row's `fields` have `all`, and perhaps nothing else.

        Args:
            body: The bytes of a response.

        Raises:
            ValueError: If the body is not JSON.
        """
        if self._decoder is not None:
            try:
                page = self._decoder.decode(body)
            except _NOT_AS_EXPECTED:
                pass
            else:
                rows = page.rows.values() if isinstance(page.rows, dict) else page.rows
                return {"total": page.total, self._key: [self._record(row) for row in rows]}
        payload = self._decode(body)
        self._learn(payload)
        return payload

    def _record(self, row: Any) -> Record:
        record = {
            name: value
            for name, value in zip(self._names, astuple(row), strict=True)
            if value is not UNSET
        }
        record[_FIELDS] = {"all": record[_FIELDS].all}
        return record

    def _learn(self, payload: Any) -> None:
        """Learn which names the rows of a page have."""
        rows = payload.get(self._key) if isinstance(payload, dict) else None
        rows = [*rows.values()] if isinstance(rows, dict) else rows
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return
        names = [*dict.fromkeys([*self._names, *(name for row in rows for name in row)])]
        if _FIELDS in names and names != self._names:
            self._names = names
            self._decoder = _page_decoder(self._key, names)


def _page_decoder(key: str, names: Sequence[str]) -> msgspec.json.Decoder[Any]:
    # A name may be any text, an attribute may not.
    attributes = {f"f{number}": name for number, name in enumerate(names)}
    row = msgspec.defstruct(
        "Row",
        [
            (attribute, _Fields) if name == _FIELDS else (attribute, Any | UnsetType, UNSET)
            for attribute, name in attributes.items()
        ],
        rename=attributes,
        forbid_unknown_fields=True,
        kw_only=True,
    )
    page = msgspec.defstruct(
        "Page",
        [("rows", dict[str, row] | list[row]), ("total", Any, None)],  # type: ignore[valid-type]
        rename={"rows": key},
        forbid_unknown_fields=True,
    )
    return msgspec.json.Decoder(page, float_hook=Decimal)
