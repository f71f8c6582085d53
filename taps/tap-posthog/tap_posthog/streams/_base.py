"""The base of all streams of PostHog, which are read project by project."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.singerlib import Metadata, Schema
from typing_extensions import override

from signalroom_singer import ApiStream
from tap_posthog.client import PostHogClient
from tap_posthog.descriptions import DESCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from signalroom_singer import SignalRoomTap

PROJECT_ID = th.Property(
    "project_id", th.IntegerType, required=True, description="The project it is of"
)


class PostHogStream(ApiStream[PostHogClient]):
    """A stream of one or more projects."""

    descriptions = DESCRIPTIONS
    #: The object of the key's scope, where it is not the stream's name in the singular.
    scope_object: ClassVar[str] = ""
    # The picture that a user made for their profile.
    personal_fields = frozenset({"hedgehog_config"})

    def __init__(self, tap: SignalRoomTap, client: PostHogClient) -> None:
        """Initialize the stream; where several projects are read, ``project_id`` is in the key.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams share.
        """
        super().__init__(tap, client)
        # Ids that senders make may be in several projects, and some rows are listed with each.
        if client.projects.are_several and "project_id" not in self.primary_keys:
            self.primary_keys = (*self.primary_keys, "project_id")

    @property
    def scope(self) -> str:
        """The scope that a personal API key needs to read the stream."""
        return f"{self.scope_object or self.name.removesuffix('s')}:read"

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        entry = catalog.get_stream(self.name)
        if entry and {*(entry.key_properties or ())} != {*self.primary_keys}:
            # It is older than a change of the settings: with its key, rows would be lost.
            entry.key_properties = [*self.primary_keys]
            entry.schema = Schema.from_dict(self.schema)
            for name in self.primary_keys:
                automatic = Metadata(inclusion=Metadata.InclusionType.AUTOMATIC)
                entry.metadata["properties", name] = automatic
        super().apply_catalog(catalog)

    # A property for the SDK, which uses it in a sync only.
    @property
    @override
    def partitions(self) -> list[dict[str, int]] | None:
        return [{"project_id": number} for number in self.client.request_project_ids()]

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        project = project_of(context)
        # Other projects may be readable; the table keeps its rows of this one.
        with self.skip_forbidden(f"{self.name} of project {project}"):
            yield from self.read_project(project, context)

    @abstractmethod
    def read_project(self, project: int, context: Context | None) -> Iterable[Record]:
        """Read the records of one project.

        Args:
            project: The id of the project.
            context: The stream's partition for the project, which holds its bookmark.

        Yields:
            Records.
        """

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        if context:
            row["project_id"] = context["project_id"]
        return super().post_process(self.clean(row), context)

    def clean(self, row: Record) -> Record:
        """Make a record of a row.

        Args:
            row: The row as PostHog returns it; it may be changed in place.
        """
        return row


def project_of(context: Context | None) -> int:
    """The project of a partition.

    Args:
        context: The stream's partition.

    Raises:
        ValueError: If there is none.
    """
    if context is None:
        msg = "a stream of PostHog is always read by project"
        raise ValueError(msg)
    return int(context["project_id"])


def parse_results(payload: Any) -> list[Record] | None:
    """Take the rows out of a payload: a list, or an envelope with ``results``.

    Args:
        payload: The decoded body of a response.

    Returns:
        The rows, or None if the payload is neither.
    """
    rows = payload.get("results") if isinstance(payload, dict) else payload
    return rows if isinstance(rows, list) else None
