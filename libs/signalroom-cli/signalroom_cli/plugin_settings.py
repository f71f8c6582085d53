"""The settings of a plugin as Meltano resolves them, and the variables that are missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meltano.core.error import MeltanoError
from meltano.core.plugin.base import PluginType
from meltano.core.plugin.settings_service import PluginSettingsService
from meltano.core.setting_definition import SettingKind
from meltano.core.settings_store import SettingValueStore
from meltano.core.utils import EnvironmentVariableNotSetError

from signalroom_cli.folders import ProjectError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project
    from meltano.core.setting_definition import SettingDefinition

LOADER = "target-postgres"
#: The variable in which Meltano passes the tap's `load_schema` to the loader.
_LOAD_SCHEMA = "MELTANO_EXTRACT__LOAD_SCHEMA"
_NOT_OWN = (SettingValueStore.DEFAULT, SettingValueStore.INHERITED)


@dataclass
class PluginSettings:
    """The settings of a plugin.

    Attributes:
        values: The value of each setting that was read and is set.
        missing: The environment variables that still have to be set, in order.
        is_partly_set: Whether the plugin itself, and not its parent, has one of the settings that
            it requires.
    """

    values: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    is_partly_set: bool = False

    @property
    def problem(self) -> str:
        """The missing variables as a clause; empty if none is missing."""
        if not self.missing:
            return ""
        *others, last = self.missing
        names = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        return f"not configured ({names} not set)"


def read_plugin_settings(
    project: Project,
    plugin: ProjectPlugin,
    *,
    all_settings: bool = False,
    env: dict[str, str] | None = None,
) -> PluginSettings:
    """Read the settings of a plugin.

    Args:
        project: A project whose environment is active.
        plugin: A tap or a loader, whose parent need not be resolved yet.
        all_settings: Whether to read every setting. By default only the required ones are read and
            those that the project's files set: Meltano takes a hundredth of a second for each.
        env: Environment variables that values may refer to, besides those of the process.

    Raises:
        MeltanoError: If the plugin, or its parent, does not exist.
    """
    plugin = project.plugins.ensure_parent(plugin)
    settings = PluginSettings()
    groups = plugin.settings_group_validation or []
    try:
        service = PluginSettingsService(project, plugin, env_override=env)
        definitions = {each.name: each for each in service.definitions(extras=False)}
    except EnvironmentVariableNotSetError as error:
        # In the project's `env`, which all plugins share.
        settings.missing.append(str(error.env_var))
        return settings
    own: set[str] = set()
    required = {name for group in groups for name in group}
    selected = required | {"client_id", *_names_in_files(service)}
    from_variables = _values_of_extra_variables(project, service, plugin)
    for name, definition in definitions.items():
        if name in from_variables:
            settings.values[name] = from_variables[name]
            own.add(name)
            continue
        # To read an object, Meltano reads all settings of the plugin first.
        is_costly = definition.kind is SettingKind.OBJECT or name.partition(".")[0] not in selected
        if is_costly and not all_settings:
            continue
        try:
            value, details = service.get_with_metadata(name, setting_def=definition)
        except EnvironmentVariableNotSetError as error:
            settings.missing.append(str(error.env_var))
            continue
        if value is not None and value != "":
            settings.values[name] = value
            if details["source"] not in _NOT_OWN:
                own.add(name)
        elif reference := details.get("unexpanded_value"):
            # A variable that is set, but empty: to Meltano it is not set.
            settings.missing.append(str(reference).strip("${}"))
    settings.missing = [*dict.fromkeys(settings.missing)]
    settings.is_partly_set = bool(own & required)
    if not settings.missing:
        settings.missing = [
            _variable_to_set(service, definitions[name])
            for name in _missing_of_closest_group(groups, settings.values)
        ]
    return settings


def loader_settings(project: Project, name: str = LOADER, *, schema: str = "") -> dict[str, Any]:
    """The settings of a loader, as Meltano would pass them to it.

    Args:
        project: A project whose environment is active.
        name: The loader's name in the project.
        schema: The schema that the tap of the run loads into, its ``load_schema``.

    Raises:
        ProjectError: If the loader does not exist, or a variable that it refers to is not set.
    """
    try:
        plugin = project.plugins.find_plugin(name, plugin_type=PluginType.LOADERS)
        env = {_LOAD_SCHEMA: schema} if schema else None
        settings = read_plugin_settings(project, plugin, all_settings=True, env=env)
    except MeltanoError as error:
        msg = f"Meltano cannot read the settings of {name}: {error}"
        raise ProjectError(msg) from None
    if settings.missing:
        msg = f"{name}: {settings.problem}"
        raise ProjectError(msg)
    return settings.values


def read_setting(project: Project, plugin: ProjectPlugin, name: str) -> str:
    """Read one setting of a tap, whatever else is not set yet.

    Args:
        project: A project whose environment is active.
        plugin: The tap, whose parent need not be resolved yet.
        name: The name of the setting, or of an extra such as ``_load_schema``.

    Returns:
        Its value; empty if it is not set, or if Meltano cannot run the tap.
    """
    unset: dict[str, str] = {}
    while True:
        try:
            resolved = project.plugins.ensure_parent(plugin)
            service = PluginSettingsService(project, resolved, env_override=unset)
            value = service.get(name)
            return "" if value is None else str(value)
        except EnvironmentVariableNotSetError as error:
            # Meltano expands all settings of the tap. The credentials do not matter here.
            variable = str(error.env_var)
            if variable in unset:
                # These values do not reach where it is read: trying again would never end.
                return ""
            unset[variable] = ""
        except MeltanoError:
            return ""


def setting_notes(definition: SettingDefinition) -> dict[str, Any]:
    """What `make settings` adds to a setting in meltano.yml, besides what Meltano uses.

    Args:
        definition: Meltano's definition, which carries annotations but has no public access to
            them.

    Returns:
        ``variables`` and ``account_limit``, where the setting has them.
    """
    annotations = getattr(definition, "_annotations", None)
    return dict(annotations.data.get("signalroom", {})) if annotations else {}


def _names_in_files(service: PluginSettingsService | None) -> Iterator[str]:
    """The settings that the project's files set, for the plugin or for one it inherits from."""
    while service is not None:
        configs = [service.plugin.config]
        if service.environment_plugin_config is not None:
            configs.append(service.environment_plugin_config.config)
        for config in configs:
            yield from (str(name).partition(".")[0] for name in config)
        service = service.inherited_settings_service


