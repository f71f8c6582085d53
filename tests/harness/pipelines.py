"""What the end-to-end tests run: a project, its database, its processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from harness import costs

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
#: The sandbox's; what no output may contain.
KEY = "sandbox-everflow-network-key"


@dataclass
class Database:
    """A database of one test."""

    name: str
    sqlalchemy_url: str
    libpq_url: str

    def query(self, sql, *parameters):
        """Rows of a query, as dicts."""
        with psycopg.connect(self.libpq_url, row_factory=dict_row) as connection:
            return connection.execute(sql, parameters or None).fetchall()

    def execute(self, statements):
        """Run statements that give no rows."""
        with psycopg.connect(self.libpq_url) as connection:
            connection.execute(statements)

    def contents(self, table):
        """All rows, without what says when they were loaded; in an order of their own."""
        rows = self.query(f"select * from {table}")
        loaded = {name for name in (rows or [{}])[0] if name.startswith(("_sdc_", "_loaded_at"))}
        return sorted(
            repr({name: value for name, value in row.items() if name not in loaded}) for row in rows
        )


@contextmanager
def new_database(postgres):
    """A database in the server, dropped in the end."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.libpq_url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    urls = [
        url.replace("/signalroom?", f"/{name}?")
        for url in (postgres.sqlalchemy_url, postgres.libpq_url)
    ]
    yield Database(name, *urls)
    with psycopg.connect(postgres.libpq_url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@dataclass
class Project:
    """A Meltano project: this repository's, in a folder of the test's own."""

    folder: Path
    env: dict[str, str]

    def start(self, *arguments, program="meltano", **env):
        """Start Meltano, or another program, in a process group of its own."""
        return started([program, *arguments], self.folder, self.env | env)

    def meltano(self, *arguments, code=0, **env):
        """Run Meltano to its end; gives all it printed."""
        return finished(self.start(*arguments, **env), code)

    def run(self, program, *arguments, code=0, **env):
        """Run one of the project's programs to its end; gives all it printed."""
        return finished(self.start(*arguments, program=program, **env), code)

    def start_load(self, *streams, tap="tap-everflow", flags=(), **env):
        """Start a tap into the loader; only these streams, if any are named."""
        if streams:
            variable = f"{tap.upper().replace('-', '_')}__SELECT"
            env[variable] = json.dumps([f"{name}.*" for name in streams])
        return self.start("run", "--force", *flags, tap, "target-postgres", **env)

    def load(self, *streams, code=0, **options):
        """Load to the end; gives all that was printed."""
        return finished(self.start_load(*streams, **options), code)

    def new_client(self, name, *options, code=0):
        """Make a client as `signalroom new-client` does; gives what it printed."""
        folder = f"--folder={self.folder / 'clients'}"
        return self.run("signalroom", "new-client", name, folder, *options, code=code)

    def saved_bookmarks(self, state_id):
        """What Meltano has saved so far of the run at hand, or of the last one.

        Read from its database: the command takes longer than many a run.
        """
        database = f"file:{self.folder}/.meltano/meltano.db?mode=ro"
        query = "select payload from runs where job_name = ? order by id desc limit 1"
        with closing(sqlite3.connect(database, uri=True)) as connection:
            payload = connection.execute(query, [state_id]).fetchone()
        saved = json.loads(payload[0] or "{}") if payload else {}
        return saved.get("singer_state", {}).get("bookmarks", {})

    def state_ids(self):
        """The ids of all saved states, as `meltano state list` lists them, from its database."""
        database = f"file:{self.folder}/.meltano/meltano.db?mode=ro"
        with closing(sqlite3.connect(database, uri=True)) as connection:
            return [state_id for (state_id,) in connection.execute("select state_id from state")]

    def states_of_runs(self):
        """The state of each run, such as SUCCESS, from Meltano's database."""
        database = f"file:{self.folder}/.meltano/meltano.db?mode=ro"
        with closing(sqlite3.connect(database, uri=True)) as connection:
            return [state for (state,) in connection.execute("select state from runs order by id")]

    def partial_state(self, state_id):
        """What a full refresh has saved so far: Meltano merges it into the state before."""
        database = f"file:{self.folder}/.meltano/meltano.db?mode=ro"
        query = "select partial_state from state where state_id = ?"
        with closing(sqlite3.connect(database, uri=True)) as connection:
            found = connection.execute(query, [state_id]).fetchone()
        return json.loads(found[0] or "{}") if found else {}


@dataclass
class Pipe:
    """A tap piped into the loader, as a shell does it; the state it let through is in a file.

    Meltano does the same around it, and takes longer to start than such a run takes.
    """

    tap: str
    folder: Path
    env: dict[str, str]

    def choose(self, *streams):
        """Have only these streams read from now on."""
        catalog = json.loads(run(self.tap, "--config=ENV", "--discover", env=self.env))
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                if not metadata["breadcrumb"]:
                    metadata["metadata"]["selected"] = entry["stream"] in streams
        (self.folder / "catalog.json").write_text(json.dumps(catalog))

    @property
    def saved(self):
        """The states that were saved whole."""
        states = self.folder / "states.jsonl"
        lines = states.read_text().splitlines(keepends=True) if states.exists() else []
        return [line for line in lines if line.endswith("\n") and line.strip()]

    @property
    def state(self):
        """The last of them; none before the first."""
        return next(reversed(self.saved), None)

    @property
    def options(self):
        """The tap's options: settings, and catalog and state as far as there are any."""
        files = {"--catalog": self.folder / "catalog.json", "--state": self.folder / "state.json"}
        if self.state:
            files["--state"].write_text(self.state)
        given = [f"{name}={path}" for name, path in files.items() if path.exists()]
        return ["--config=ENV", *given]

    def load(self, **env):
        """Load to the end; gives what it printed."""
        command = (
            f"set -o pipefail; {self.tap} {' '.join(self.options)}"
            f" | signalroom-target-postgres --config=ENV >> {self.folder / 'states.jsonl'}"
        )
        return finished(started(["bash", "-c", command], self.folder, self.env | env), 0)


def new_pipe(tap, folder, sandbox, database, schema, programs=BIN, **env):
    """A tap that reads the sandbox, piped into the loader of a database.

    `programs` is where both are looked for first: a zygote's start at once.
    """
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    target = {
        "TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url,
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": schema,
        # As meltano.yml has it.
        "TARGET_POSTGRES_ACTIVATE_VERSION": "true",
        "TARGET_POSTGRES_HARD_DELETE": "true",
        "TMPDIR": str(temporary),
    }
    return Pipe(tap, folder, clean_env(programs) | sandbox.dotenv | target | env)


def run(*command, **options):
    """Run a command that must succeed; gives its standard output."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clone_of_the_tree(folder, *options):
    """A clone of this repository, with what is not committed yet as a commit of its own."""
    run("git", "clone", "--quiet", *options, ROOT, folder)
    differing = ("git", "-C", ROOT, "diff", "--name-only", "-z", "HEAD")
    new = ("git", "-C", ROOT, "ls-files", "-z", "--others", "--exclude-standard")
    for name in filter(None, (run(*differing) + run(*new)).split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
        else:
            (folder / name).unlink()
    author = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    run("git", "-C", folder, "add", "--all")
    run("git", "-C", folder, *author, "commit", "--quiet", "--allow-empty", "--message=The tree")
    return folder


def started(command, folder, env):
    """Start a program in a process group of its own."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Not a session, which a fork of the zygote could not join the groups of.
        process_group=0,
    )


