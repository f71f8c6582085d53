"""The system account that the embedded server runs as.

PostgreSQL refuses to run as root, so for root it needs another account, one that can reach
the server's programs and its data.
"""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signalroom_target_postgres.embedded.errors import EmbeddedPostgresError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "signalroom"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """The account that runs the server."""

    uid: int
    gid: int
    switch: bool
    """Whether it is not the account of this process; only root can switch."""

    @property
    def process_options(self) -> dict[str, Any]:
        """The arguments of `subprocess` that run a program as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def chown(self, folder: Path) -> None:
        """Make the account the owner of a folder."""
        if self.switch:
            os.chown(folder, self.uid, self.gid)

    def grant_traverse(self, path: Path) -> None:
        """Let the account traverse the folders of a path.

        The wheel lets everybody read each parent folder, root's home included. Traversing is all
        that is needed: where a folder is closed to its group, only the account's own group may
        traverse it.
        """
        if not self.switch:
            return
        for folder in reversed(path.parents):
            status = folder.stat()
            if status.st_mode & stat.S_IXOTH or status.st_uid == self.uid:
                continue
            if status.st_gid == self.gid and status.st_mode & stat.S_IXGRP:
                continue
            try:
                if status.st_mode & stat.S_IRWXG:
                    folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
                else:
                    os.chown(folder, -1, self.gid)
                    folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXGRP)
            except OSError as error:
                msg = (
                    f"PostgreSQL does not run as root, and its account cannot be let through "
                    f"{folder} ({error.strerror}). Run as an ordinary user, or set "
                    "SIGNALROOM_PGDATA to a folder that every user can reach."
                )
                raise EmbeddedPostgresError(msg) from None
            logger.info("Let PostgreSQL's account (uid %s) pass through %s", self.uid, folder)

    def grant_read(self, *folders: Path) -> None:
        """Let the account read and run what was installed for root only.

        Args:
            folders: Folders that a umask of 077 closed: published programs, nothing of the user's.
        """
        if not self.switch:
            return
        for path in (path for folder in folders for path in (folder, *folder.rglob("*"))):
            mode = stat.S_IMODE(path.stat().st_mode)
            readable = mode | (0o555 if mode & stat.S_IXUSR else 0o444)
            if readable != mode:
                path.chmod(readable)


def account_for(data: Path) -> Account:
    """Choose the account that runs the server.

    Args:
        data: The folder of the server's data, which may not exist yet.

    Returns:
        The account of this process; for root the owner of the data, or a system account that is
        created for it.
    """
    uid = os.geteuid()
    owner = data.stat().st_uid if data.exists() else None
    if uid:
        if owner not in {None, uid}:
            msg = (
                f"The embedded database in {data.parent} belongs to another user (uid {owner}). "
                "Run as that user or as root, or set SIGNALROOM_PGDATA to a folder of your own."
            )
            raise EmbeddedPostgresError(msg)
        return Account(uid, os.getegid(), switch=False)
    try:
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam(NAME)
    except KeyError:
        entry = _create()
    return Account(entry.pw_uid, entry.pw_gid, switch=True)


def _create() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    problem = "useradd is not installed"
    if useradd:
        command = [useradd, "--system", "--user-group", "--no-create-home", NAME]
        result = subprocess.run(  # noqa: S603 - a fixed command
            command, check=False, capture_output=True, text=True
        )
        problem = result.stderr.strip()
    try:
        # Looked up again even if useradd failed: another process may have created it.
        return pwd.getpwnam(NAME)
    except KeyError:
        msg = (
            f"PostgreSQL does not run as root, and a system account {NAME!r} for it could not be "
            f"created: {problem}. Create one, or run as an ordinary user."
        )
        raise EmbeddedPostgresError(msg) from None
