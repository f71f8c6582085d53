"""A case of the matrix: a vendor, a pipeline, a database, and chance."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from chaos.runs import Pipeline
from chaos.sources import YESTERDAY
from e2e import Database, new_database, new_pipe, new_project
from psycopg import sql

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from chaos.sources import Source

TABLES = "select tablename as name from pg_tables where schemaname = %s order by 1"
#: Names of settings that hold what nobody may see.
_SECRET = re.compile("SECRET|PASSWORD|API_KEY|CREDENTIALS_JSON")


@dataclass(frozen=True)
class Whole:
    """What a run does that nothing interrupts.

    Attributes:
        tables: What is in each table then.
        seconds: How long it takes.
        requests: How many the vendor gets.
        space_kb: What the tables take on disk.
    """

    tables: dict[str, list[str]]
    seconds: float
    requests: int
    space_kb: int


@dataclass
class Stage:
    """Where a trouble strikes.

    Attributes:
        source: What is read.
        sandbox: By whom it is offered.
        server: The PostgreSQL.
        database: The case's own.
        folder: The case's own.
        chance: By which all that is left open is chosen.
        make_pipe: Gives a pipeline into a database, in a folder.
        make_project: Gives a Meltano project that does the same.
        whole: An uninterrupted run, of the vendor as it was at first.
    """

    source: Source
    sandbox: Any
    server: Any
    database: Database
    folder: Path
    chance: Random
    make_pipe: Any
    make_project: Any
    whole: Whole
    #: Whether the vendor is another than it was at first: so is the uninterrupted run then.
    restated: bool = field(init=False)
    runs: int = 0
    said: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.restated = self.source.dated
        self._pipe = self.make_pipe(self.source, self.folder / "pipe", self.database)
        self._project = None

    @property
    def control(self):
        return self.sandbox.control

    @property
    def requests(self):
        return self.whole.requests

    @property
    def space_kb(self):
        return self.whole.space_kb

    @contextmanager
    def running(self, **options):
        """Run tap and loader, and wait for their end."""
        run = self._pipe.start(**options)
        try:
            yield run
        finally:
            codes = run.wait()
            self.runs += 1
            self.said.append(f"{run.said}exit codes {codes}\n")

    def run(self, **options):
        """Run tap and loader to whatever end they come to."""
        with self.running(**options):
            pass

    @contextmanager
    def meltano(self):
        """Run both by Meltano, and wait for its end."""
        self._project = self._project or self.make_project(self)
        process = self._start_meltano()
        with process:
            yield process
            said, _ = process.communicate(timeout=120)
        self.runs += 1
        self.said.append(f"{said}exit code {process.returncode}\n")

    def resume(self):
        """Run once more, which must go well, now that nothing is in the way."""
        self.runs += 1
        if self._project:
            process = self._start_meltano()
            with process:
                said, _ = process.communicate(timeout=120)
            self.said.append(said)
            assert process.returncode == 0
            return
        run = self._pipe.start()
        codes = run.wait()
        self.said.append(run.said)
        assert codes == (0, 0)

    def _start_meltano(self):
        streams, tap = self.source.streams, self.source.tap
        return self._project.start_load(*streams, tap=tap, **self.source.variables(self.sandbox))

    def until_some_moment(self, parts=1):
        """Wait for a moment that chance chooses, within a part of the time that a run takes."""
        time.sleep(self.chance.uniform(0, self.whole.seconds / parts))

    def until_some_moment_of_meltano(self, process):
        """The same, where Meltano has to start first."""
        begun = self.folder / "project" / ".meltano" / "logs"
        while process.poll() is None and not any(begun.glob("elt/*/*/elt.log")):
            time.sleep(0.05)
        # From there on the programs are imported, and then as fast as ever.
        time.sleep(self.chance.uniform(0, 1.5 + self.whole.seconds))

    def some_seconds(self):
        """How long until such a moment."""
        return self.chance.uniform(0, self.whole.seconds)

    def restate(self):
        """Let the vendor change what it says."""
        self.restated = True
        self.source.restate(self.control, self.chance)

    def ask_server(self, query, *parameters):
        """Ask the server itself, not the case's database."""
        with psycopg.connect(self.server.libpq_url, autocommit=True) as connection:
            connection.execute(query, parameters or None)

    def move(self, tablespace):
        """Move the case's database to another disk."""
        names = map(sql.Identifier, (self.database.name, tablespace))
        self.ask_server(sql.SQL("alter database {} set tablespace {}").format(*names))

    def told(self):
        """All that was logged."""
        return "\n----- the next run -----\n".join(self.said)

    def tables(self):
        return tables(self.database, self.source)


def secrets(sandbox, source):
    """What no program may say: keys, and each line of a private one."""
    settings = sandbox.dotenv | source.variables(sandbox)
    found = [value for name, value in settings.items() if _SECRET.search(name)]
    keys = [json.loads(value)["private_key"] for value in found if value.startswith("{")]
    lines = [line for key in keys for line in key.splitlines() if "-----" not in line]
    return [value for value in found if not value.startswith("{")] + lines


def tables(database, source):
    """All tables of a source, without what says when they were loaded."""
    names = [row["name"] for row in database.query(TABLES, source.schema)]
    return {name: database.contents(_finished(source, name)) for name in names}


def _finished(source, name):
    """A table's rows; of a report only of days that are over: others are read again then."""
    table = f'{source.schema}."{name}"'
    if name not in source.by_day:
        return table
    return f"(select * from {table} where date <= '{YESTERDAY}') as finished"


def pipes(zygote, sandbox, catalogs):
    """Makes pipelines; what the taps' catalogs are is asked once."""

    def make(source, folder, database):
        variables = source.variables(sandbox)
        # States come through more often, so that there is more to resume from.
        variables["TARGET_POSTGRES_BATCH_SIZE_ROWS"] = "160"
        pipe = new_pipe(source.tap, folder, sandbox, database, source.schema, **variables)
        catalog = folder / "catalog.json"
        if source in catalogs:
            catalog.write_text(catalogs[source])
        else:
            pipe.choose(*source.streams)
            catalogs[source] = catalog.read_text()
        return Pipeline(zygote, pipe)

    return make


def projects(template):
    """Makes Meltano projects."""

    def make(stage):
        return new_project(stage.folder / "project", template, stage.sandbox, stage.database)

    return make


def uninterrupted(source, sandbox, server, make_pipe, folder):
    """Load all that the vendor has now into a database of its own; gives what is there then."""
    sandbox.control.clear_requests()
    with new_database(server) as database:
        size = "select pg_database_size(current_database()) / 1024 as kb"
        (empty,) = database.query(size)
        pipe = make_pipe(source, folder, database)
        began = time.monotonic()
        run = pipe.start()
        codes = run.wait()
        seconds = time.monotonic() - began
        assert codes == (0, 0), f"the uninterrupted run failed:\n{run.said}"
        (full,) = database.query(size)
        found = tables(database, source)
    requests = sandbox.control.requests()["count"]
    return Whole(found, seconds, requests, full["kb"] - empty["kb"])
