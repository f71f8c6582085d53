"""What dlt makes of the samples, as SQL for tests that do without dlt.

    python tests/harness/migration/fixtures.py

writes it again, with dlt from PyPI; `make migration-proof` compares.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from harness.migration import samples, stage
from harness.pipelines import ROOT

from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.embedded.cluster import Cluster

FOLDER = ROOT / "targets" / "target-postgres" / "tests" / "dlt"
_SCHEMAS = sorted({table.dataset for table in samples.TABLES})
# Of the dump's own session, and of the release of pg_dump.
_LEFT_OUT = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\.*|)$")


def path_of(version: str) -> Path:
    """The file of a release of dlt."""
    return FOLDER / f"dlt-{version}.sql"


def dumped(version: str, postgres: EmbeddedPostgres, folder: Path) -> str:
    """Have dlt make the tables, and dump them."""
    database = stage.new_database(postgres)
    stage.load_with_dlt(version, database, samples.TABLES, folder)
    command = [Cluster.program("pg_dump"), f"--dbname={database.libpq_url}", "--inserts"]
    command += ["--no-owner", "--exclude-table=*._dlt_pipeline_state"]
    command += [f"--schema={schema}" for schema in _SCHEMAS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not _LEFT_OUT.match(line)]
    return "\n".join(lines) + "\n"


def definitions(dump: str) -> list[str]:
    """The tables of a dump, each with its columns in an order of their own."""
    tables = re.findall(r"^CREATE TABLE (\S+) \((.*?)^\);", dump, re.MULTILINE | re.DOTALL)
    return [f"{name}: {sorted(body.replace(',', '').split(chr(10)))}" for name, body in tables]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        for version in stage.VERSIONS:
            path_of(version).write_text(dumped(version, postgres, Path(folder) / version))


if __name__ == "__main__":
    main()
