"""Mautic's API, version 1, over a made-up instance."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.routing import Route

from signalroom_sandbox.mautic import contacts, entities, lists, roles, stats
from signalroom_sandbox.mautic.access import Access, ApiError
from signalroom_sandbox.mautic.call import SEVEN, Call
from signalroom_sandbox.mautic.limits import Limits, RateLimitError
from signalroom_sandbox.mautic.replies import OutOfMemoryError, as_json, as_page, unknown
from signalroom_sandbox.mautic.switches import Switches
from signalroom_sandbox.mautic.where import parse_query
from signalroom_sandbox.mautic.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.responses import Response

_FULL_VERSION = {4: "4.4.13", 5: "5.1.1", 6: "6.0.5", 7: "7.1.1"}


@dataclass
class Mautic:
    """The instance: its data, limits and behaviours, all of which a test may change."""

    seed: int = 713
    scale: float = 1.0
    #: Seconds that each response takes.
    latency: float = 0.0
    access: Access = field(init=False)
    limits: Limits = field(init=False)
    switches: Switches = field(init=False)
    #: Whether an action changed the data, so that the next reset makes it again.
    changed: bool = field(default=False, init=False)
    #: Chooses the order of rows that nothing sorts.
    request_count: int = field(default=0, init=False)
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
        self.request_count = 0
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
            self._lists = self.switches.version, entities.initial_lists(self.switches.version)
        return self._lists[1]

    def advance(self, by: timedelta) -> None:
        """Set the clock ahead."""
        self.world.ahead += by

    def app(self) -> Starlette:
        """The API, and the token endpoint."""
        routes = [
            Route("/oauth/v2/token", self._token, methods=["GET", "POST"]),
            Route("/s/{page:path}", roles.sign_in, methods=["GET", "POST"]),
            self._route("/api/contacts", contacts.list_contacts),
            self._route("/api/companies", contacts.list_companies),
            self._route("/api/fields/{kind}", lists.list_fields),
            self._route("/api/forms/{form:int}/submissions", lists.list_submissions),
            self._route("/api/stats/{table}", stats.list_stats),
            self._route("/api/stats", stats.list_stats),
            *(self._route(f"/api/{name}", lists.list_entities(name)) for name in entities.KINDS),
            self._route("/api/contacts/{number:int}", contacts.get_contact),
            self._route("/api/companies/{number:int}", contacts.get_company),
            *(
                self._route(f"/api/{name}/{{number:int}}", lists.get_entity(name))
                for name in entities.KINDS
            ),
        ]
        return Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})

    # All requests

    async def _token(self, request: Request) -> Response:
        if self.latency:
            await asyncio.sleep(self.latency)
        body = (await request.body()).decode()
        # A redirect makes a GET of it, and drops the form.
        form = dict(parse_qsl(body if request.method == "POST" else request.url.query))
        try:
            payload = self.access.grant(form)
        except ApiError as error:
            return as_json(error.body, error.status)
        return as_json(payload, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _route(self, path: str, respond: Callable[[Call], Any]) -> Route:
        async def endpoint(request: Request) -> Response:
            if self.latency:
                await asyncio.sleep(self.latency)
            headers: dict[str, str] = {}
            try:
                client, token = self.access.caller(request.headers.get("Authorization"))
                if self.switches.version < SEVEN:
                    headers = self.limits.take(token)
                if not self.switches.version_hidden:
                    headers["Mautic-Version"] = _FULL_VERSION[self.switches.version]
                query = parse_query(parse_qsl(request.url.query, keep_blank_values=True))
                return as_json(
                    respond(Call(self, request.path_params, query, client)), headers=headers
                )
            except RateLimitError as error:
                return self._rate_limit_response(error.args[0])
            except OutOfMemoryError as error:
                return as_page(error.status, "Site is offline")
            except ApiError as error:
                return as_json(error.body, error.status, headers)

        return Route(path, endpoint, methods=["GET"])

    def _rate_limit_response(self, headers: dict[str, str]) -> Response:
        number = self.limits.per_hour
        message = f"You exceeded the rate limit of {number} API calls per hour."
        body = {"errors": [{"code": 429, "message": message, "details": []}]}
        return as_json(body, 429, headers)
