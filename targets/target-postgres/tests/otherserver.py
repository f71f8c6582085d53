"""A server of another PostgreSQL than the embedded one: `make compat-postgres`."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from signalroom_target_postgres.embedded import EmbeddedPostgres, cluster

#: The folder with `postgres`, `initdb` and `pg_ctl`.
PROGRAMS = "SIGNALROOM_TEST_POSTGRES_BIN"


class OtherCluster(cluster.Cluster):
    """A cluster made and run by the programs of a folder, with the settings they come with."""

    # What 14 knows too: it has neither the builtin provider (17) nor --set (16).
    initdb_options = ("--locale=C.UTF-8",)

    def __init__(self, home: Path) -> None:
        """Ask the programs what they are."""
        super().__init__(home)
        said = subprocess.run(
            [self.program("postgres"), "--version"], capture_output=True, text=True, check=True
        )
        self.version = re.search(r"PostgreSQL\) (\d+)", said.stdout)[1]

    @staticmethod
    def program(name: str) -> Path:
        """One of them."""
        return Path(os.environ[PROGRAMS]).resolve() / name


def server_for_tests(folder: Path) -> EmbeddedPostgres:
    """The embedded server; or that of the programs which the environment names."""
    server = EmbeddedPostgres(folder)
    if os.environ.get(PROGRAMS):
        server.cluster = OtherCluster(folder)
    return server
