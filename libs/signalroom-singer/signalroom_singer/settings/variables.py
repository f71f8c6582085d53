"""Environment variables of settings: which ones set a setting, and which one messages name.

A setting ``api_key`` of ``tap-everflow`` is set by ``TAP_EVERFLOW_API_KEY``, and by the names that
its declaration lists under :data:`VARIABLES` (``EVERFLOW_API_KEY``). Messages,
``.env.example`` and the documentation use the first of the listed names.

An inherited Meltano plugin such as ``tap-everflow--acme`` belongs to a client. The listed names are
the project's own credentials, which a client's plugin must never fall back to.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: The keyword of a setting's JSON schema that lists its other variables.
VARIABLES = "x-variables"
_SHARED = "x-shared"
_CLIENT_ID = "client_id"


def env_aliases(*variables: str, shared: bool = False) -> dict[str, Any]:
    """Declare other variables of a setting: ``th.Property(..., **env_aliases("AWS_PROFILE"))``.

    Args:
        variables: The names of the variables; messages and the documentation use the first.
        shared: Whether clients' plugins read them too, as for the address of a vendor.
    """
    return {VARIABLES: [*variables], _SHARED: shared}


class Origin(Enum):
    """Where the settings come from."""

    FILE = auto()
    ENVIRONMENT = auto()
    MELTANO = auto()


@dataclass(frozen=True)
class Naming:
    """Names the settings of a plugin in messages.

    Attributes:
        plugin: The plugin's own name, as in ``tap-everflow``.
        properties: The settings' JSON schemas by name.
        origin: Where the settings come from.
        instance: Meltano's name for it, which may be that of an inherited plugin.
    """

    plugin: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = Origin.FILE
    instance: str = ""

    @property
    def is_inherited(self) -> bool:
        """Whether Meltano runs it as an inherited plugin, such as a client's."""
        return bool(self.instance) and self.instance != self.plugin

    def is_clients(self, config: Mapping[str, Any]) -> bool:
        """Whether the plugin belongs to a client: it is inherited, and has a ``client_id``.

        Args:
            config: The settings of the plugin.
        """
        return self.is_inherited and not is_blank(config.get(_CLIENT_ID))

    def own(self, setting: str) -> str:
        """The variable that Meltano and the SDK read: ``TAP_EVERFLOW_API_KEY``.

        Args:
            setting: The setting's name; ``ssh_tunnel.host`` within an object.
        """
        return upper(f"{self.instance or self.plugin}_{setting}")

    def clients(self, setting: str) -> str | None:
        """The client's variable, as ``make new-client`` names it, if it is defined.

        Args:
            setting: The setting's name.
        """
        parent, _, suffix = self.instance.rpartition("--")
        if not self.is_inherited or not parent:
            return None
        source = parent.removeprefix("tap-")
        variable = upper(f"{suffix}_{source}_{setting}")
        return variable if variable in os.environ else None

    def aliases(self, setting: str) -> tuple[str, ...]:
        """The other variables of a setting, as it declares them.

        Args:
            setting: The setting's name.
        """
        return tuple(self.properties.get(setting, {}).get(VARIABLES, ()))

    def variable(self, setting: str) -> str:
        """The variable to name in a message: the one that is set, otherwise the first alias.

        Args:
            setting: The setting's name.
        """
        own = self.own(setting)
        if clients := self.clients(setting):
            return clients
        aliases = () if self.is_inherited else self.aliases(setting)
        return next(_set((own, *aliases)), aliases[0] if aliases else own)

    def label(self, setting: str) -> str:
        """A setting's name for a message, with its variable if there is one.

        Args:
            setting: The setting's name, perhaps with a path into it: ``spreadsheets[0].tabs``.
        """
        root = re.split(r"[.\[]", setting, maxsplit=1)[0]
        if self.origin is Origin.FILE or root not in self.properties:
            return setting
        # Meltano has a variable for each key of an object that the settings declare.
        key = setting.removeprefix(f"{root}.")
        is_key = self.origin is Origin.MELTANO and key in self.properties[root].get(
            "properties", ()
        )
        return f"{setting} ({self.own(setting) if is_key else self.variable(root)})"

    def remedy(self, setting: str) -> str:
        """How to set a setting: a sentence without its full stop.

        Args:
            setting: The setting's name; ``ssh_tunnel.host`` within an object.
        """
        variable = self.variable(setting)
        if self.origin is Origin.MELTANO:
            return f"Set {variable} in .env"
        root, _, key = setting.partition(".")
        if key and self.origin is Origin.ENVIRONMENT:
            return f"Set {key} in the JSON of {self.variable(root)}"
        if key:
            return f"Set {setting} in the --config file"
        if self.origin is Origin.ENVIRONMENT:
            return f"Set {variable} in the environment or in .env, or {setting} in a --config file"
        return f"Set {setting} in the --config file, or {variable} with --config=ENV"


