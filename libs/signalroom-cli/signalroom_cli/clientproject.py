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
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from typing_extensions import override

from signalroom_cli.folders import ProjectFileError
from signalroom_singer.settings.client_names import taken_prefix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from meltano.core.environment import Environment
    from meltano.core.meltano_file import MeltanoFile
    from meltano.core.project_files import InProjectPath
    from ruamel.yaml.comments import CommentedMap

#: The top-level keys of a file that says nothing about plugins, jobs and schedules of others.
_KEYS = {"plugins", "jobs", "schedules"}
_KEY = re.compile(r"^[\"']?([A-Za-z_][\w-]*)[\"']?\s*:", re.MULTILINE)
#: A value on the line of its key: in quotes, or as far as a comment, a comma or a bracket.
_VALUE = r"[\"']?\s*:\s*(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s\"'#,{}\[\]][^#,{}\[\]\n]*))"
_NAME = re.compile(rf"\bname{_VALUE}")
_NAMED = re.compile(rf"\b(?:job|extractor|loader|inherit_from){_VALUE}")
_WORD = re.compile(r"[\w./-]+")
_parser = YAML(typ="safe")
_REFERENCE = re.compile(r"\$\{?([A-Za-z_]\w*)")


@dataclass(frozen=True)
class IncludedFile:
    """A file that ``include_paths`` names, as text: parsing YAML is what takes long.

    Attributes:
        path: The file, with symbolic links resolved.
        text: The text of the file; empty if it cannot be read.
        problem: Why it cannot be read; empty if it can.
    """

    path: Path
    text: str
    problem: str = ""

    @classmethod
    def read(cls, path: Path) -> IncludedFile:
        """Read a file, or find out why that is not possible.

        Args:
            path: The file, which may be missing or a folder.
        """
        try:
            return cls(path.resolve(), path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            return cls(path.resolve(), "", f"{path} cannot be read: {reason}.")

    @cached_property
    def names(self) -> set[str]:
        """The names of its plugins, jobs and schedules, and of whatever else has one."""
        return _values(_NAME, self.text)

    @cached_property
    def words(self) -> set[str]:
        """All that could name a plugin or a job elsewhere."""
        return {*_WORD.findall(self.text)} | _values(_NAMED, self.text)

    @cached_property
    def variables(self) -> set[str]:
        """The environment variables that it refers to."""
        return {*_REFERENCE.findall(self.text)}

    @property
    def is_separable(self) -> bool:
        """Whether it has plugins, jobs and schedules only, and no settings that others share."""
        # A file in braces has none of its keys at the left: it may have any.
        return set() < self.keys <= _KEYS

    @cached_property
    def keys(self) -> set[str]:
        """The top-level keys, as far as they stand at the left of their lines."""
        return {*_KEY.findall(self.text)}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it but comments, which Meltano cannot merge."""
        return self._parse_result == (None, "")

    @property
    def parse_problem(self) -> str:
        """Why Meltano cannot use what is in the file; empty if it can, or if it is empty."""
        return self._parse_result[1]

    @cached_property
    def _parse_result(self) -> tuple[Any, str]:
        if self.problem:
            return None, self.problem
        try:
            content = _parser.load(self.text)
        except YAMLError as error:
            return None, f"{self.path} cannot be read: {' '.join(str(error).split())}"
        if not isinstance(content, dict | None):
            return None, f"{self.path} cannot be read: expected keys such as plugins and schedules."
        if name := _schedule_without_job((content or {}).get("schedules")):
            return None, f"{self.path} cannot be read: the schedule {name!r} has no job."
        return content, ""

    @property
    def prefix(self) -> str | None:
        """What the variables of a client's file begin with; None if others' may begin so too."""
        if taken_prefix(self.path.stem):
            return None
        return f"{self.path.stem.upper().replace('-', '_')}_"


def _schedule_without_job(schedules: Any) -> str:
    """The name of a schedule for which Meltano fails with a TypeError; empty if there is none."""
    for schedule in schedules if isinstance(schedules, list) else ():
        is_elt = {"extractor", "loader", "transform"} <= schedule.keys()
        if "job" not in schedule and not is_elt:
            return str(schedule.get("name"))
    return ""


def _values(pattern: re.Pattern[str], text: str) -> set[str]:
    return {"".join(groups).strip() for groups in pattern.findall(text)}


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
        # Before Meltano validates them: one that is left out may be a folder, or a broken link.
        return [
            self._validate_include_path(path)
            for path in _matches(self)
            if path.resolve() not in self._left_out
        ]


def _variable_prefixes(files: Collection[IncludedFile]) -> set[str]:
    """How the variables of clients' plugins begin, as in ``TAP_EVERFLOW__ACME_API_KEY``."""
    return {
        f"{name.replace('-', '_').upper()}_"
        for file in files
        for name in file.names
        if name.startswith(("tap-", "target-")) and "--" in name
    }


def _matches(files: ProjectFiles) -> list[Path]:
    """The paths that ``include_paths`` matches, each once, in Meltano's order."""
    own = files._meltano_file_path  # noqa: SLF001 - Meltano leaves this one out, too
    patterns = files.meltano.get("include_paths") or []
    paths = (path for pattern in patterns for path in files.root.glob(pattern) if path != own)
    return list(dict.fromkeys(paths))


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
        unusable: Sequence[str] = (),
    ) -> None:
        """Prepare the project; nothing is read yet.

        Args:
            root: The folder with ``meltano.yml``.
            included: The other included files, if any are left out.
            left_out: Included files that are not read; their clients' variables are not seen.
            unusable: Sentences on those of them that are left out as they cannot be read.
        """
        super().__init__(root, environment, readonly=readonly, dotenv_file=dotenv_file)
        self._included, self._left_out = included, left_out
        self.unusable = unusable
        self._merged_file: MeltanoFile | None = None

    @override
    def refresh(self, **kwargs: Any) -> None:
        own: dict[str, Any] = {
            name: getattr(self, name) for name in ("_included", "_left_out", "unusable")
        }
        if kwargs.keys() == {"environment"}:
            # The files are the same.
            own |= {"_merged_file": self._merged_file, "project_files": self.project_files}
        super().refresh(**kwargs)
        self.__dict__.update(own)

    @cached_property
    @override
    def project_files(self) -> ProjectFiles:
        return _Files(self.root, self.meltanofile, {one.path for one in self._left_out})

    @property
    @override
    def meltano(self) -> MeltanoFile:
        if self._merged_file is None:
            self._merged_file = super().meltano
        return self._merged_file

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
        of_ours, of_theirs = _variable_prefixes(self._included), _variable_prefixes(self._left_out)
        for name in names:
            # The longest that fits: one client's name may begin with another's.
            prefix = max(filter(name.startswith, of_ours | of_theirs), key=len, default="")
            if prefix in of_theirs and prefix not in of_ours:
                theirs.add(name)
        return (theirs - ours) & {*names}


