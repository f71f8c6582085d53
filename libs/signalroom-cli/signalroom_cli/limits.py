"""What the slices of a backfill may take of the limits of a vendor's account."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meltano.core.error import MeltanoError
from meltano.core.plugin.settings_service import PluginSettingsService
from meltano.core.utils import EnvironmentVariableNotSetError

from signalroom_cli.meltanoproject import ProjectError, extractors
from signalroom_cli.settingnotes import setting_notes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meltano.core.project import Project

_STORE = "rate_limit_store"


@dataclass(frozen=True)
class Limit:
    """A limit of the vendor's account.

    Attributes:
        setting: The tap's setting.
        value: As a run of the tap has it.
        is_rate: Whether it is of requests in some time; else it is of those under way at once.
    """

    setting: str
    value: float
    is_rate: bool


@dataclass(frozen=True)
class TapSettings:
    """A tap's settings, as far as a backfill needs to know them.

    Attributes:
        names: Of all of them.
        limits: Those that are limits of the account.
        has_store: Whether all runs count the account's requests together.
    """

    names: frozenset[str]
    limits: tuple[Limit, ...] = ()
    has_store: bool = False


def read_settings(project: Project, tap: str) -> TapSettings:
    """Read a tap's settings as Meltano gives them to its runs, wherever they are set.

    Args:
        project: With its environment.
        tap: The plugin's name.

    Raises:
        ProjectError: If there is no such tap, or a limit cannot be read.
    """
    taps = extractors(project)
    if tap not in taps:
        msg = f"There is no {tap}; there are {', '.join(sorted(taps))}."
        raise ProjectError(msg)
    try:
        plugin = project.plugins.ensure_parent(taps[tap])
        return _settings(project, PluginSettingsService(project, plugin))
    except EnvironmentVariableNotSetError as error:
        msg = f"{tap}: {error.env_var} is not set. Set it in .env."
        raise ProjectError(msg) from None
    except MeltanoError as error:
        msg = f"Meltano cannot read the settings of {tap}: {error}"
        raise ProjectError(msg) from None


def _settings(project: Project, service: PluginSettingsService) -> TapSettings:
    limits = []
    environ = {**project.dotenv_env, **service.env}
    has_store = False
    names = []
    for definition in service.definitions(extras=False):
        name, ours = definition.name, setting_notes(definition)
        names.append(name)
        if name == _STORE:
            listed = [environ.get(variable) for variable in ours.get("variables", ())]
            has_store = any([service.get(name), *listed])
        if kind := ours.get("account_limit"):
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


def at_once(limits: Iterable[Limit], count: int) -> int:
    """How many slices can run at once beside a scheduled run, each with a share of one or more.

    Args:
        limits: Of the account.
        count: How many slices there are.

    Returns:
        At least one, and at most all.
    """
    least = min((int(limit.value) for limit in limits), default=count + 1)
    return max(1, min(count, least - 1))


def shares(limits: Iterable[Limit], count: int) -> dict[str, str]:
    """What a slice may take, where as many run at once beside a scheduled run.

    Args:
        limits: Of the account.
        count: How many slices run at once.

    Returns:
        Values by setting, rounded down; one where a limit is less than the runs.
    """
    return {limit.setting: str(max(1, int(limit.value // (count + 1)))) for limit in limits}


def too_low(limits: Iterable[Limit], count: int) -> list[Limit]:
    """The limits of which so many slices and a scheduled run cannot have one each.

    Args:
        limits: Of the account.
        count: How many slices run at once.
    """
    return [limit for limit in limits if limit.value < count + 1]
