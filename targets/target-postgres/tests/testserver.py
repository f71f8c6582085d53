"""The server that tests share: the embedded one, or another PostgreSQL (`make compat-postgres`)."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from signalroom_target_postgres.embedded import EmbeddedPostgres, cluster

#: The folder with `postgres`, `initdb` and `pg_ctl`.
PROGRAMS = "SIGNALROOM_TEST_POSTGRES_BIN"


class ForgetfulCluster(cluster.Cluster):
    """The embedded one, which does not wait for the disk: tests take half the time.

    It loses data only when the machine stops, not when the server or a test is killed.
    """

    initdb_options = (
        *cluster.Cluster.initdb_options,
        "--set=fsync=off",
        "--set=full_page_writes=off",
        "--set=synchronous_commit=off",
        # Tables that live for a second need no statistics.
        "--set=autovacuum=off",
    )


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
    server.cluster = (OtherCluster if os.environ.get(PROGRAMS) else ForgetfulCluster)(folder)
    return server
