"""Describes invalid settings: which one, its variable, and what is expected."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from signalroom_singer.cli.dotenv_file import DotenvError, load_working_folder
from signalroom_singer.settings.text_values import (
    TextError,
    describe_type,
    did_you_mean,
    has_secrets,
    may_be_empty,
    types_of,
    unknown_names,
)
from signalroom_singer.settings.unknown_variables import similar_variable
from signalroom_singer.settings.variables import current_naming

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from signalroom_singer.settings.variables import Naming

_LONGEST = 60
_SNAKE_CASE = "^[a-z][a-z0-9_]*$"
#: Settings that Meltano's and the SDK's plugins may have in common, whatever this one declares.
_SHARED = frozenset(
    {
        "add_record_metadata",
        "batch_config",
        "faker_config",
        "flattening_enabled",
        "flattening_max_depth",
        "flattening_max_key_length",
        "flattening_separator",
        "process_activate_version_messages",
        "stream_map_config",
        "stream_maps",
    }
)


def invalid_setting(setting: str, problem: str, value: Any = None) -> ConfigValidationError:
    """Make the error for an invalid setting.

    Args:
        setting: The setting's name, perhaps with a path into it.
        problem: What is expected and what to do, without a full stop.
        value: The invalid value, unless it is a secret.
    """
    quoted = "" if value is None else f" {_abbreviate(value)}"
    msg = f"Invalid {current_naming().label(setting)}{quoted}: {problem.removesuffix('.')}."
    return ConfigValidationError(msg, errors=[msg])


def missing_setting(setting: str, why: str = "") -> ConfigValidationError:
    """Make the error for a missing setting.

    Args:
        setting: The setting's name.
        why: Which other setting needs it, without a full stop.
    """
    msg = _describe_missing(current_naming(), setting, why)
    return ConfigValidationError(msg, errors=[msg])


def _describe_missing(naming: Naming, setting: str, why: str = "") -> str:
    title = naming.properties.get(setting, {}).get("title")
    described = f"{setting} ({title})" if title and title.lower() != setting else setting
    reason = f": {why}" if why else ""
    similar = similar_variable(naming, setting)
    meant = f" {similar} is set, which no setting has: correct its name." if similar else ""
    return f"Missing required setting {described}{reason}. {naming.remedy(setting)}.{meant}"


def from_environment(naming: Naming) -> dict[str, str]:
    """Read settings from the environment, and what it lacks from ``.env`` of the working folder.

    Args:
        naming: The naming of the plugin's settings.

    Returns:
        The texts of those that are set. An empty variable only counts for the few settings whose
        value may be empty.

    Raises:
        ConfigValidationError: If ``.env`` cannot be read.
    """
    try:
        load_working_folder()
    except DotenvError as error:
        raise ConfigValidationError(str(error), errors=[str(error)]) from None
    texts = {}
    for setting, declared in naming.properties.items():
        names = (naming.own(setting), *naming.aliases(setting))
        values = [os.environ[name] for name in names if name in os.environ]
        text = next((text for text in values if text.strip()), None)
        if text is None and values and may_be_empty(declared):
            text = values[0]
        if text is not None:
            texts[setting] = text
    return texts


def empty_variables(
    naming: Naming, config: Mapping[str, Any], problems: Collection[str]
) -> list[str]:
    """Find empty variables of a client: no other value may take their place.

    Args:
        naming: The naming of the plugin's settings.
        config: The valid settings.
        problems: The problems of the others, such as missing ones.

    Returns:
        A sentence for each.
    """
    sentences = []
    for setting in naming.properties:
        variable = naming.clients(setting)
        if variable and setting not in config and not os.environ[variable].strip():
            title = naming.properties[setting].get("title", setting)
            if not any(f" {variable} " in sentence for sentence in problems):
                sentences.append(
                    f"Missing setting {setting} ({title}). Set {variable} in .env: it is empty."
                )
    return sentences


def describe_invalid(
    naming: Naming,
    schema: Mapping[str, Any],
    config: Mapping[str, Any],
    wrong: Iterable[TextError] = (),
) -> list[str]:
    """Validate settings.

    Args:
        naming: The naming of the plugin's settings.
        schema: The settings' JSON schema.
        config: The settings to validate.
        wrong: The settings that could not be parsed, and are not in the config.

    Returns:
        A sentence for each invalid setting.
    """
    problems = [_describe_text_error(naming, error) for error in wrong]
    left_out = {re.split(r"[.\[]", error.path, maxsplit=1)[0] for error in wrong}
    for error in DEFAULT_JSONSCHEMA_VALIDATOR(schema).iter_errors(config):
        problems += _describe_errors(naming, error, left_out)
    return [*dict.fromkeys(problems)]


def _describe_text_error(naming: Naming, error: TextError) -> str:
    quoted = "" if error.value is None else f" {_abbreviate(error.value)}"
    return f"Invalid {naming.label(error.path)}{quoted}: {error.expected}."


def _describe_errors(naming: Naming, error: Any, left_out: Collection[str]) -> Iterator[str]:
    path = _format_path(error.absolute_path)
    if error.validator == "required":
        lacking = [name for name in error.validator_value if name not in error.instance]
        for name in lacking:
            if path:
                yield f"Invalid {naming.label(path)}: `{name}` is missing."
            elif name not in left_out:
                yield _describe_missing(naming, name)
        return
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = [*error.schema.get("properties", {})]
        for name in error.instance:
            if name not in known:
                hint = did_you_mean(name, known)
                yield f"Invalid {naming.label(path)}: unknown key {_abbreviate(name)}{hint}."
        return
    root = error.absolute_path[0] if error.absolute_path else ""
    hides = has_secrets(naming.properties.get(root, {}))
    quoted = "" if hides else f" {_abbreviate(error.instance)}"
    yield f"Invalid {naming.label(path)}{quoted}: {_describe_rule(error, hides=hides)}."


def _describe_rule(error: Any, *, hides: bool) -> str:
    schema, rule, limit = error.schema, error.validator, error.validator_value
    if rule == "type":
        return f"expected {describe_type(schema)}"
    if rule == "enum":
        return f"expected one of {', '.join(str(choice) for choice in limit if choice is not None)}"
    if rule in {"minimum", "maximum"}:
        return f"expected {_within_bounds(schema)}"
    if rule in {"minLength", "maxLength"}:
        word = "at least" if rule == "minLength" else "at most"
        return f"expected {word} {limit} characters"
    if rule == "pattern":
        return (
            "expected a name in snake_case: lowercase letters, digits and underscores, beginning "
            "with a letter"
            if limit == _SNAKE_CASE
            else f"expected text that matches {limit}"
        )
    return f"it breaks the rule `{rule}`" if hides else str(error.message)


def _within_bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    kind = "a whole number" if "integer" in types_of(schema) else "a number"
    if least is None or most is None:
        return f"{kind}, {least} or more" if most is None else f"{kind}, {most} or less"
    return f"{kind} from {least} to {most}"


def describe_unknown(naming: Naming, config: Mapping[str, Any]) -> Iterator[str]:
    """Find settings that the plugin does not have.

    Args:
        naming: The naming of the plugin's settings.
        config: The settings as they were passed.

    Yields:
        A sentence for each, with a similar name if there is one.
    """
    for name, known in unknown_names(naming.properties, config):
        if name not in _SHARED and not name.startswith("_"):
            yield f"Unknown setting {name}{did_you_mean(name, known)}: it is ignored."


def _abbreviate(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _format_path(path: Iterable[Any]) -> str:
    """``["a", 0, "b"]`` as ``a[0].b``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
