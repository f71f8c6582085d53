"""PostHog's API over a made-up product: https://posthog.com/docs/api."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route

from signalroom_sandbox.posthog import lists, persons, rest_events, rows
from signalroom_sandbox.posthog.access import KEYS, SECRET, ApiError, Key, check, key_of
from signalroom_sandbox.posthog.hogql import translate
from signalroom_sandbox.posthog.limits import Limits
from signalroom_sandbox.posthog.switches import Switches
from signalroom_sandbox.posthog.world import PROJECT, SECOND_PROJECT, World
from signalroom_sandbox.vendor import Vendor, json_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    _Respond = Callable[[Request, Key, int], Awaitable[Response]]

_TYPES = {"TIMESTAMP": "DateTime64(6, '{zone}')", "VARCHAR": "String", "BIGINT": "Int64"}
#: The maximum rows of all cached responses; a repeated query gets its cached response.
_CACHED_ROWS = 100_000
_NO_LIMIT_KINDS = {"force_blocking", "force_async"}


@dataclass
class PostHog(Vendor):
    """The mock vendor."""

    zones: dict[int, str] = field(init=False)
    keys: dict[str, Key] = field(init=False)
    limits: Limits = field(init=False)
    switches: Switches = field(init=False)
    #: Whether a test changed the events.
    changed: bool = field(default=False, init=False)
    _world: World | None = field(default=None, init=False)
    _lists: dict[int, dict[str, list[dict[str, Any]]]] | None = field(default=None, init=False)

    def reset(self) -> None:
        """Undo what tests changed."""
        super().reset()
        self.zones = {PROJECT: "UTC", SECOND_PROJECT: "UTC"}
        self.keys = dict(KEYS)
        self.limits = Limits()
        self.switches = Switches()
        self._lists = None
        self._cache: dict[str, Any] = {}
        self._later: dict[str, tuple[int, Any]] = {}
        if self.changed:
            self._world, self.changed = None, False
        elif self._world:
            self._world.ahead = timedelta()

    @property
    def world(self) -> World:
        """The events; made when first needed."""
        if self._world is None:
            self._world = World(seed=self.seed, scale=self.scale)
        return self._world

    @property
    def lists(self) -> dict[int, dict[str, list[dict[str, Any]]]]:
        """The rows of each list of each project; made when first needed."""
        if self._lists is None:
            self._lists = {team: rows.initial_rows(team) for team in self.zones}
        return self._lists

    def advance(self, by: timedelta) -> None:
        """Set the clock ahead."""
        self.world.ahead += by

    def app(self) -> Starlette:
        """The API, below ``/api``."""
        project = "/api/projects/{project:int}"
        routes = [
            self._route("/api/projects/", self._projects, scope="project"),
            self._route("/api/personal_api_keys/@current/", self._own_key, scope=None),
            self._route(f"{project}/", self._project, scope="project"),
            self._route(f"{project}/query/", self._query, scope="query", methods=["POST"]),
            self._route(f"{project}/query/{{query}}/", self._later_result, scope="query"),
            self._route(f"{project}/events/", self._events, scope="query"),
            self._route(f"{project}/persons/", self._persons, scope="person"),
            *(
                self._route(f"{project}/{name}/", self._list(name), scope=scope)
                for name, scope in lists.SCOPES.items()
            ),
            Route("/api/environments/{rest:path}", _redirect_environment, methods=["GET", "POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={404: _refuse, 405: _refuse})

    def _route(
        self, path: str, respond: _Respond, *, scope: str | None, methods: list[str] | None = None
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            project = request.path_params.get("project")
            try:
                key = key_of(request.headers.get("Authorization"), self.keys)
                if respond != self._own_key:
                    check(key, scope, project)
                self.limits.take(path.removeprefix("/api/projects/{project:int}/").split("/")[0])
                await self.delay()
                return await respond(request, key, project or 0)
            except ApiError as error:
                return error.response()

        return Route(path, endpoint, methods=methods or ["GET"])

    # The endpoints

    async def _projects(self, request: Request, key: Key, _: int) -> Response:
        rows = [{"id": team, "name": f"Shop {team}"} for team in key.reads]
        url = str(request.url.replace(query=""))
        return json_response(lists.list_page("projects", rows, request.query_params, url))

    async def _own_key(self, _: Request, key: Key, __: int) -> Response:
        return json_response(
            {
                "id": "01900000",
                "label": "SignalRoom",
                "scopes": [*key.scopes],
                "scoped_teams": [*key.projects] or None,
                "scoped_organizations": None,
            }
        )

    async def _project(self, _: Request, __: Key, project: int) -> Response:
        return json_response(
            {
                "id": project,
                "uuid": str(uuid.UUID(int=project)),
                "organization": str(uuid.UUID(int=1)),
                "name": f"Shop {project}",
                "timezone": self.zones[project],
                "created_at": "2025-01-01T00:00:00Z",
                "updated_at": "2026-01-01T00:00:00Z",
                "is_demo": False,
                "group_types": self.lists[project]["groups_types"],
                "api_token": "phc_sandbox-posthog-project-key",
                "secret_api_token": "phs_sandbox-posthog-secret",
                "secret_api_token_backup": None,
                "live_events_token": f"{SECRET}-live",
                "slack_incoming_webhook": f"https://hooks.slack.com/services/T0/B0/{SECRET}",
                "conversations_enabled": True,
                "conversations_settings": {
                    "widget_enabled": True,
                    "widget_public_token": f"{SECRET}-widget",
                    "slack_bot_token": f"{SECRET}-bot",
                },
            }
        )

    async def _events(self, request: Request, _: Key, project: int) -> Response:
        url = str(request.url.replace(query=""))
        zone = self.zones[project] if self.switches.local_time_as_utc else "UTC"
        query = request.query_params
        return json_response(rest_events.list_page(self.world, project, query, url, zone=zone))

    def _list(self, name: str) -> _Respond:
        async def respond(request: Request, _: Key, project: int) -> Response:
            self._refuse_slow(name)
            unknown = self.switches.unknown_parameters.split(",")
            if self.switches.repeated_pages:
                unknown.append("offset")
            query = {k: v for k, v in request.query_params.items() if k not in unknown}
            url = str(request.url.replace(query=""))
            if self.switches.foreign_next:
                url = url.replace(request.url.netloc, "elsewhere.example.com")
            items = self.lists[project][name]
            if name == "feature_flags" and "archived" in unknown:
                items = [rows.older_flag(row) for row in items]
            page = lists.list_page(name, items, query, url)
            if isinstance(page, dict):
                if self.switches.empty_last_page and page["results"] and "next" in page:
                    page["next"] = page["next"] or f"{url}?offset=1000"
                if self.switches.bare_results:
                    page = {"results": page["results"]}
            return json_response(page)

        return respond

    def _refuse_slow(self, name: str) -> None:
        if name.endswith("_definitions") and self.switches.slow_definitions > 0:
            self.switches.slow_definitions -= 1
            code = name.removesuffix("s") + "_list_timed_out"
            raise ApiError(503, code, "Listing definitions took too long. Try again.")

    async def _persons(self, request: Request, _: Key, project: int) -> Response:
        url = str(request.url.replace(query=""))
        return json_response(persons.list_page(self.world, project, request.query_params, url))

    # Queries

    async def _query(self, request: Request, _: Key, project: int) -> Response:
        if self.switches.no_query_api:
            raise ApiError(404, "not_found", "Endpoint not found.")
        try:
            body = msgspec.json.decode(await request.body())
            query = body["query"]
            kind, text = query["kind"], query["query"]
        except (msgspec.DecodeError, KeyError, TypeError):
            raise ApiError(400, "invalid_input", "The body is no query.") from None
        if kind != "HogQLQuery":
            raise ApiError(400, "invalid_input", f"Unsupported query kind: {kind}")
        refresh = body.get("refresh", "blocking")
        cache_key = f"{project} {text} {query.get('values')}"
        if refresh not in _NO_LIMIT_KINDS and cache_key in self._cache:
            return json_response({**self._cache[cache_key], "is_cached": True})
        limits = self.limits
        limits.begin_query()
        read, headers = 0, {}
        try:
            payload = await asyncio.to_thread(self._run, project, text, query.get("values") or {})
            read = len(payload["results"]) * 500
        finally:
            headers = limits.end_query(read)
        self._remember(cache_key, payload)
        if self.switches.answered_later > 0:
            self.switches.answered_later -= 1
            identifier = str(uuid.uuid4())
            self._later[identifier] = (self.switches.polls, payload)
            return json_response(
                {"query_status": _status(identifier, complete=False)}, 202, headers
            )
        return json_response(payload, headers=headers)

    def _remember(self, cache_key: str, payload: dict[str, Any]) -> None:
        """Cache a response, and drop the oldest ones above the limit of rows."""
        self._cache.pop(cache_key, None)
        self._cache[cache_key] = payload
        rows = sum(len(payload["results"]) for payload in self._cache.values())
        while rows > _CACHED_ROWS and len(self._cache) > 1:
            rows -= len(self._cache.pop(next(iter(self._cache)))["results"])

    async def _later_result(self, request: Request, _: Key, __: int) -> Response:
        identifier = request.path_params["query"]
        polls, payload = self._later.get(identifier, (0, None))
        if payload is None or (polls <= 0 and self.switches.ends_in == "gone"):
            raise ApiError(404, "not_found", f"Query {identifier} not found")
        self._later[identifier] = (polls - 1, payload)
        if polls > 0:
            return json_response({"query_status": _status(identifier, complete=False)}, 202)
        if self.switches.ends_in == "error":
            failed = _status(identifier, complete=True) | {
                "error": True,
                "error_message": "Query ran out of memory",
            }
            return json_response({"query_status": failed}, 400)
        done = _status(identifier, complete=True) | {"results": payload}
        return json_response({"query_status": done})

    def _run(self, project: int, text: str, values: dict[str, Any]) -> dict[str, Any]:
        zone = self.zones[project]
        missing = {self.switches.missing_column}
        query = translate(
            text,
            values,
            team=project,
            zone=zone,
            now=self.world.now(),
            columns={table: names - missing for table, names in self.world.columns.items()},
            row_cap=self.switches.row_cap,
        )
        seconds = self._persons_span(query.measure) if query.measure else query.seconds
        if seconds > self.switches.longest_span:
            detail = "Query has hit the max execution time before completing."
            raise ApiError(self.switches.slow_status, "error", detail)
        names, kinds, matching = self.world.query(query.sql)
        order = [*range(len(names))]
        if self.switches.shuffled_columns:
            order.reverse()
        page = matching if query.is_limited else matching[: query.limit]
        if self.switches.reversed_rows:
            page.reverse()
        moved = timedelta(seconds=self.switches.moved_seconds)
        return {
            "results": [[_value(row[place], zone, moved) for place in order] for row in page],
            "columns": [names[place] for place in order],
            "types": [
                [names[place], _TYPES.get(kinds[place], "String").format(zone=zone)]
                for place in order
            ],
            "hogql": text,
            "error": None,
            "hasMore": None if query.is_limited else len(matching) > query.limit,
            "limit": None if query.is_limited else query.limit,
            "is_cached": False,
            "timings": [],
        }

    def _persons_span(self, measure: str) -> float:
        _, _, ((first, last),) = self.world.query(measure)
        return (last - first).total_seconds() if first else float("-inf")


def _value(value: Any, zone: str, moved: timedelta) -> Any:
    if not isinstance(value, datetime):
        return value
    local = (value + moved).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    return local.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _status(identifier: str, *, complete: bool) -> dict[str, Any]:
    return {
        "id": identifier,
        "query_async": True,
        "complete": complete,
        "error": False,
        "error_message": None,
        "results": None,
    }


async def _redirect_environment(request: Request) -> Response:
    target = request.url.path.replace("/api/environments/", "/api/projects/")
    return RedirectResponse(target, 308)


async def _refuse(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    detail = "Endpoint not found." if status == 404 else "Method not allowed."  # noqa: PLR2004
    code = "not_found" if status == 404 else "method_not_allowed"  # noqa: PLR2004
    return ApiError(status, code, detail).response()
