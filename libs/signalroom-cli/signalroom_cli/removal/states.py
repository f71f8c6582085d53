"""The states and runs of a client in Meltano's database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from meltano.core.job.job import Job
from meltano.core.plugin.base import PluginType
from meltano.core.state_service import StateService

from signalroom_cli.meltano_project import find_taps

if TYPE_CHECKING:
    from collections.abc import Collection

    from meltano.core.project import Project
    from sqlalchemy.orm import Session

    from signalroom_cli.removal.client import Client


class _Pipeline(NamedTuple):
    environment: str
    tap: str
    loader: str


def _parse_state_id(
    state_id: str, taps: Collection[str], loaders: Collection[str]
) -> _Pipeline | None:
    """Parse a state ID such as ``prod:tap-everflow--acme-to-target-postgres:suffix``.

    Args:
        state_id: The ID of a state in Meltano.
        taps: The names of the project's taps.
        loaders: The names of the project's loaders.

    Returns:
        The pipeline; None if the ID has another format, as one that a user chose.
    """
    for number, part in enumerate(state_id.split(":")[:2]):
        ends = [match.start() for match in re.finditer("-to-", part)]
        # A tap's name may contain "-to-": a tap of the project comes first, then the longest name.
        for end in sorted(ends, key=lambda end: (part[:end] in taps, end), reverse=True):
            loader = part[end + len("-to-") :]
            if loader in loaders or loader.startswith("target-"):
                return _Pipeline(state_id.partition(":")[0] if number else "", part[:end], loader)
    return None


class States:
    """The states and the runs of a client's taps, in all environments.

    Attributes:
        ids: The state IDs, sorted.
    """

    def __init__(self, project: Project, session: Session, client: Client) -> None:
        """Look up the state IDs.

        Args:
            project: A project whose environment is active.
            session: A session on Meltano's database.
            client: The client whose taps' states to look for.
        """
        self._session = session
        self._service = StateService(project, session)
        taps = find_taps(project)
        plugins = project.plugins.get_plugins_of_type(PluginType.LOADERS, ensure_parent=False)
        loaders = {loader.name for loader in plugins}
        stored = self._service.state_store_manager.get_state_ids()
        all_ids = {*stored, *(name for (name,) in session.query(Job.job_name).distinct())}
        self._pipelines = {
            state_id: pipeline
            for state_id in all_ids
            if (pipeline := _parse_state_id(state_id, taps, loaders))
            and pipeline.tap in client.taps
        }
        # The state ID of `meltano elt` is the name of the schedule.
        schedules = client.file.names - {*client.taps}
        self.ids = sorted({*self._pipelines, *(schedules & all_ids)})

    def environments_and_loaders(self) -> set[tuple[str, str]]:
        """The environments and loaders that the client's taps have run with."""
        return {(each.environment, each.loader) for each in self._pipelines.values()}

    def ids_of_active_runs(self) -> list[str]:
        """The state IDs of which a run is under way."""
        runs = self._session.query(Job).filter(Job.job_name.in_(self.ids))
        return sorted({run.job_name for run in runs if run.is_running() and not run.is_stale()})

    def remove(self) -> None:
        """Delete the states and the runs."""
        for state_id in self.ids:
            self._service.clear_state(state_id)
        self._session.query(Job).filter(Job.job_name.in_(self.ids)).delete()
        self._session.commit()
