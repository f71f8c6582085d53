"""Lists of entities, fields and submissions, with the names of their properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic import entities, roles
from signalroom_sandbox.mautic.access import CrashError, controller_error, permission_error
from signalroom_sandbox.mautic.call import SEVEN
from signalroom_sandbox.mautic.customfields import field_rows
from signalroom_sandbox.mautic.submissions import submissions
from signalroom_sandbox.mautic.where import matches

if TYPE_CHECKING:
    from signalroom_sandbox.mautic.call import Call


def list_entities(name: str, call: Call) -> Any:
    """A page of a list.

    Args:
        name: Name of the list, as in its path.
        call: The call that requests the page.
    """
    call.check_permission(name)
    rows = [row for row in call.lists[name] if not row.get("deleted")]
    if call.hides_others(name):
        rows = [row for row in rows if roles.is_own(row, call.switches)]
    if (ids := call.ids) is not None:
        rows = [row for row in rows if row["id"] in ids]
    return _page(call, entities.KINDS[name], rows, name)


def get_entity(name: str, call: Call) -> Any:
    """A single entity of a list.

    Args:
        name: Name of the list, as in its path.
        call: The call that requests the entity.
    """
    call.check_permission(name)
    for row in call.lists[name]:
        if row["id"] == call.path["number"]:
            if not roles.may_open(row, call.switches, name):
                raise permission_error()
            key = entities.KINDS[name].key.removesuffix("s")
            return {key: _serialize(call, name, row)}
    raise controller_error(404, "Item was not found.")


def list_fields(call: Call) -> Any:
    """A page of the fields of contacts, or of companies."""
    call.check_permission("fields")
    owner = {"contact": "lead", "company": "company"}[call.path["kind"]]
    rows = field_rows(call.world.fields, call.world.hidden, call.world.now())
    rows = [row for row in rows if row["object"] == owner]
    return _page(call, entities.Kind("fields", by_id=True), rows, "fields")


def list_submissions(call: Call) -> Any:
    """A page of a form's submissions."""
    call.check_permission("forms")
    number = call.path["form"]
    form = next((row for row in call.lists["forms"] if row["id"] == number), None)
    if form is None or form.get("deleted"):
        raise controller_error(404, "Item was not found.")
    rows, total = submissions(
        call.world, form, call.query, call.filters, page=call.page(), escapes=call.escapes
    )
    return {"total": str(call.total(total)), "submissions": rows or {}}


def _serialize(call: Call, name: str, row: dict[str, Any]) -> dict[str, Any]:
    return entities.serialize(name, row, call.lists, by_id=call.switches.relations_by_id)


def _page(call: Call, kind: entities.Kind, rows: list[dict[str, Any]], name: str) -> Any:
    filters = call.filters
    # Before version 7, a filter replaces the list's own ones.
    if not filters or call.switches.version >= SEVEN:
        rows = [row for row in rows if not any(row[name] for name in kind.parents)]
    rows = [row for row in rows if matches(filters, row, escapes=call.escapes)]
    total = call.total(len(rows))
    if by := call.query.get("orderBy"):
        if rows and by not in rows[0]:
            raise CrashError
        rows = sorted(rows, key=lambda row: str(row[by]) if by != "id" else row["id"])
        if call.is_descending:
            rows.reverse()
    else:
        rows = sorted(rows, key=lambda row: str(row.get("name") or row.get("title")))
    start, limit = call.list_page()
    if limit is not None:
        if name == "emails" and (call.switches.joined_pages or not filters):
            # E-mails are joined with their segments, and pages cut the joined rows.
            rows = [row for row in rows for _ in range(entities.joined_row_count(row))]
        page = rows[start : start + limit]
        rows = [row for number, row in enumerate(page) if row not in page[:number]]
    items = [_serialize(call, name, row) for row in rows]
    if not items:
        return {"total": total, kind.key: []}
    if kind.by_id != call.switches.other_containers:
        return {"total": total, kind.key: {str(item["id"]): item for item in items}}
    return {"total": total, kind.key: items}
