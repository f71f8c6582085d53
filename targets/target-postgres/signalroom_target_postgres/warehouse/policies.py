"""What row-level security lets the loader's user do with a table's rows.

Without a policy for a command PostgreSQL rejects every row of an INSERT, and leaves every row out
of a SELECT, UPDATE or DELETE: https://www.postgresql.org/docs/18/ddl-rowsecurity.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor, sql

from signalroom_target_postgres.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.warehouse.table import Table

# The commands' codes in pg_policy.
_COMMANDS = {"SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}
# Restrictive policies only take away from what others permit.
_MISSING = """
SELECT current_user, ARRAY(
    SELECT wanted
    FROM unnest(%s::text[]) AS wanted
    WHERE NOT EXISTS (
        SELECT FROM pg_policy
        WHERE polrelid = class.oid AND polpermissive AND polcmd IN ('*', wanted::"char")
            AND EXISTS (
                SELECT FROM unnest(polroles) AS role
                WHERE role = 0 OR pg_has_role(role, 'USAGE')
            )
    )
)
FROM pg_class AS class
WHERE class.oid = to_regclass(%s) AND row_security_active(class.oid)
"""


def check_policies(
    cursor: Cursor[Any], table: Table, commands: Sequence[str], purpose: str
) -> None:
    """Check that a table with row-level security has policies for commands at all.

    Args:
        cursor: A cursor within a transaction.
        table: The table to check.
        commands: Some of `SELECT`, `INSERT`, `UPDATE` and `DELETE`.
        purpose: What needs them, for the error.

    Raises:
        LoadError: If a command has no policy for the user, so that it affects no row.
    """
    codes = [_COMMANDS[command] for command in commands]
    row = cursor.execute(_MISSING, (codes, table.identifier.as_string(cursor))).fetchone()
    user, missing_codes = row or ("", ())
    if missing := [command for command in commands if _COMMANDS[command] in missing_codes]:
        statements = "; ".join(_statement(cursor, table, command, user) for command in missing)
        msg = (
            f"Row-level security of {table} has no policy FOR {', '.join(missing)} that applies to "
            f"the loader's user {user}. {purpose} needs {_describe_policies(commands)}; nothing of "
            "the batch was loaded or quarantined. Let the owner run, with the condition that the "
            f"user's rows meet: {statements}"
        )
        raise LoadError(msg)


def _describe_policies(commands: Sequence[str]) -> str:
    *first, last = commands
    return f"policies FOR {', '.join(first)} and {last}" if first else f"a policy FOR {last}"


def _statement(cursor: Cursor[Any], table: Table, command: str, user: str) -> str:
    clause = "WITH CHECK" if command == "INSERT" else "USING"
    names = sql.Identifier(f"loader_{command.lower()}"), table.identifier, sql.Identifier(user)
    policy, identifier, role = (name.as_string(cursor) for name in names)
    return f"CREATE POLICY {policy} ON {identifier} FOR {command} TO {role} {clause} (...)"
