"""Access to the database that the loader loads into."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from signalroom_target_postgres.target import TargetPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import Cursor

_Result = TypeVar("_Result")


def make_loader(settings: Mapping[str, Any]) -> TargetPostgres:
    """Make the loader, for what it knows of its tables and database.

    Args:
        settings: The loader's settings by name.
    """
    # The SDK logs for each that it reads no environment variables.
    logging.getLogger(TargetPostgres.name).setLevel(logging.WARNING)
    return TargetPostgres(config=dict(settings), validate_config=False)


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
    connector = make_loader(settings).target_connector
    try:
        return connector.run_transaction(work)
    finally:
        connector.disconnect()
