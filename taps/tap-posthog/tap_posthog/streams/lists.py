"""Flags, experiments and other lists: https://posthog.com/docs/api."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading
from tap_posthog.streams._base import PROJECT_ID, PostHogStream
from tap_posthog.streams._list_base import ListStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

OBJECT = th.ObjectType(additional_properties=True)
# One jsonb, not an array of them: entries may be of any type.
LIST = th.CustomType({"type": ["array", "null"]})
_CREATED = (th.Property("created_at", th.DateTimeType), th.Property("created_by", OBJECT))


class FeatureFlags(ListStream):
    """Feature flags, archived ones too; PostHog lists neither deleted ones nor those of surveys."""

    name = "feature_flags"
    path = "/api/projects/{project_id}/feature_flags/"
    hidden_query = {"archived": "true"}  # noqa: RUF012 - a declaration
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("key", th.StringType),
        th.Property("name", th.StringType, description="Its description, in fact"),
        th.Property("filters", OBJECT),
        th.Property("active", th.BooleanType),
        th.Property(
            "archived", th.BooleanType, description="Older versions of PostHog do not send it"
        ),
        th.Property("deleted", th.BooleanType),
        *_CREATED,
        th.Property("updated_at", th.DateTimeType),
        th.Property("last_modified_by", OBJECT),
        th.Property("version", th.IntegerType),
        th.Property(
            "rollout_percentage",
            th.NumberType,
            description="Only sent by older versions of PostHog; newer ones have it in `filters`",
        ),
        th.Property("ensure_experience_continuity", th.BooleanType),
        th.Property("experiment_set", LIST),
        th.Property("tags", LIST),
        th.Property("evaluation_runtime", th.StringType),
        th.Property("evaluation_contexts", LIST),
        th.Property("creation_context", th.StringType, description="Which product made it"),
        th.Property(
            "bucketing_identifier",
            th.StringType,
            description="What users are put into variants by: distinct_id or device_id",
        ),
        th.Property("is_remote_configuration", th.BooleanType),
        th.Property("status", th.StringType),
        th.Property("last_called_at", th.DateTimeType),
        PROJECT_ID,
    ).to_dict()


class Experiments(ListStream):
    """Experiments; the archived ones are a list of their own."""

    name = "experiments"
    path = "/api/projects/{project_id}/experiments/"
    queries = ({"archived": "false"},)
    hidden_query = {"archived": "true"}  # noqa: RUF012 - a declaration
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
        th.Property("feature_flag", OBJECT),
        th.Property("parameters", OBJECT),
        th.Property("filters", OBJECT),
        th.Property("metrics", LIST),
        th.Property("metrics_secondary", LIST),
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
        th.Property("filters", OBJECT),
        th.Property("groups", LIST),
        th.Property("query", OBJECT),
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
    """Actions: groups of events with a common name."""

    name = "actions"
    path = "/api/projects/{project_id}/actions/"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("steps", LIST),
        th.Property("tags", LIST),
        th.Property("deleted", th.BooleanType),
        *_CREATED,
        th.Property("last_calculated_at", th.DateTimeType),
        PROJECT_ID,
    ).to_dict()


class Insights(ListStream):
    """Insights, without their latest results."""

    name = "insights"
    path = "/api/projects/{project_id}/insights/"
    queries = ({"basic": "true"},)
    primary_keys = ("id",)
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("short_id", th.StringType),
        th.Property("name", th.StringType),
        th.Property("derived_name", th.StringType),
        th.Property("description", th.StringType),
        th.Property("query", OBJECT),
        th.Property("dashboards", LIST),
        th.Property("tags", LIST),
        th.Property("favorited", th.BooleanType),
        th.Property("deleted", th.BooleanType),
        *_CREATED,
        th.Property("updated_at", th.DateTimeType),
        th.Property("last_modified_at", th.DateTimeType),
        th.Property("last_modified_by", OBJECT),
        PROJECT_ID,
    ).to_dict()

    @override
    def clean(self, row: Record) -> Record:
        row.pop("result", None)
        return super().clean(row)


class Dashboards(ListStream):
    """Dashboards, without their tiles; with those that PostHog does not list by default."""

    name = "dashboards"
    path = "/api/projects/{project_id}/dashboards/"
    hidden_query = {"creation_mode": "unlisted"}  # noqa: RUF012 - a declaration
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
        th.Property("tags", LIST),
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
        th.Property("questions", LIST),
        th.Property("conditions", OBJECT),
        th.Property("appearance", OBJECT),
        th.Property("start_date", th.DateTimeType),
        th.Property("end_date", th.DateTimeType),
        th.Property("archived", th.BooleanType),
        *_CREATED,
        PROJECT_ID,
    ).to_dict()


class SessionRecordings(ListStream):
    """Facts about recorded sessions of the last 30 days; older ones stay in the table."""

    name = "session_recordings"
    path = "/api/projects/{project_id}/session_recordings/"
    queries = ({"date_from": "-30d"},)
    primary_keys = ("id",)
    selected_by_default = False
    is_full_refresh = False
    loading = Loading(
        "The last 30 days in each run",
        "Everything of those days",
        "They stay in the table",
    )
    personal_fields = ListStream.personal_fields | {"person"}
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


class ProjectDetails(PostHogStream):
    """The project itself: its name and its time zone."""

    name = "project"
    path = "/api/projects/{project_id}/"
    primary_keys = ("id",)
    state_partitioning_keys = ()
    # The settings of the chat on the customer's pages: tokens, domains, texts.
    secret_fields = frozenset({"conversations_settings"})
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("uuid", th.StringType),
        th.Property("name", th.StringType),
        th.Property("organization", th.StringType),
        th.Property("timezone", th.StringType),
        th.Property("group_types", LIST),
        th.Property("is_demo", th.BooleanType),
        th.Property("created_at", th.DateTimeType),
        th.Property("updated_at", th.DateTimeType),
        PROJECT_ID,
    ).to_dict()

    @override
    def read_project(self, project: int, context: Context | None) -> Iterator[Record]:
        yield self.client.get(self.path.format(project_id=project))
