"""A Meltano project whose files are parsed once, and only those that a command needs.

For each command Meltano parses the files of all clients, merges them several times, and copies the
variables of all of them for each setting. With 200 clients that is most of the time of a run with
little new data. Meltano itself is not patched: its commands get this subclass of
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
from meltano.core.settings_service import FEATURE_FLAG_PREFIX, FeatureFlags
from meltano.core.utils import truthy
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from typing_extensions import override

from signalroom_cli.folders import ProjectError
from signalroom_singer.settings.client_names import taken_prefix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from meltano.core.environment import Environment
    from meltano.core.meltano_file import MeltanoFile
    from meltano.core.project_files import InProjectPath
    from meltano.core.project_settings_service import ProjectSettingsService
    from ruamel.yaml.comments import CommentedMap

#: The top-level keys of a file that affects no plugins, jobs and schedules but its own.
_KEYS = {"plugins", "jobs", "schedules"}
_KEY = re.compile(r"^[\"']?([A-Za-z_][\w-]*)[\"']?\s*:", re.MULTILINE)
#: A value on the line of its key: in quotes, or up to a comment, a comma or a bracket.
_VALUE = r"[\"']?\s*:\s*(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s\"'#,{}\[\]][^#,{}\[\]\n]*))"
_NAME = re.compile(rf"\bname{_VALUE}")
_REFERENCE = re.compile(rf"\b(?:job|extractor|loader|inherit_from){_VALUE}")
_WORD = re.compile(r"[\w./-]+")
_parser = YAML(typ="safe")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
_STRICT = f"{FEATURE_FLAG_PREFIX}.{FeatureFlags.STRICT_ENV_VAR_MODE}"
_UNDERSCORE = re.compile("_")


@dataclass(frozen=True)
class IncludedFile:
    """A file that ``include_paths`` names, as text: parsing its YAML would take long.

    Attributes:
        path: The absolute path, with symbolic links resolved.
        text: The content, not parsed; empty if it cannot be read.
        problem: Why it cannot be read, in a sentence; else empty.
    """

    path: Path
    text: str
    problem: str = ""

    @classmethod
    def read(cls, path: Path) -> IncludedFile:
        """Read a file, or record why it cannot be read.

        Args:
            path: The path of the file, which may be missing or a folder.
        """
        try:
            return cls(path.resolve(), path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            return cls(path.resolve(), "", f"{path} cannot be read: {reason}.")

    @cached_property
    def names(self) -> set[str]:
        """The names that it declares: those of plugins, jobs and schedules, and a few others."""
        return _values(_NAME, self.text)

    @cached_property
    def words(self) -> set[str]:
        """All words that may refer to a plugin or a job of another file."""
        return {*_WORD.findall(self.text)} | _values(_REFERENCE, self.text)

    @cached_property
    def variables(self) -> set[str]:
        """The environment variables that it refers to."""
        return {*_VARIABLE.findall(self.text)}

    @property
    def is_separable(self) -> bool:
        """Whether it has only plugins, jobs and schedules, and no settings for other files."""
        # A file in flow style (braces) has no keys at the start of a line: it may have any.
        return set() < self.keys <= _KEYS

    @cached_property
    def keys(self) -> set[str]:
        """The top-level keys that are at the start of a line, as in block style."""
        return {*_KEY.findall(self.text)}

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing but comments: Meltano cannot merge such a file."""
        return self._parse_result == (None, "")

    @property
    def parse_problem(self) -> str:
        """Why Meltano cannot use the file, in a sentence; empty if it can, or for an empty file."""
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
        """The prefix of a client's variables; None if other variables may have it, too."""
        if taken_prefix(self.path.stem):
            return None
        return f"{self.path.stem.upper().replace('-', '_')}_"


def _schedule_without_job(schedules: Any) -> str:
    """The name of a schedule for which Meltano raises TypeError; empty if there is none."""
    for schedule in schedules if isinstance(schedules, list) else ():
        is_elt = {"extractor", "loader", "transform"} <= schedule.keys()
        if "job" not in schedule and not is_elt:
            return str(schedule.get("name"))
    return ""


def _values(pattern: re.Pattern[str], text: str) -> set[str]:
    return {"".join(groups).strip() for groups in pattern.findall(text)}


