"""Environment variables of settings: which ones give a setting, and which one messages name.

A setting ``api_key`` of ``tap-everflow`` is given by ``TAP_EVERFLOW_API_KEY``, and by the names
that its declaration lists under :data:`VARIABLES` (``EVERFLOW_API_KEY``). Messages,
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

#: The keyword of a setting's JSON schema that lists the variables that give it too.
VARIABLES = "x-variables"
_SHARED = "x-shared"
_CLIENT_ID = "client_id"


def given_by(*variables: str, shared: bool = False) -> dict[str, Any]:
    """Declare variables that give a setting too: ``th.Property(..., **given_by("AWS_PROFILE"))``.

    Args:
        variables: Their names; messages and the documentation use the first.
        shared: Whether they are for clients' plugins too, as the address of a vendor is.
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
        instance: The name that Meltano has for it, which may be an inherited plugin's.
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
        """Whether it is a client's: an inherited plugin with a ``client_id``.

        Args:
            config: The settings.
        """
        return self.is_inherited and not is_blank(config.get(_CLIENT_ID))

    def own(self, setting: str) -> str:
        """The variable that Meltano and the SDK read: ``TAP_EVERFLOW_API_KEY``.

        Args:
            setting: The setting's name; ``ssh_tunnel.host`` within an object.
        """
        return upper(f"{self.instance or self.plugin}_{setting}")

    def clients(self, setting: str) -> str | None:
        """The variable that ``make new-client`` gave an inherited plugin, if it is defined.

        Args:
            setting: The setting's name.
        """
        parent, _, suffix = self.instance.rpartition("--")
        if not self.is_inherited or not parent:
            return None
        source = parent.removeprefix("tap-")
        variable = upper(f"{suffix}_{source}_{setting}")
        return variable if variable in os.environ else None

    def listed(self, setting: str) -> tuple[str, ...]:
        """The other variables that give a setting, as it declares them.

        Args:
            setting: The setting's name.
        """
        return tuple(self.properties.get(setting, {}).get(VARIABLES, ()))

    def variable(self, setting: str) -> str:
        """The variable to name in a message: the one that is set, or else the first listed one.

        Args:
            setting: The setting's name.
        """
        own = self.own(setting)
        if clients := self.clients(setting):
            return clients
        listed = () if self.is_inherited else self.listed(setting)
        return next(_set((own, *listed)), listed[0] if listed else own)

    def named(self, setting: str) -> str:
        """A setting's name for a message, with its variable where one can give it.

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
        """How to give a setting: the begin of a sentence without its full stop.

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
    """A name as variables have it: ``TAP_EVERFLOW`` of ``tap-everflow``.

    Args:
        name: A plugin's, or a setting's.
    """
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


class _Current:
    """The naming of the plugin that this process runs."""

    naming = Naming()


def use(naming: Naming) -> None:
    """Name settings in all messages of this process by a plugin's variables.

    Args:
        naming: The plugin's.
    """
    _Current.naming = naming


def current() -> Naming:
    """The naming of the plugin that this process runs."""
    return _Current.naming


def named(setting: str) -> str:
    """A setting's name for a message, with its variable: ``api_key (EVERFLOW_API_KEY)``.

    Args:
        setting: The setting's name, perhaps with a path into it.
    """
    return current().named(setting)


def with_variables(text: str) -> str:
    """Replace ``{setting}`` in a text by the setting's name for a message.

    Args:
        text: A message, such as a hint of a client.
    """
    return re.sub(r"\{([a-z][a-z0-9_]*)\}", lambda found: named(found[1]), text)


def with_variables_in_backticks(text: str) -> str:
    """Add the variable that gives it to each setting that a text has within backticks.

    Args:
        text: A message.
    """
    return re.sub(r"`([a-z][a-z0-9_.]*)`(?! \()", lambda found: _quoted(found[1]), text)


def _quoted(name: str) -> str:
    given = named(name)
    return f"`{name}`{given.removeprefix(name)}"


def instance_of(plugin: str, environment: Mapping[str, str] | None = None) -> str:
    """The name that Meltano has for the plugin it runs; empty without Meltano.

    Args:
        plugin: The plugin's own name.
        environment: The process's environment, unless given.
    """
    kind = "EXTRACTOR" if plugin.startswith("tap-") else "LOADER"
    given = os.environ if environment is None else environment
    return given.get(f"MELTANO_{kind}_NAME", "")


def given_by_variables(naming: Naming, config: Mapping[str, Any]) -> dict[str, str]:
    """Read the settings that the listed variables give, where nothing else does.

    Args:
        naming: The plugin's.
        config: The settings that are known already.

    Returns:
        The texts by setting.
    """
    found: dict[str, str] = {}
    for setting in naming.properties:
        if not is_blank(config.get(setting)) or _belongs_to_a_client(naming, setting, config):
            continue
        if name := next(_set(naming.listed(setting)), None):
            found[setting] = os.environ[name]
    return found


def disagreeing(naming: Naming) -> Iterator[str]:
    """Find listed variables that are not used, as something else gives the setting.

    Args:
        naming: The plugin's.

    Yields:
        A sentence about each.
    """
    if naming.is_inherited:
        return
    for setting in naming.properties:
        own = naming.own(setting)
        used = os.environ.get(own, "").strip()
        for name in naming.listed(setting):
            if used and os.environ.get(name, "").strip() not in {"", used}:
                by = f"{own} or meltano.yml" if naming.origin is Origin.MELTANO else own
                yield f"{name} is not used: {by} gives {setting} another value. Remove one of them."


def is_blank(value: Any) -> bool:
    """Whether a value is none, or text without anything in it.

    Args:
        value: A setting's.
    """
    return value is None or (isinstance(value, str) and not value.strip())


def _belongs_to_a_client(naming: Naming, setting: str, config: Mapping[str, Any]) -> bool:
    if not naming.is_inherited:
        return False
    is_shared = naming.properties[setting].get(_SHARED, False)
    return naming.clients(setting) is not None or (naming.is_clients(config) and not is_shared)


def _set(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if os.environ.get(name, "").strip())
