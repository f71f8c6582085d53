"""Everflow's network API over a made-up network.

Its errors: https://developers.everflow.io/user-guide/errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route

from signalroom_sandbox.everflow import entities, raw, reports
from signalroom_sandbox.everflow.limits import Limits
from signalroom_sandbox.everflow.switches import Switches
from signalroom_sandbox.everflow.validation import BIGQUERY_COLUMNS, TIMEZONES, report_query
from signalroom_sandbox.everflow.world import World
from signalroom_sandbox.vendor import ApiError, Vendor, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.responses import Response

    from signalroom_sandbox.everflow.validation import Query

    #: Makes the payload of a response from a request's body and query.
    _Handler = Callable[[Any, Mapping[str, str]], Any]

NETWORK_KEY = "sandbox-everflow-network-key"
AFFILIATE_KEY = "sandbox-everflow-affiliate-key"
LIMITED_KEY = "sandbox-everflow-limited-key"
#: What a key without permission for conversions and clicks cannot read.
_PROTECTED = ("conversions", "clicks")


@dataclass
class Everflow(Vendor):
    """The mock vendor."""

    world: World = field(init=False)
    limits: Limits = field(init=False)
    switches: Switches = field(init=False)

    def reset(self) -> None:
        """Undo what tests changed."""
        super().reset()
        self.world = World(seed=self.seed, scale=self.scale)
        self.limits = Limits()
        self.switches = Switches()

    def advance(self, by: timedelta) -> None:
        """Set the clock ahead."""
        self.world.ahead += by

    def app(self) -> Starlette:
        """The API, below ``/v1``."""
        routes = [
            self._route("GET", "/meta/timezones", self._timezones),
            self._route("GET", "/networks", self._network),
            self._route("GET", "/networks/info", self._network),
            self._route("POST", "/networks/reporting/entity/table", self._table),
            self._route("POST", "/networks/reporting/entity/summary", self._summary),
            self._route("POST", "/networks/reporting/conversions", self._conversions),
            self._route("POST", "/networks/reporting/clicks/stream", self._clicks),
            self._route("GET", "/networks/reportingadjustments", self._adjustments),
            *(self._route("GET", f"/networks/{path}", self._list(path)) for path in entities.LISTS),
        ]
        return Starlette(routes=routes, exception_handlers={404: _refuse, 405: _refuse})

    # Each request

    def _route(self, method: str, path: str, answer: _Handler) -> Route:
        reporting = path.startswith("/networks/reporting/")

        async def endpoint(request: Request) -> Response:
            # A test may replace the limits while the report is under way.
            limits = self.limits
            if reporting:
                try:
                    limits.begin_report()
                except ApiError as error:
                    return error.response()
            try:
                return await self._answer(request, path, answer)
            finally:
                if reporting:
                    limits.end_report()

        return Route(f"/v1{path}", endpoint, methods=[method])

    async def _answer(self, request: Request, path: str, answer: _Handler) -> Response:
        await self.delay()
        headers: dict[str, str] = {}
        try:
            headers = self.limits.take()
            _authenticate(request.headers.get("X-Eflow-API-Key"), path)
            body = await _body(request) if request.method == "POST" else None
            params = dict(parse_qsl(request.url.query, keep_blank_values=True))
            return json_response(answer(body, params), headers=headers)
        except ApiError as error:
            return error.response(headers)

    # The endpoints

    def _timezones(self, _: Any, __: Mapping[str, str]) -> Any:
        now = self.world.now()
        zones = []
        for identifier, name in TIMEZONES.items():
            local = now.astimezone(ZoneInfo(name))
            offset = local.strftime("%z")
            zones.append(
                {
                    "timezone_id": identifier,
                    "timezone": name,
                    "timezone_name": local.tzname(),
                    "utc_offset": f"{offset[:3]}:{offset[3:]}",
                }
            )
        return {"timezones": zones}

    def _network(self, _: Any, __: Mapping[str, str]) -> Any:
        return {
            "network_id": 1,
            "name": "Sandbox network",
            "status": "active",
            "default_currency_id": "USD",
            "reporting_timezone_id": 80,
            "time_created": 1_600_000_000,
            "time_saved": 1_700_000_000,
        }

    def _table(self, body: Any, _: Mapping[str, str]) -> Any:
        return reports.table(self.world, self._query(body), self.switches)

    def _summary(self, body: Any, _: Mapping[str, str]) -> Any:
        return reports.summary(self.world, self._query(body), self.switches)

    def _query(self, body: Any) -> Query:
        query = report_query(body)
        if set(query.columns) & set(BIGQUERY_COLUMNS):
            self.limits.take_bigquery()
        return query

    def _conversions(self, body: Any, params: Mapping[str, str]) -> Any:
        return raw.conversions(self.world, body, params, self.switches)

    def _clicks(self, body: Any, _: Mapping[str, str]) -> Any:
        return raw.clicks(self.world, body, self.switches)

    def _adjustments(self, _: Any, params: Mapping[str, str]) -> Any:
        try:
            start, end = (date.fromisoformat(params[name]) for name in ("from", "to"))
        except (KeyError, ValueError):
            raise ApiError(400, "from and to must be formatted as YYYY-MM-DD") from None
        if params.get("timezone_id") not in {str(identifier) for identifier in TIMEZONES}:
            raise ApiError(400, "Internal error")
        return raw.adjustments(self.world, start, end)

    def _list(self, path: str) -> _Handler:
        return lambda _, params: entities.list_page(path, params, self.switches)


def _authenticate(key: str | None, path: str) -> None:
    if key == AFFILIATE_KEY:
        raise ApiError(403, "Out of realm")
    if key not in {NETWORK_KEY, LIMITED_KEY}:
        # Everflow's message is the same for a wrong key and a missing one.
        raise ApiError(401, "No Authentication Method Found")
    if key == LIMITED_KEY and any(name in path for name in _PROTECTED):
        raise ApiError(403, "Missing permission")


async def _body(request: Request) -> Any:
    try:
        return msgspec.json.decode(await request.body())
    except msgspec.DecodeError:
        raise ApiError(400, "Invalid JSON body") from None


async def _refuse(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return ApiError(status, "Method not allowed" if status == 405 else "Not found").response()  # noqa: PLR2004
