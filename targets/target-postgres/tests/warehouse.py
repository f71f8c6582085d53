"""What the target's tests load, and where they look at it."""

from __future__ import annotations

import io
import json
import sys
import threading
import uuid
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from signalroom_target_postgres.target import TargetPostgres

if TYPE_CHECKING:
    from signalroom_target_postgres.warehouse.counts import Counts

BIN = Path(sys.executable).parent


def lines(*messages: Any) -> str:
    """Messages as a tap writes them; texts as they are."""
    return "".join(
        f"{message if isinstance(message, str) else json.dumps(message)}\n" for message in messages
    )


def schema(properties, keys=("id",), stream="orders", **more):
    """A SCHEMA message; a type alone stands for a nullable property of it."""
    full = {
        name: {"type": [one, "null"]} if isinstance(one, str) else one
        for name, one in properties.items()
    }
    return {
        "type": "SCHEMA",
        "stream": stream,
        "key_properties": list(keys),
        "schema": {"type": "object", "properties": full} | more,
    }


def record(stream="orders", **values):
    """A RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": values}


def state(**value):
    """A STATE message."""
    return {"type": "STATE", "value": value}


def activate(version, stream="orders"):
    """An ACTIVATE_VERSION message."""
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


@dataclass
class Warehouse:
    """A schema of a test's own, and ways to load into it and look at it."""

    libpq_url: str
    sqlalchemy_url: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    #: Runs what tests ask for, unless it is busy with it: a connection takes longer than a query.
    connection: psycopg.Connection | None = None
    _in_use: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def config(self) -> dict[str, Any]:
        """The target's settings."""
        return {
            "sqlalchemy_url": self.sqlalchemy_url,
            "default_target_schema": self.name,
            "add_record_metadata": False,
            "activate_version": False,
        } | self.settings

    def load(self, *messages, **settings) -> list[Any]:
        """Load in this process; gives the states passed on."""
        return self._load(messages, settings)[1]

    def counts(self, *messages, **settings) -> Counts:
        """Load in this process; gives what became of the records of the stream `orders`."""
        return self._load(messages, settings)[0].counts["orders"]

    def _load(self, messages, settings) -> tuple[TargetPostgres, list[Any]]:
        target = TargetPostgres(config=self.config | settings)
        output = io.StringIO()
        with redirect_stdout(output):
            target.listen(io.StringIO(lines(*messages)))
        return target, [json.loads(line) for line in output.getvalue().splitlines()]

    def command(self, folder: Path, programs: Path = BIN, **settings) -> list[str]:
        """The executable with the settings, for tests that need a process.

        `programs` is where it is: a zygote's starts at once.
        """
        path = folder / f"config-{uuid.uuid4().hex}.json"
        path.write_text(json.dumps(self.config | settings))
        return [str(programs / "signalroom-target-postgres"), "--config", str(path)]

    def sql(self, query: str, *parameters) -> list[dict[str, Any]]:
        """Run a statement; `{}` stands for the schema."""
        if self.connection is None or not self._in_use.acquire(blocking=False):
            with _connect(self.libpq_url) as connection:
                return self._run(connection, query, parameters)
        try:
            return self._run(self.connection, query, parameters)
        finally:
            self._in_use.release()

    def _run(self, connection, query, parameters):
        # What a statement before it has set ends with it, as on a connection of its own.
        connection.execute(f'RESET ALL; SET search_path TO "{self.name}"')
        cursor = connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def rows(self, table: str = "orders", order: str = "1") -> list[dict[str, Any]]:
        """All rows of a table."""
        return self.sql(f'SELECT * FROM "{table}" ORDER BY {order}')

    def types(self, table: str = "orders") -> dict[str, str]:
        """The types of a table's columns."""
        query = (
            "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        return {row["attname"]: row["type"] for row in self.sql(query, f'"{table}"')}

    def key(self, table: str = "orders") -> list[str]:
        """The columns of a table's primary key, in its order."""
        query = (
            "SELECT attname FROM pg_index CROSS JOIN LATERAL unnest(indkey) WITH ORDINALITY "
            "AS part (number, place) JOIN pg_attribute ON attrelid = indrelid AND attnum = number "
            "WHERE indrelid = %s::regclass AND indisprimary ORDER BY place"
        )
        return [row["attname"] for row in self.sql(query, f'"{table}"')]


@contextmanager
def new_schema(libpq_url: str, sqlalchemy_url: str):
    """A schema that is dropped in the end."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with _connect(libpq_url) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        yield Warehouse(libpq_url, sqlalchemy_url, name, connection=connection)
        connection.execute(f"DROP SCHEMA {name} CASCADE")


def _connect(libpq_url: str) -> psycopg.Connection:
    # Without prepared statements: tests change the tables that they query.
    return psycopg.connect(libpq_url, row_factory=dict_row, autocommit=True, prepare_threshold=None)
