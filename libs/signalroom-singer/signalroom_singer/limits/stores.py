"""The stores that count an account's requests, by the URL of the setting."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from signalroom_singer.limits.store import RATE_LIMIT_STORE
from signalroom_singer.settings.problems import invalid_setting

if TYPE_CHECKING:
    from signalroom_singer.limits.store import LimitStore

#: No example: the value may be a part of one, and would be redacted there, as it is a secret.
_EXPECTED = "expected the URL of a PostgreSQL or Redis server (docs/clients.md has examples)"


def new_store(url: str) -> LimitStore:
    """Make the store of a URL, without a connection.

    Args:
        url: The setting's value.

    Raises:
        ConfigValidationError: If it is not such a URL, or a package is missing.
    """
    scheme, _, rest = url.partition("://")
    # With a driver, as Meltano's `database_uri` has one: postgresql+psycopg://
    kind = scheme.lower().partition("+")[0]
    if kind in {"postgresql", "postgres"} and rest:
        _need("psycopg_pool", "postgres-limits")
        from signalroom_singer.limits.postgres import PostgresStore  # noqa: PLC0415 - an extra

        return PostgresStore(f"postgresql://{rest}")
    if kind in {"redis", "rediss"} and rest:
        _need("redis", "redis-limits")
        from signalroom_singer.limits.redis import RedisStore  # noqa: PLC0415 - an extra

        return RedisStore(url)
    raise invalid_setting(RATE_LIMIT_STORE, _EXPECTED)


def _need(package: str, extra: str) -> None:
    if find_spec(package) is None:
        problem = (
            f"the package {package.replace('_', '-')} is missing. Install it where the tap is: "
            f"pip install 'signalroom-singer[{extra}]'"
        )
        raise invalid_setting(RATE_LIMIT_STORE, problem)