class _Files(ProjectFiles):
    """The files of a project without the excluded ones."""

    def __init__(self, root: Path, meltano_file_path: Path, excluded: Collection[Path]) -> None:
        super().__init__(root, meltano_file_path)
        self._excluded = excluded

    @cached_property
    @override
    def meltano(self) -> CommentedMap:
        # A copy: Meltano caches this mapping for all projects of a process, and appends the
        # schedules and jobs of included files to it. A second project would have them twice.
        content: CommentedMap = deepcopy(super().meltano)
        return content

    @property
    @override
    def include_paths(self) -> list[InProjectPath]:
        # Excluded first, validated then: an excluded path may be a folder, or a broken link.
        return [
            self._validate_include_path(path)
            for path in _included_paths(self)
            if path.resolve() not in self._excluded
        ]


def _variable_prefixes(files: Collection[IncludedFile]) -> set[str]:
    """The prefixes of clients' plugins, such as ``TAP_EVERFLOW__ACME_``."""
    return {
        f"{name.replace('-', '_').upper()}_"
        for file in files
        for name in file.names
        if name.startswith(("tap-", "target-")) and "--" in name
    }


def _longest_prefix(name: str, prefixes: Collection[str]) -> str:
    """The longest prefix that a variable has: a client's name may begin with another's."""
    beginnings = (name[: underscore.end()] for underscore in _UNDERSCORE.finditer(name))
    return max(filter(prefixes.__contains__, beginnings), key=len, default="")


def _included_paths(files: ProjectFiles) -> list[Path]:
    """The paths that match ``include_paths``, without duplicates, in Meltano's order."""
    main = files._meltano_file_path  # noqa: SLF001 - Meltano skips this file, too
    patterns = files.meltano.get("include_paths") or []
    paths = (path for pattern in patterns for path in files.root.glob(pattern) if path != main)
    return list(dict.fromkeys(paths))


class ClientProject(Project):
    """A project that parses each file once, and skips the files that a command does not need.

    Changes that others make to its files meanwhile are not seen; those that Meltano makes are.
    """

    def __init__(  # noqa: D417
        self,
        root: Path,
        environment: Environment | None = None,
        *,
        readonly: bool = False,
        dotenv_file: Path | None = None,
        included: Collection[IncludedFile] = (),
        excluded: Collection[IncludedFile] = (),
        file_problems: Sequence[str] = (),
    ) -> None:
        """Prepare the project without reading its files.

        Args:
            root: The project's folder, with meltano.yml.
            included: The files that are parsed, if some are excluded.
            excluded: The files that are not parsed, and whose variables are hidden.
            file_problems: For each file that is excluded as it is invalid, why, in a sentence.
        """
        super().__init__(root, environment, readonly=readonly, dotenv_file=dotenv_file)
        self._included, self._excluded = included, excluded
        self.file_problems = file_problems
        self._merged_file: MeltanoFile | None = None

    @override
    def refresh(self, **kwargs: Any) -> None:
        attributes: dict[str, Any] = {
            name: getattr(self, name) for name in ("_included", "_excluded", "file_problems")
        }
        if kwargs.keys() == {"environment"}:
            # The files are the same.
            attributes |= {"_merged_file": self._merged_file, "project_files": self.project_files}
            attributes |= {"dotenv_env": self.dotenv_env}
        super().refresh(**kwargs)
        self.__dict__.update(attributes)

    @cached_property
    @override
    def project_files(self) -> ProjectFiles:
        return _Files(self.root, self.meltanofile, {file.path for file in self._excluded})

    @property
    @override
    def meltano(self) -> MeltanoFile:
        if self._merged_file is None:
            self._merged_file = super().meltano
        return self._merged_file

    @cached_property
    @override
    def settings(self) -> ProjectSettingsService:
        settings = super().settings
        # Meltano looks this flag up for each setting of each plugin. What is in `config_override`
        # it finds first.
        settings.config_override[_STRICT] = settings.get(_STRICT)
        return settings

    @cached_property
    @override
    def dotenv_env(self) -> dict[str, str]:
        values = super().dotenv_env
        hidden = self.variables_of_excluded(values)
        return {name: value for name, value in values.items() if name not in hidden}

    def variables_of_excluded(self, names: Collection[str]) -> set[str]:
        """The environment variables that belong to clients whose files are excluded.

        Args:
            names: The names of all variables that are set.

        Returns:
            Variables with the prefix of such a client to which no included file refers, and those
            of such clients' plugins, such as ``TAP_EVERFLOW__ACME_API_KEY``.
        """
        if not self._excluded:
            return set()
        needed = {name for file in self._included for name in file.variables}
        needed |= {*_VARIABLE.findall(self.meltanofile.read_text(encoding="utf-8"))}
        hidden = {
            name
            for file in self._excluded
            if (prefix := file.prefix)
            for name in file.variables
            if name.startswith(prefix)
        }
        included = _variable_prefixes(self._included)
        excluded = _variable_prefixes(self._excluded)
        prefixes = included | excluded
        for name in names:
            prefix = _longest_prefix(name, prefixes)
            if prefix in excluded and prefix not in included:
                hidden.add(name)
        return (hidden - needed) & {*names}


