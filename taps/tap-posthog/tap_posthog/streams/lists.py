"""Flags, experiments and whatever else is listed: https://posthog.com/docs/api."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from singer_sdk import typing as th
from typing_extensions import override

from tap_posthog.client import PROJECT_ID, PostHogStream, project_of
from tap_posthog.listing import ChangedWhileReadError, ListStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record

_OBJECT = th.ObjectType(additional_properties=True)
# One jsonb, not an array of them: what is in it may be anything.
_LIST = th.CustomType({"type": ["array", "null"]})
_CREATED = (th.Property("created_at", th.DateTimeType), th.Property("created_by", _OBJECT))


class FeatureFlags(ListStream):
    """Feature flags; the vendor leaves out deleted ones and those of surveys."""

    name = "feature_flags"
    path = "/api/projects/{project_id}/feature_flags/"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("key", th.StringType),
        th.Property("name", th.StringType, description="Its description, in fact"),
        th.Property("filters", _OBJECT),
        th.Property("active", th.BooleanType),
        th.Property("deleted", th.BooleanType),
        *_CREATED,
        th.Property("updated_at", th.DateTimeType),
        th.Property("last_modified_by", _OBJECT),
        th.Property("version", th.IntegerType),
        th.Property("rollout_percentage", th.NumberType),
        th.Property("ensure_experience_continuity", th.BooleanType),
        th.Property("experiment_set", _LIST),
        th.Property("tags", _LIST),
        th.Property("evaluation_runtime", th.StringType),
        th.Property("status", th.StringType),
        th.Property("last_called_at", th.DateTimeType),
        PROJECT_ID,
    ).to_dict()


class Experiments(ListStream):
    """Experiments; the archived ones are a list of their own."""

    name = "experiments"
    path = "/api/projects/{project_id}/experiments/"
    passes = ({"archived": "false"}, {"archived": "true"})
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("type", th.StringType),
        th.Property("status", th.StringType),
        th.Property("start_date", th.DateTimeType),
        th.Property("end_date", th.DateTimeType),
        th.Property("feature_flag_key", th.StringType),
        th.Property("feature_flag", _OBJECT),
        th.Property("parameters", _OBJECT),
        th.Property("filters", _OBJECT),
        th.Property("metrics", _LIST),
        th.Property("metrics_secondary", _LIST),
        th.Property("archived", th.BooleanType),
        th.Property("deleted", th.BooleanType),
        *_CREATED,
        th.Property("updated_at", th.DateTimeType),
        th.Property("conclusion", th.StringType),
        th.Property("conclusion_comment", th.StringType),
        PROJECT_ID,
    ).to_dict()


class Cohorts(ListStream):
    """Cohorts, with how many persons they had when last counted."""

    name = "cohorts"
    path = "/api/projects/{project_id}/cohorts/"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("count", th.IntegerType),
        th.Property("is_static", th.BooleanType),
        th.Property("cohort_type", th.StringType),
        th.Property("filters", _OBJECT),
        th.Property("groups", _LIST),
        th.Property("query", _OBJECT),
        th.Property("deleted", th.BooleanType),
        th.Property("is_calculating", th.BooleanType),
        th.Property("last_calculation", th.DateTimeType),
        th.Property("errors_calculating", th.IntegerType),
        *_CREATED,
        PROJECT_ID,
    ).to_dict()


class Annotations(ListStream):
    """Notes on a day; those of the organization come with each project."""

    name = "annotations"
    path = "/api/projects/{project_id}/annotations/"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("content", th.StringType),
        th.Property("date_marker", th.DateTimeType),
        th.Property("scope", th.StringType),
        th.Property("creation_type", th.StringType),
        th.Property("dashboard_item", th.IntegerType),
        th.Property("deleted", th.BooleanType),
        *_CREATED,
        th.Property("updated_at", th.DateTimeType),
        PROJECT_ID,
    ).to_dict()


class Actions(ListStream):
    """Actions: events that were given a name together."""

    name = "actions"
    path = "/api/projects/{project_id}/actions/"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("steps", _LIST),
        th.Property("tags", _LIST),
        th.Property("deleted", th.BooleanType),
        *_CREATED,
        th.Property("last_calculated_at", th.DateTimeType),
        PROJECT_ID,
    ).to_dict()


class Insights(ListStream):
    """Insights, without what they last showed."""

    name = "insights"
    path = "/api/projects/{project_id}/insights/"
    passes = ({"basic": "true"},)
    primary_keys = ("id",)
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("short_id", th.StringType),
        th.Property("name", th.StringType),
        th.Property("derived_name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("query", _OBJECT),
        th.Property("dashboards", _LIST),
        th.Property("tags", _LIST),
        th.Property("favorited", th.BooleanType),
        th.Property("deleted", th.BooleanType),
        *_CREATED,
        th.Property("updated_at", th.DateTimeType),
        th.Property("last_modified_at", th.DateTimeType),
        th.Property("last_modified_by", _OBJECT),
        PROJECT_ID,
    ).to_dict()

    @override
    def cleaned(self, row: Record) -> Record:
        row.pop("result", None)
        return super().cleaned(row)


class Dashboards(ListStream):
    """Dashboards, without their tiles."""

    name = "dashboards"
    path = "/api/projects/{project_id}/dashboards/"
    primary_keys = ("id",)
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("pinned", th.BooleanType),
        th.Property("is_shared", th.BooleanType),
        th.Property("deleted", th.BooleanType),
        th.Property("creation_mode", th.StringType),
        th.Property("tags", _LIST),
        *_CREATED,
        th.Property("last_accessed_at", th.DateTimeType),
        PROJECT_ID,
    ).to_dict()


class Surveys(ListStream):
    """Surveys."""

    name = "surveys"
    path = "/api/projects/{project_id}/surveys/"
    primary_keys = ("id",)
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("type", th.StringType),
        th.Property("questions", _LIST),
        th.Property("conditions", _OBJECT),
        th.Property("appearance", _OBJECT),
        th.Property("start_date", th.DateTimeType),
        th.Property("end_date", th.DateTimeType),
        th.Property("archived", th.BooleanType),
        *_CREATED,
        PROJECT_ID,
    ).to_dict()


class EventDefinitions(ListStream):
    """The names of events."""

    name = "event_definitions"
    path = "/api/projects/{project_id}/event_definitions/"
    primary_keys = ("id",)
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("tags", _LIST),
        th.Property("created_at", th.DateTimeType),
        th.Property("last_seen_at", th.DateTimeType),
        th.Property("verified", th.BooleanType),
        th.Property("hidden", th.BooleanType),
        PROJECT_ID,
    ).to_dict()


class PropertyDefinitions(ListStream):
    """The names of properties; each kind is a list of its own."""

    name = "property_definitions"
    path = "/api/projects/{project_id}/property_definitions/"
    passes = ({"type": "event"}, {"type": "person"}, {"type": "session"})
    primary_keys = ("id",)
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("type", th.StringType, description="Of what: event, person, session, group"),
        th.Property("group_type_index", th.IntegerType),
        th.Property("name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("property_type", th.StringType),
        th.Property("is_numerical", th.BooleanType),
        th.Property("tags", _LIST),
        th.Property("hidden", th.BooleanType),
        PROJECT_ID,
    ).to_dict()

    @override
    def added(self, question: Mapping[str, str]) -> Record:
        return dict(question)


class GroupTypes(ListStream):
    """Kinds of groups, such as companies."""

    name = "group_types"
    path = "/api/projects/{project_id}/groups_types/"
    primary_keys = ("project_id", "group_type_index")
    selected_by_default = False
    schema = th.PropertiesList(
        PROJECT_ID,
        th.Property("group_type_index", th.IntegerType, required=True),
        th.Property("group_type", th.StringType),
        th.Property("name_singular", th.StringType),
        th.Property("name_plural", th.StringType),
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
        th.Property("group_properties", _OBJECT),
        th.Property("created_at", th.DateTimeType),
    ).to_dict()

    @override
    def questions(self, project: int) -> Iterator[Mapping[str, str]]:
        for kind in self.results(self.get(f"/api/projects/{project}/groups_types/")):
            yield {"group_type_index": str(kind["group_type_index"])}

    @override
    def _pages(self, project: int, question: Mapping[str, str]) -> Iterator[Record]:
        cursor: dict[str, str] = {}
        used: set[str] = set()
        while True:
            answer = self.get(self.path.format(project_id=project), {**question, **cursor})
            yield from self.results(answer)
            found = parse_qs(urlsplit(answer.get("next") or "").query).get("cursor")
            if not found:
                return
            if found[0] in used:
                raise ChangedWhileReadError
            used.add(found[0])
            cursor = {"cursor": found[0]}


class SessionRecordings(ListStream):
    """What is known of recorded sessions, of the last 30 days; older ones stay in the table."""

    name = "session_recordings"
    path = "/api/projects/{project_id}/session_recordings/"
    passes = ({"date_from": "-30d"},)
    primary_keys = ("id",)
    selected_by_default = False
    replaces = False
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("distinct_id", th.StringType),
        th.Property("start_time", th.DateTimeType),
        th.Property("end_time", th.DateTimeType),
        th.Property("recording_duration", th.NumberType, description="Seconds"),
        th.Property("active_seconds", th.NumberType),
        th.Property("click_count", th.IntegerType),
        th.Property("keypress_count", th.IntegerType),
        th.Property("console_error_count", th.IntegerType),
        th.Property("start_url", th.StringType),
        th.Property("ongoing", th.BooleanType),
        th.Property("viewed", th.BooleanType),
        PROJECT_ID,
    ).to_dict()

    @override
    def cleaned(self, row: Record) -> Record:
        if not self.config["include_personal_data"]:
            row.pop("person", None)
        return super().cleaned(row)


class ProjectDetails(PostHogStream):
    """The project itself: its name and its time zone."""

    name = "project"
    path = "/api/projects/{project_id}/"
    primary_keys = ("id",)
    state_partitioning_keys = ()
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("uuid", th.StringType),
        th.Property("name", th.StringType),
        th.Property("organization", th.StringType),
        th.Property("timezone", th.StringType),
        th.Property("group_types", _LIST),
        th.Property("is_demo", th.BooleanType),
        th.Property("created_at", th.DateTimeType),
        th.Property("updated_at", th.DateTimeType),
        PROJECT_ID,
    ).to_dict()

    @override
    def read_project(self, context: Context | None) -> Iterator[Record]:
        yield self.get(self.path.format(project_id=project_of(context)))
