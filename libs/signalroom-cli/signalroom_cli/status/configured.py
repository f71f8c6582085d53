"""Whether a pipeline has what it needs to run, and which variable is missing if not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meltano.core.plugin.settings_service import PluginSettingsService
from meltano.core.setting_definition import SettingKind
from meltano.core.settings_store import SettingValueStore
from meltano.core.utils import EnvironmentVariableNotSetError

from signalroom_cli.settingnotes import setting_notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project
    from meltano.core.setting_definition import SettingDefinition

_NOT_OWN = (SettingValueStore.DEFAULT, SettingValueStore.INHERITED)


@dataclass
class Configuration:
    """The settings of a plugin, as far as they are of interest here.

    Attributes:
        values: Of each setting; those that are not set are left out.
        missing: The variables that are to be set, in order.
        begun: Whether some of what it needs is set, for itself.
    """

    values: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    begun: bool = False

    @property
    def problem(self) -> str:
        """Which variables are missing; an empty text if none is."""
        if not self.missing:
            return ""
        *others, last = self.missing
        names = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        return f"not configured ({names} not set)"


def configuration(project: Project, plugin: ProjectPlugin, *, whole: bool = False) -> Configuration:
    """Read the settings of a plugin.

    Args:
        project: With its environment.
        plugin: The tap or the loader.
        whole: Whether to read all. By default those are that it needs, and those that the
            project's files set: Meltano takes a hundredth of a second for each.
    """
    found = Configuration()
    groups = plugin.settings_group_validation or []
    try:
        service = PluginSettingsService(project, plugin)
        definitions = {one.name: one for one in service.definitions(extras=False)}
    except EnvironmentVariableNotSetError as error:
        # Of the project's `env`, which all plugins share.
        found.missing.append(str(error.env_var))
        return found
    own: set[str] = set()
    wanted = {name for group in groups for name in group} | {"client_id", *_named(service)}
    listed = _listed(project, service, plugin)
    for name, definition in definitions.items():
        # To read an object, Meltano reads all settings of the plugin first.
        is_costly = definition.kind is SettingKind.OBJECT or name.partition(".")[0] not in wanted

        if name in listed:
            found.values[name] = listed[name]
            own.add(name)
            continue
        if is_costly and not whole:
            continue
        try:
            value, details = service.get_with_metadata(name, setting_def=definition)
        except EnvironmentVariableNotSetError as error:
            found.missing.append(str(error.env_var))
            continue
        if value is not None and value != "":
            found.values[name] = value
            if details["source"] not in _NOT_OWN:
                own.add(name)
        elif reference := details.get("unexpanded_value"):
            # A variable that is there, and empty: Meltano takes it for none.
            found.missing.append(str(reference).strip("${}"))
    found.missing = [*dict.fromkeys(found.missing)]
    found.begun = any(name in own for group in groups for name in group)
    if not found.missing:
        group = _closest(groups, found.values)
        found.missing = [_variable(service, definitions[name]) for name in group]
    return found


def _named(service: PluginSettingsService | None) -> Iterator[str]:
    """The settings that the project's files set, of a plugin and of those that it inherits from."""
    while service is not None:
        configs = [service.plugin.config]
        if service.environment_plugin_config is not None:
            configs.append(service.environment_plugin_config.config)
        for config in configs:
            yield from (str(name).partition(".")[0] for name in config)
        service = service.inherited_settings_service


def _listed(
    project: Project, service: PluginSettingsService, plugin: ProjectPlugin
) -> dict[str, str]:
    """The settings that the tap reads from variables which Meltano does not know."""
    if plugin.inherit_from:
        return {}
    env = {**project.dotenv_env, **service.env}
    found: dict[str, str] = {}
    for definition in service.definitions(extras=False):
        for name in _variables(definition):
            if env.get(name, "").strip():
                found.setdefault(definition.name, env[name])
    return found


def _variables(definition: SettingDefinition) -> list[str]:
    return [str(name) for name in setting_notes(definition).get("variables", ())]


def _closest(groups: list[list[str]], values: dict[str, Any]) -> list[str]:
    """What is missing of the group that is nearest to complete; nothing if one is."""
    lacking = [[name for name in group if name not in values] for group in groups]
    return min(lacking, key=len, default=[])


def _variable(service: PluginSettingsService, definition: SettingDefinition) -> str:
    """The variable to set: the one that READMEs name."""
    names = [one.key for one in service.setting_env_vars(definition, for_writing=False)]
    # Those of a child are of its own name only.
    listed = [] if service.plugin.inherit_from else _variables(definition)
    return [*listed, *names][0]
