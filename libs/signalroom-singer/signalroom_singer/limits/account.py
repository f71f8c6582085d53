"""Limits that a vendor sets for an account, shared by all processes that use it."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from singer_sdk import typing as th

from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.limits.store import RATE_LIMIT_STORE, LimitStoreError
from signalroom_singer.limits.stores import new_store
from signalroom_singer.privacy.redaction import redact
from signalroom_singer.settings.variables import env_aliases, setting_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pyrate_limiter import AbstractBucket, Rate

    from signalroom_singer.limits.store import LimitStore

#: The keyword of a setting's JSON schema for the kind of limit of the account.
ACCOUNT_LIMIT = "x-account-limit"
_RATE_LIMIT: dict[str, Any] = {ACCOUNT_LIMIT: "rate"}
#: A number of concurrent requests.
CONCURRENCY_LIMIT: dict[str, Any] = {ACCOUNT_LIMIT: "concurrency"}


def rate_limit_setting(
    name: str, title: str, description: str, *, default: float | None = None, integer: bool = False
) -> th.Property[Any]:
    """Declare the setting of a rate of requests, which a backfill divides among its parts.

    Args:
        name: The name of the setting, such as ``requests_per_minute``.
        title: Its title, such as "Requests a minute".
        description: What the vendor allows.
        default: A little less than that; None if there is no limit by default.
        integer: Whether it has to be a whole number.
    """
    kind = th.IntegerType(minimum=1) if integer else th.NumberType(minimum=1)
    return th.Property(
        name, kind, default=default, title=title, description=description, **_RATE_LIMIT
    )


RATE_LIMIT_ACCOUNT = "rate_limit_account"
#: The settings of a tap whose vendor limits requests.
RATE_LIMIT_SETTINGS = (
    th.Property(
        RATE_LIMIT_STORE,
        th.StringType,
        secret=True,
        title="Rate limit store",
        description=(
            "Where all runs that use one account count its requests together, so that they keep "
            "its limits: `postgresql://user:password@host/database` or `redis://host`. Without it "
            "each run keeps them on its own."
        ),
        **env_aliases("SIGNALROOM_RATE_LIMIT_STORE", shared=True),
    ),
    th.Property(
        RATE_LIMIT_ACCOUNT,
        th.StringType,
        title="Rate limit account",
        description=(
            "With `rate_limit_store`: a name of your choice for the vendor's account, the same for "
            "all taps that use it with different credentials. Without it, runs with the same "
            "address and credentials share the limits."
        ),
        examples=["acme-network"],
    ),
)

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")
#: Milliseconds by which a window is longer than the vendor's: a request is sent a little after it
#: was counted.
_MARGIN = 20
#: Seconds to wait before a log message.
_PATIENCE = 15
#: The most seconds between two queries of the store: a pause may have been set meanwhile.
_LONGEST_WAIT = 15.0
#: Seconds between two attempts to take a slot.
_SLOT_WAIT = 0.05
#: Random seconds that are added to waits, so that processes do not try again at once.
_SPREAD = 0.01
#: Seconds that the store may be unreachable.
_OUTAGE = 120.0
#: Seconds between two clean-ups.
_CLEAN_EVERY = 15.0


def account_digest(plugin: str, parts: Sequence[str]) -> str:
    """Compute an id of an account that does not reveal its credentials.

    It is slow on purpose: a password could be guessed from a fast hash.

    Args:
        plugin: The name of the tap.
        parts: The parts that identify the account, such as host and key.

    Returns:
        32 hexadecimal digits, the same on all machines.
    """
    text = "\0".join(parts).encode()
    salt = f"signalroom rate limits {plugin}".encode()
    return hashlib.scrypt(text, salt=salt, n=2**14, r=8, p=1, dklen=16).hex()


def open_store(url: str) -> LimitStore:
    """Connect to the store of a URL.

    Args:
        url: The value of the setting `rate_limit_store`.

    Raises:
        ConfigValidationError: If it is not a valid URL, or a package is missing.
        LimitStoreError: If the store cannot be reached or used.
    """
    store = new_store(url)
    try:
        store.open()
    except (*store.outages, *store.errors) as error:
        store.close()
        msg = (
            f"Cannot use the rate limit store, {store.title} on {store.place}: {_reason(error)}. "
            f"Check {setting_label(RATE_LIMIT_STORE)} and the server; without that setting, each "
            "run keeps the limits on its own."
        )
        raise LimitStoreError(msg, exit_code=store.exit_code(error)) from None
    return store


class AccountLimits:
    """The limits of a vendor's account, which a store holds for all processes."""

    def __init__(self, store: LimitStore, digest: str) -> None:
        """Initialize the limits of one account.

        Args:
            store: An open store.
            digest: The account, as :func:`account_digest` names it.
        """
        self._store = store
        self._digest = digest

    def limit(self, group: str, rates: list[Rate], longest: int) -> SharedLimit:
        """Make one of the account's limits.

        Args:
            group: The name of the kind of requests that it counts.
            rates: The rates of this process; empty if it only pauses with others.
            longest: The longest interval of any process's rates, in milliseconds.
        """
        from pyrate_limiter import Rate  # noqa: PLC0415 - as in `rate_limit`

        rates = [Rate(rate.limit, rate.interval + _MARGIN) for rate in rates]
        digest = hashlib.sha256(f"{self._digest} {group}".encode()).hexdigest()[:24]
        label = "".join(letter for letter in group.lower() if letter.isalnum())[:20]
        return SharedLimit(self._store, f"{label}_{digest}", rates, longest)

    def close(self) -> None:
        """Close the connections to the store."""
        self._store.close()


