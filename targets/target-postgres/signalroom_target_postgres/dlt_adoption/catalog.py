"""A tap's catalog: the key and columns of a stream, before any of it is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signalroom_target_postgres.dlt_adoption.clients import CLIENT_ID
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.values.schema_types import without_booleans
from signalroom_target_postgres.warehouse.naming import columns_of

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class CatalogStream:
    """A stream of a catalog.

    Args:
        columns: The columns that the loader fills.
        key: The key columns of the stream.
        client_id: The client of its rows, if the tap has one.
    """

    columns: frozenset[str]
    key: tuple[str, ...]
    client_id: str | None

    def reconcile(
        self, key: tuple[str, ...], client_id: str | None
    ) -> tuple[tuple[str, ...], str | None]:
        """Check a key and a client from the command line against the stream's.

        Args:
            key: The key columns from the command line, if any.
            client_id: The client from the command line, if any.

        Returns:
            The stream's key and client, or the key from the command line where the stream has none.

        Raises:
            TargetPostgresError: If they differ.
        """
        if key and {*key} - {CLIENT_ID} != {*self.key} - {CLIENT_ID}:
            msg = (
                f"The key ({', '.join(key)}) is not the stream's, ({', '.join(self.key)}) in the "
                "catalog: leave --key out, or give the catalog of the table's tap."
            )
            raise TargetPostgresError(msg)
        if client_id is not None and client_id != self.client_id:
            has = f"{self.client_id!r}" if self.client_id else "none"
            msg = (
                f"The client {client_id!r} is not the tap's, which has {has} in the catalog: set "
                f"the tap's `client_id` to {client_id!r}, and write the catalog again."
            )
            raise TargetPostgresError(msg)
        if not (key := key or self.key):
            msg = "The stream has no key in the catalog: there is nothing to merge rows by."
            raise TargetPostgresError(msg)
        return key, self.client_id


def read_stream(path: Path, name: str) -> CatalogStream:
    """Read a stream from a catalog.

    Args:
        path: The file that `tap --discover` wrote.
        name: The stream's name.

    Raises:
        TargetPostgresError: If it is not a catalog, or does not have the stream.
    """
    try:
        streams = {entry["stream"]: entry for entry in json.loads(path.read_text())["streams"]}
    except (ValueError, KeyError, TypeError):
        msg = f"{path} is not a catalog: write one with `meltano invoke <tap> --discover > {path}`."
        raise TargetPostgresError(msg) from None
    if name not in streams:
        known = ", ".join(sorted(streams))
        msg = (
            f"{path} has no stream {name!r}: give the catalog of the table's tap. It has: {known}."
        )
        raise TargetPostgresError(msg)
    entry = streams[name]
    properties: dict[str, Any] = without_booleans(entry["schema"]).get("properties", {})
    deselected = {
        tuple(item["breadcrumb"])[-1]
        for item in entry.get("metadata", ())
        if item["breadcrumb"]
        and item["metadata"].get("selected") is False
        and item["metadata"].get("inclusion") != "automatic"
    }
    names = columns_of(properties)
    client = properties.get(CLIENT_ID, {}).get("const")
    return CatalogStream(
        columns=frozenset(column for field, column in names.items() if field not in deselected),
        key=tuple(names[field] for field in _key_of(entry) if field in names),
        client_id=None if client is None else str(client),
    )


def _key_of(entry: dict[str, Any]) -> list[str]:
    for item in entry.get("metadata", ()):
        if not item["breadcrumb"] and "table-key-properties" in item["metadata"]:
            return [*item["metadata"]["table-key-properties"]]
    return [*entry.get("key_properties", ())]
