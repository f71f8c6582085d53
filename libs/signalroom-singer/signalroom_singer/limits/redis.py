"""Counts requests in Redis or Valkey: a sorted set for each limit, locks with a lease as slots."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import redis
from pyrate_limiter import RedisBucket
from pyrate_limiter.buckets.redis_bucket import LuaScript
from redis.exceptions import (
    AuthenticationError,
    LockError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from typing_extensions import override

from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.limits.store import LimitStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyrate_limiter import AbstractBucket, Rate, RateItem

_PREFIX = "signalroom:rate-limits"
_PAUSES = f"{_PREFIX}:pauses"
_TIMEOUT = 10
#: The bucket's own, which leaves out what others counted with a later time: two processes that read
#: the clock one after the other, and ask in another order, would pass together.
_SCRIPT = LuaScript.PUT_ITEM.replace(
    "'ZCOUNT', bucket, window_start, now", "'ZCOUNT', bucket, window_start, '+inf'"
)


class RedisStore(LimitStore):
    """Counts under keys that begin with ``signalroom:rate-limits``, by the server's clock.

    Slots are leases: one of a process that was killed is free when its lease ends.
    """

    title: ClassVar[str] = "Redis"
    # After a failover, a client may ask the old primary.
    outages = (RedisConnectionError, RedisTimeoutError, ReadOnlyError)
    errors = (RedisError,)

    @override
    def exit_code(self, error: Exception) -> ExitCode:
        if isinstance(error, AuthenticationError | NoPermissionError):
            return ExitCode.PERMISSION
        return super().exit_code(error)

    @override
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._redis = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, health_check_interval=30
        )

    @override
    def open(self) -> None:
        self._redis.ping()

    @override
    def close(self) -> None:
        self._redis.close()

    @override
    def clock(self, name: str) -> tuple[int, int]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.time()
        pipe.zscore(_PAUSES, name)
        (seconds, microseconds), resume_at = pipe.execute()
        return seconds * 1000 + microseconds // 1000, int(resume_at or 0)

    @override
    def pause(self, name: str, seconds: float) -> None:
        now, _ = self.clock(name)
        self._redis.zadd(_PAUSES, {name: now + round(seconds * 1000)}, gt=True)

    @override
    def bucket(self, name: str, rates: list[Rate]) -> AbstractBucket:
        script = self._redis.script_load(_SCRIPT)
        return _Bucket(rates, self._redis, f"{_PREFIX}:{name}", script)

    @override
    def clean(self, bucket: AbstractBucket, moment: int, expires_after: int) -> None:
        bucket.leak(moment)
        self._redis.pexpire(bucket.bucket_key, expires_after)  # type: ignore[attr-defined]

    @override
    def take_slot(self, name: str, count: int, lease: float) -> Callable[[], None] | None:
        for slot in range(count):
            lock = self._redis.lock(
                f"{_PREFIX}:{name}:slot:{slot}", timeout=lease, blocking=False, thread_local=False
            )
            if lock.acquire():
                return partial(_give_back, lock)
        return None


class _Bucket(RedisBucket):
    """Goes on after the server was restarted, which forgets the script."""

    @override
    def put(self, item: RateItem) -> Any:
        try:
            return super().put(item)
        except NoScriptError:
            self.redis.script_load(_SCRIPT)
            return super().put(item)


def _give_back(lock: Any) -> None:
    # Its lease may have ended meanwhile, or ends by itself.
    with contextlib.suppress(LockError, *RedisStore.outages):
        lock.release()