def read_included_files(project: Project) -> list[IncludedFile]:
    """Read the text of all files that ``include_paths`` names.

    Args:
        project: The project whose ``meltano.yml`` names them.
    """
    paths = _included_paths(ProjectFiles(project.root, project.meltanofile))
    return [IncludedFile.read(path) for path in paths]


def project_for(
    root: Path, names: Collection[str] | None = None, *, dotenv_file: Path | None = None
) -> ClientProject:
    """Open a project with the files that a command needs.

    Args:
        root: The project's folder, with meltano.yml.
        names: The plugins, jobs and schedules that the command names, as ``tap-everflow--acme`` or
            ``dbt-postgres:run``. Files that declare neither these, nor anything they refer to, are
            excluded. By default no file is excluded.
        dotenv_file: The file to read in place of ``.env``.

    Raises:
        ProjectError: If a file that the command needs cannot be read.
    """
    readonly = truthy(os.environ.get(PROJECT_READONLY_ENV, "false"))
    project = ClientProject(root, readonly=readonly, dotenv_file=dotenv_file)
    if names is None:
        return project
    files = read_included_files(project)
    plain = {name.partition(":")[0] for name in names}
    included = [*_select_files(yaml.load(project.meltanofile) or {}, files, plain)]
    for file in included:
        if file.parse_problem:
            raise ProjectError(file.parse_problem)
    excluded = [file for file in files if file not in included]
    # A file with keys belongs to some client, and is not parsed.
    problems = [file.parse_problem for file in excluded if not file.keys and file.parse_problem]
    return ClientProject(
        root,
        readonly=readonly,
        dotenv_file=dotenv_file,
        included=included,
        excluded=excluded,
        file_problems=problems,
    )


def project_without_invalid_files(root: Path) -> ClientProject:
    """Open a project without the files that cannot be read; ``file_problems`` has the reasons.

    Args:
        root: The project's folder, with meltano.yml.
    """
    readonly = truthy(os.environ.get(PROJECT_READONLY_ENV, "false"))
    files = read_included_files(ClientProject(root, readonly=readonly))
    excluded = [file for file in files if file.is_empty or file.parse_problem]
    return ClientProject(
        root,
        readonly=readonly,
        included=[file for file in files if file not in excluded],
        excluded=excluded,
        file_problems=[file.parse_problem for file in excluded if file.parse_problem],
    )


def _select_files(
    project: dict[str, Any], files: Collection[IncludedFile], names: set[str]
) -> Iterator[IncludedFile]:
    """The files that declare a name, or anything it refers to, or that affect other files."""
    references: defaultdict[str, set[str]] = defaultdict(set)
    for name, words in _declarations(project):
        references[name] |= words
    yield from (file for file in files if not file.is_separable and not _is_useless(file))
    rest = [file for file in files if file.is_separable]
    known: set[str] = set()
    while new := names - known:
        known |= new
        selected = [file for file in rest if file.names & new]
        rest = [file for file in rest if not file.names & new]
        yield from selected
        names = known.union(*(references[name] for name in new), *(file.words for file in selected))


def _is_useless(file: IncludedFile) -> bool:
    """Whether a file is empty or invalid, and has no key that might affect other files."""
    return not file.keys and (file.is_empty or bool(file.parse_problem))


def _declarations(project: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """The plugins, jobs and schedules of `meltano.yml`, each with the names it refers to."""
    for plugins in (project.get("plugins") or {}).values():
        yield from ((plugin["name"], {str(plugin.get("inherit_from"))}) for plugin in plugins or ())
    for job in project.get("jobs") or ():
        yield job["name"], {*_WORD.findall(str(job.get("tasks")))}
    for schedule in project.get("schedules") or ():
        names = (schedule.get(key) for key in ("job", "extractor", "loader"))
        yield schedule["name"], {str(name) for name in names}