def finished(process, code):
    """Wait for a process; gives all it printed."""
    with process:
        output, _ = process.communicate()
    assert process.returncode == code, output
    return output


def kill(process):
    """Kill a process and all that it started at once, without a warning."""
    os.killpg(process.pid, signal.SIGKILL)


def clean_env(programs=BIN):
    """This process's environment, without anything that configures what is tested."""
    kept = ("HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
    # Its processor time counts as this test's.
    kept += ("PYTEST_CURRENT_TEST", costs.VARIABLE)
    # `make coverage` measures what it starts.
    kept += ("COVERAGE_PROCESS_CONFIG",)
    env = {name: os.environ[name] for name in kept if name in os.environ}
    # Each Meltano would ask PyPI for its newest version, and log that there is a newer one.
    env["MELTANO_CLI_DISABLE_VERSION_CHECK"] = "1"
    return env | {"PATH": f"{programs}:{BIN}:/usr/local/bin:/usr/bin:/bin", "NO_COLOR": "1"}


def new_project(folder, template, sandbox, database, programs=BIN):
    """A project that loads from the sandbox into a database; `programs` as in `new_pipe`."""
    shutil.copytree(template, folder)
    target = {"TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url}
    # What a killed run leaves behind goes with the project.
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    env = clean_env(programs) | sandbox.dotenv | target | {"TMPDIR": str(temporary)}
    return Project(folder, env)
