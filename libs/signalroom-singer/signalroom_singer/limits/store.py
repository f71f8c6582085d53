"""Stores that count the requests of an account for all processes: PostgreSQL or Redis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyrate_limiter import AbstractBucket, Rate

RATE_LIMIT_STORE = "rate_limit_store"


class LimitStoreError(TapError):
    """The store cannot be used, so that no request may be sent."""


class LimitStore(ABC):
    """Counts requests by the store's own clock, so that machines need not agree on the time.

    Methods may be called by several threads. They raise :attr:`outages` where trying again may
    help, and :attr:`errors` where it does not.
    """

    #: The store for messages, as in ``PostgreSQL``.
    title: ClassVar[str]
    outages: tuple[type[Exception], ...] = ()
    errors: tuple[type[Exception], ...] = ()

    def __init__(self, url: str) -> None:
        """Initialize without a connection, which :meth:`open` makes.

        Args:
            url: The URL of the store, with its credentials.
        """
        self.url = url
        parts = urlsplit(url)
        #: The host of the store, for messages.
        self.place = parts.hostname or "this machine"

    def exit_code(self, error: Exception) -> ExitCode:
        """Choose the exit code of a run that cannot use the store.

        Args:
            error: The driver's error.
        """
        is_outage = isinstance(error, self.outages)
        return ExitCode.UNAVAILABLE if is_outage else ExitCode.CONFIGURATION

    @abstractmethod
    def open(self) -> None:
        """Connect, and create the tables or keys that are needed."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    @abstractmethod
    def clock(self, name: str) -> tuple[int, int]:
        """Read the time, and until when a limit is paused.

        Args:
            name: The name of the limit.

        Returns:
            Both in milliseconds since 1970; the second is 0 if the limit was never paused.
        """

    @abstractmethod
    def pause(self, name: str, seconds: float) -> None:
        """Pause a limit for all processes; this never shortens an earlier pause.

        Args:
            name: The name of the limit.
            seconds: How long the pause lasts, from now on.
        """

    @abstractmethod
    def bucket(self, name: str, rates: list[Rate]) -> AbstractBucket:
        """Return the bucket that counts the requests of a limit.

        Args:
            name: The name of the limit: at most 48 letters, digits and underscores.
            rates: The rates of this process; others may have lower ones.
        """

    @abstractmethod
    def clean(self, bucket: AbstractBucket, moment: int, expires_after: int) -> None:
        """Delete requests that no longer count.

        Args:
            bucket: What :meth:`bucket` returned.
            moment: The current time in milliseconds since 1970.
            expires_after: Milliseconds that an unused bucket must be stored for.
        """

    @abstractmethod
    def take_slot(self, name: str, count: int, lease: float) -> Callable[[], None] | None:
        """Take one of the slots that all processes share.

        Args:
            name: The name of the limit.
            count: The number of slots.
            lease: Seconds after which the slot of a killed process is free, in stores that cannot
                notice its end.

        Returns:
            A function that releases the slot; None if all are in use.
        """
