"""A Meltano project that is read once, and only as far as a command needs it.

Meltano reads the files of all clients for each command, merges them several times, and copies the
variables of all of them for each setting: with 200 clients that is most of the time of a run in
which little is new. Nothing of Meltano is changed here: its commands are given another
`meltano.core.project.Project`.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from meltano.core import yaml
from meltano.core.project import PROJECT_READONLY_ENV, Project
from meltano.core.project_files import ProjectFiles
from meltano.core.utils import truthy
from typing_extensions import override

from signalroom_singer.clientnames import taken_prefix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from meltano.core.environment import Environment
    from meltano.core.meltano_file import MeltanoFile
    from meltano.core.project_files import InProjectPath
    from ruamel.yaml.comments import CommentedMap

#: The top-level keys of a file that says nothing about plugins, jobs and schedules of others.
_KEYS = {"plugins", "jobs", "schedules"}
_KEY = re.compile(r"^[\"']?([A-Za-z_][\w-]*)[\"']?\s*:", re.MULTILINE)
_NAME = re.compile(r"\bname[\"']?\s*:\s*[\"']?([\w.-]+)")
_WORD = re.compile(r"[\w.-]+")
_REFERENCE = re.compile(r"\$\{?([A-Za-z_]\w*)")


@dataclass(frozen=True)
class IncludedFile:
    """A file that ``include_paths`` names, as text: parsing YAML is what takes long.

    Attributes:
        path: Resolved.
        text: Of the whole file.
    """

    path: Path
    text: str

    @cached_property
    def names(self) -> set[str]:
        """The names of its plugins, jobs and schedules, and of whatever else has one."""
        return {*_NAME.findall(self.text)}

    @cached_property
    def words(self) -> set[str]:
        """All that could name a plugin or a job elsewhere."""
        return {*_WORD.findall(self.text)}

    @cached_property
    def variables(self) -> set[str]:
        """The environment variables that it refers to."""
        return {*_REFERENCE.findall(self.text)}

    @property
    def is_separable(self) -> bool:
        """Whether it has plugins, jobs and schedules only, and no settings that others share."""
        # A file in braces has none of its keys at the left: it may have any.
        return set() < {*_KEY.findall(self.text)} <= _KEYS

    @property
    def prefix(self) -> str | None:
        """What the variables of a client's file begin with; None if others' may begin so too."""
        if taken_prefix(self.path.stem):
            return None
        return f"{self.path.stem.upper().replace('-', '_')}_"


class _Files(ProjectFiles):
    """The files of a project, less some."""

    def __init__(self, root: Path, meltano_file_path: Path, left_out: Collection[Path]) -> None:
        super().__init__(root, meltano_file_path)
        self._left_out = left_out

    @cached_property
    @override
    def meltano(self) -> CommentedMap:
        # A copy: Meltano adds the schedules and jobs of included files to the lists of the one that
        # it keeps for all projects of a process, and would have them twice in the next.
        own: CommentedMap = deepcopy(super().meltano)
        return own

    @property
    @override
    def include_paths(self) -> list[InProjectPath]:
        return [path for path in super().include_paths if path.resolve() not in self._left_out]


class ClientProject(Project):
    """A project of which each file is read once, without the files that a command does not name.

    What is written to its files meanwhile is not seen, but what Meltano itself writes.
    """

    def __init__(  # noqa: D417
        self,
        root: Path,
        environment: Environment | None = None,
        *,
        readonly: bool = False,
        dotenv_file: Path | None = None,
        included: Collection[IncludedFile] = (),
        left_out: Collection[IncludedFile] = (),
    ) -> None:
        """Prepare the project; nothing is read yet.

        Args:
            root: Its folder.
            included: The other included files, if any are left out.
            left_out: Included files that are not read; the variables of theirs are not seen.
        """
        super().__init__(root, environment, readonly=readonly, dotenv_file=dotenv_file)
        self._included, self._left_out = included, left_out
        self._parsed: MeltanoFile | None = None

    @override
    def refresh(self, **kwargs: Any) -> None:
        kept: dict[str, Any] = {"_included": self._included, "_left_out": self._left_out}
        if kwargs.keys() == {"environment"}:
            # The files are the same.
            kept |= {"_parsed": self._parsed, "project_files": self.project_files}
        super().refresh(**kwargs)
        self.__dict__.update(kept)

    @cached_property
    @override
    def project_files(self) -> ProjectFiles:
        return _Files(self.root, self.meltanofile, {one.path for one in self._left_out})

    @property
    @override
    def meltano(self) -> MeltanoFile:
        if self._parsed is None:
            self._parsed = super().meltano
        return self._parsed

    @cached_property
    @override
    def dotenv_env(self) -> dict[str, str]:
        values = super().dotenv_env
        others = self.variables_of_others(values)
        return {name: value for name, value in values.items() if name not in others}

    def variables_of_others(self, names: Collection[str]) -> set[str]:
        """Which environment variables belong to clients whose files are left out.

        Args:
            names: Of all variables that are set.

        Returns:
            Those that begin with the name of such a client and that none of the other files
            refers to, and those of such clients' plugins, as in ``TAP_EVERFLOW__ACME_API_KEY``.
        """
        if not self._left_out:
            return set()
        ours = {name for one in self._included for name in one.variables}
        ours |= {*_REFERENCE.findall(self.meltanofile.read_text(encoding="utf-8"))}
        theirs = {
            name
            for one in self._left_out
            if (prefix := one.prefix)
            for name in one.variables
            if name.startswith(prefix)
        }
        plugins = tuple(
            f"{name.replace('-', '_').upper()}_"
            for one in self._left_out
            for name in one.names
            if name.startswith(("tap-", "target-")) and "--" in name
        )
        theirs |= {name for name in names if "__" in name and name.startswith(plugins)}
        return theirs - ours


def included_files(project: Project) -> list[IncludedFile]:
    """Read the text of all files that ``include_paths`` names.

    Args:
        project: Whose.

    Raises:
        InvalidIncludePathError: If one is not a file, or outside the project.
        OSError: If one cannot be read.
        UnicodeDecodeError: If one is not UTF-8.
    """
    paths = ProjectFiles(project.root, project.meltanofile).include_paths
    return [IncludedFile(path.resolve(), path.read_text(encoding="utf-8")) for path in paths]


def project_for(
    root: Path, names: Collection[str] | None = None, *, dotenv_file: Path | None = None
) -> ClientProject:
    """Open a project as far as a command needs it.

    Args:
        root: Its folder.
        names: The plugins, jobs and schedules that the command names, as ``tap-everflow--acme`` or
            ``dbt-postgres:run``. Files that have none of these, nor what these refer to, are left
            out. By default all are read.
        dotenv_file: In place of ``.env``.

    Raises:
        InvalidIncludePathError: If an included path is not a file, or outside the project.
        OSError: If a file cannot be read.
        UnicodeDecodeError: If a file is not UTF-8.
    """
    readonly = truthy(os.environ.get(PROJECT_READONLY_ENV, "false"))
    project = ClientProject(root, readonly=readonly, dotenv_file=dotenv_file)
    if names is None:
        return project
    files = included_files(project)
    plain = {name.partition(":")[0] for name in names}
    included = [*_needed(yaml.load(project.meltanofile) or {}, files, plain)]
    left_out = [one for one in files if one not in included]
    return ClientProject(
        root,
        readonly=readonly,
        dotenv_file=dotenv_file,
        included=included,
        left_out=left_out,
    )


def _needed(
    project: dict[str, Any], files: Collection[IncludedFile], names: set[str]
) -> Iterator[IncludedFile]:
    """The files that have what is named, or what that refers to, or something for all."""
    entries: defaultdict[str, set[str]] = defaultdict(set)
    for name, words in _entries(project):
        entries[name] |= words
    yield from (file for file in files if not file.is_separable)
    rest = [file for file in files if file.is_separable]
    known: set[str] = set()
    while new := names - known:
        known |= new
        chosen = [file for file in rest if file.names & new]
        rest = [file for file in rest if not file.names & new]
        yield from chosen
        names = known.union(*(entries[name] for name in new), *(file.words for file in chosen))


def _entries(project: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """The plugins, jobs and schedules of `meltano.yml`, each with the words in it."""
    for plugins in (project.get("plugins") or {}).values():
        yield from ((one["name"], {str(one.get("inherit_from"))}) for one in plugins or ())
    for job in project.get("jobs") or ():
        yield job["name"], {*_WORD.findall(str(job.get("tasks")))}
    for schedule in project.get("schedules") or ():
        parts = (schedule.get(key) for key in ("job", "extractor", "loader"))
        yield schedule["name"], {str(part) for part in parts}
