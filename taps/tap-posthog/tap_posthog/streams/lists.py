"""Flags, experiments and other lists: https://posthog.com/docs/api."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading, columns_of
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
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("key", th.StringType),
        th.Property("name", th.StringType, description="In fact its description"),
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
        *columns_of(th.BooleanType, "ensure_experience_continuity", "performed_rollback"),
        *columns_of(LIST, "experiment_set", "tags"),
        th.Property("evaluation_runtime", th.StringType),
        th.Property("evaluation_contexts", LIST),
        th.Property("creation_context", th.StringType, description="Which product made it"),
        th.Property(
            "bucketing_identifier",
            th.StringType,
            description="By what users are assigned to variants: distinct_id or device_id",
        ),
        *columns_of(th.BooleanType, "is_remote_configuration", "has_encrypted_payloads"),
        *columns_of(th.BooleanType, "is_used_in_replay_settings", "has_enriched_analytics"),
        th.Property("usage_dashboard", th.IntegerType),
        th.Property("can_edit", th.BooleanType),
        th.Property("user_access_level", th.StringType),
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
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        *columns_of(th.StringType, "name", "description", "type", "status"),
        *columns_of(th.DateTimeType, "start_date", "end_date"),
        th.Property("feature_flag_key", th.StringType),
        *columns_of(OBJECT, "feature_flag", "parameters", "filters"),
        *columns_of(LIST, "metrics", "metrics_secondary"),
        *columns_of(th.BooleanType, "archived", "deleted"),
        *_CREATED,
        th.Property("updated_at", th.DateTimeType),
        *columns_of(th.StringType, "conclusion", "conclusion_comment"),
        *columns_of(th.IntegerType, "holdout_id", "exposure_cohort"),
        th.Property("user_access_level", th.StringType),
        PROJECT_ID,
    ).to_dict()


class Cohorts(ListStream):
    """Cohorts, with how many persons they had when last counted."""

    name = "cohorts"
    path = "/api/projects/{project_id}/cohorts/"
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        *columns_of(th.StringType, "name", "description"),
        th.Property("count", th.IntegerType),
        th.Property("is_static", th.BooleanType),
        th.Property("cohort_type", th.StringType),
        th.Property("filters", OBJECT),
        th.Property("groups", LIST),
        th.Property("query", OBJECT),
        *columns_of(th.BooleanType, "deleted", "is_calculating"),
        th.Property("last_calculation", th.DateTimeType),
        th.Property("errors_calculating", th.IntegerType),
        *_CREATED,
        PROJECT_ID,
    ).to_dict()


class Annotations(ListStream):
    """Notes on a day; those of the organization come with each project."""

    name = "annotations"
    path = "/api/projects/{project_id}/annotations/"
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("content", th.StringType),
        th.Property("date_marker", th.DateTimeType),
        *columns_of(th.StringType, "scope", "creation_type"),
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
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        *columns_of(th.StringType, "name", "description"),
        *columns_of(LIST, "steps", "tags"),
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
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        *columns_of(th.StringType, "short_id", "name", "derived_name", "description"),
        th.Property("query", OBJECT),
        *columns_of(LIST, "dashboards", "tags"),
        *columns_of(th.BooleanType, "favorited", "deleted"),
        *_CREATED,
        *columns_of(th.DateTimeType, "updated_at", "last_modified_at"),
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
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        *columns_of(th.StringType, "name", "description"),
        *columns_of(th.BooleanType, "pinned", "is_shared", "deleted"),
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
    selected_by_default = False
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        *columns_of(th.StringType, "name", "description", "type"),
        th.Property("questions", LIST),
        *columns_of(OBJECT, "conditions", "appearance"),
        *columns_of(th.DateTimeType, "start_date", "end_date"),
        th.Property("archived", th.BooleanType),
        *_CREATED,
        PROJECT_ID,
    ).to_dict()


class SessionRecordings(ListStream):
    """Facts about recorded sessions of the last 30 days; older ones stay in the table."""

    name = "session_recordings"
    path = "/api/projects/{project_id}/session_recordings/"
    queries = ({"date_from": "-30d"},)
    selected_by_default = False
    is_full_refresh = False
    loading = Loading(
        "The last 30 days in each run", "Everything of those days", "They stay in the table"
    )
    personal_fields = ListStream.personal_fields | {"person"}
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("distinct_id", th.StringType),
        *columns_of(th.DateTimeType, "start_time", "end_time"),
        th.Property("recording_duration", th.NumberType, description="Seconds"),
        th.Property("active_seconds", th.NumberType),
        *columns_of(th.IntegerType, "click_count", "keypress_count", "console_error_count"),
        th.Property("start_url", th.StringType),
        *columns_of(th.BooleanType, "ongoing", "viewed"),
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
        *columns_of(th.StringType, "uuid", "name", "organization", "timezone"),
        th.Property("group_types", LIST),
        th.Property("is_demo", th.BooleanType),
        *columns_of(th.DateTimeType, "created_at", "updated_at"),
        PROJECT_ID,
    ).to_dict()

    @override
    def read_project(self, project: int, context: Context | None) -> Iterator[Record]:
        yield self.client.get(self.path.format(project_id=project))
