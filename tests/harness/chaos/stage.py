"""A case of the matrix: a vendor, a pipeline, a database, and chance."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from harness.chaos.runs import Pipeline
from harness.chaos.sources import YESTERDAY
from harness.pipelines import Database, new_database, new_pipe, new_project
from meltano.core.utils import merge
from psycopg import sql

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from harness.chaos.sources import Source

TABLES = "select tablename as name from pg_tables where schemaname = %s order by 1"
#: Seconds to wait for what comes at once; only a case that fails waits so long.
PATIENCE = 30
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
        self._neighbours = [
            self.make_pipe(self.source, self.folder / str(number), self.database, settings)
            for number, settings in enumerate(self.source.neighbours)
        ]
        self._project = None
        self._is_under_way = lambda: True

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
    def refreshing(self):
        """Run tap and loader without a state; what they save is merged, as Meltano does it."""
        pipe = self._pipe.pipe
        before, count = json.loads(pipe.state), len(pipe.saved)
        with self.running(from_start=True) as run:
            self._is_under_way = lambda: len(pipe.saved) > count
            yield run
        partial = {}
        for line in pipe.saved[count:]:
            merge(json.loads(line), partial)
        with (pipe.folder / "states.jsonl").open("a") as states:
            # What a kill cut off ends here.
            states.write(f"\n{json.dumps(merge(partial, before))}\n")

    @contextmanager
    def meltano(self, *flags):
        """Run both by Meltano, and wait for its end."""
        self._project = self._project or self.make_project(self)
        process = self._start_meltano(*flags)
        with process:
            yield process
            said, _ = process.communicate(timeout=120)
        self.runs += 1
        self.said.append(f"{said}exit code {process.returncode}\n")

    def run_neighbours(self):
        """Run the pipelines that share the tables, which nothing happens to."""
        for neighbour in self._neighbours:
            self.said.append(load(neighbour))

    def resume(self):
        """Run once more, which must go well, now that nothing is in the way."""
        self.run_neighbours()
        self.runs += 1
        if self._project:
            process = self._start_meltano()
            with process:
                said, _ = process.communicate(timeout=120)
            self.said.append(said)
            assert process.returncode == 0
            return
        self.said.append(load(self._pipe))

    def _start_meltano(self, *flags):
        streams, tap = self.source.streams, self.source.tap
        variables = self.source.variables(self.sandbox)
        return self._project.start_load(*streams, tap=tap, flags=flags, **variables)

    def until_some_moment(self, parts=1):
        """Wait for a moment that chance chooses, within a part of the time that a run takes."""
        time.sleep(self.chance.uniform(0, self.whole.seconds / parts))

    def until_a_state(self):
        """Wait until the run at hand has saved a state: before that it has changed nothing."""
        deadline = time.monotonic() + PATIENCE
        while not self._is_under_way() and time.monotonic() < deadline:
            time.sleep(0.01)

    def until_a_state_of_meltano(self, process):
        """The same, of what Meltano merges into its state."""
        state_id = f"dev:{self.source.tap}-to-target-postgres"
        while process.poll() is None and not self._project.partial_state(state_id):
            time.sleep(0.02)

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

    def empty_tables(self):
        """Let all rows be lost, though the state says that they are loaded."""
        names = [row["name"] for row in self.database.query(TABLES, self.source.schema)]
        with psycopg.connect(self.database.libpq_url) as connection:
            for name in names:
                table = sql.Identifier(self.source.schema, name)
                connection.execute(sql.SQL("truncate {}").format(table))

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


def load(pipeline):
    """Run a pipeline to its end, which must be a good one; gives what was logged."""
    run = pipeline.start()
    codes = run.wait()
    assert codes == (0, 0), f"a run that nothing met failed:\n{run.said}"
    return run.said


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

    def make(source, folder, database, neighbour=None):
        variables = source.variables(sandbox, neighbour)
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
        load(pipe)
        seconds = time.monotonic() - began
        for number, settings in enumerate(source.neighbours):
            load(make_pipe(source, folder.with_name(f"{folder.name}-{number}"), database, settings))
        (full,) = database.query(size)
        found = tables(database, source)
    requests = sandbox.control.requests()["count"]
    return Whole(found, seconds, requests, full["kb"] - empty["kb"])
