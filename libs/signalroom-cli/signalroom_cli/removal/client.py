"""What a client has in the project's files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meltano.core.schedule import ELTSchedule

from signalroom_cli.client_project import IncludedFile
from signalroom_cli.meltano_project import find_taps, words_of_job
from signalroom_cli.plugin_settings import read_setting

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from meltano.core.project import Project


class RemovalError(Exception):
    """The client cannot be removed; the message says why and what to do."""


@dataclass(frozen=True)
class Client:
    """A client, and where its data is.

    Attributes:
        name: The name, which is that of its file.
        file: The file with its plugins, jobs and schedules.
        taps: The names of its taps.
        client_ids: The values of ``_client_id`` in its rows.
        schemas: The schemas of its tables.
        own_schemas: The schemas into which no other client's taps load.
    """

    name: str
    file: IncludedFile
    taps: tuple[str, ...]
    client_ids: tuple[str, ...]
    schemas: tuple[str, ...]
    own_schemas: tuple[str, ...]

    @property
    def variables(self) -> list[str]:
        """The environment variables that only its file refers to, sorted."""
        prefix = self.file.prefix
        return sorted(name for name in self.file.variables if prefix and name.startswith(prefix))


def read_client(project: Project, path: Path) -> Client:
    """Read a client from the project's files.

    Args:
        project: A project whose environment is active.
        path: The path of the client's file.

    Raises:
        RemovalError: If the file does not exist, is invalid, has no tap with a ``client_id`` or one
            that is unknown, or another file refers to its taps or has the same ``client_id``.
    """
    if not path.is_file():
        clients = ", ".join(sorted(file.stem for file in path.parent.glob("*.yml")))
        msg = f"There is no client {path.stem!r}; there are {clients or 'none'}."
        raise RemovalError(msg)
    file = IncludedFile.read(path)
    if file.parse_problem:
        msg = f"{file.parse_problem} Correct the file, then run this command again."
        raise RemovalError(msg)
    plugins = find_taps(project)
    taps = tuple(name for name in plugins if name in file.names and "--" in name)
    if references := _find_references(project, file, taps):
        msg = f"{', '.join(references)} would have nothing to run: remove or change that first."
        raise RemovalError(msg)
    ids = {name: read_setting(project, plugin, "client_id") for name, plugin in plugins.items()}
    for name in taps:
        reference = str(plugins[name].config.get("client_id") or "")
        if reference.startswith("$") and not ids[name]:
            msg = (
                f"The client_id of {name} is unknown: {reference.strip('${}')} is not set. Set it."
            )
            raise RemovalError(msg)
    client_ids = {ids[name] for name in taps} - {""}
    if not client_ids:
        msg = f"{path} has no tap with a client_id: delete the file and its data by hand."
        raise RemovalError(msg)
    if sharing := [name for name, id_ in ids.items() if name not in taps and id_ in client_ids]:
        msg = (
            f"{', '.join(sharing)} has the same client_id, and so the same rows: change that first."
        )
        raise RemovalError(msg)
    schemas = {
        name: read_setting(project, plugin, "_load_schema") for name, plugin in plugins.items()
    }
    used_by_others = {schema for name, schema in schemas.items() if name not in taps}
    used = dict.fromkeys(schemas[name] for name in taps)
    return Client(
        name=path.stem,
        file=file,
        taps=taps,
        client_ids=tuple(sorted(client_ids)),
        schemas=tuple(used),
        own_schemas=tuple(schema for schema in used if schema not in used_by_others),
    )


def _find_references(project: Project, file: IncludedFile, taps: Collection[str]) -> list[str]:
    """The plugins, jobs and schedules of other files that refer to a client's taps or jobs."""
    references = [
        f"tap {name}"
        for name, plugin in find_taps(project).items()
        if name not in taps and plugin.inherit_from in taps
    ]
    jobs = {job.name: {*words_of_job(job)} for job in project.meltano.jobs}
    references += [
        f"job {name}" for name, words in jobs.items() if name not in file.names and words & {*taps}
    ]
    own = {*taps, *(name for name in jobs if name in file.names)}
    for schedule in project.meltano.schedules:
        target = schedule.extractor if isinstance(schedule, ELTSchedule) else schedule.job
        if target in own and schedule.name not in file.names:
            references.append(f"schedule {schedule.name}")
    return references
