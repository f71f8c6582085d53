"""The rows of a project's lists: flags, experiments and the like, all made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.posthog.world import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

#: The annotations of the organization.
_OF_ORGANIZATION = (901, 902)


def initial_rows(team: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of all lists of a project."""
    many = 1 if team == PROJECT else 0
    first = team * 1000
    makers: dict[str, tuple[int, Callable[[int], dict[str, Any]]]] = {
        "actions": (8, _action),
        "annotations": (15, _annotation),
        "cohorts": (20, _cohort),
        "dashboards": (6, _dashboard),
        "event_definitions": (20 + 100 * many, _event_definition),
        "experiments": (17, _experiment),
        "feature_flags": (30 + 200 * many, _flag),
        "insights": (10 + 120 * many, _insight),
        "property_definitions": (30 + 130 * many, _property_definition),
        "session_recordings": (25, _recording),
        "surveys": (4, _survey),
    }
    lists = {
        name: [make(first + number) for number in range(count)]
        for name, (count, make) in makers.items()
    }
    # Each project also lists the annotations of its organization, with the same ids.
    lists["annotations"] += [
        {**_annotation(number), "scope": "organization"} for number in _OF_ORGANIZATION
    ]
    lists["groups_types"] = [
        {"group_type": name, "group_type_index": index, "name_singular": None, "name_plural": None}
        for index, name in enumerate(("company", "team"))
    ]
    lists["groups"] = [
        {
            "group_type_index": index,
            "group_key": f"{name}-{number}",
            "group_properties": {"plan": "basic", "seats": number},
            "created_at": _at(number),
        }
        for index, (name, count) in enumerate((("company", 5 + 120 * many), ("team", 3)))
        for number in range(count)
    ]
    return lists


def _at(number: int) -> str:
    return _iso(_today() - timedelta(days=number % 90, minutes=number % 1440))


def _today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _user(number: int) -> dict[str, Any] | None:
    if number % 7 == 3:  # noqa: PLR2004 - a user who was deleted
        return None
    return {
        "id": number % 5,
        "uuid": f"0190000a-0000-7000-8000-{number % 5:012d}",
        "distinct_id": f"user-{number % 5}",
        "first_name": "Sample",
        "email": f"analyst{number % 5}@example.com",
    }


def _base(number: int) -> dict[str, Any]:
    """Properties that most kinds have."""
    return {
        "id": number,
        "created_by": _user(number),
        "created_at": _at(number),
        "deleted": False,
    }


def _flag(number: int) -> dict[str, Any]:
    return {
        **_base(number),
        "key": f"flag-{number}",
        "name": "Shown at the checkout",
        "filters": {"groups": [{"properties": [], "rollout_percentage": number % 101}]},
        "active": number % 3 != 0 and number % 10 != 0,
        # A flag has to be disabled before it is archived.
        "archived": number % 10 == 0,
        "updated_at": None if number % 4 == 0 else _at(number),
        "version": number % 5,
        "last_modified_by": _user(number),
        "ensure_experience_continuity": False,
        "experiment_set": [],
        "experiment_set_metadata": [],
        "surveys": {},
        "features": {},
        "rollback_conditions": None,
        "performed_rollback": False,
        "can_edit": True,
        "tags": ["checkout"],
        "evaluation_contexts": ["web"] if number % 2 else [],
        "usage_dashboard": None,
        "analytics_dashboards": [],
        "has_enriched_analytics": False,
        "user_access_level": "editor",
        "creation_context": "experiments" if number % 5 == 0 else "feature_flags",
        "is_remote_configuration": number % 6 == 0,
        "has_encrypted_payloads": False,
        "status": "ARCHIVED" if number % 10 == 0 else "ACTIVE",
        "evaluation_runtime": "all",
        "bucketing_identifier": "device_id" if number % 4 == 0 else "distinct_id",
        "last_called_at": None,
        "is_used_in_replay_settings": False,
    }


#: Properties that flags of older versions lack; they have a percentage instead.
_NEWER = frozenset(
    {
        *("archived", "evaluation_contexts", "creation_context", "bucketing_identifier"),
        *("is_remote_configuration", "experiment_set_metadata", "is_used_in_replay_settings"),
    }
)


def older_flag(row: dict[str, Any]) -> dict[str, Any]:
    """A flag as versions without archived flags send it."""
    percentage = row["filters"]["groups"][0]["rollout_percentage"]
    older = {name: value for name, value in row.items() if name not in _NEWER}
    return {**older, "rollout_percentage": percentage}


def _experiment(number: int) -> dict[str, Any]:
    return {
        **_base(number),
        "name": f"Test {number}",
        "description": "",
        "start_date": _at(number),
        "end_date": None,
        "feature_flag_key": f"flag-{number}",
        "feature_flag": {"id": number, "key": f"flag-{number}"},
        "parameters": {"feature_flag_variants": [{"key": "control", "rollout_percentage": 50}]},
        "archived": number % 3 == 0,
        "updated_at": _at(number),
        "type": "web",
        "metrics": [],
        "conclusion": None,
        "status": "running",
        "holdout_id": number if number % 4 == 1 else None,
        "holdout": _holdout(number) if number % 4 == 1 else None,
        "exposure_criteria": {"filterTestAccounts": True},
        "saved_metrics": [
            {
                "id": number,
                "experiment": number,
                "saved_metric": 1,
                "metadata": {"type": "primary"},
                "created_at": _at(number),
                "query": {"kind": "ExperimentMetric", "metric_type": "mean"},
                "name": "Orders",
            }
        ],
        "saved_metrics_ids": None,
        "stats_config": None,
        "user_access_level": "editor",
    }


