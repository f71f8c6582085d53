"""What runs leave on disk: logs, working folders, and settings of runs that were killed."""

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

    from signalroom_cli.cleanup.history import History
    from signalroom_cli.cleanup.model import Limits

#: Meltano writes the settings of a run into a file with a name of its own, and removes it; that of
#: a run that was killed stays. Catalogs are in files that the next run uses again.
_OF_ONE_RUN = re.compile(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.")


def clean(project: Project, history: History, limits: Limits) -> list[Removed]:
    """Remove old logs and working folders on this machine.

    Args:
        project: With its environment.
        history: Which runs are kept.
        limits: What is old enough.

    Returns:
        What was removed, by kind.
    """
    before = limits.before.timestamp()
    root = project.dirs.meltano(make_dirs=False)
    logs = project.dirs.logs("elt", make_dirs=False)
    names = {sanitize_filename(one) for one in history.state_ids}
    of_runs = {
        # This folder belongs to the user: other projects have their logs there.
        "logs of runs": [folder for one in sorted(names) for folder in _children(logs / one)]
        + [folder for one in _children(root / "logs" / "elt") for folder in _children(one)],
        "working folders of runs": [
            folder for one in _children(root / "run" / "elt") for folder in _children(one)
        ],
        "working folders of backfills": [
            folder for one in _children(root / "backfill") for folder in _children(one)
        ],
        "settings of runs that were killed": [
            file
            for one in _children(root / "run")
            for file in _children(one)
            if _OF_ONE_RUN.search(file.name)
        ],
    }
    return [
        _remove(what, [one for one in paths if one.name not in history.kept], before, limits)
        for what, paths in of_runs.items()
    ]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _remove(what: str, paths: Iterable[Path], before: float, limits: Limits) -> Removed:
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
            _remove_empty(path.parent)
        count += 1
        size += sum(bytes_ for _, bytes_ in files)
    return Removed(what, count, size)


def _files(path: Path) -> Iterator[tuple[float, int]]:
    """When each file and folder was changed, and the bytes of files."""
    try:
        status = path.lstat()
        is_folder = path.is_dir() and not path.is_symlink()
    except OSError:
        return
    yield status.st_mtime, 0 if is_folder else status.st_size
    if is_folder:
        for child in _children(path):
            yield from _files(child)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        # Others are left in it.
        return
