"""What `make settings` notes about settings in meltano.yml, besides what Meltano uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meltano.core.setting_definition import SettingDefinition


def setting_notes(definition: SettingDefinition) -> dict[str, Any]:
    """The notes about a setting: ``variables`` and ``account_limit``, if it has any.

    Args:
        definition: Meltano's, which keeps annotations and shows them to nobody.
    """
    found = getattr(definition, "_annotations", None)
    return dict(found.data.get("signalroom", {})) if found else {}
