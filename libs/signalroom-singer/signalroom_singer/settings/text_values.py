"""Parses settings that are text: from the environment, from Meltano, or from a file.

Meltano's own casts (``kind: integer``) end in a traceback of a hundred lines without the variable's
name, and accept any text as a boolean. So settings reach the plugin as text, and are parsed here.
"""

from __future__ import annotations

import ast
import difflib
import json
import math
import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: The backslash before a text that Meltano would take for a variable.
_ESCAPE = re.compile(r"\\(?=\$(?:[A-Z]|\{\w+\}))")

#: The keyword of a setting's JSON schema for the kind of its text: one of those below.
TEXT = "x-text"
#: An API key, token or id that is sent in a header: ASCII, without white space around it.
KEY: dict[str, Any] = {TEXT: "key"}
#: A password: it may begin or end with blanks, but a line end comes from a file or from ``echo``.
PASSWORD: dict[str, Any] = {TEXT: "password"}
#: Text that is used as it is, even if it is empty or blank.
EXACT: dict[str, Any] = {TEXT: "exact"}

_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_EXPECTED = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a JSON list",
    "object": "a JSON object",
    "string": "text",
}
#: Invisible characters that copying and editors leave around a text: a byte order mark, and
#: zero-width spaces.
_UNSEEN = "\ufeff\u200b\u200c\u200d\u2060"
_AROUND = f" \t\r\n\v\f\u00a0{_UNSEEN}"
_NOT_IN_A_KEY = re.compile(r"[^\x20-\x7e]")
_NAMES = {"\n": "a line break", "\r": "a carriage return", "\t": "a tab", "\0": "a NUL"}
_DEEPEST = 20


class TextError(ValueError):
    """A text is not a valid value of its setting.

    Args:
        path: The name of the setting, with a path into it.
        expected: The expected value, as the end of a sentence.
        value: The invalid value; None if it must not be shown.
    """

    def __init__(self, path: str, expected: str, value: Any = None) -> None:
        super().__init__(f"{path}: {expected}")
        self.path = path
        self.expected = expected
        self.value = value


def types_of(declared: Mapping[str, Any]) -> list[str]:
    """The types that a JSON schema names, without null.

    Args:
        declared: A JSON schema, of a setting or a part of it.
    """
    types = declared.get("type", ())
    return [name for name in ([types] if isinstance(types, str) else types) if name != "null"]


def describe_type(declared: Mapping[str, Any]) -> str:
    """Describe the type of a setting for the end of a sentence: ``a whole number``.

    Args:
        declared: The setting's JSON schema.
    """
    types = types_of(declared)
    return " or ".join(dict.fromkeys(_EXPECTED[name] for name in types)) or "another value"


def may_be_empty(declared: Mapping[str, Any]) -> bool:
    """Whether an empty text is a value of a setting, rather than no value.

    Args:
        declared: The setting's JSON schema.
    """
    kind = declared.get(TEXT)
    return kind == "password" or (kind == "exact" and "default" in declared)


def has_secrets(declared: Mapping[str, Any]) -> bool:
    """Whether a setting is a secret, or contains one.

    Args:
        declared: The setting's JSON schema.
    """
    return '"secret": true' in json.dumps(declared, default=str)


