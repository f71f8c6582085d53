"""Mautic's API, version 1, over a made-up instance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.routing import Route

from signalroom_sandbox.mautic import contacts, entities, lists, roles, stats
from signalroom_sandbox.mautic.access import ApiError
from signalroom_sandbox.mautic.call import SEVEN, Call
from signalroom_sandbox.mautic.instance import Instance
from signalroom_sandbox.mautic.replies import OutOfMemoryError, as_json, as_page, unknown
from signalroom_sandbox.mautic.where import parse_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

_FULL_VERSION = {4: "4.4.13", 5: "5.1.1", 6: "6.0.5", 7: "7.1.1"}


@dataclass
class Mautic(Instance):
    """An instance that is called by HTTP."""

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
            *(
                self._route(f"/api/{name}", partial(lists.list_entities, name))
                for name in entities.KINDS
            ),
            self._route("/api/contacts/{number:int}", contacts.get_contact),
            self._route("/api/companies/{number:int}", contacts.get_company),
            *(
                self._route(f"/api/{name}/{{number:int}}", partial(lists.get_entity, name))
                for name in entities.KINDS
            ),
        ]
        return Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})

    # All requests

    async def _token(self, request: Request) -> Response:
        await self.delay()
        body = (await request.body()).decode()
        # After a redirect, the request is a GET without the form.
        form = dict(parse_qsl(body if request.method == "POST" else request.url.query))
        try:
            payload = self.access.grant(form)
        except ApiError as error:
            return as_json(error.body, error.status)
        return as_json(payload, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _route(self, path: str, respond: Callable[[Call], Any]) -> Route:
        async def endpoint(request: Request) -> Response:
            await self.delay()
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
            except OutOfMemoryError as error:
                return as_page(error.status, "Site is offline")
            except ApiError as error:
                return as_json(error.body, error.status, headers | error.headers)

        return Route(path, endpoint, methods=["GET"])
