"""Settings as they are given: in files, and as texts of the environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk.configuration._dict_config import parse_environment_config

from signalroom_target_postgres.errors import ConnectionSettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import click


def checking(read: Callable[..., Any]) -> Callable[..., Any]:
    """Have the option of settings files refuse one that holds none with a sentence.

    Args:
        read: The option's callback.

    Returns:
        One that looks at the files first.
    """

    def callback(ctx: click.Context, param: click.Parameter, paths: Iterable[Any]) -> Any:
        for path in paths or ():
            if str(path) != "ENV":
                _check(Path(path))
        return read(ctx, param, paths)

    return callback


def _check(path: Path) -> None:
    try:
        is_object = isinstance(json.loads(path.read_text(encoding="utf-8-sig")), dict)
        problem = "" if is_object else "is no JSON object"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except ValueError as error:
        problem = f"is no JSON ({error})"
    if problem:
        msg = f"--config {path} {problem}. Name a file of settings, or ENV for the environment."
        raise ConnectionSettingsError(msg)


def from_environment(schema: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Read settings from the environment, as the SDK does.

    Args:
        schema: The settings' JSON schema.
        prefix: Of the variables.

    Returns:
        Those that are set.

    Raises:
        ConnectionSettingsError: If one is a text where a number or JSON belongs.
    """
    try:
        return parse_environment_config(dict(schema), prefix)
    except ValueError:
        names = [
            f"{prefix}{name.upper()}"
            for name, declared in schema["properties"].items()
            if not _is_readable(name, declared, prefix)
        ]
        # Not its value: a tunnel's setting has secrets.
        msg = f"{', '.join(names)}: a number belongs there, or JSON. Mend it in the environment."
        raise ConnectionSettingsError(msg) from None


def _is_readable(name: str, declared: Mapping[str, Any], prefix: str) -> bool:
    try:
        parse_environment_config({"properties": {name: declared}}, prefix)
    except ValueError:
        return False
    return True
