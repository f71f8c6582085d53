"""What the demo loaded, table by table, and the README's query."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from psycopg import sql

from signalroom_cli.demo.runs import connect, schemas_of_taps

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

#: The number of rows of each table, and the time of the last load.
Tables: TypeAlias = "dict[str, tuple[int, datetime | None]]"


def read_tables() -> Tables:
    """Count the rows of each table."""
    tables = {}
    query = "select schemaname, tablename from pg_tables where schemaname = any(%s) order by 1, 2"
    with connect() as connection:
        for schema, table in connection.execute(query, (list(schemas_of_taps().values()),)):
            count = sql.SQL("select count(*), max(_loaded_at) from {}.{}").format(
                sql.Identifier(schema), sql.Identifier(table)
            )
            (tables[f"{schema}.{table}"],) = connection.execute(count).fetchall()
    return tables


def compare_runs(first: Tables, second: Tables) -> str:
    """Format the rows after the first run, and what the second run read and added.

    Args:
        first: The tables after the first run.
        second: The tables after the second run.
    """
    last_load = max(loaded_at for _, loaded_at in first.values() if loaded_at is not None)
    written = _count_loaded_since(last_load, second)
    lines = [
        f"{'table':28} {'run 1: rows':>12} {'run 2: wrote':>12} {'new rows':>9} {'rows':>8}",
        f"{'-' * 28} {'-' * 12} {'-' * 12} {'-' * 9} {'-' * 8}",
    ]
    for table, (rows, _) in second.items():
        before = first.get(table, (0, None))[0]
        lines.append(f"{table:28} {before:12,} {written[table]:12,} {rows - before:9,} {rows:8,}")
    return "\n".join([*lines, ""])


def _count_loaded_since(time: datetime, tables: Iterable[str]) -> dict[str, int]:
    counts = {}
    with connect() as connection:
        for table in tables:
            query = sql.SQL("select count(*) from {}.{} where _loaded_at > %s").format(
                *(sql.Identifier(part) for part in table.split("."))
            )
            ((counts[table],),) = connection.execute(query, (time,)).fetchall()
    return counts


def readme_query(readme: Path = Path("README.md")) -> str:
    """The README's query of spend, revenue and return, which is its only SQL.

    Args:
        readme: The path of the README.
    """
    queries: list[str] = re.findall(r"```sql\n(.*?)```", readme.read_text(), re.DOTALL)
    (query,) = queries
    return query


def return_on_ad_spend() -> str:
    """Format the last days' spend, revenue and return, by the README's query."""
    with connect() as connection:
        cursor = connection.execute(readme_query())
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchmany(7)
    lines = ["Spend, revenue, and return on ad spend (the query is in README.md):"]
    lines += (
        "".join(f"{'' if cell is None else cell!s:>18}" for cell in row) for row in (names, *rows)
    )
    return "\n".join([*lines, ""])
