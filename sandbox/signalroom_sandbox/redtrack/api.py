"""RedTrack's API over a made-up account; errors are its Swagger's ``api.Err``."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.routing import Route

from signalroom_sandbox.redtrack import entities, logs, reports
from signalroom_sandbox.redtrack.limits import Limits
from signalroom_sandbox.redtrack.query import check_types, log_query, paging, report_query
from signalroom_sandbox.redtrack.switches import Switches
from signalroom_sandbox.redtrack.world import World
from signalroom_sandbox.vendor import ApiError, Vendor, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from starlette.requests import Request
    from starlette.responses import Response

    _Handler = Callable[[Mapping[str, str]], Any]

#: With characters that URLs escape.
API_KEY = "sandbox-redtrack-key/+=%7713"
_DEFAULT_PER = 50


@dataclass
class RedTrack(Vendor):
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
        self._request_count = 0

    def advance(self, by: timedelta) -> None:
        """Set the clock ahead."""
        self.world.ahead += by

    def app(self) -> Starlette:
        """The API; other paths and methods other than GET are 404."""
        routes = [
            self._route("/report", self._report),
            self._route("/conversions", self._conversions),
            self._route("/tracks", self._clicks),
            *(self._route(f"/{kind}", partial(self._list, kind)) for kind in entities.KINDS),
            *(
                self._route(f"/{name}", self._dictionary(name), keyed=False)
                for name in entities.DICTIONARIES
            ),
        ]
        return Starlette(routes=routes, exception_handlers={404: _refuse, 405: _refuse})

    def _route(self, path: str, answer: _Handler, *, keyed: bool = True) -> Route:
        async def endpoint(request: Request) -> Response:
            await self.delay()
            try:
                params = dict(parse_qsl(request.url.query, keep_blank_values=True))
                # A key in a header is ignored.
                if keyed and params.get("api_key") != API_KEY:
                    raise ApiError(401, "unauthorized")  # noqa: TRY301 - one handler for all errors
                self.limits.take(path)
                self._request_count += 1
                return json_response(answer(params))
            except ApiError as error:
                return error.response()

        return Route(path, endpoint, methods=["GET"])

    # The endpoints

    def _report(self, params: Mapping[str, str]) -> Any:
        if self.switches.typed_parameters:
            check_types(params)
        query = report_query(params, self.switches.account_zone, self.switches.clamp)
        if len(query.group) > 1 and self.switches.many_groups == "refused":
            raise ApiError(400, "group takes one value")
        if query.sortby and self.switches.sortby_refused:
            raise ApiError(400, f"cannot sort by {query.sortby}")
        rows = reports.rows(self.world, query, self.switches)
        if query.sortby:
            descending = (query.direction or self.switches.order) in {"desc", "-1"}
            rows.sort(key=lambda row: str(row.get(query.sortby, "")), reverse=descending)
        elif self.switches.shuffled:
            self._shuffle(rows)
        page = self._page("reports", query.page)
        return self._envelope(rows, page, query.per, self.switches.report_shape)

    def _conversions(self, params: Mapping[str, str]) -> Any:
        query = log_query(params, self.switches.account_zone)
        rows = logs.conversions(self.world, query, self.switches)
        return self._log_page(rows, query.page, query.per)

    def _clicks(self, params: Mapping[str, str]) -> Any:
        query = log_query(params, self.switches.account_zone)
        return self._log_page(logs.clicks(self.world, query), query.page, query.per)

    def _log_page(self, rows: list[Any], page: int, per: int) -> Any:
        if self.switches.shuffled:
            self._shuffle(rows)
        return self._envelope(rows, self._page("logs", page), per, self.switches.log_shape)

    def _list(self, kind: str, params: Mapping[str, str]) -> Any:
        rows = entities.list_rows(self.world, kind, self.switches)
        page, per = paging(params, self.switches.list_clamp, _DEFAULT_PER)
        shape = "items" if kind in entities.WRAPPED else self.switches.list_shape
        if self.switches.shuffled:
            self._shuffle(rows)
        return self._envelope(rows, self._page("lists", page), per, shape)

    @staticmethod
    def _dictionary(name: str) -> _Handler:
        return lambda _: entities.DICTIONARIES[name]

    def _shuffle(self, rows: list[Any]) -> None:
        random.Random(self._request_count).shuffle(rows)  # noqa: S311 - made-up data

    def _page(self, kind: str, page: int) -> int:
        return 1 if kind in self.switches.page_ignored else page

    def _envelope(self, rows: list[Any], page: int, per: int, shape: str) -> Any:
        items = rows[(page - 1) * per : page * per]
        if shape == "array":
            return items
        if shape == "null":
            return {"items": None, "total": 0}
        total = {
            "right": len(rows),
            "high": len(rows) + 7,
            "low": len(rows) // 2,
            "growing": len(rows) + self._request_count,
        }.get(self.switches.total)
        return {"items": items, **({} if total is None else {"total": total})}


async def _refuse(_: Request, __: Exception) -> Response:
    return ApiError(404, "not found").response()