class SharedLimit:
    """A limit that this process shares with others."""

    def __init__(self, store: LimitStore, name: str, rates: list[Rate], longest: int) -> None:
        """Initialize the limit; see :meth:`AccountLimits.limit`."""
        self._store, self._name = store, name
        self._rates = rates
        # Other processes may have a limit below one request, whose interval is longer.
        self._expires_after = 2 * max([longest, *(rate.interval for rate in rates)])
        self._bucket: AbstractBucket | None = None
        # Threads wait one after another, so that one thread per process queries the store. Rates
        # and slots have a lock each, as threads that wait for the rate hold slots.
        self._rate_lock, self._slot_lock = threading.Lock(), threading.Lock()
        self._cleaned = float("-inf")

    def acquire(self) -> None:
        """Wait until a request may be sent, and count it.

        Raises:
            LimitStoreError: If the store is unreachable for two minutes.
        """
        with self._rate_lock:
            self._wait(
                self._try,
                "Waiting %.0f s or more to stay within the account's rate limit",
            )

    def pause(self, seconds: float) -> None:
        """Pause the requests of all processes.

        Args:
            seconds: The length of the pause; it never shortens an earlier one.
        """
        try:
            self._store.pause(self._name, seconds)
        except self._store.outages as error:
            # The next request waits for the store, or fails.
            _logger.warning("Other runs could not be paused (%s)", _reason(error))

    @contextmanager
    def slot(self, count: int, lease: float) -> Iterator[None]:
        """Hold one of the slots that all processes share.

        Args:
            count: The number of slots.
            lease: The most seconds that a request may take.

        Raises:
            LimitStoreError: If the store is unreachable for two minutes.
        """
        releases: list[Callable[[], None]] = []

        def take() -> float | None:
            release = self._store.take_slot(self._name, count, lease)
            if release is None:
                return _SLOT_WAIT
            releases.append(release)
            return None

        holders = (
            f"Waiting for one of the account's {count} slots: other runs hold them, or one that "
            f"was killed less than {lease:.0f} s ago"
        )
        with self._slot_lock:
            self._wait(take, holders)
        try:
            yield
        finally:
            releases[0]()

    def _wait(self, attempt: Callable[[], float | None], message: str) -> None:
        """Repeat an attempt until it returns None, rather than seconds to wait."""
        began, silent = time.monotonic(), True
        while (wait := self._reach(attempt)) is not None:
            if silent and time.monotonic() + wait - began > _PATIENCE:
                _logger.info(message, *([wait] if "%" in message else []))
                silent = False
            jitter = random.uniform(0, _SPREAD)  # nosec B311 # noqa: S311 - no secret
            time.sleep(min(wait, _LONGEST_WAIT) + jitter)

    def _try(self) -> float | None:
        from pyrate_limiter import RateItem  # noqa: PLC0415 - as in `rate_limit`

        now, resume_at = self._store.clock(self._name)
        if resume_at > now:
            return (resume_at - now) / 1000
        if not self._rates:
            return None
        if self._bucket is None:
            self._bucket = self._store.bucket(self._name, self._rates)
        item = RateItem("request", now)
        if not self._bucket.put(item):
            # Below zero where another process just had the table: then the jitter is the wait.
            return max(0.0, float(self._bucket.waiting(item)) / 1000)  # type: ignore[arg-type]
        if time.monotonic() - self._cleaned > _CLEAN_EVERY:
            self._cleaned = time.monotonic()
            longest = max(rate.interval for rate in self._rates)
            expires_after = self._expires_after + round(2 * _CLEAN_EVERY * 1000)
            self._store.clean(self._bucket, now - self._expires_after + longest, expires_after)
        return None

    def _reach(self, attempt: Callable[[], _Result]) -> _Result:
        """Query the store, and wait while it is unreachable."""
        since: float | None = None
        while True:
            try:
                return attempt()
            except self._store.outages as error:
                reason = _reason(error)
                if since is None:
                    since = time.monotonic()
                    _logger.warning(
                        "The rate limit store is down (%s): requests wait for it, up to %.0f s",
                        reason,
                        _OUTAGE,
                    )
                elif time.monotonic() - since > _OUTAGE:
                    msg = self._failure(f"has been unreachable for {_OUTAGE:.0f} s: {reason}")
                    raise LimitStoreError(msg, exit_code=ExitCode.UNAVAILABLE) from None
                time.sleep(1 + random.uniform(0, 1))  # nosec B311 # noqa: S311 - no secret
            except self._store.errors as error:
                msg = self._failure(f"cannot be used: {_reason(error)}")
                raise LimitStoreError(msg, exit_code=self._store.exit_code(error)) from None

    def _failure(self, problem: str) -> str:
        return (
            f"The rate limit store, {self._store.title} on {self._store.place}, {problem}. Check "
            f"the server and {setting_label(RATE_LIMIT_STORE)}, then run again: it resumes."
        )


def _reason(error: Exception) -> str:
    """Format a driver's error: its last line, without the address."""
    lines = str(error).strip().splitlines()
    return redact(lines[-1].strip().removesuffix(".")) if lines else type(error).__name__
