"""PgBouncer in front of the tests' server: Debian's package `pgbouncer`, or any on the PATH."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest

from signalroom_target_postgres.embedded.account import account_for

if TYPE_CHECKING:
    from signalroom_target_postgres.embedded import EmbeddedPostgres

#: The pooling mode by which all tests of the loader go (`make compat-postgres`).
MODE = "SIGNALROOM_TEST_POOLER"
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

_CONFIGURATION = """
[databases]
* = host={host} port={port} auth_user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = trust
auth_query = SELECT usename, '' FROM pg_user WHERE usename = $1
pool_mode = {mode}
default_pool_size = {size}
server_login_retry = 1
"""


@contextmanager
def pgbouncer(server: EmbeddedPostgres, mode: str, *, size: int = 10):
    """Run PgBouncer; gives the address for SQLAlchemy that goes by it."""
    to = server.cluster.conninfo()
    account = account_for(server.cluster.data)
    with tempfile.TemporaryDirectory(prefix="sr-pooler-", ignore_cleanup_errors=True) as made:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        path = Path(made) / "pgbouncer.ini"
        path.write_text(_CONFIGURATION.format(**to, listen_port=port, mode=mode, size=size))
        for one in (path.parent, path):
            account.chown(one)
        with subprocess.Popen(
            [PROGRAM, str(path)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **account.process_options,
        ) as process:
            try:
                url = f"postgresql+psycopg://{quote(to['user'])}@127.0.0.1:{port}/{to['dbname']}"
                _wait(process, port)
                yield url
            finally:
                process.kill()


def _wait(process: subprocess.Popen, port: int) -> None:
    """Try until it answers, or has ended."""
    while process.poll() is None:
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, dbname="signalroom", user="postgres"
            ).close()
        except psycopg.OperationalError:
            continue
        return
    pytest.fail(f"PgBouncer ended with {process.returncode}")
