"""Roles without "View others": lists have fewer rows, without an error.

https://github.com/mautic/mautic/blob/5.1.1/app/bundles/ApiBundle/Controller/FetchCommonApiController.php
and, for a single one, ``CorePermissions::hasEntityAccess``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

if TYPE_CHECKING:
    from starlette.requests import Request

    from signalroom_sandbox.mautic.switches import Switches

_SEVEN = 7
#: Lists of which a role may view either all rows or none.
_WITHOUT_OWNERS = frozenset({"categories", "stages", "tags", "users"})
_IDS = re.compile(r"ids:([\d,]+)")


def hides(switches: Switches, name: str, *, filtered: bool) -> bool:
    """Whether a list is reduced to its viewer's own rows.

    Args:
        switches: How the instance behaves.
        name: Name of the list.
        filtered: Whether the query has a filter: before version 7 it replaces this one.
    """
    if name in _WITHOUT_OWNERS or (filtered and switches.version < _SEVEN):
        return False
    return switches.own_only


def is_own(row: dict[str, Any], switches: Switches, *, alone: bool = False) -> bool:
    """Whether a row is the viewer's.

    Args:
        row: By its properties, or by its columns.
        switches: How the instance behaves.
        alone: Whether it was requested by its id.
    """
    created = row.get("createdBy", row.get("created_by"))
    owner = row.get("owner_id") if alone or switches.version >= _SEVEN else None
    return switches.user != 0 and (owner or created) == switches.user


def own_rows(switches: Switches, table: str) -> str:
    """The viewer's own rows, as SQL.

    Args:
        switches: How the instance behaves.
        table: The table of contacts, or of companies, which have no owner.
    """
    if not switches.user or table != "leads":
        return "0"
    owner = "owner_id" if switches.version >= _SEVEN else "null"
    return f"coalesce({owner}, created_by) = {int(switches.user)}"


def may_open(row: dict[str, Any], switches: Switches, name: str) -> bool:
    """Whether a row may be requested by its id.

    Args:
        row: The row, by its properties.
        switches: How the instance behaves.
        name: Name of its list; a role that may view any segment may open all.
    """
    if name == "segments" or not hides(switches, name, filtered=False):
        return True
    return is_own(row, switches, alone=True)


def ids_of_search(search: str) -> set[int] | None:
    """The ids of a search; an empty set if it is for something else.

    Args:
        search: A search in Mautic's syntax.
    """
    if not search:
        return None
    match = _IDS.fullmatch(search)
    return {int(number) for number in match[1].split(",") if number} if match else set()


async def sign_in(request: Request) -> RedirectResponse:
    """Redirect a request without a session to the page for signing in.

    Args:
        request: A request for any path below ``/s/``.
    """
    base = str(request.base_url).rstrip("/")
    return RedirectResponse(f"{base}/s/login", 302)
