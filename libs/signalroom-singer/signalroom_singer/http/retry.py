"""Retries of requests: how many, how long to wait, and when a smaller request is better."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from singer_sdk.exceptions import RetriableAPIError
from tenacity import RetryCallState, Retrying, retry_if_exception_type

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping
    from typing import Self

_Result = TypeVar("_Result")


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read a ``Retry-After`` header (RFC 9110, section 10.2.3).

    Args:
        value: The header: seconds or an HTTP date. Some vendors send it empty.
        now: What a date is compared with; the clock, by default.

    Returns:
        Seconds to wait, never negative; ``None`` where the header says nothing usable.
    """
    text = (value or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def exponential_wait(attempt: int, *, first: float = 0.5, longest: float = 60.0) -> float:
    """Double the wait with each attempt, with jitter so that threads do not return as one.

    Args:
        attempt: 0 for the wait after the first failure.
        first: The base of the first wait, in seconds.
        longest: The cap, in seconds.

    Returns:
        Between half the wait and the whole of it.
    """
    wait = min(longest, first * 2.0 ** min(attempt, 30))
    return wait * random.uniform(0.5, 1.0)  # nosec B311 # noqa: S311 - jitter, not cryptography


class RequestTooLargeError(RetriableAPIError):
    """The request was too large for the vendor: a smaller one may succeed, a retry would not."""


@dataclass(frozen=True, slots=True)
class ShrinkInstead:
    """When to give up a request early, because the caller can send a smaller one.

    Args:
        statuses: The HTTP status codes that mean "too large" at this vendor.
        after_tries: How many times the request is sent as it is before that.
        also_without_response: Whether a request without a response counts too.
    """

    statuses: frozenset[int]
    after_tries: int = 1
    also_without_response: bool = False

    def applies(self, error: RetriableAPIError, tries: int) -> bool:
        """Whether a smaller request is better than a retry.

        Args:
            error: Why the last try failed.
            tries: How many tries there were.
        """
        if tries < self.after_tries:
            return False
        if error.response is None:
            return self.also_without_response
        return error.response.status_code in self.statuses


class RetryPolicy:
    """How often, and after how many seconds, a failed request is sent again.

    A subclass overrides `wait` for what a vendor does differently. Which responses are worth a
    retry at all is `ErrorMapper.is_transient`.

    Args:
        max_tries: How many times a request is sent at most.
        max_wait: The most seconds between two tries, whatever ``Retry-After`` asks for.
    """

    def __init__(self, *, max_tries: int, max_wait: float) -> None:
        self.max_tries = max_tries
        self.max_wait = float(max_wait)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make the policy of a tap.

        Args:
            config: The tap's settings, with those of `HTTP_SETTINGS`.
        """
        return cls(max_tries=config["max_tries"], max_wait=config["max_retry_wait"])

    def pauses_account(self, error: RetriableAPIError) -> bool:
        """Whether no request of the account is to be sent while this one waits, as after a 429.

        Args:
            error: Why the last try failed.
        """
        response = error.response
        return response is not None and response.status_code == HTTPStatus.TOO_MANY_REQUESTS

    def wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        """Decide on another try.

        Args:
            error: Why the last try failed; its ``response`` is None where there was none.
            attempt: The number of the failed try, counted from 0.

        Returns:
            Seconds to wait, or None to give up.
        """
        if attempt + 1 >= self.max_tries:
            return None
        wait = exponential_wait(attempt)
        headers: Mapping[str, str] = {} if error.response is None else error.response.headers
        if retry_after := parse_retry_after(headers.get("Retry-After")):
            wait = max(wait, retry_after)
        return min(wait, self.max_wait)

    def run(
        self,
        send: Callable[[], _Result],
        *,
        logger: logging.Logger,
        shrink: ShrinkInstead | None = None,
    ) -> _Result:
        """Call a function until it succeeds, or must not be called again.

        Args:
            send: Sends the request once; raises `RetriableAPIError` where a retry may help.
            logger: Where each retry is reported.
            shrink: When to raise `RequestTooLargeError` instead of a retry.

        Raises:
            RetriableAPIError: The error of the last try.
            RequestTooLargeError: If a smaller request is to be sent instead.
        """

        def wait(state: RetryCallState) -> float:
            error = _error_of(state)
            if shrink and shrink.applies(error, state.attempt_number):
                return math.inf
            seconds = self.wait(error, state.attempt_number - 1)
            return math.inf if seconds is None else seconds

        def log_retry(state: RetryCallState) -> None:
            logger.warning(
                "%s; trying again in %.1f s (try %d failed)",
                *(_error_of(state), state.upcoming_sleep, state.attempt_number),
            )

        def give_up(state: RetryCallState) -> NoReturn:
            error = _error_of(state)
            if shrink and shrink.applies(error, state.attempt_number):
                raise RequestTooLargeError(str(error), error.response) from None
            # The error itself follows, as the last line of the run.
            logger.warning(
                "Gave up after %d tries in %.0f s",
                *(state.attempt_number, state.seconds_since_start or 0),
            )
            raise error

        retrying = Retrying(
            retry=retry_if_exception_type(RetriableAPIError),
            wait=wait,
            # Tenacity asks for the wait before it asks whether to stop.
            stop=lambda state: math.isinf(state.upcoming_sleep),
            before_sleep=log_retry,
            retry_error_callback=give_up,
        )
        return retrying(send)


def _error_of(state: RetryCallState) -> RetriableAPIError:
    """The error of a try, of the only class that is retried."""
    return cast("RetriableAPIError", state.outcome and state.outcome.exception())