def upper(name: str) -> str:
    """Convert a name to the form of variables: ``tap-everflow`` to ``TAP_EVERFLOW``.

    Args:
        name: The name of a plugin or a setting.
    """
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


class _Current:
    """The naming of the plugin that this process runs."""

    naming = Naming()


def use_naming(naming: Naming) -> None:
    """Use a plugin's variables in all messages of this process.

    Args:
        naming: The naming of the plugin's settings.
    """
    _Current.naming = naming


def current_naming() -> Naming:
    """The naming of the plugin that this process runs."""
    return _Current.naming


def setting_label(setting: str) -> str:
    """A setting's name for a message, with its variable: ``api_key (EVERFLOW_API_KEY)``.

    Args:
        setting: The setting's name, perhaps with a path into it.
    """
    return current_naming().label(setting)


def fill_setting_labels(text: str) -> str:
    """Replace each ``{setting}`` in a text by the label of that setting.

    Args:
        text: A message, such as a hint of a client.
    """
    return re.sub(r"\{([a-z][a-z0-9_]*)\}", lambda match: setting_label(match[1]), text)


def label_settings_in_backticks(text: str) -> str:
    """Add its variable to each setting that a text has in backticks.

    Args:
        text: A message with names of settings.
    """
    return re.sub(r"`([a-z][a-z0-9_.]*)`(?! \()", lambda match: _quote(match[1]), text)


def _quote(name: str) -> str:
    label = setting_label(name)
    return f"`{name}`{label.removeprefix(name)}"


def instance_of(plugin: str, environment: Mapping[str, str] | None = None) -> str:
    """Meltano's name for the plugin that it runs; empty without Meltano.

    Args:
        plugin: The plugin's own name.
        environment: The environment to read; that of the process, by default.
    """
    kind = "EXTRACTOR" if plugin.startswith("tap-") else "LOADER"
    variables = os.environ if environment is None else environment
    return variables.get(f"MELTANO_{kind}_NAME", "")


def read_aliases(naming: Naming, config: Mapping[str, Any]) -> dict[str, str]:
    """Read settings from their other variables, unless they are set elsewhere.

    Args:
        naming: The naming of the plugin's settings.
        config: The settings that are set elsewhere.

    Returns:
        The texts by setting.
    """
    texts: dict[str, str] = {}
    for setting in naming.properties:
        if not is_blank(config.get(setting)) or _belongs_to_a_client(naming, setting, config):
            continue
        if name := next(_set(naming.aliases(setting)), None):
            texts[setting] = os.environ[name]
    return texts


def find_conflicts(naming: Naming) -> Iterator[str]:
    """Find aliases that are ignored, as the setting has another value elsewhere.

    Args:
        naming: The naming of the plugin's settings.

    Yields:
        A sentence for each.
    """
    if naming.is_inherited:
        return
    for setting in naming.properties:
        own = naming.own(setting)
        used = os.environ.get(own, "").strip()
        for name in naming.aliases(setting):
            if used and os.environ.get(name, "").strip() not in {"", used}:
                by = f"{own} or meltano.yml" if naming.origin is Origin.MELTANO else own
                yield f"{name} is not used: {by} gives {setting} another value. Remove one of them."


def is_blank(value: Any) -> bool:
    """Whether a value is None or blank text.

    Args:
        value: The value of a setting.
    """
    return value is None or (isinstance(value, str) and not value.strip())


def _belongs_to_a_client(naming: Naming, setting: str, config: Mapping[str, Any]) -> bool:
    if not naming.is_inherited:
        return False
    is_shared = naming.properties[setting].get(_SHARED, False)
    return naming.clients(setting) is not None or (naming.is_clients(config) and not is_shared)


def _set(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if os.environ.get(name, "").strip())
