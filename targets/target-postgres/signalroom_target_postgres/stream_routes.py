"""Which sinks the records of the tap's streams go to, by way of stream maps."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from singer_sdk.exceptions import (
    InvalidJSONSchema,
    MapExpressionError,
    RecordsWithoutSchemaException,
    StreamMapConfigError,
)
from singer_sdk.mapper import PluginMapper, RemoveRecordTransform, SameRecordTransform

from signalroom_singer.stream_maps import RecordMap
from signalroom_target_postgres.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


# The message of the SDK's flattening (0.54.9, singer_sdk/helpers/_flattening.py).
_DUPLICATE = "Duplicate column name produced in schema: "


class MissingSchemaError(InputError, RecordsWithoutSchemaException):
    """A message came before its stream's schema."""


class StreamRoutes:
    """The stream maps of a run, by the names that the tap gave the streams.

    Args:
        mapper: The target's mapper, which registers schemas.
    """

    def __init__(self, mapper: PluginMapper) -> None:
        self._mapper = mapper
        self._maps: dict[str, Sequence[RecordMap]] = {}

    def reset(self, stream: str) -> None:
        """Forget the maps of a stream, as its schema comes again."""
        self._maps.pop(stream, None)

    def maps_of(self, stream: str) -> Sequence[RecordMap]:
        """Return the maps of a stream, without those that remove it.

        Args:
            stream: The name that the tap gave it.

        Raises:
            MissingSchemaError: If its schema has not come.
        """
        maps = self._maps.get(stream)
        if maps is None:
            if stream not in self._mapper.stream_maps:
                msg = (
                    f"A message of stream {stream!r} came before its schema. This is a bug in the "
                    "tap: please report it."
                )
                raise MissingSchemaError(msg)
            maps = self._maps[stream] = [
                RecordMap(self._mapper, stream, stream_map)
                for stream_map in self._mapper.stream_maps[stream]
                if not isinstance(stream_map, RemoveRecordTransform)
            ]
        return maps

    def aliases_of(self, stream: str) -> list[str]:
        """Return the names of the sinks' streams that a stream's records go to.

        Args:
            stream: The name that the tap gave it.
        """
        return [str(record_map.stream_map.stream_alias) for record_map in self.maps_of(stream)]

    def unmapped_alias(self, stream: str) -> str | None:
        """Return the name of the one sink that takes a stream's records as they are.

        Args:
            stream: The name that the tap gave it.

        Returns:
            The name of the sink's stream; None if records are mapped or flattened, or if several
            sinks take them.
        """
        stream_maps = [record_map.stream_map for record_map in self.maps_of(stream)]
        if len(stream_maps) != 1 or type(stream_maps[0]) is not SameRecordTransform:
            return None
        return None if stream_maps[0].flattening_enabled else str(stream_maps[0].stream_alias)


@contextmanager
def explain_schema_errors(stream: str) -> Iterator[None]:
    """Turn errors of a schema, and of maps that do not fit it, into sentences.

    Args:
        stream: The stream whose schema is processed.

    Raises:
        InputError: If the schema or its map cannot be used.
    """
    try:
        yield
    except (MapExpressionError, StreamMapConfigError) as error:
        msg = (
            f"Invalid stream map for stream {stream!r} (setting stream_maps): {error} Correct its "
            "expressions; keep the key columns, or name others in `__key_properties__`."
        )
        raise InputError(msg) from None
    except InvalidJSONSchema as error:
        msg = (
            f"The schema of stream {stream!r} is not valid, so that validate_records cannot check "
            f"records by it: {getattr(error.__cause__, 'message', error)}. Correct it in the tap, "
            "or set `validate_records` to false."
        )
        raise InputError(msg) from None
    except ValueError as error:
        if not str(error).startswith(_DUPLICATE):
            raise
        msg = (
            f"Two fields of stream {stream!r} would both be loaded into the column "
            f"{str(error).removeprefix(_DUPLICATE)!r} once its objects are flattened. Rename one "
            "of them in the tap's setting stream_maps, or set `flattening_enabled` to false."
        )
        raise InputError(msg) from None
