"""How the slices of a backfill share the limits of a vendor's account."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meltano.core.error import MeltanoError
from meltano.core.plugin.settings_service import PluginSettingsService
from meltano.core.utils import EnvironmentVariableNotSetError

from signalroom_cli.folders import ProjectError
from signalroom_cli.meltano_project import find_taps
from signalroom_cli.plugin_settings import setting_notes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meltano.core.project import Project

_STORE = "rate_limit_store"


@dataclass(frozen=True)
class Limit:
    """A limit of the vendor's account.

    Attributes:
        setting: The tap's setting.
        value: Its value in a run of the tap.
        is_rate: Whether it limits requests per time; else it limits concurrent requests.
    """

    setting: str
    value: float
    is_rate: bool


@dataclass(frozen=True)
class TapSettings:
    """The settings of a tap that matter to a backfill.

    Attributes:
        names: The names of all settings.
        limits: The settings that are limits of the account.
        has_store: Whether a rate limit store counts the account's requests over all runs.
    """

    names: frozenset[str]
    limits: tuple[Limit, ...] = ()
    has_store: bool = False


def read_tap_settings(project: Project, tap: str) -> TapSettings:
    """Read a tap's settings as Meltano passes them to its runs, wherever they are set.

    Args:
        project: A project whose environment is active.
        tap: The plugin's name.

    Raises:
        ProjectError: If the tap does not exist, or a limit is not a number.
    """
    taps = find_taps(project)
    if tap not in taps:
        msg = f"There is no {tap}; there are {', '.join(sorted(taps))}."
        raise ProjectError(msg)
    try:
        plugin = project.plugins.ensure_parent(taps[tap])
        return _read(project, PluginSettingsService(project, plugin))
    except EnvironmentVariableNotSetError as error:
        msg = f"{tap}: {error.env_var} is not set. Set it in .env."
        raise ProjectError(msg) from None
    except MeltanoError as error:
        msg = f"Meltano cannot read the settings of {tap}: {error}"
        raise ProjectError(msg) from None


def _read(project: Project, service: PluginSettingsService) -> TapSettings:
    limits = []
    environ = {**project.dotenv_env, **service.env}
    has_store = False
    names = []
    for definition in service.definitions(extras=False):
        name, notes = definition.name, setting_notes(definition)
        names.append(name)
        if name == _STORE:
            from_variables = [environ.get(variable) for variable in notes.get("variables", ())]
            has_store = any([service.get(name), *from_variables])
        if kind := notes.get("account_limit"):
            value = service.get(name, setting_def=definition)
            if value not in {None, ""}:
                variable = service.setting_env_vars(definition)[0].key
                limits.append(Limit(name, _number(variable, value), kind == "rate"))
    return TapSettings(frozenset(names), tuple(limits), has_store)


def _number(variable: str, value: object) -> float:
    with contextlib.suppress(ValueError):
        if math.isfinite(number := float(str(value))):
            return number
    msg = f"Invalid {variable} {str(value)!r}: expected a number."
    raise ProjectError(msg)


def max_parallel(limits: Iterable[Limit], count: int) -> int:
    """How many slices can run at once if each, and a scheduled run, has a share of at least one.

    Args:
        limits: The limits of the account.
        count: The number of slices.

    Returns:
        A number from one to the number of slices.
    """
    lowest = min((int(limit.value) for limit in limits), default=count + 1)
    return max(1, min(count, lowest - 1))


def share_limits(limits: Iterable[Limit], parallel: int) -> dict[str, str]:
    """What a slice may use of each limit, besides the other slices and a scheduled run.

    Args:
        limits: The limits of the account.
        parallel: How many slices run at once.

    Returns:
        Values by setting, rounded down, but never below one.
    """
    return {limit.setting: str(max(1, int(limit.value // (parallel + 1)))) for limit in limits}


def limits_too_low(limits: Iterable[Limit], parallel: int) -> list[Limit]:
    """The limits of which the slices and a scheduled run cannot have one each.

    Args:
        limits: The limits of the account.
        parallel: How many slices run at once.
    """
    return [limit for limit in limits if limit.value < parallel + 1]
