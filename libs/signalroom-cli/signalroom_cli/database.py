"""Access to the database that the loader loads into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from signalroom_target_postgres.target import TargetPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import Cursor

_Result = TypeVar("_Result")


def in_transaction(settings: Mapping[str, Any], work: Callable[[Cursor[Any]], _Result]) -> _Result:
    """Connect as the loader does, and run a function in one transaction.

    Args:
        settings: The loader's settings by name.
        work: The function, which is called again if the connection is lost.

    Returns:
        What the function returned.

    Raises:
        EmbeddedPostgresError: If the embedded server is used and does not start.
        TargetPostgresError: If a setting is invalid, or the database cannot be reached.
    """
    connector = TargetPostgres(config=dict(settings), validate_config=False).target_connector
    try:
        return connector.run_transaction(work)
    finally:
        connector.disconnect()
