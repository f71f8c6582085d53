"""The database that is loaded into, for commands that look at it or clean it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from signalroom_target_postgres.target import TargetPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import Cursor

_Result = TypeVar("_Result")


def in_transaction(settings: Mapping[str, Any], work: Callable[[Cursor[Any]], _Result]) -> _Result:
    """Connect as the loader does, and do something in one transaction.

    Args:
        settings: The loader's.
        work: What to do. Where the connection is lost it is called again.

    Returns:
        What it gave.

    Raises:
        EmbeddedPostgresError: If the embedded server is used and does not start.
        TargetPostgresError: If a setting cannot be used, or the database cannot be reached.
    """
    connector = TargetPostgres(config=dict(settings), validate_config=False).target_connector
    try:
        return connector.run_transaction(work)
    finally:
        connector.disconnect()
