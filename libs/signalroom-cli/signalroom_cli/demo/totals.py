"""The sums of what the demo loaded, compared with those of the mock vendors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from psycopg import sql

from signalroom_cli.demo.runs import connect
from signalroom_cli.demo.tables import readme_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from signalroom_sandbox.server import SandboxServer

_STATS = "select sum(clicks), sum(conversions), sum(payout), sum(revenue) from everflow.daily_stats"
_SPEND = "select sum(clicks), sum(conversions), sum(cost) from redtrack.daily_spend"
_ORDERS = "select sum(orders), sum(no_amount), sum(revenue) from ({}) as days"
_CONTACTS = (
    "select count(*), sum(points), sum(length(coalesce(firstname, ''))) from mautic.contacts"
)
_EVENTS = "select count(*) from posthog.events"


@dataclass(frozen=True)
class Total:
    """A sum of what was loaded, and what it should be.

    Args:
        name: The table and what is summed.
        loaded: The sum in PostgreSQL.
        expected: The mock vendor's sum.
    """

    name: str
    loaded: Decimal
    expected: Decimal

    @property
    def agrees(self) -> bool:
        """Whether both are the same."""
        return self.loaded == self.expected


def read_totals(sandbox: SandboxServer, start: date, end: date, zone: str) -> list[Total]:
    """Read the sums from the database and from the mock vendors.

    Args:
        sandbox: The server with the mock vendors.
        start: The first day that was loaded.
        end: The last day that was loaded.
        zone: The time zone of the days.
    """
    with connect() as connection:
        orders = sql.SQL(_ORDERS).format(sql.SQL(readme_query()))
        loaded = [
            value
            for query in (_STATS, _SPEND, orders, _CONTACTS, _EVENTS)
            for value in connection.execute(query).fetchone() or ()
        ]
    return [
        Total(name, Decimal(value or 0), Decimal(expected))
        for (name, expected), value in zip(
            _vendor_totals(sandbox, start, end, zone), loaded, strict=True
        )
    ]


def _vendor_totals(
    sandbox: SandboxServer, start: date, end: date, zone: str
) -> Iterator[tuple[str, Any]]:
    """The mock vendors' sums, in the order of the queries."""
    stats = sandbox.control.everflow.totals(start, end, zone)["totals"]
    for name in ("clicks", "conversions", "payout", "revenue"):
        yield f"daily_stats {name}", stats[name]
    days = sandbox.control.redtrack.totals(start=str(start), end=str(end), timezone=zone)
    # The tap leaves out traffic without a source.
    spend = [day for day in days if day["source_id"]]
    for name in ("clicks", "conversions", "cost"):
        yield f"daily_spend {name}", sum(Decimal(day[name]) for day in spend)
    orders = sandbox.control.s3.totals("orders-create/")["orders"]
    yield "orders", orders["count"]
    yield "orders without amount", orders["no_amount"]
    yield "orders revenue", orders["revenue"]
    contacts = sandbox.control.mautic.digest()
    yield "contacts", contacts["count"]
    yield "contacts points", contacts["points"]
    yield "contacts name letters", contacts["letters"]
    days_of_events = {"start": str(end - timedelta(days=29)), "end": str(end + timedelta(days=1))}
    yield "events", sandbox.control.posthog.totals(**days_of_events)["count"]


def format_totals(totals: Iterable[Total]) -> str:
    """Format the sums, a line each.

    Args:
        totals: The sums in the order of the lines.
    """
    lines = [f"{'':24} {'loaded':>16} {'at the vendor':>16}"]
    for total in totals:
        differs = "" if total.agrees else "   DIFFERS"
        lines.append(f"{total.name:24} {total.loaded!s:>16} {total.expected!s:>16}{differs}")
    return "\n".join([*lines, ""])


def verdict(totals: Sequence[Total], seconds: float) -> tuple[str, int]:
    """Whether all sums agree with those of the vendors.

    Args:
        totals: The sums that were compared.
        seconds: The duration of the demo.

    Returns:
        A sentence, and the exit code.
    """
    differing = [total for total in totals if not total.agrees]
    if not differing:
        return f"All {len(totals)} totals agree with the vendors' ({seconds:.0f} s).", 0
    details = "; ".join(
        f"{total.name}: {total.loaded} loaded, {total.expected} at the vendor"
        for total in differing
    )
    count = f"{len(differing)} of {len(totals)} totals differ"
    return f"{count} from the vendors' ({seconds:.0f} s): {details}.", 1