def _holdout(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": "Not in any test",
        "description": None,
        "filters": [{"properties": [], "rollout_percentage": 5, "variant": f"holdout-{number}"}],
        "created_by": _user(4),
        "created_at": _at(number),
        "updated_at": _at(number),
    }


def _cohort(number: int) -> dict[str, Any]:
    return {
        **_base(number),
        "name": f"Cohort {number}",
        "description": "",
        "groups": [],
        "filters": {"properties": {"type": "OR", "values": []}},
        "is_calculating": False,
        "last_calculation": _at(number),
        "errors_calculating": 0,
        "count": number % 300,
        "is_static": False,
    }


def _annotation(number: int) -> dict[str, Any]:
    return {
        **_base(number),
        "content": "New offer page",
        "date_marker": _at(number),
        "creation_type": "USR",
        **dict.fromkeys(("dashboard_item", "dashboard_id", "dashboard_name", "emoji")),
        **dict.fromkeys(("insight_short_id", "insight_name", "insight_derived_name")),
        "hidden_in_user_interface": None,
        "tags": [],
        "updated_at": _at(number),
        "scope": "project",
    }


def _action(number: int) -> dict[str, Any]:
    return {
        **_base(number),
        "name": f"Action {number}",
        "description": "",
        "tags": [],
        "steps": [{"event": "$pageview", "url": "/thanks"}],
        "is_calculating": False,
        "last_calculated_at": _at(number),
    }


def _insight(number: int) -> dict[str, Any]:
    return {
        **_base(number),
        "short_id": f"s{number}",
        "name": f"Insight {number}",
        "derived_name": None,
        "query": {"kind": "InsightVizNode"},
        "result": [{"data": [1, 2, 3]}],
        "dashboards": [],
        "description": "",
        "updated_at": _at(number),
        "tags": [],
        "favorited": False,
        "last_modified_at": _at(number),
    }


def _dashboard(number: int) -> dict[str, Any]:
    return {
        **_base(number),
        "name": f"Dashboard {number}",
        "description": "",
        "pinned": True,
        "is_shared": False,
        # Unlisted dashboards belong to PostHog's own pages.
        "creation_mode": "unlisted" if number % 6 == 4 else "default",  # noqa: PLR2004
        "tags": [],
    }


def _survey(number: int) -> dict[str, Any]:
    return {
        "id": f"01900000-0000-7000-8000-{number:012d}",
        "name": f"Survey {number}",
        "description": "",
        "type": "popover",
        "questions": [{"type": "open", "question": "What made you buy?"}],
        "conditions": None,
        "appearance": None,
        "created_at": _at(number),
        "created_by": _user(number),
        "start_date": _at(number),
        "end_date": None,
        "archived": number % 4 == 1,
    }


def _event_definition(number: int) -> dict[str, Any]:
    return {
        "id": f"01900001-0000-7000-8000-{number:012d}",
        "name": f"event {number}",
        "description": "",
        "tags": [],
        "created_at": _at(number),
        "last_seen_at": None if number % 9 == 0 else _at(number),
        "verified": False,
        "hidden": None,
    }


def _property_definition(number: int) -> dict[str, Any]:
    kinds = ("event", "event", "event", "event", "group", "person", "session")
    kind = kinds[number % len(kinds)]
    return {
        "id": f"01900002-0000-7000-8000-{number:012d}",
        "name": f"property {number}",
        "is_numerical": number % 4 == 0,
        "property_type": "Numeric" if number % 4 == 0 else "String",
        "tags": [],
        "type": kind,
        "group_type_index": number % 2 if kind == "group" else None,
    }


def _recording(number: int) -> dict[str, Any]:
    begin = _today() - timedelta(hours=7 * (number % 100))
    return {
        "id": f"01900003-0000-7000-8000-{number:012d}",
        "distinct_id": f"visitor-{number % 50}",
        "viewed": False,
        # The e-mail addresses of people who watched it.
        "viewers": [f"analyst{number % 5}@example.com"] if number % 3 == 0 else [],
        "recording_duration": 60 + number % 600,
        "active_seconds": 30,
        "inactive_seconds": 12,
        "start_time": _iso(begin),
        "end_time": _iso(begin + timedelta(seconds=60)),
        "click_count": 3,
        "keypress_count": 0,
        "mouse_activity_count": 40,
        "console_log_count": 1,
        "console_warn_count": 0,
        "console_error_count": 0,
        "start_url": "https://shop.example.com/",
        "person": {"distinct_ids": [f"visitor-{number % 50}"], "properties": {}},
        "storage": "object_storage",
        "retention_period_days": 30,
        "expiry_time": _iso(begin + timedelta(days=30)),
        "recording_ttl": 30,
        "snapshot_source": "web",
        "ongoing": False,
        "activity_score": 12.5,
    }
