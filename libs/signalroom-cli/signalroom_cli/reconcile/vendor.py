"""The vendor's own totals, which the tap requests."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meltano.core.db import project_engine
from meltano.core.error import MeltanoError
from meltano.core.state_service import StateService
from sqlalchemy.exc import SQLAlchemyError

from signalroom_cli.meltano_command import meltano_command
from signalroom_cli.meltano_project import state_id_of
from signalroom_cli.plugin_settings import LOADER
from signalroom_cli.reconcile.comparison import Comparison, ReconcileError, VendorTotals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meltano.core.project import Project

#: What the option of our taps is called, by which they print their vendor's totals.
_OPTION = "--control-totals"


def request_totals(
    project: Project, tap: str, days: tuple[str, str] | None
) -> list[VendorTotals | Comparison]:
    """Let a tap request its vendor's totals.

    Args:
        project: A project whose environment is active.
        tap: The plugin's name.
        days: The first day and the last one; None for those that the last run read.

    Returns:
        The totals of each stream that has any; for a stream that cannot be compared, why.

    Raises:
        ReconcileError: If the tap cannot tell them.
    """
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state.json"
        state.write_text(json.dumps(_read_state(project, tap)))
        words = ("..".join(days) if days else "lookback", f"--state={state}")
        completed = subprocess.run(  # noqa: S603 - this project's Meltano
            meltano_command(tap, "invoke", tap, _OPTION, *words),
            cwd=project.root,
            env=os.environ,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    if completed.returncode:
        if _OPTION in completed.stderr:
            msg = "it cannot tell its vendor's totals; the taps of SignalRoom can"
            raise ReconcileError(msg)
        raise ReconcileError("\n".join(_errors(completed.stderr)))
    lines = [line for line in completed.stdout.splitlines() if line.startswith("{")]
    return [_parse(json.loads(line)) for line in lines]


def _parse(line: dict[str, Any]) -> VendorTotals | Comparison:
    if problem := line.get("problem"):
        return Comparison(line["stream"], problem)
    days = {
        day: {column: Decimal(value) for column, value in totals.items()}
        for day, totals in line["days"].items()
    }
    return VendorTotals(line["stream"], line["client_id"], line["day_column"], line["where"], days)


def _errors(output: str) -> Iterator[str]:
    """The tap's errors; without any, the last lines of what it printed."""
    lines = output.strip().splitlines()
    yield from [line for line in lines if "error" in line.lower()] or lines[-5:]


def _read_state(project: Project, tap: str) -> dict[str, Any]:
    try:
        _, make_session = project_engine(project)
        with make_session() as session:
            state = StateService(project, session).get_state(state_id_of(project, tap, LOADER))
    except (SQLAlchemyError, MeltanoError) as error:
        msg = f"Meltano's database cannot be read: {str(error).splitlines()[0]}"
        raise ReconcileError(msg) from None
    bookmarks: dict[str, Any] = state.get("singer_state") or {}
    return bookmarks
