"""The endpoint by which a test changes the world, and sees what a tap did."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from signalroom_sandbox.everflow.limits import Limits
from signalroom_sandbox.everflow.reports import label
from signalroom_sandbox.everflow.world import Cell, span
from signalroom_sandbox.faults import Fault
from signalroom_sandbox.gsheets.control import Actions as GoogleActions
from signalroom_sandbox.mautic.control import Actions as MauticActions
from signalroom_sandbox.plugs import plugs
from signalroom_sandbox.posthog.control import Actions as PostHogActions
from signalroom_sandbox.redtrack.control import Actions as RedTrackActions
from signalroom_sandbox.sticky_s3.control import Actions
from signalroom_sandbox.sticky_s3.control import act as act_on_s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal

    from starlette.requests import Request

    from signalroom_sandbox.app import Sandbox

#: What tests do to vendors: the methods of these.
_ACTIONS: dict[str, Callable[[Any], Any]] = {
    "gsheets": GoogleActions,
    "mautic": MauticActions,
    "posthog": PostHogActions,
    "redtrack": RedTrackActions,
}
#: Amounts as text: a reader of JSON may make floats of numbers.
_encoder = msgspec.json.Encoder(decimal_format="string")


def control_app(sandbox: Sandbox) -> Starlette:
    """The control endpoint of a sandbox; the README has a table of its paths."""
    control = _Control(sandbox)

    def route(method: str, path: str, act: Callable[[dict[str, Any]], Any]) -> Route:
        async def endpoint(request: Request) -> Response:
            arguments: dict[str, Any] = dict(request.query_params)
            try:
                if body := await request.body():
                    arguments |= msgspec.json.decode(body)
                answer, status = act(arguments), 200
            except (KeyError, TypeError, ValueError, msgspec.DecodeError) as error:
                answer, status = {"error": f"{type(error).__name__}: {error}"}, 400
            return Response(_encoder.encode(answer), status, media_type="application/json")

        return Route(path, endpoint, methods=[method])

    def acting(vendors: dict[str, tuple[Any, Any]]) -> Iterator[Route]:
        for name, (actions, vendor) in vendors.items():
            for action in vars(actions):
                if not action.startswith("_"):
                    yield route("POST", f"/{name}/{action}", partial(_act, actions, vendor, action))

    return Starlette(
        routes=[
            route("GET", "/health", lambda _: {"ok": True}),
            route("POST", "/reset", control.reset),
            route("POST", "/clock", control.clock),
            route("GET", "/requests", lambda _: sandbox.journal.summary()),
            route("DELETE", "/requests", lambda _: sandbox.journal.entries.clear()),
            route("GET", "/faults", lambda _: [asdict(fault) for fault in sandbox.faults]),
            route("POST", "/faults", lambda given: sandbox.faults.append(Fault(**given))),
            route("DELETE", "/faults", lambda _: sandbox.faults.clear()),
            route("POST", "/everflow/latency", control.latency),
            route("POST", "/everflow/limits", control.limits),
            route("POST", "/everflow/switches", lambda given: sandbox.everflow.switch(**given)),
            route("POST", "/everflow/restate", control.restate),
            route("POST", "/everflow/crowd", control.crowd),
            route("GET", "/everflow/totals", control.totals),
            route("GET", "/everflow/conversions", control.conversions),
            route("GET", "/everflow/clicks", control.clicks),
            *acting({name: (_ACTIONS[name], getattr(sandbox, name)) for name in _ACTIONS}),
            *(
                route("POST", f"/s3/{action}", partial(act_on_s3, sandbox.s3, action))
                for action in vars(Actions)
                if not action.startswith("_")
            ),
            *acting({name: (plugs()[name].actions, sandbox.plugged[name]) for name in plugs()}),
        ]
    )


def _act(actions: Any, vendor: Any, action: str, given: dict[str, Any]) -> Any:
    return getattr(actions(vendor), action)(**given)


class _Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def reset(self, _: dict[str, Any]) -> None:
        self._sandbox.reset()

    def clock(self, given: dict[str, Any]) -> None:
        further = timedelta(seconds=given["advance_seconds"])
        self._sandbox.everflow.world.ahead += further
        self._sandbox.s3.access.ahead += further
        self._sandbox.mautic.world.ahead += further
        self._sandbox.posthog.world.ahead += further
        self._sandbox.redtrack.world.ahead += further
        for vendor in self._sandbox.plugged.values():
            vendor.advance(further)

    def latency(self, given: dict[str, Any]) -> None:
        self._sandbox.everflow.latency = float(given["seconds"])

    def limits(self, given: dict[str, Any]) -> None:
        self._sandbox.everflow.limits = Limits(**given)

    def restate(self, given: dict[str, Any]) -> None:
        world = self._sandbox.everflow.world
        begin, end = _span(given.pop("date"), given.pop("timezone"))
        if count := given.pop("add_conversions", 0):
            world.add_conversions(begin, end, count)
        if (affiliate := given.pop("delete_affiliate", None)) is not None:
            world.delete_affiliate(begin, end, affiliate)
        if given:
            world.restate(begin, end, **given)

    def crowd(self, given: dict[str, Any]) -> None:
        begin, end = _span(given.pop("date"), given.pop("timezone"))
        self._sandbox.everflow.world.crowd(begin, end, **given)

    def totals(self, given: dict[str, Any]) -> Any:
        """What daily stats must say, summed by another way than the reports are."""
        world = self._sandbox.everflow.world
        zone = ZoneInfo(given["timezone"])
        day, last = date.fromisoformat(given["from"]), date.fromisoformat(given["to"])
        days, total = [], Cell()
        while day <= last:
            rows: dict[tuple[int, int], Cell] = defaultdict(Cell)
            for (_, affiliate, offer), cell in world.cells(*span(day, day, zone)):
                rows[affiliate, world.offers[offer]].add(cell)
                total.add(cell)
            days += [
                {
                    "date": day.isoformat(),
                    "affiliate_id": affiliate,
                    "affiliate_label": label("affiliate", str(affiliate)),
                    "advertiser_id": advertiser,
                    "advertiser_label": label("advertiser", str(advertiser)),
                    **_amounts(cell),
                }
                for (affiliate, advertiser), cell in rows.items()
            ]
            day += timedelta(days=1)
        return {"days": days, "totals": _amounts(total)}

    def conversions(self, given: dict[str, Any]) -> Any:
        begin, _ = _span(given["from"], given["timezone"])
        _, end = _span(given["to"], given["timezone"])
        found = self._sandbox.everflow.world.conversions(begin, end)
        return [asdict(item) for item in found]

    def clicks(self, given: dict[str, Any]) -> Any:
        begin, _ = _span(given["from"], given["timezone"])
        _, end = _span(given["to"], given["timezone"])
        return {"count": sum(1 for _ in self._sandbox.everflow.world.clicks(begin, end))}


def _span(day: str, zone: str) -> tuple[int, int]:
    found = date.fromisoformat(day)
    return span(found, found, ZoneInfo(zone))


def _amounts(cell: Cell) -> dict[str, int | Decimal]:
    return {
        "clicks": cell.clicks,
        "conversions": cell.conversions,
        "payout": cell.payout,
        "revenue": cell.revenue,
        "profit": cell.revenue - cell.payout,
    }
