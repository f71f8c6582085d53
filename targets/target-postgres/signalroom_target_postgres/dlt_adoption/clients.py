"""The clients whose rows are in a table of dlt's, by `_client_id`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from psycopg import sql

from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.counts import count_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.dlt_adoption.dlt_table import DltTable

CLIENT_ID = "_client_id"
# A message names so many; a column that has more is not about clients.
_NAMED = 10


def find_clients(table: DltTable) -> dict[str | None, int]:
    """Count a table's rows by client.

    Args:
        table: The table, with its column, the ``{client}``.

    Returns:
        Rows by client, the most first; None stands for rows without a client.
    """
    return dict(
        table.execute(
            "SELECT {client}::text, count(*) FROM {table} GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
    )


def check_clients(
    table: DltTable,
    key: Sequence[str],
    clients: dict[str | None, int],
    client_id: str | None,
    *,
    dry_run: bool,
) -> None:
    """Fail if after the take-over rows of a client would be missed, or counted twice.

    Args:
        table: The table, with the ``{client}``.
        key: The key columns from the command line.
        clients: The result of `find_clients`.
        client_id: The client from the command line.
        dry_run: Whether it is a dry run.

    Raises:
        TargetPostgresError: If the table has clients, and none or another one was named.
    """
    names = [client for client in clients if client is not None]
    if not names or client_id in names:
        return
    if client_id is None and CLIENT_ID in key:
        # Rows without a client are an error, as other rows without a key are.
        return
    if client_id is None:
        raise TargetPostgresError(_without_client(table, key, clients, dry_run=dry_run))
    if None in clients:
        # These rows get the client.
        return
    rename = table.as_text(
        "UPDATE {table} SET {client} = {new} WHERE {client} = {old}",
        new=sql.Literal(client_id),
        old=sql.Literal(names[0]),
    )
    msg = (
        f"{table} has no row of the client {client_id!r}, but {_list_clients(clients)}: what the "
        "tap loads again would be in the table twice, once for each client. Give --client-id "
        f"{shlex.quote(names[0])}, and set the tap's `client_id` to the same; or, if the client "
        f"has another name now, run first: {rename}. Nothing was changed."
    )
    raise TargetPostgresError(msg)


def _without_client(
    table: DltTable, key: Sequence[str], clients: dict[str | None, int], *, dry_run: bool
) -> str:
    """Say what to do where rows have clients and none was named."""
    names = [client for client in clients if client is not None]
    arguments = ["uv", "run", "signalroom-postgres", "take-over", str(table)]
    for column in key:
        arguments += ["--key", column]
    arguments += ["--client-id", names[0], *(["--dry-run"] if dry_run else [])]
    several = "" if len(names) == 1 else " (with several clients, each client's tap its own)"
    without = ""
    if None in clients:
        without = f" Rows without a client ({clients[None]:,}) get the one that you give."
    return (
        f"{table} has its rows by client, {_list_clients(clients)} in `{CLIENT_ID}`, and no "
        "--client-id was given: new rows would have NULL there, and queries by client would "
        f"miss them. Set the tap's `client_id` to that of its rows{several}, and run: "
        f"{shlex.join(arguments)}.{without} If new rows are to have no client, add "
        "--no-client-id. Nothing was changed."
    )


def _list_clients(clients: dict[str | None, int]) -> str:
    named = [
        f"{client!r} in {count_rows(count)}"
        for client, count in clients.items()
        if client is not None
    ]
    more = f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
