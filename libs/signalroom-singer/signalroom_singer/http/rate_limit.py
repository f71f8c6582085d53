"""Limits the rate of requests, so that the vendor does not reject them."""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyrate_limiter import Limiter, Rate

    from signalroom_singer.limits.account import AccountLimits

_logger = logging.getLogger(__name__)
#: Seconds to wait before a log message.
_PATIENCE = 15
# As the limiter counts: in milliseconds.
_SECOND, _MINUTE, _HOUR = 1_000, 60_000, 3_600_000


class RateLimiter:
    """One budget of requests, shared by all streams and threads of a tap.

    Rates are sliding windows: at no moment do the requests of the last second (minute,
    hour) exceed the rate, so a vendor's own counter agrees however it is cut. With an account, the
    requests of other processes count too, and a pause is one for all of them.
    """

    def __init__(
        self,
        *,
        per_second: float | None = None,
        per_minute: float | None = None,
        per_hour: float | None = None,
        concurrency: int | None = None,
        parent: RateLimiter | None = None,
        account: AccountLimits | None = None,
        group: str = "requests",
        account_concurrency: int | None = None,
        longest_request: float = 600,
    ) -> None:
        """Set the limits; ``None`` means none of that kind.

        Args:
            per_second: Requests in any second.
            per_minute: Requests in any minute.
            per_hour: Requests in any hour.
            concurrency: Requests under way at once.
            parent: A wider budget that these requests count against too.
            account: Shares these limits with other processes, if it is set.
            group: Which of the account's limits these are.
            account_concurrency: Requests under way at once in all processes of the account.
            longest_request: Seconds after which a request is assumed to have ended.
        """
        self._parent = parent
        self._limits = [
            (limit, unit)
            for limit, unit in ((per_second, _SECOND), (per_minute, _MINUTE), (per_hour, _HOUR))
            if limit
        ]
        self._made_limiter: Limiter | None = None
        self._account_concurrency = account_concurrency
        self._longest_request = longest_request
        self._shared = None
        if account:
            longest = max((unit for _, unit in self._limits), default=0)
            self._shared = account.limit(group, _effective_rates(self._rates()), longest)
        self._slots = threading.BoundedSemaphore(concurrency) if concurrency else None
        self._lock = threading.Lock()
        self._resume_at = 0.0

    @property
    def _limiter(self) -> Limiter | None:
        """The limiter of this process, which is made for the first request."""
        # A run that only describes the tap needs none, and importing it takes 40 ms.
        from pyrate_limiter import InMemoryBucket, Limiter  # noqa: PLC0415

        with self._lock:
            if self._made_limiter is None and self._limits:
                bucket = InMemoryBucket(_effective_rates(self._rates()))
                # The default buffer of 50 ms on every wait would cost 5 % of a per-second rate.
                self._made_limiter = Limiter(bucket, buffer_ms=1)
            return self._made_limiter

    @property
    def _longest(self) -> float:
        return max(rate.interval for rate in self._rates()) / 1000

    def _rates(self) -> list[Rate]:
        from pyrate_limiter import Rate  # noqa: PLC0415 - as above

        return [
            Rate(int(limit), unit) if limit >= 1 else Rate(1, math.ceil(unit / limit))
            for limit, unit in self._limits
        ]

    def pause(self, seconds: float) -> None:
        """Hold all requests back for a while, as after a 429: the budget is one for all.

        Args:
            seconds: From now; a pause never shortens one already set.
        """
        with self._lock:
            self._resume_at = max(self._resume_at, time.monotonic() + seconds)
        if self._shared:
            self._shared.pause(seconds)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until a request may be sent, and count it as under way within the block."""
        with ExitStack() as stack:
            if self._slots:
                stack.enter_context(self._slots)
            if self._shared and (count := self._account_concurrency):
                stack.enter_context(self._shared.slot(count, self._longest_request))
            while (pause := self._resume_at - time.monotonic()) > 0:
                time.sleep(pause)
            if self._shared:
                self._shared.acquire()
            elif (limiter := self._limiter) and not limiter.try_acquire(
                "requests", timeout=_PATIENCE
            ):
                _logger.info("Waiting up to %.0f s to stay within the rate limit", self._longest)
                limiter.try_acquire("requests")
            if self._parent:
                stack.enter_context(self._parent.slot())
            yield


def _effective_rates(rates: list[Rate]) -> list[Rate]:
    """Select the rates that have an effect; the library rejects the others.

    Args:
        rates: By rising interval.
    """
    binding: list[Rate] = []
    for rate in rates:
        # An hour allows no more than a minute: the rate per minute has no effect.
        while binding and binding[-1].limit >= rate.limit:
            binding.pop()
        # An hour allows more than sixty minutes do: the rate per hour has no effect.
        if not binding or rate.limit / rate.interval < binding[-1].limit / binding[-1].interval:
            binding.append(rate)
    return binding
