"""Contacts and companies, read by SQL with the names of the database."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic import gone, roles
from signalroom_sandbox.mautic.access import CrashError, controller_error, permission_error
from signalroom_sandbox.mautic.people import company, contact
from signalroom_sandbox.mautic.where import to_sql

if TYPE_CHECKING:
    from signalroom_sandbox.mautic.call import Call

_KINDS_OF_CHURN = 3


def list_contacts(call: Call) -> Any:
    """A page of contacts."""
    call.check_permission("contacts")
    _churn(call)
    rows, total = _select(call, "leads", "last_active desc")
    numbers = [row["id"] for row in rows] or [0]
    tags = call.world.tags(min(numbers), max(numbers))
    entries: dict[int, list[Any]] = {}
    for entry in call.world.query(
        "select * from lead_donotcontact where lead_id between ? and ?",
        [min(numbers), max(numbers)],
    ):
        entries.setdefault(entry["lead_id"], []).append(entry)
    contacts = [
        contact(row, call.world, tags.get(row["id"], []), entries.get(row["id"], []), call.switches)
        for row in rows
    ]
    return _by_id(call, "contacts", contacts, total)


def list_companies(call: Call) -> Any:
    """A page of companies."""
    call.check_permission("companies")
    rows, total = _select(call, "companies", "")
    return _by_id(call, "companies", [company(row, call.switches) for row in rows], total)


def get_contact(call: Call) -> Any:
    """A contact by its id."""
    call.check_permission("contacts")
    number = call.path["number"]
    for row in call.world.query("select * from leads where id = ?", [number]):
        if not roles.may_open(dict(row), call.switches, "contacts"):
            raise permission_error()
        tags = call.world.tags(number, number).get(number, [])
        return {"contact": contact(row, call.world, tags, [], call.switches)}
    raise controller_error(404, "Item was not found.")


def get_company(call: Call) -> Any:
    """A company by its id."""
    for row in call.world.query("select * from companies where id = ?", [call.path["number"]]):
        call.check_permission("companies")
        if roles.hides(call.switches, "companies", filtered=False):
            raise permission_error()
        return {"company": company(row, call.switches)}
    raise controller_error(404, "Item was not found.")


def _by_id(call: Call, key: str, rows: list[Any], total: int) -> Any:
    stated = str(call.total(total))
    if call.switches.other_containers:
        return {"total": stated, key: rows}
    return {"total": stated, key: {str(row["id"]): row for row in rows}}


def _select(call: Call, table: str, default_order: str) -> tuple[list[Any], int]:
    """The rows of a page, and how many rows there are."""
    columns = set(call.world.columns(table))
    text, values = to_sql(call.filters, columns, escapes=call.escapes, converts=True)
    condition = text or "1"
    if call.hides_others(table):
        condition = f"{roles.own_rows(call.switches, table)} and ({condition})"
    if (ids := call.ids) is not None:
        condition = f"id in ({', '.join(map(str, ids)) or 'null'}) and ({condition})"
    start, limit = call.list_page()
    order = default_order
    if by := call.query.get("orderBy"):
        names = by.split(",")
        if not {*names} <= columns:
            raise CrashError
        order = ", ".join(f'"{name}" {"desc" if call.is_descending else "asc"}' for name in names)
    ((total,),) = call.world.query(f"select count(*) from {table} where {condition}", values)
    page = "" if limit is None else f"limit {limit} offset {start}"
    order = order or f"(id * 7919 + {call.mautic.request_count}) % 101"
    rows = call.world.query(
        f"select * from {table} where {condition} order by {order} {page}", values
    )
    return rows, total


def _churn(call: Call) -> None:
    """Edit, delete and add contacts while they are being read."""
    mautic = call.mautic
    mautic.request_count += 1
    mautic.changed = mautic.changed or bool(call.switches.churn)
    chance = random.Random(mautic.request_count)  # noqa: S311 - made-up data
    (ends,) = call.world.query("select min(id) as first, max(id) as last from leads")
    for number in range(call.switches.churn):
        contact_id = chance.randint(ends["first"], ends["last"])
        kind = number % _KINDS_OF_CHURN
        if kind == 0:
            call.world.edit([contact_id], firstname=f"Edited {mautic.request_count}")
        elif kind == 1:
            gone.delete(call.world, contact_id)
        else:
            call.world.add(1)
