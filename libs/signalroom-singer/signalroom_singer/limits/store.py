"""Where processes that use one account count its requests together: PostgreSQL or Redis."""

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
        """Remember where it is; nothing is sent before :meth:`open`.

        Args:
            url: The store's, with its credentials.
        """
        self.url = url
        parts = urlsplit(url)
        #: Where it is, for messages.
        self.place = parts.hostname or "this machine"

    def exit_code(self, error: Exception) -> ExitCode:
        """Choose the exit code of a run that cannot use the store.

        Args:
            error: The driver's error.
        """
        is_away = isinstance(error, self.outages)
        return ExitCode.UNAVAILABLE if is_away else ExitCode.CONFIGURATION

    @abstractmethod
    def open(self) -> None:
        """Connect, and create what is needed."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connections."""

    @abstractmethod
    def clock(self, name: str) -> tuple[int, int]:
        """Read the time, and until when a limit is paused.

        Args:
            name: The name of the limit.

        Returns:
            Both in milliseconds since 1970; the second is 0 if it never was paused.
        """

    @abstractmethod
    def pause(self, name: str, seconds: float) -> None:
        """Let nobody pass for a while; never shortens a pause.

        Args:
            name: The name of the limit.
            seconds: How long the pause lasts, from now on.
        """

    @abstractmethod
    def bucket(self, name: str, rates: list[Rate]) -> AbstractBucket:
        """Where the requests of a limit are counted.

        Args:
            name: The limit's: letters, digits and underscores, at most 48.
            rates: As this process has them. Others may have lower ones.
        """

    @abstractmethod
    def clean(self, bucket: AbstractBucket, moment: int, expires_after: int) -> None:
        """Forget requests that no longer count.

        Args:
            bucket: What :meth:`bucket` returned.
            moment: To take for now, in milliseconds since 1970.
            expires_after: For how long a bucket must be there without being used, in milliseconds.
        """

    @abstractmethod
    def take_slot(self, name: str, count: int, lease: float) -> Callable[[], None] | None:
        """Take one of so many slots, which all processes share.

        Args:
            name: The name of the limit.
            count: How many there are.
            lease: Seconds after which a store that cannot see a process die frees its slot.

        Returns:
            What gives it back; nothing if all are taken.
        """
