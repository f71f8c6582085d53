"""The names of events, properties and groups: https://posthog.com/docs/api."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import columns_of
from tap_posthog.streams._base import PROJECT_ID
from tap_posthog.streams._list_base import ListChangedError, ListStream
from tap_posthog.streams.lists import LIST, OBJECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.helpers.types import Record

#: The most kinds of groups that a project can have: PostHog's GROUP_TYPES_LIMIT.
_GROUP_TYPES = 5


class EventDefinitions(ListStream):
    """The names of events."""

    name = "event_definitions"
    path = "/api/projects/{project_id}/event_definitions/"
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        *columns_of(th.StringType, "name", "description"),
        th.Property("tags", LIST),
        *columns_of(th.DateTimeType, "created_at", "last_seen_at"),
        *columns_of(th.BooleanType, "verified", "hidden"),
        PROJECT_ID,
    ).to_dict()


class PropertyDefinitions(ListStream):
    """The names of properties; each kind is a list of its own, and so is each kind of group."""

    name = "property_definitions"
    path = "/api/projects/{project_id}/property_definitions/"
    queries = (
        {"type": "event"},
        {"type": "person"},
        {"type": "session"},
        # By number, as the list `groups_types` needs a scope of its own.
        *({"type": "group", "group_type_index": str(index)} for index in range(_GROUP_TYPES)),
    )
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("type", th.StringType, description="Of what: event, person, session, group"),
        th.Property("group_type_index", th.IntegerType, description="Of which kind of group"),
        *columns_of(th.StringType, "name", "description", "property_type"),
        th.Property("is_numerical", th.BooleanType),
        th.Property("tags", LIST),
        th.Property("hidden", th.BooleanType),
        PROJECT_ID,
    ).to_dict()

    @override
    def read_list(self, project: int, query: Mapping[str, str]) -> Iterator[Record]:
        rows = super().read_list(project, query)
        if query["type"] != "group":
            yield from rows
            return
        group_rows = [*rows]
        # A kind of group that the project does not have only lists built-in properties.
        if all(_is_built_in(row) for row in group_rows):
            return
        # Their ids are the same for persons and for each kind of group.
        suffix = f":group_{query['group_type_index']}"
        for row in group_rows:
            yield {**row, "id": f"{row['id']}{suffix}"} if _is_built_in(row) else row

    @override
    def extra_fields(self, query: Mapping[str, str]) -> Record:
        return dict(query)


def _is_built_in(row: Record) -> bool:
    return str(row.get("id")).startswith("$builtin_")


class GroupTypes(ListStream):
    """Kinds of groups, such as companies."""

    name = "group_types"
    scope_object = "group"
    path = "/api/projects/{project_id}/groups_types/"
    primary_keys = ("project_id", "group_type_index")
    selected_by_default = False
    schema = th.PropertiesList(
        PROJECT_ID,
        th.Property("group_type_index", th.IntegerType, required=True),
        *columns_of(th.StringType, "group_type", "name_singular", "name_plural"),
        th.Property("created_at", th.DateTimeType),
    ).to_dict()


class Groups(ListStream):
    """Groups of each kind, by a cursor."""

    name = "groups"
    path = "/api/projects/{project_id}/groups/"
    primary_keys = ("project_id", "group_type_index", "group_key")
    selected_by_default = False
    schema = th.PropertiesList(
        PROJECT_ID,
        th.Property("group_type_index", th.IntegerType, required=True),
        th.Property("group_key", th.StringType, required=True),
        th.Property("group_properties", OBJECT),
        th.Property("created_at", th.DateTimeType),
    ).to_dict()

    @override
    def list_queries(self, project: int) -> Iterator[Mapping[str, str]]:
        kinds = self.client.get(f"/api/projects/{project}/groups_types/")
        for kind in self.parse_rows(kinds):
            yield {"group_type_index": str(kind["group_type_index"])}

    @override
    def read_list_once(self, project: int, query: Mapping[str, str]) -> Iterator[Record]:
        path = self.path.format(project_id=project)
        params = dict(query)
        used_cursors: set[str] = set()
        while True:
            payload = self.client.get(path, params)
            yield from self.parse_rows(payload)
            cursors = parse_qs(urlsplit(payload.get("next") or "").query).get("cursor")
            if not cursors:
                return
            params["cursor"] = cursors[0]
            if params["cursor"] in used_cursors:
                raise ListChangedError
            used_cursors.add(params["cursor"])
