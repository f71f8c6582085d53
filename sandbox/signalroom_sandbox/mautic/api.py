"""Mautic's API, version 1, over a made-up instance."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.routing import Route

from signalroom_sandbox.mautic import entities, roles
from signalroom_sandbox.mautic.access import (
    Access,
    Crash,
    Refusal,
    forbidden,
    may_see,
    no_column,
    refused,
)
from signalroom_sandbox.mautic.customfields import field_rows
from signalroom_sandbox.mautic.limits import Limits, OverLimit
from signalroom_sandbox.mautic.people import company, contact
from signalroom_sandbox.mautic.replies import OutOfMemoryError, as_json, as_page, number_in, unknown
from signalroom_sandbox.mautic.submissions import submissions
from signalroom_sandbox.mautic.switches import Switches
from signalroom_sandbox.mautic.tables import tables_of
from signalroom_sandbox.mautic.where import listed, matches, nested, to_sql
from signalroom_sandbox.mautic.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.responses import Response

    _Query = dict[str, Any]
    _Answer = Callable[[Request, _Query, str], Any]

_DEFAULT_LIMIT, _DEFAULT_STATS = 30, 100
#: From these versions on: filters come in the query alone and join those of the list itself; no
#: limit of calls; values are not escaped.
_SEVEN = 7
_FULL_VERSION = {4: "4.4.13", 5: "5.1.1", 6: "6.0.5", 7: "7.1.1"}
_MOST_EDITED = 3


@dataclass
class Mautic:
    """The instance: its data, limits and behaviours, all of which a test may change."""

    seed: int = 713
    scale: float = 1.0
    #: Seconds that each answer takes.
    latency: float = 0.0
    access: Access = field(init=False)
    limits: Limits = field(init=False)
    switches: Switches = field(init=False)
    #: Whether the data was changed from outside.
    changed: bool = field(default=False, init=False)
    _world: World | None = field(default=None, init=False)
    _lists: tuple[int, dict[str, list[dict[str, Any]]]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Undo what tests changed."""
        self.access = Access()
        self.limits = Limits()
        self.switches = Switches()
        self.latency = 0.0
        self._asked = 0
        if self.changed:
            self._world, self._lists, self.changed = None, None, False
        elif self._world:
            self._world.ahead *= 0

    @property
    def world(self) -> World:
        """Contacts and tables, made when first needed; another version is another instance."""
        if self._world is None or self._world.version != self.switches.version:
            self._world = World(self.scale, self.switches.version)
        return self._world

    @property
    def lists(self) -> dict[str, list[dict[str, Any]]]:
        """What people made, by list."""
        if self._lists is None or self._lists[0] != self.switches.version:
            self._lists = self.switches.version, entities.made(self.switches.version)
        return self._lists[1]

    def advance(self, by: timedelta) -> None:
        """Set the clock ahead."""
        self.world.ahead += by

    def app(self) -> Starlette:
        """The API, and the endpoint of tokens."""
        routes = [
            Route("/oauth/v2/token", self._token, methods=["GET", "POST"]),
            Route("/s/{page:path}", roles.sign_in, methods=["GET", "POST"]),
            self._route("/api/contacts", self._contacts),
            self._route("/api/companies", self._companies),
            self._route("/api/fields/{kind}", self._fields),
            self._route("/api/forms/{form:int}/submissions", self._submissions),
            self._route("/api/stats/{table}", self._stats),
            self._route("/api/stats", self._stats),
            *(self._route(f"/api/{name}", self._list(name)) for name in entities.KINDS),
            self._route("/api/contacts/{number:int}", self._contact),
            self._route("/api/companies/{number:int}", self._company),
            *(
                self._route(f"/api/{name}/{{number:int}}", self._one(name))
                for name in entities.KINDS
            ),
        ]
        return Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})

    # What is the same for all

    async def _token(self, request: Request) -> Response:
        if self.latency:
            await asyncio.sleep(self.latency)
        body = (await request.body()).decode()
        # A redirect makes a GET of it, and drops the form.
        form = dict(parse_qsl(body if request.method == "POST" else request.url.query))
        try:
            answer = self.access.grant(form)
        except Refusal as refusal:
            return as_json(refusal.body, refusal.status)
        return as_json(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _route(self, path: str, answer: _Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            if self.latency:
                await asyncio.sleep(self.latency)
            headers: dict[str, str] = {}
            try:
                client, token = self.access.caller(request.headers.get("Authorization"))
                if self.switches.version < _SEVEN:
                    headers = self.limits.take(token)
                if not self.switches.version_hidden:
                    headers["Mautic-Version"] = _FULL_VERSION[self.switches.version]
                query = nested(parse_qsl(request.url.query, keep_blank_values=True))
                return as_json(answer(request, query, client), headers=headers)
            except OverLimit as over:
                return self._over(over.args[0])
            except OutOfMemoryError as error:
                return as_page(error.status, "Site is offline")
            except Refusal as refusal:
                return as_json(refusal.body, refusal.status, headers)

        return Route(path, endpoint, methods=["GET"])

    def _over(self, headers: dict[str, str]) -> Response:
        number = self.limits.per_hour
        message = f"You exceeded the rate limit of {number} API calls per hour."
        body = {"errors": [{"code": 429, "message": message, "details": []}]}
        return as_json(body, 429, headers)

    def _total(self, count: int) -> Any:
        wanted = self.switches.total
        return {"right": count, "low": count // 2, "high": count + 9}.get(wanted, "abc")

    def _paging(self, query: _Query, default: int) -> tuple[int, int]:
        start, limit = (
            number_in(query.get("start") or "0"),
            number_in(query.get("limit") or default),
        )
        if self.switches.memory_rows and limit > self.switches.memory_rows:
            raise OutOfMemoryError(self.switches.memory_status)
        return start, limit

    def _list_paging(self, query: _Query) -> tuple[int, int | None]:
        """Where a page of a list begins, and its rows: None for all, which is a limit of 0."""
        start, limit = self._paging(query, _DEFAULT_LIMIT)
        return (0, None) if query.get("limit") == "0" else (start, limit)

    def _where(self, query: _Query) -> list[dict[str, Any]]:
        return [] if self.switches.where_ignored else listed(query.get("where"))

    def _hides(self, name: str, query: _Query) -> bool:
        return roles.hides(self.switches, name, filtered=bool(self._where(query)))

    @property
    def _escapes(self) -> bool:
        return self.switches.version < _SEVEN

    # Contacts and companies: SQL, with names as the database has them

    def _contacts(self, _: Request, query: _Query, client: str) -> Any:
        if not may_see(client, "contacts"):
            raise forbidden()
        self._churn()
        rows, total = self._people("leads", query, "last_active desc")
        world = self.world
        numbers = [row["id"] for row in rows] or [0]
        tags = world.tags(min(numbers), max(numbers))
        refused: dict[int, list[Any]] = {}
        for item in world.query(
            "select * from lead_donotcontact where lead_id between ? and ?",
            [min(numbers), max(numbers)],
        ):
            refused.setdefault(item["lead_id"], []).append(item)
        shown = [
            contact(row, world, tags.get(row["id"], []), refused.get(row["id"], []), self.switches)
            for row in rows
        ]
        return self._by_id("contacts", shown, str(self._total(total)))

    def _companies(self, _: Request, query: _Query, client: str) -> Any:
        if not may_see(client, "companies"):
            raise forbidden()
        rows, total = self._people("companies", query, "")
        shown = [company(row, self.switches) for row in rows]
        return self._by_id("companies", shown, str(self._total(total)))

    def _by_id(self, key: str, rows: list[Any], total: Any) -> Any:
        if self.switches.other_containers:
            return {"total": total, key: rows}
        return {"total": total, key: {str(row["id"]): row for row in rows}}

    def _people(self, table: str, query: _Query, default: str) -> tuple[list[Any], int]:
        world = self.world
        columns = set(world.columns(table))
        text, values = to_sql(self._where(query), columns, escapes=self._escapes, converts=True)
        condition = text or "1"
        if self._hides(table, query):
            condition = f"{roles.own_rows(self.switches, table)} and ({condition})"
        if (ids := roles.searched(query.get("search", ""))) is not None:
            condition = f"id in ({', '.join(map(str, ids)) or 'null'}) and ({condition})"
        start, limit = self._list_paging(query)
        order = default
        if by := query.get("orderBy"):
            names = by.split(",")
            if not {*names} <= columns:
                raise Crash
            way = "desc" if query.get("orderByDir", "").lower() == "desc" else "asc"
            order = ", ".join(f'"{name}" {way}' for name in names)
        ((total,),) = world.query(f"select count(*) from {table} where {condition}", values)
        pages = "" if limit is None else f"limit {limit} offset {start}"
        ordered = f"order by {order}" if order else f"order by (id * 7919 + {self._asked}) % 101"
        rows = world.query(f"select * from {table} where {condition} {ordered} {pages}", values)
        return rows, total

    def _contact(self, request: Request, _: _Query, client: str) -> Any:
        if not may_see(client, "contacts"):
            raise forbidden()
        number = request.path_params["number"]
        for row in self.world.query("select * from leads where id = ?", [number]):
            if not roles.may_open(dict(row), self.switches, "contacts"):
                raise forbidden()
            tags = self.world.tags(number, number).get(number, [])
            return {"contact": contact(row, self.world, tags, [], self.switches)}
        raise refused(404, "Item was not found.")

    def _company(self, request: Request, _: _Query, client: str) -> Any:
        number = request.path_params["number"]
        for row in self.world.query("select * from companies where id = ?", [number]):
            if not may_see(client, "companies") or self._hides("companies", {}):
                raise forbidden()
            return {"company": company(row, self.switches)}
        raise refused(404, "Item was not found.")

    def _churn(self) -> None:
        """Edit, add and delete contacts while somebody reads."""
        self._asked += 1
        self.changed = self.changed or bool(self.switches.churn)
        chance = random.Random(self._asked)  # noqa: S311 - made-up data
        (ends,) = self.world.query("select min(id) as first, max(id) as last from leads")
        for number in range(self.switches.churn):
            one = chance.randint(ends["first"], ends["last"])
            kind = number % _MOST_EDITED
            if kind == 0:
                self.world.edit([one], firstname=f"Edited {self._asked}")
            elif kind == 1:
                self.world.delete([one])
            else:
                self.world.add(1)

    # Lists of what people made: names of properties

    def _list(self, name: str) -> _Answer:
        kind = entities.KINDS[name]

        def answer(_: Request, query: _Query, client: str) -> Any:
            if not may_see(client, name):
                raise forbidden()
            rows = [row for row in self.lists[name] if not row.get("deleted")]
            if self._hides(name, query):
                rows = [row for row in rows if roles.is_own(row, self.switches)]
            if (ids := roles.searched(query.get("search", ""))) is not None:
                rows = [row for row in rows if row["id"] in ids]
            return self._listed(kind, rows, query, name)

        return answer

    def _shown(self, name: str, row: dict[str, Any]) -> dict[str, Any]:
        return entities.shown(name, row, self.lists, by_id=self.switches.relations_by_id)

    def _listed(
        self, kind: entities.Kind, rows: list[dict[str, Any]], query: _Query, name: str
    ) -> Any:
        where = self._where(query)
        # A filter takes the place of the list's own, before version 7.
        if not where or self.switches.version >= _SEVEN:
            rows = [row for row in rows if not any(row[name] for name in kind.parents)]
        rows = [row for row in rows if matches(where, row, escapes=self._escapes)]
        total = self._total(len(rows))
        if by := query.get("orderBy"):
            if rows and by not in rows[0]:
                raise Crash
            rows = sorted(rows, key=lambda row: str(row[by]) if by != "id" else row["id"])
            if query.get("orderByDir", "").lower() == "desc":
                rows.reverse()
        else:
            rows = sorted(rows, key=lambda row: str(row.get("name") or row.get("title")))
        start, limit = self._list_paging(query)
        if limit is not None:
            if name == "emails" and (self.switches.joined_pages or not where):
                # They are joined with their segments: pages cut the joined rows.
                rows = [row for row in rows for _ in range(entities.joined(row))]
            page = rows[start : start + limit]
            rows = [row for number, row in enumerate(page) if row not in page[:number]]
        shown = [self._shown(name, row) for row in rows]
        if not shown:
            return {"total": total, kind.key: []}
        if kind.by_id != self.switches.other_containers:
            return {"total": total, kind.key: {str(row["id"]): row for row in shown}}
        return {"total": total, kind.key: shown}

    def _one(self, name: str) -> _Answer:
        kind = entities.KINDS[name]

        def answer(request: Request, _: _Query, client: str) -> Any:
            if not may_see(client, name):
                raise forbidden()
            for row in self.lists[name]:
                if row["id"] == request.path_params["number"]:
                    if not roles.may_open(row, self.switches, name):
                        raise forbidden()
                    return {kind.key.removesuffix("s"): self._shown(name, row)}
            raise refused(404, "Item was not found.")

        return answer

    def _fields(self, request: Request, query: _Query, client: str) -> Any:
        if not may_see(client, "fields"):
            raise forbidden()
        owner = {"contact": "lead", "company": "company"}[request.path_params["kind"]]
        rows = field_rows(self.world.fields, self.world.hidden, self.world.now())
        rows = [row for row in rows if row["object"] == owner]
        return self._listed(entities.Kind("fields", by_id=True), rows, query, "fields")

    def _submissions(self, request: Request, query: _Query, client: str) -> Any:
        if not may_see(client, "forms"):
            raise forbidden()
        number = request.path_params["form"]
        form = next((row for row in self.lists["forms"] if row["id"] == number), None)
        if form is None or form.get("deleted"):
            raise refused(404, "Item was not found.")
        page = self._paging(query, _DEFAULT_LIMIT)
        where = self._where(query)
        shown, total = submissions(self.world, form, query, where, page=page, escapes=self._escapes)
        return {"total": str(self._total(total)), "submissions": shown or {}}

    # Tables: text, and errors with a 200

    def _stats(self, request: Request, query: _Query, client: str) -> Any:
        table = request.path_params.get("table", "")
        tables = tables_of(self.switches.version)
        tables.pop(self.switches.missing_table, None)
        if table not in tables:
            columns = {name: sorted(names) for name, names in tables.items()}
            return {"availableTables": sorted(tables), "tableColumns": columns}
        hidden = self.switches.audit_hidden and table == "audit_log"
        if hidden or not may_see(client, table):
            text = f"You do not have the view permission to load data from the {table} table"
            return {"errors": [{"message": text, "code": 403}]}
        try:
            return self._stats_rows(table, query)
        except Crash as crash:
            return {"errors": [crash.said]}

    def _stats_rows(self, table: str, query: _Query) -> Any:
        columns = self.world.columns(table)
        text, values = to_sql(self._where(query), columns, escapes=True)
        condition = text or "1"
        start, limit = self._paging(query, _DEFAULT_STATS)
        orders = [(item.get("col"), item.get("dir", "asc")) for item in listed(query.get("order"))]
        for name, _ in orders:
            if name not in columns:
                raise no_column(str(name), "order clause")
        order = ", ".join(
            f'"{name}" {"desc" if way.lower() == "desc" else "asc"}' for name, way in orders
        )
        self._asked += 1
        ((total,),) = self.world.query(f"select count(*) from {table} where {condition}", values)
        rows = self.world.query(
            f"select * from {table} where {condition} "
            f"order by {order or f'(rowid * 7919 + {self._asked}) % 101'} "
            f"limit {limit} offset {start}",
            values,
        )
        # Nulls are left out.
        shown = [
            {name: str(value) for name, value in dict(row).items() if value is not None}
            for row in rows
        ]
        return {"total": str(self._total(total)), "stats": shown}
