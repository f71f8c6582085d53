# ruff: noqa: INP001 - a script, not a package's module
"""Write Meltano's definition of the loader from the target's own schema.

Run ``python targets/target-postgres/lock.py`` after the target's settings changed; a test
fails until that is done. ``meltano lock`` would ask the Hub instead, whose definition misses
settings and marks fewer secrets.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signalroom_target_postgres.target import TargetPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = Path(__file__).parents[2] / "plugins/loaders/target-postgres--signalroom.lock"
_HOME = "https://github.com/signalroom/signalroom/tree/main/targets/target-postgres"
# The SDK declares them; `meltano compile --lint` rejects a definition with them.
_UNKNOWN_CAPABILITIES = {"validate-records", "target-schema"}
_ACRONYMS = {"ssh": "SSH", "ssl": "SSL", "sqlalchemy": "SQLAlchemy", "url": "URL"}


def render() -> str:
    """Write the definition.

    Returns:
        The lock file's text.
    """
    schema = TargetPostgres.config_jsonschema
    TargetPostgres.append_builtin_config(schema)
    definition = {
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
        # None is required: without a connection, the embedded server is used.
        "settings_group_validation": [[]],
        "settings": [*_settings(schema)],
        "dialect": "postgres",
    }
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def _settings(schema: dict[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    for key, definition in schema["properties"].items():
        name = f"{prefix}{key}"
        # Objects with known keys are given key by key, the others (stream maps) as one.
        if any(not inner.startswith("__") for inner in definition.get("properties", {})):
            yield from _settings(definition, f"{name}.")
            continue
        yield {
            "name": name,
            # Meltano casts nothing: the loader says what is wrong with a text in a sentence.
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


if __name__ == "__main__":
    LOCK.write_text(render(), encoding="utf-8")