def read_texts(
    properties: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[dict[str, Any], list[TextError]]:
    """Read settings by their declared types.

    Args:
        properties: The settings' JSON schemas by name.
        config: The settings; numbers, booleans, lists and objects may be texts.

    Returns:
        The valid settings, and the errors of the others. Empty settings are left out: their
        defaults apply.
    """
    parsed_config: dict[str, Any] = {}
    wrong: list[TextError] = []
    for name, value in config.items():
        declared = properties.get(name)
        if declared is None:
            parsed_config[name] = value
            continue
        try:
            parsed = _read(declared, value, name)
        except TextError as error:
            wrong.append(error)
            continue
        if parsed is not None and (parsed != "" or may_be_empty(declared)):
            parsed_config[name] = parsed
    return parsed_config, wrong


def with_plain_secrets(properties: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    r"""Read secrets in which a ``$`` is escaped, as in ``pa\\$WORD``.

    Meltano (4.4) takes ``$WORD`` for a variable and ends where it is not set. With a backslash it
    leaves it, and the backslash too.

    Args:
        properties: The settings' JSON schemas by name.
        config: The settings as Meltano passes them.
    """
    return {
        name: _ESCAPE.sub("", value)
        if isinstance(value, str) and properties.get(name, {}).get("secret")
        else value
        for name, value in config.items()
    }


def _read(declared: Mapping[str, Any], value: Any, path: str, depth: int = 0) -> Any:
    types = types_of(declared)
    if isinstance(value, str):
        value = _read_text(declared, types, value, path, is_inner=depth > 0)
    elif types == ["string"] and type(value) is int:
        return str(value)
    elif "integer" in types and isinstance(value, float) and value.is_integer():
        return int(value)
    if depth > _DEEPEST:
        return value
    if isinstance(value, dict) and "object" in types:
        return {
            key: _read(_within(declared, key), inner, f"{path}.{key}", depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list) and isinstance(items := declared.get("items"), dict):
        return [
            _read(items, inner, f"{path}[{number}]", depth + 1)
            for number, inner in enumerate(value)
        ]
    return value


def _within(declared: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    others = declared.get("additionalProperties")
    schema = declared.get("properties", {}).get(key, others)
    return schema if isinstance(schema, dict) else {}


def _read_text(
    declared: Mapping[str, Any], types: list[str], text: str, path: str, *, is_inner: bool
) -> Any:
    # Texts within lists and objects were written by hand: no line end is there by accident.
    if not types or (is_inner and "string" in types and TEXT not in declared):
        return text
    if "string" in types:
        return _clean(declared, text, path)
    bare = text.strip(_AROUND)
    if not bare:
        return None
    for kind in types:
        parsed = _parse(declared, kind, bare)
        if parsed is not None:
            return parsed
    expected = f"expected {describe_type(declared)}"
    if {"array", "object"} & {*types} and (examples := declared.get("examples")):
        example = examples[0]
        text_of_example = example if isinstance(example, str) else json.dumps(example)
        expected += f", such as {text_of_example}"
    raise TextError(path, expected, None if has_secrets(declared) else text)


def _parse(declared: Mapping[str, Any], kind: str, text: str) -> Any:
    try:
        if kind == "boolean":
            return _BOOLEANS.get(text.lower())
        if kind == "integer":
            return int(text) if text.isascii() else None
        if kind == "number":
            number = float(text)
            return number if math.isfinite(number) and text.isascii() else None
    except ValueError:
        return None
    parsed = _json(text, list if kind == "array" else dict)
    return _parse_list(declared, kind, text) if parsed is None else parsed


def _json(text: str, expected_type: type) -> Any:
    for parse in (json.loads, ast.literal_eval):
        # As Meltano reads them, which also takes Python's quotes.
        try:
            parsed = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(parsed, expected_type):
            return parsed
    return None


def _parse_list(declared: Mapping[str, Any], kind: str, text: str) -> list[str] | None:
    """Parse texts separated by commas, if the setting is a list of texts."""
    items = declared.get("items")
    if kind != "array" or not isinstance(items, dict) or types_of(items) != ["string"]:
        return None
    if text[0] in "[{(\"'":
        return None
    return [part for item in text.split(",") if (part := item.strip())]


def _clean(declared: Mapping[str, Any], text: str, path: str) -> str:
    kind = declared.get(TEXT)
    if kind == "exact":
        return text
    if kind == "password":
        return text.strip("\r\n\ufeff")
    bare = text.strip(_AROUND)
    if kind == "key" and (match := _NOT_IN_A_KEY.search(bare)):
        raise TextError(
            path,
            f"character {match.start() + 1} of {len(bare)} is {_describe_character(match[0])}, "
            "which cannot be sent. Copy the value again",
        )
    return bare


def _describe_character(character: str) -> str:
    name = _NAMES.get(character) or unicodedata.name(character, "")
    code = f"U+{ord(character):04X}"
    return f"{name} ({code})" if name else code


def did_you_mean(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Suggest a known name that is similar to an unknown one.

    Args:
        name: The unknown name.
        known: The known names.
        prefix: A prefix of all names, such as that of variables.

    Returns:
        Such as ``" (did you mean timezone?)"``; empty if no name is similar.
    """
    close = difflib.get_close_matches(name, [*known], n=1)
    return f" (did you mean {prefix}{close[0]}?)" if close else ""


def unknown_names(
    properties: Mapping[str, Any], config: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Find unknown names in a configuration.

    Args:
        properties: The settings' JSON schemas by name.
        config: The configuration to search.
        prefix: The path of the configuration, with a full stop at its end.

    Yields:
        Each name, and the names that are known there.
    """
    for name, value in config.items():
        declared = properties.get(name)
        if declared is None:
            yield f"{prefix}{name}", [f"{prefix}{known}" for known in properties]
            continue
        for path, schema, inner in _objects(declared, value, f"{prefix}{name}"):
            known = schema.get("properties")
            # Where other names have a schema, they are the user's: columns, streams. Where they
            # are refused, validation says so.
            if known and schema.get("additionalProperties", True) is True:
                yield from unknown_names(known, inner, f"{path}.")


def _objects(
    declared: Mapping[str, Any], value: Any, path: str
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    if isinstance(value, dict):
        yield path, declared, value
    elif isinstance(value, list) and isinstance(items := declared.get("items"), dict):
        for number, inner in enumerate(value):
            yield from _objects(items, inner, f"{path}[{number}]")