def _values_of_extra_variables(
    project: Project, service: PluginSettingsService, plugin: ProjectPlugin
) -> dict[str, str]:
    """The settings that the tap reads from variables which Meltano does not know."""
    if plugin.inherit_from:
        return {}
    env = {**project.dotenv_env, **service.env}
    values: dict[str, str] = {}
    for definition in service.definitions(extras=False):
        for name in _extra_variables(definition):
            if env.get(name, "").strip():
                values.setdefault(definition.name, env[name])
    return values


def _extra_variables(definition: SettingDefinition) -> list[str]:
    return [str(name) for name in setting_notes(definition).get("variables", ())]


def _missing_of_closest_group(groups: list[list[str]], values: dict[str, Any]) -> list[str]:
    """The settings missing in the group that is nearest to complete; empty if one is complete."""
    missing = [[name for name in group if name not in values] for group in groups]
    return min(missing, key=len, default=[])


def _variable_to_set(service: PluginSettingsService, definition: SettingDefinition) -> str:
    """The variable of a setting that READMEs name."""
    names = [variable.key for variable in service.setting_env_vars(definition, for_writing=False)]
    # The extra variables are the parent's: a child reads only those with its own name.
    extra = [] if service.plugin.inherit_from else _extra_variables(definition)
    return [*extra, *names][0]
