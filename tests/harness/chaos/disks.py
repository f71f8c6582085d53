"""A disk that PostgreSQL fills up: a small file system in memory, for one database."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from signalroom_target_postgres.embedded.account import account_for

#: What an empty database takes, and some of its own.
_EMPTY_KB = 8 * 1024


def mounted(folder, kilobytes, *more):
    options = ",".join([f"size={kilobytes}k", *more])
    command = ["mount", "-t", "tmpfs", "-o", options, "signalroom", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


#: CAP_SYS_ADMIN: https://man7.org/linux/man-pages/man7/capabilities.7.html
_MAY_MOUNT = 1 << 21


def can_mount():
    """Whether this process may mount such a disk, which a container's root often may not."""
    status = Path("/proc/self/status")
    if not status.exists():
        return False
    capabilities = dict(line.split(":", 1) for line in status.read_text().splitlines())["CapEff"]
    return bool(int(capabilities, 16) & _MAY_MOUNT)


@contextmanager
def small_disk(stage):
    """Move the case's database to a disk that a run fills at some point; then there is space."""
    with tempfile.TemporaryDirectory(prefix="sr-", dir=stage.server.home) as parent:
        folder = Path(parent) / "disk"
        folder.mkdir()
        account = account_for(stage.server.home / "data")
        account.chown(Path(parent))
        name = f"small_{stage.database.name}"
        used = stage.space_kb
        assert mounted(folder, _EMPTY_KB + int(used * stage.chance.uniform(0, 1)))
        try:
            account.chown(folder)
            stage.ask_server(f"create tablespace {name} location '{folder}'")
            stage.move(name)
            yield
            assert mounted(folder, 1 << 20, "remount")
            stage.resume()
            stage.move("pg_default")
            stage.ask_server(f"drop tablespace {name}")
        finally:
            subprocess.run(["umount", str(folder)], check=True)
