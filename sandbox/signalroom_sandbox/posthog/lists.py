"""The lists of a project: flags, experiments and the like."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.posthog.access import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_ORDERS = frozenset({None, "created_at", "-created_at", "id"})
#: The maximum number of group types of a project.
_GROUP_TYPES = 5
#: Built-in properties of PostHog, with the same id in all projects.
_BUILT_IN = {"person": ("$virt_mrr", "$virt_revenue"), "group": ("$virt_mrr", "$virt_revenue")}


def list_page(resource: str, rows: list[dict[str, Any]], query: Mapping[str, str], url: str) -> Any:
    """A page of a list; each has its own shape.

    Args:
        resource: Name of the list.
        rows: All rows of the list.
        query: Parameters of the request.
        url: URL of the request, without the query.
    """
    if resource == "groups_types":
        return rows
    if resource == "groups":
        return _groups(rows, query, url)
    if resource == "property_definitions":
        return _property_definitions(rows, query, url)
    limit, offset = int(query.get("limit") or _PAGE), int(query.get("offset") or 0)
    rows = [row for row in rows if _is_listed(resource, row, query)]
    page = rows[offset : offset + limit]
    if resource == "insights" and query.get("basic", "").lower() == "true":
        page = [{**row, "result": None} for row in page]
    if resource == "session_recordings":
        return _recordings(page, query, more=offset + limit < len(rows))
    return _envelope(page, len(rows), query, url)


def _is_listed(resource: str, row: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether a row is in a list: deleted and archived ones are not, unless requested."""
    if row.get("deleted"):
        return False
    archived = query.get("archived", "").lower()
    if resource == "experiments" and query.get("order") not in _ORDERS:
        raise ApiError(400, "invalid_input", "Invalid order")
    if resource in {"experiments", "feature_flags"} or (resource == "surveys" and archived):
        return bool(row.get("archived")) is (archived == "true")
    if resource == "dashboards":
        mode = query.get("creation_mode")
        return bool(row["creation_mode"] == mode if mode else row["creation_mode"] != "unlisted")
    return True


def _recordings(
    page: list[dict[str, Any]], query: Mapping[str, str], *, more: bool
) -> dict[str, Any]:
    """Recordings: neither a count nor a ``next``; newer versions have a cursor as well."""
    following = base64.b64encode(page[-1]["id"].encode()).decode() if more and page else None
    body = {"results": page, "has_next": more, "version": 4, "next_cursor": following}
    if query.get("after"):
        raise ApiError(400, "invalid_input", "The sandbox pages recordings by offset alone.")
    return body


def _envelope(
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
        raise ApiError(400, "invalid_input", f'"{kind}" is not a valid choice.')
    if kind == "group" and index is None:
        raise ApiError(400, "invalid_input", "`group_type_index` must be set for `group` type")
    if kind != "group" and index is not None:
        raise ApiError(400, "invalid_input", "`group_type_index` can only set for `group` type")
    if index is not None and not 0 <= int(index) < _GROUP_TYPES:
        raise ApiError(400, "invalid_input", "Invalid value for `group_type_index`")
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
    # The count decides on a next page: the vendor's paginator does not count built-in ones.
    body = _envelope(page, len(of_kind), query, url)
    if offset + len(page) >= len(of_kind):
        body["results"] = page + built_in
    body["count"] += len(built_in)
    return body


def _groups(rows: list[dict[str, Any]], query: Mapping[str, str], url: str) -> Any:
    if "group_type_index" not in query:
        raise ApiError(400, "required", "group_type_index is required")
    index = int(query["group_type_index"])
    rows = [row for row in rows if row["group_type_index"] == index]
    begin = int(base64.b64decode(query["cursor"])) if query.get("cursor") else 0
    end = begin + _PAGE
    cursor = base64.b64encode(str(end).encode()).decode()
    following = f"{url}?cursor={cursor}&group_type_index={index}" if end < len(rows) else None
    return {"next": following, "previous": None, "results": rows[begin:end]}
