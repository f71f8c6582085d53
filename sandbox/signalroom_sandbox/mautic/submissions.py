"""Submissions of forms: the one list whose columns need the name of their table.

Mautic 4 and 5 put the alias of another query, ``fs``, before a bare name, and the database has
no such table: https://github.com/mautic/mautic/issues/12982.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic.access import CrashError
from signalroom_sandbox.mautic.people import iso
from signalroom_sandbox.mautic.where import to_sql

if TYPE_CHECKING:
    from signalroom_sandbox.mautic.world import World

#: The alias of ``form_submissions`` in Mautic's query.
_ALIAS = "s."


def submissions(
    world: World,
    form: dict[str, Any],
    query: dict[str, Any],
    where: list[dict[str, Any]],
    *,
    page: tuple[int, int],
    escapes: bool,
) -> tuple[list[dict[str, Any]], int]:
    """A page of a form's submissions, and how many there are.

    Args:
        world: The database of the instance.
        form: The form, by its properties.
        query: The query string as a tree.
        where: The filters of the query.
        page: The first row, and how many.
        escapes: Whether values are escaped as HTML before they are compared.

    Raises:
        ApiError: If a column is not named with its table.
    """
    columns = world.columns("form_submissions")
    text, values = to_sql(
        [{**clause, "col": _column(clause.get("col"))} for clause in where],
        columns,
        escapes=escapes,
    )
    by = _column(query["orderBy"]) if query.get("orderBy") else "date_submitted"
    if by not in columns:
        raise CrashError
    way = "desc" if query.get("orderByDir", "").lower() == "desc" else "asc"
    condition = f"form_id = ? and {text or '1'}"
    bound = [form["id"], *values]
    ((total,),) = world.query(f"select count(*) from form_submissions where {condition}", bound)
    start, limit = page
    limited = f"limit {limit} offset {start}" if limit else ""
    rows = world.query(
        f'select * from form_submissions where {condition} order by "{by}" {way} {limited}',
        bound,
    )
    return [_submission(dict(row), form, world) for row in rows], total


def _column(name: str | None) -> str:
    if not name or not name.startswith(_ALIAS):
        raise CrashError
    return name.removeprefix(_ALIAS)


def _submission(row: dict[str, Any], form: dict[str, Any], world: World) -> dict[str, Any]:
    people = world.query("select * from leads where id = ?", [row["lead_id"]])
    return {
        "id": row["id"],
        "ipAddress": {"ipAddress": "192.0.2.7"},
        "form": {"id": form["id"], "name": form["name"], "alias": form["alias"]},
        "lead": _lead(dict(people[0])) if people else None,
        "trackingId": None if row["tracking_id"] is None else str(row["tracking_id"]),
        "dateSubmitted": iso(row["date_submitted"]),
        "referer": row["referer"],
        "page": None,
        "results": {"email": f"lead{row['lead_id']}@example.com"},
    }


def _lead(row: dict[str, Any]) -> dict[str, Any]:
    """A contact within another entity: its own properties, without its fields."""
    names = "id points color title firstname lastname company email phone mobile city country"
    # This instance has no field `phone`.
    return {name: row.get(name) for name in names.split()}
