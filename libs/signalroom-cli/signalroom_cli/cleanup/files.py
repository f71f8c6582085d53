"""The files that runs leave: logs, working folders, and the settings of runs that were killed."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from meltano.core.utils import sanitize_filename

from signalroom_cli.cleanup.model import Removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from meltano.core.project import Project

    from signalroom_cli.cleanup.history import RemainingRuns
    from signalroom_cli.cleanup.model import Limits

#: Meltano writes the settings of a run into a file with a unique name, and deletes it at the end;
#: a killed run leaves it. Catalogs are in files that the next run uses again.
_RUN_ID = re.compile(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.")


def remove_files(project: Project, remaining: RemainingRuns, limits: Limits) -> list[Removed]:
    """Remove old logs and working folders on this machine.

    Args:
        project: A project whose environment is active.
        remaining: The runs whose files are kept.
        limits: What is old enough to be removed.

    Returns:
        What was removed, by kind.
    """
    root = project.dirs.meltano(make_dirs=False)
    # This folder is the user's: other projects log there, too.
    logs = project.dirs.logs("elt", make_dirs=False)
    names = sorted({sanitize_filename(state_id) for state_id in remaining.state_ids})
    paths_by_kind = {
        "logs of runs": [
            *(folder for name in names for folder in _children(logs / name)),
            *_grandchildren(root / "logs" / "elt"),
        ],
        "working folders of runs": _grandchildren(root / "run" / "elt"),
        "working folders of backfills": _grandchildren(root / "backfill"),
        "settings of runs that were killed": [
            path for path in _grandchildren(root / "run") if _RUN_ID.search(path.name)
        ],
    }
    return [
        _remove(kind, [path for path in paths if path.name not in remaining.run_ids], limits)
        for kind, paths in paths_by_kind.items()
    ]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _grandchildren(folder: Path) -> list[Path]:
    return [path for child in _children(folder) for path in _children(child)]


def _remove(kind: str, paths: Iterable[Path], limits: Limits) -> Removed:
    before = limits.before.timestamp()
    count = size = 0
    for path in paths:
        files = [*_files(path)]
        if not files or max(modified for modified, _ in files) >= before:
            continue
        if not limits.dry_run:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            _remove_if_empty(path.parent)
        count += 1
        size += sum(bytes_ for _, bytes_ in files)
    return Removed(kind, count, size)


def _files(path: Path) -> Iterator[tuple[float, int]]:
    """The modification time and the bytes of a path, and of all files and folders below it."""
    try:
        status = path.lstat()
        is_folder = path.is_dir() and not path.is_symlink()
    except OSError:
        return
    yield status.st_mtime, 0 if is_folder else status.st_size
    if is_folder:
        for child in _children(path):
            yield from _files(child)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        # It is not empty.
        return
