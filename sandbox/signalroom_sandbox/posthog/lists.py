"""What a project has besides events: flags, experiments and the like, and how they are listed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.posthog.access import Refusal
from signalroom_sandbox.posthog.world import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The scope that reads each list.
SCOPES = {
    "actions": "action",
    "annotations": "annotation",
    "cohorts": "cohort",
    "dashboards": "dashboard",
    "event_definitions": "event_definition",
    "experiments": "experiment",
    "feature_flags": "feature_flag",
    "groups": "group",
    "groups_types": "group",
    "insights": "insight",
    "property_definitions": "property_definition",
    "session_recordings": "session_recording",
    "surveys": "survey",
}
_PAGE = 100
#: So many kinds of groups a project has at most.
_GROUP_TYPES = 5
#: Properties that PostHog has of its own, under one id wherever they are.
_BUILT_IN = {"person": ("$virt_mrr", "$virt_revenue"), "group": ("$virt_mrr", "$virt_revenue")}


def made(team: int) -> dict[str, list[dict[str, Any]]]:
    """Everything that a project lists."""
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
    found = {
        name: [make(first + number) for number in range(count)]
        for name, (count, make) in makers.items()
    }
    found["groups_types"] = [
        {"group_type": name, "group_type_index": index, "name_singular": None, "name_plural": None}
        for index, name in enumerate(("company", "team"))
    ]
    found["groups"] = [
        {
            "group_type_index": index,
            "group_key": f"{name}-{number}",
            "group_properties": {"plan": "basic", "seats": number},
            "created_at": _at(number),
        }
        for index, (name, count) in enumerate((("company", 5 + 120 * many), ("team", 3)))
        for number in range(count)
    ]
    return found


def listed(resource: str, rows: list[dict[str, Any]], query: Mapping[str, str], url: str) -> Any:
    """Answer as the endpoint does; each has its own shape.

    Args:
        resource: Which list.
        rows: All there is.
        query: The request's.
        url: The request's, without the query.
    """
    if resource == "groups_types":
        return rows
    if resource == "groups":
        return _groups(rows, query, url)
    limit, offset = int(query.get("limit") or _PAGE), int(query.get("offset") or 0)
    if resource == "experiments":
        if query.get("order") not in {None, "created_at", "-created_at", "id"}:
            raise Refusal(400, "invalid_input", "Invalid order")
        wanted = query.get("archived", "").lower() == "true"
        rows = [row for row in rows if row["archived"] is wanted]
    elif resource == "property_definitions":
        return _property_definitions(rows, query, url)
    page = rows[offset : offset + limit]
    if resource == "insights" and query.get("basic", "").lower() == "true":
        page = [{**row, "result": None} for row in page]
    if resource == "session_recordings":
        return {"results": page, "has_next": offset + limit < len(rows), "version": 4}
    return _enveloped(page, len(rows), query, url)


def _enveloped(
    page: list[dict[str, Any]], count: int, query: Mapping[str, str], url: str
) -> dict[str, Any]:
    limit, offset = int(query.get("limit") or _PAGE), int(query.get("offset") or 0)
    rest = "".join(f"&{name}={query[name]}" for name in query if name not in {"limit", "offset"})
    more = offset + limit < count
    following = f"{url}?limit={limit}&offset={offset + limit}{rest}" if more else None
    before = f"{url}?limit={limit}&offset={max(0, offset - limit)}{rest}" if offset else None
    return {"count": count, "next": following, "previous": before, "results": page}


def _property_definitions(
    rows: list[dict[str, Any]], query: Mapping[str, str], url: str
) -> dict[str, Any]:
    """As posthog/taxonomy/property_definition_api.py has it: built-in ones end the last page."""
    kind, index = query.get("type", "event"), query.get("group_type_index")
    if kind not in {"event", "person", "group", "session"}:
        raise Refusal(400, "invalid_input", f'"{kind}" is not a valid choice.')
    if kind == "group" and index is None:
        raise Refusal(400, "invalid_input", "`group_type_index` must be set for `group` type")
    if kind != "group" and index is not None:
        raise Refusal(400, "invalid_input", "`group_type_index` can only set for `group` type")
    if index is not None and not 0 <= int(index) < _GROUP_TYPES:
        raise Refusal(400, "invalid_input", "Invalid value for `group_type_index`")
    of_kind = [
        {name: row[name] for name in row if name not in {"type", "group_type_index"}}
        for row in rows
        if row["type"] == kind and row.get("group_type_index") == (int(index) if index else None)
    ]
    built_in = [
        {
            "id": f"$builtin_{name}",
            "name": name,
            "is_numerical": True,
            "property_type": "Numeric",
            "tags": [],
            "virtual": True,
        }
        for name in _BUILT_IN.get(kind, ())
    ]
    limit, offset = int(query.get("limit") or _PAGE), int(query.get("offset") or 0)
    page = of_kind[offset : offset + limit]
    # The count of all rows decides on a next page: the vendor's paginator does not know these.
    answer = _enveloped(page, len(of_kind), query, url)
    if offset + len(page) >= len(of_kind):
        answer["results"] = page + built_in
    answer["count"] += len(built_in)
    return answer


def _groups(rows: list[dict[str, Any]], query: Mapping[str, str], url: str) -> Any:
    if "group_type_index" not in query:
        raise Refusal(400, "required", "group_type_index is required")
    index = int(query["group_type_index"])
    rows = [row for row in rows if row["group_type_index"] == index]
    begin = int(base64.b64decode(query["cursor"])) if query.get("cursor") else 0
    end = begin + _PAGE
    cursor = base64.b64encode(str(end).encode()).decode()
    following = f"{url}?cursor={cursor}&group_type_index={index}" if end < len(rows) else None
    return {"next": following, "previous": None, "results": rows[begin:end]}


def _at(number: int) -> str:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    moment = today - timedelta(days=number % 90, minutes=number % 1440)
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


def _flag(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "key": f"flag-{number}",
        "name": "Shown at the checkout",
        "filters": {"groups": [{"properties": [], "rollout_percentage": number % 101}]},
        "deleted": False,
        "active": number % 3 != 0,
        "created_by": _user(number),
        "created_at": _at(number),
        "updated_at": None if number % 4 == 0 else _at(number),
        "version": number % 5,
        "rollout_percentage": number % 101,
        "ensure_experience_continuity": False,
        "experiment_set": [],
        "tags": ["checkout"],
        "evaluation_runtime": "all",
        "status": "ACTIVE",
    }


def _experiment(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Test {number}",
        "description": "",
        "start_date": _at(number),
        "end_date": None,
        "feature_flag_key": f"flag-{number}",
        "feature_flag": {"id": number, "key": f"flag-{number}"},
        "parameters": {"feature_flag_variants": [{"key": "control", "rollout_percentage": 50}]},
        "archived": number % 3 == 0,
        "deleted": False,
        "created_by": _user(number),
        "created_at": _at(number),
        "updated_at": _at(number),
        "type": "web",
        "metrics": [],
        "conclusion": None,
    }


def _cohort(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Cohort {number}",
        "description": "",
        "groups": [],
        "deleted": False,
        "filters": {"properties": {"type": "OR", "values": []}},
        "is_calculating": False,
        "created_by": _user(number),
        "created_at": _at(number),
        "last_calculation": _at(number),
        "errors_calculating": 0,
        "count": number % 300,
        "is_static": False,
    }


def _annotation(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "content": "New offer page",
        "date_marker": _at(number),
        "creation_type": "USR",
        "dashboard_item": None,
        "created_by": _user(number),
        "created_at": _at(number),
        "updated_at": _at(number),
        "deleted": False,
        "scope": "project",
    }


def _action(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Action {number}",
        "description": "",
        "tags": [],
        "steps": [{"event": "$pageview", "url": "/thanks"}],
        "created_at": _at(number),
        "created_by": _user(number),
        "deleted": False,
        "is_calculating": False,
        "last_calculated_at": _at(number),
    }


def _insight(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "short_id": f"s{number}",
        "name": f"Insight {number}",
        "derived_name": None,
        "query": {"kind": "InsightVizNode"},
        "result": [{"data": [1, 2, 3]}],
        "deleted": False,
        "dashboards": [],
        "created_at": _at(number),
        "created_by": _user(number),
        "description": "",
        "updated_at": _at(number),
        "tags": [],
        "favorited": False,
        "last_modified_at": _at(number),
    }


def _dashboard(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Dashboard {number}",
        "description": "",
        "pinned": True,
        "created_at": _at(number),
        "created_by": _user(number),
        "is_shared": False,
        "deleted": False,
        "creation_mode": "default",
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
        "archived": False,
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
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = today - timedelta(hours=7 * (number % 100))
    return {
        "id": f"01900003-0000-7000-8000-{number:012d}",
        "distinct_id": f"visitor-{number % 50}",
        "viewed": False,
        "recording_duration": 60 + number % 600,
        "active_seconds": 30,
        "start_time": begin.isoformat().replace("+00:00", "Z"),
        "end_time": (begin + timedelta(seconds=60)).isoformat().replace("+00:00", "Z"),
        "click_count": 3,
        "keypress_count": 0,
        "console_error_count": 0,
        "start_url": "https://shop.example.com/",
        "person": {"distinct_ids": [f"visitor-{number % 50}"], "properties": {}},
        "ongoing": False,
    }
