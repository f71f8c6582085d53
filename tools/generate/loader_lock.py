"""Writes Meltano's definition of the loader from the target's settings schema.

``meltano lock`` would write the Hub's definition instead, which lacks settings and marks fewer
secrets.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from signalroom_target_postgres.target import TargetPostgres
from tools import ROOT
from tools.generate.files import Generator

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = ROOT / "plugins/loaders/target-postgres--signalroom.lock"
_HOME = "https://github.com/signalroom/signalroom/tree/main/targets/target-postgres"
# The SDK declares them; `meltano compile --lint` rejects a definition with them.
_UNKNOWN_CAPABILITIES = {"validate-records", "target-schema"}
_ACRONYMS = {"ssh": "SSH", "ssl": "SSL", "sqlalchemy": "SQLAlchemy", "url": "URL"}


def render() -> str:
    """The lock file's text."""
    schema = TargetPostgres.config_jsonschema
    TargetPostgres.append_builtin_config(schema)
    definition: dict[str, Any] = {
        "plugin_type": "loaders",
        "name": "target-postgres",
        "namespace": "target_postgres",
        "variant": "signalroom",
        "label": "PostgreSQL",
        "docs": _HOME + "#readme",
        "repo": _HOME,
        # No pip_url: Meltano then builds no environment of its own for the loader, and runs the
        # executable that is on the path, as the project's lock file pins it.
        "executable": "signalroom-target-postgres",
        "description": TargetPostgres.__doc__,
        "capabilities": [
            str(capability)
            for capability in TargetPostgres.capabilities
            if str(capability) not in _UNKNOWN_CAPABILITIES
        ],
        # No setting is required: without a connection, the embedded server is used.
        "settings_group_validation": [[]],
        "settings": [*_settings(schema)],
        "dialect": "postgres",
    }
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def _settings(schema: dict[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    for key, definition in schema["properties"].items():
        name = f"{prefix}{key}"
        # Objects with known keys key by key, the others (stream maps) as one setting.
        if any(not inner.startswith("__") for inner in definition.get("properties", {})):
            yield from _settings(definition, f"{name}.")
            continue
        yield {
            "name": name,
            # Meltano casts nothing: the loader explains an invalid text in a sentence.
            "kind": "string",
            **({"value": definition["default"]} if definition.get("default") is not None else {}),
            **({"sensitive": True} if definition.get("secret") else {}),
            "label": definition.get("title") or _label(name),
            **({"description": text} if (text := definition.get("description")) else {}),
            **(
                {"options": [{"label": _label(value), "value": value} for value in values]}
                if (values := definition.get("enum"))
                else {}
            ),
        }


def _label(name: str) -> str:
    words = name.replace(".", " ").replace("_", " ").replace("-", " ").split()
    return " ".join(_ACRONYMS.get(word, word.capitalize()) for word in words)


GENERATOR = Generator(lambda: {LOCK: render()})
