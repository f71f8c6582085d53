"""The clients whose rows a table that dlt made has, by `_client_id`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from psycopg import sql

from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.counts import count_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.dlt_adoption.statements import Statements

CLIENT_ID = "_client_id"
# A message names so many; a column that has more is not about clients.
_NAMED = 10


def find_clients(statements: Statements) -> dict[str | None, int]:
    """Count a table's rows by client.

    Args:
        statements: Such as have the ``{table}`` and its column, the ``{client}``.

    Returns:
        Rows by client, the most first; None stands for rows without a client.
    """
    return dict(
        statements.do(
            "SELECT {client}::text, count(*) FROM {table} GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
    )


def check_clients(
    statements: Statements,
    name: str,
    key: Sequence[str],
    clients: dict[str | None, int],
    client_id: str | None,
    *,
    dry_run: bool,
) -> None:
    """Refuse a take-over after which rows of a client would be missed, or counted twice.

    Args:
        statements: Such as have the ``{table}`` and the ``{client}``.
        name: The table's name, with the schema's.
        key: The key columns that were given.
        clients: What `find_clients` found.
        client_id: The client that was given.
        dry_run: Whether it is a dry run.

    Raises:
        TargetPostgresError: If clients were found and none was given, or another was.
    """
    found = [client for client in clients if client is not None]
    if not found or client_id in found:
        return
    if client_id is None and CLIENT_ID in key:
        # It is not asked which: rows without a client are refused as others without a key are.
        return
    if client_id is None:
        arguments = ["uv", "run", "signalroom-postgres", "take-over", name]
        for column in key:
            arguments += ["--key", column]
        arguments += ["--client-id", found[0], *(["--dry-run"] if dry_run else [])]
        several = "" if len(found) == 1 else " (with several clients, each client's tap its own)"
        without = ""
        if None in clients:
            without = f" Rows without a client ({clients[None]:,}) get the one that you give."
        msg = (
            f"{name} has its rows by client, {_listed(clients)} in `{CLIENT_ID}`, and no "
            "--client-id was given: new rows would have NULL there, and queries by client would "
            f"miss them. Set the tap's `client_id` to that of its rows{several}, and run: "
            f"{shlex.join(arguments)}.{without} If new rows are to have no client, add "
            "--no-client-id. Nothing was changed."
        )
        raise TargetPostgresError(msg)
    if None in clients:
        # Those get it: there is a client whose rows were not named.
        return
    rename = statements.shown(
        "UPDATE {table} SET {client} = {new} WHERE {client} = {old}",
        new=sql.Literal(client_id),
        old=sql.Literal(found[0]),
    )
    msg = (
        f"{name} has no row of the client {client_id!r}, but {_listed(clients)}: what the tap "
        "loads again would be in the table twice, once for each client. Give --client-id "
        f"{shlex.quote(found[0])}, and set the tap's `client_id` to the same; or, if the client "
        f"has another name now, run first: {rename}. Nothing was changed."
    )
    raise TargetPostgresError(msg)


def _listed(clients: dict[str | None, int]) -> str:
    named = [
        f"{client!r} in {count_rows(count)}"
        for client, count in clients.items()
        if client is not None
    ]
    more = f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