def included_files(project: Project) -> list[IncludedFile]:
    """Read the text of all files that ``include_paths`` names.

    Args:
        project: The project whose ``meltano.yml`` names them.
    """
    paths = _matches(ProjectFiles(project.root, project.meltanofile))
    return [IncludedFile.read(path) for path in paths]


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
        ProjectFileError: If a file that is needed cannot be read.
    """
    readonly = truthy(os.environ.get(PROJECT_READONLY_ENV, "false"))
    project = ClientProject(root, readonly=readonly, dotenv_file=dotenv_file)
    if names is None:
        return project
    files = included_files(project)
    plain = {name.partition(":")[0] for name in names}
    included = [*_needed(yaml.load(project.meltanofile) or {}, files, plain)]
    for file in included:
        if file.parse_problem:
            raise ProjectFileError(file.parse_problem)
    left_out = [file for file in files if file not in included]
    return ClientProject(
        root,
        readonly=readonly,
        dotenv_file=dotenv_file,
        included=included,
        left_out=left_out,
        # Those with keys are some client's: whether they can be read is not tried.
        unusable=[file.parse_problem for file in left_out if not file.keys and file.parse_problem],
    )


def usable_project(root: Path) -> ClientProject:
    """Open a project with all files that can be read; ``unusable`` says which cannot.

    Args:
        root: The folder with ``meltano.yml``.
    """
    readonly = truthy(os.environ.get(PROJECT_READONLY_ENV, "false"))
    files = included_files(ClientProject(root, readonly=readonly))
    left_out = [file for file in files if file.is_empty or file.parse_problem]
    return ClientProject(
        root,
        readonly=readonly,
        included=[file for file in files if file not in left_out],
        left_out=left_out,
        unusable=[file.parse_problem for file in left_out if file.parse_problem],
    )


def _needed(
    project: dict[str, Any], files: Collection[IncludedFile], names: set[str]
) -> Iterator[IncludedFile]:
    """The files that have what is named, or what that refers to, or something for all."""
    entries: defaultdict[str, set[str]] = defaultdict(set)
    for name, words in _entries(project):
        entries[name] |= words
    yield from (file for file in files if not file.is_separable and not _has_nothing(file))
    rest = [file for file in files if file.is_separable]
    known: set[str] = set()
    while new := names - known:
        known |= new
        chosen = [file for file in rest if file.names & new]
        rest = [file for file in rest if not file.names & new]
        yield from chosen
        names = known.union(*(entries[name] for name in new), *(file.words for file in chosen))


def _has_nothing(file: IncludedFile) -> bool:
    """Whether nothing of a file can be used, and it does not seem to be for all clients."""
    return not file.keys and (file.is_empty or bool(file.parse_problem))


def _entries(project: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """The plugins, jobs and schedules of `meltano.yml`, each with the words in it."""
    for plugins in (project.get("plugins") or {}).values():
        yield from ((one["name"], {str(one.get("inherit_from"))}) for one in plugins or ())
    for job in project.get("jobs") or ():
        yield job["name"], {*_WORD.findall(str(job.get("tasks")))}
    for schedule in project.get("schedules") or ():
        parts = (schedule.get(key) for key in ("job", "extractor", "loader"))
        yield schedule["name"], {str(part) for part in parts}
