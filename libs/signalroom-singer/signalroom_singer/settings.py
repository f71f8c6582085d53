"""Settings that cannot be used, said so that whoever made them knows which, and what to do."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from signalroom_singer.dotenvfile import DotenvError, load_working_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MISSING = re.compile(r"'(\w+)' is a required property(?: in config\[(.*)\])?")
_WRONG = re.compile(r"(.*) in config\[(.*)\]", re.DOTALL)
_SNAKE_CASE = "does not match '^[a-z][a-z0-9_]*$'"
_KINDS = {"integer": "a whole number", "array": "a JSON list", "object": "a JSON object"}


def from_environment(schema: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Read settings from the environment, and what it lacks from ``.env`` of the working folder.

    A variable that is set counts, also where it is empty. Empty means not set where a setting
    cannot be an empty text, as a number or a list.

    Args:
        schema: The settings' JSON schema.
        prefix: Of the variables.

    Returns:
        Those that are set.

    Raises:
        ConfigValidationError: If one is not what its type asks for, or ``.env`` cannot be read.
    """
    try:
        load_working_folder()
    except DotenvError as error:
        raise ConfigValidationError(str(error), errors=[str(error)]) from None
    properties = {
        name: declared
        for name, declared in schema.get("properties", {}).items()
        if os.environ.get(_variable(prefix, name)) != "" or _may_be_empty(declared)
    }
    try:
        return _parsed(properties, prefix)
    except ValueError:
        bad = [*_unreadable(properties, prefix)]
        raise ConfigValidationError(bad[0], errors=bad) from None


def _parsed(properties: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    # The path keeps the SDK from looking for a `.env` itself: it would take one from a folder
    # above the installed package, and let that overrule the environment.
    # https://github.com/meltano/sdk/blob/v0.54.9/singer_sdk/configuration/_dict_config.py
    return parse_environment_config({"properties": dict(properties)}, prefix, os.devnull)


def _variable(prefix: str, name: str) -> str:
    return f"{prefix}{name.upper().replace('-', '_')}"


def _may_be_empty(declared: Mapping[str, Any]) -> bool:
    return bool(DEFAULT_JSONSCHEMA_VALIDATOR(declared).is_valid(""))


def _unreadable(properties: Mapping[str, Any], prefix: str) -> Iterable[str]:
    for name, declared in properties.items():
        variable = _variable(prefix, name)
        try:
            _parsed({name: declared}, prefix)
        except ValueError:
            types = declared.get("type", ())
            kinds = [
                _KINDS[one]
                for one in ([types] if isinstance(types, str) else types)
                if one in _KINDS
            ]
            # A list or an object may have a secret within.
            hides = '"secret": true' in json.dumps(declared)
            given = "what is given" if hides else repr(os.environ[variable])
            yield f"Setting {name}: {given} (in {variable}) is not {' or '.join(kinds)}."


def explained(problems: Iterable[str], schema: Mapping[str, Any], prefix: str) -> list[str]:
    """Say of each problem with the settings which one it is about.

    Args:
        problems: As the SDK's validation has them.
        schema: The settings' JSON schema.
        prefix: Of the variables.

    Returns:
        The same, for somebody who has not read the schema.
    """
    return [_explained(problem, schema.get("properties", {}), prefix) for problem in problems]


def _explained(problem: str, properties: Mapping[str, Any], prefix: str) -> str:
    if missing := _MISSING.fullmatch(problem):
        name, inside = missing.groups()
        if inside:
            return f"Setting {_dotted(inside)}: `{name}` is missing in it."
        title = properties.get(name, {}).get("title")
        return (
            f"Setting {name} is missing{f' ({title})' if title else ''}. Set "
            f"{prefix}{name.upper()} in the environment (with Meltano: in .env), or {name} in the "
            "file that --config names."
        )
    if wrong := _WRONG.fullmatch(problem):
        text, path = wrong.groups()
        text = text.replace(", 'null'", "").replace(
            _SNAKE_CASE,
            "is not a name in snake_case: use lowercase letters, digits and underscores, "
            "beginning with a letter",
        )
        return f"Setting {_dotted(path)}: {text}."
    return problem


def _dotted(path: str) -> str:
    """``'a'][0]['b'`` as ``a[0].b``."""
    parts = [part.strip("'") for part in path.split("][")]
    first, *rest = parts
    return first + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in rest)
