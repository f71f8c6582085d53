"""The embedded PostgreSQL, which runs while it is in use.

Each user, a process or a part of one, holds a shared lock for as long as it uses the server. The
last one to release it stops the server. A user that is killed loses its lock, so that the next one
to leave stops the server.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from signalroom_target_postgres.embedded import locks
from signalroom_target_postgres.embedded.account import account_for
from signalroom_target_postgres.embedded.cluster import Cluster
from signalroom_target_postgres.embedded.errors import EmbeddedPostgresError
from signalroom_target_postgres.embedded.paths import data_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

logger = logging.getLogger(__name__)


class EmbeddedPostgres:
    """One use of the project's embedded server.

    As a context manager, or by `acquire` and `release`; a process that ends without releasing it
    (but not by SIGKILL) releases it then.

    Args:
        home: The folder of the database; by default the project's.
    """

    def __init__(self, home: Path | None = None) -> None:
        self.home = (home or data_directory()).resolve()
        self.cluster = Cluster(self.home)
        self._users = self.home / "users.lock"
        self._keep_file = self.home / "keep-running"
        self._use: int | None = None

    @property
    def libpq_url(self) -> str:
        """The address for psql and other programs on this machine."""
        return f"postgresql://{self._address}"

    @property
    def sqlalchemy_url(self) -> str:
        """The address for SQLAlchemy, by psycopg 3."""
        return f"postgresql+psycopg://{self._address}"

    @property
    def _address(self) -> str:
        to = self.cluster.conninfo()
        host = quote(to["host"], safe="/")
        return f"{to['user']}@/{to['dbname']}?host={host}&port={to['port']}"

    @property
    def is_kept(self) -> bool:
        """Whether the server keeps running when nobody uses it."""
        return self._keep_file.exists()

    def acquire(self) -> Self:
        """Use the server, which is started if it does not run.

        Returns:
            This object.

        Raises:
            EmbeddedPostgresError: If the server cannot be started.
        """
        if self._use is not None:
            return self
        # Checked before anything is created: nothing works without the programs.
        self.cluster.program("postgres")
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with self._exclusive():
                # Taken before the start, so that a release stops the server whatever happens.
                self._use = locks.take_shared(self._users)
                atexit.register(self.release)
                self.cluster.ensure_running()
        except OSError as error:
            msg = (
                f"The embedded PostgreSQL cannot use {self.home}: {error.strerror or error}. Set "
                "SIGNALROOM_PGDATA to a folder you can write to, or use a server of your own: "
                "set TARGET_POSTGRES_HOST, _PORT, _USER, _PASSWORD and _DATABASE."
            )
            raise EmbeddedPostgresError(msg) from error
        except EmbeddedPostgresError:
            self.release()
            raise
        return self

    def restart_if_dead(self) -> None:
        """Start the server again if it has died while in use.

        Raises:
            EmbeddedPostgresError: If it does not start.
        """
        with self._exclusive():
            self.cluster.ensure_running()

    def release(self) -> None:
        """End the use: the server stops if nobody else uses it, unless it is to keep running."""
        if self._use is None:
            return
        with _block_signals(), self._exclusive():
            os.close(self._use)
            self._use = None
            atexit.unregister(self.release)
            if not self.is_kept and not locks.is_held(self._users):
                self.cluster.stop()

    def keep_running(self) -> None:
        """Keep the server running, from its next start on too, until `stop`."""
        self._keep_file.touch()

    def stop(self, *, force: bool = False) -> bool:
        """Stop the server, and do not keep it running any more.

        Args:
            force: Whether to stop it even while others use it.

        Returns:
            False if it still runs for others, and stops when they have ended.
        """
        if not self.cluster.exists:
            return True
        account_for(self.cluster.data)  # or the error that says whose it is
        with self._exclusive():
            self._keep_file.unlink(missing_ok=True)
            if locks.is_held(self._users) and not force:
                return not self.cluster.is_running
            self.cluster.stop()
        return True

    def _exclusive(self) -> AbstractContextManager[None]:
        def say() -> None:
            logger.info("Waiting for another process to start or stop the embedded PostgreSQL")

        return locks.exclusive(self.home / "change.lock", on_wait=say)

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


@contextmanager
def _block_signals() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM, of which the second may come while the first is handled."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
