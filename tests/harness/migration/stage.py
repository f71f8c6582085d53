"""A database that dlt loaded into, and a project that follows the guide."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from harness.migration import legacy
from harness.pipelines import Database, Project, clean_env, run

from signalroom_target_postgres.embedded.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.migration.legacy import Table

    from signalroom_target_postgres.embedded import EmbeddedPostgres

#: As the guide names them.
HOST, USER, NAME = "db.example.com", "loader", "analytics"
#: The first with PostgreSQL types as they still are, and the newest.
VERSIONS = ("1.4.0", "1.31.0")
_SCRIPT = Path(__file__).with_name("dlt_tables.py")


def new_database(postgres: EmbeddedPostgres) -> Database:
    """The guide's database, empty, owned by a user that may do no more than dlt's does."""
    with psycopg.connect(postgres.libpq_url, autocommit=True) as connection:
        if not connection.execute("select from pg_roles where rolname = %s", [USER]).fetchall():
            connection.execute(f"create role {USER} login createdb")
        for name in (NAME, "before"):
            connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {NAME} owner {USER}")
    urls = [
        url.replace("postgres@/signalroom?", f"{USER}@/{NAME}?")
        for url in (postgres.sqlalchemy_url, postgres.libpq_url)
    ]
    return Database(NAME, *urls)


def load_with_dlt(version: str, database: Database, tables: Iterable[Table], folder: Path) -> None:
    """Load tables with a release of dlt, which comes from PyPI into an environment of its own."""
    by_dataset: dict[str, list[dict]] = {}
    for table in tables:
        by_dataset.setdefault(table.dataset, []).append(table.spec())
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "spec.json"
    runs = [{"dataset": dataset, "tables": specs} for dataset, specs in by_dataset.items()]
    spec.write_text(json.dumps({"pipelines_dir": str(folder / "pipelines"), "runs": runs}))
    # dlt asks for a host and a password, where the server is reached by a socket without either.
    url = database.libpq_url.replace(f"{USER}@/", f"{USER}:unused@localhost/")
    env = clean_env() | {"LEGACY_POSTGRES": url, "RUNTIME__DLTHUB_TELEMETRY": "false"}
    uv = shutil.which("uv", path=env["PATH"])
    python = (uv, "run", "--no-project", "--with", f"dlt[postgres]=={version}", "python")
    run(*python, _SCRIPT, spec, cwd=folder, env=env | _registry())


def _registry() -> dict[str, str]:
    """Where packages come from, if this machine says so."""
    return {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_"))}


@dataclass
class Rehearsal:
    """A project that has what the guide asks for, and does what it says.

    Attributes:
        project: It.
        database: What dlt loaded into.
        version: Of dlt.
        output: What each command printed, in order.
    """

    project: Project
    database: Database
    version: str = VERSIONS[-1]
    output: list[str] = field(default_factory=list)

    def follow(self, language: str, text: str, **env: str) -> str:
        """Do what a block of the guide says; gives what it printed."""
        text = text.replace(f"--host={HOST}", f"--host={self._host}")
        if language == "dotenv":
            with (self.project.folder / ".env").open("a") as file:
                file.write(text + "\n")
            return ""
        if language == "sql":
            with psycopg.connect(self.database.libpq_url, autocommit=True) as connection:
                connection.execute(text)
            return ""
        done = run(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            text,
            cwd=self.project.folder,
            env=self.project.env | env,
        )
        self.output.append(done)
        return done

    @property
    def _host(self) -> str:
        return self.database.libpq_url.partition("host=")[2].partition("&")[0]


def new_rehearsal(folder: Path, template: Path, sandbox, database: Database) -> Rehearsal:
    """A project with the dlt pipeline's `.env`, and the programs that the guide names."""
    shutil.copytree(template, folder)
    programs = folder / "bin"
    programs.mkdir()
    # The project's environment is this one: `uv run` is not asked to make another.
    (programs / "uv").write_text('#!/bin/sh\n[ "$1" = run ] && shift && exec "$@"\n')
    (programs / "uv").chmod(0o755)
    for name in ("pg_dump", "pg_restore", "createdb", "psql"):
        (programs / name).symlink_to(Cluster.program(name))
    target = {"TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url}
    lines = [f"{name}={value}" for name, value in (legacy.dotenv(sandbox) | target).items()]
    (folder / ".env").write_text("\n".join(lines) + "\n")
    temporary = folder / "tmp"
    temporary.mkdir()
    env = clean_env(programs) | {"TMPDIR": str(temporary)}
    return Rehearsal(Project(folder, env), database)
