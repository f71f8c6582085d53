"""Writes the files that list the taps' settings: meltano.yml, the READMEs' tables, .env.example.

A setting is declared once, in its tap's ``config_jsonschema``.
"""

from __future__ import annotations

import importlib
import json
from io import StringIO
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from singer_sdk import Tap

from signalroom_singer.limits.account import ACCOUNT_LIMIT
from signalroom_singer.settings.text_values import types_of
from signalroom_singer.settings.variables import VARIABLES
from tools import ROOT
from tools.generate.files import Generator, splice
from tools.generate.workspace import tap_names

if TYPE_CHECKING:
    from pathlib import Path

_BUILT_IN = ("stream_map", "faker", "flattening", "batch_config")


def taps() -> dict[str, type[Tap]]:
    """The tap class of each package under ``taps``, by name."""
    by_name = {}
    for name in tap_names():
        module = importlib.import_module(f"{name.replace('-', '_')}.tap")
        classes = [
            item
            for item in vars(module).values()
            if isinstance(item, type)
            and issubclass(item, Tap)
            and item.__module__ == module.__name__
        ]
        (by_name[name],) = classes
    return by_name


def schema_of(tap: type[Tap]) -> dict[str, Any]:
    """A tap's settings, with those that the SDK adds."""
    schema = tap.config_jsonschema
    tap.append_builtin_config(schema)
    return schema


def own_settings(tap: type[Tap]) -> dict[str, dict[str, Any]]:
    """A tap's settings by name, without those that the SDK adds."""
    declared = schema_of(tap)["properties"]
    return {key: value for key, value in declared.items() if not key.startswith(_BUILT_IN)}


def meltano_settings(tap: type[Tap]) -> list[dict[str, Any]]:
    """A tap's settings as ``meltano.yml`` has them."""
    return [
        meltano_setting(key, declared) for key, declared in schema_of(tap)["properties"].items()
    ]


def meltano_setting(key: str, declared: dict[str, Any]) -> dict[str, Any]:
    """A setting as Meltano declares it.

    Numbers, booleans, lists and dates have no kind, and the tap parses their text: Meltano would
    end in a traceback without the variable's name if it cannot cast a value, accept any text as a
    boolean, and read 01/02/2026 as the second of January. Objects have a kind: Meltano (4.4) fails
    if a variable has the JSON of an object whose keys are nested in meltano.yml.

    Args:
        key: The name of the setting.
        declared: The JSON schema of the setting.
    """
    setting: dict[str, Any] = {"name": key}
    if "object" in types_of(declared):
        setting["kind"] = "object"
    if declared.get("enum"):
        setting["options"] = [
            {"label": value, "value": value} for value in declared["enum"] if value
        ]
    if declared.get("secret"):
        setting["sensitive"] = True
    annotations: dict[str, Any] = {}
    if kind := declared.get(ACCOUNT_LIMIT):
        # For `signalroom backfill`.
        annotations["account_limit"] = kind
    if variables := declared.get(VARIABLES):
        # Not Meltano's `env_aliases`, which end in a traceback if two of them are set. The tap and
        # `signalroom status` read these variables.
        annotations["variables"] = [*variables]
    if annotations:
        setting["annotations"] = {"signalroom": annotations}
    description = declared["description"]
    if "default" in declared and not declared.get(VARIABLES):
        setting["value"] = declared["default"]
    elif "default" in declared:
        # Meltano would always pass a default value, which would hide the other variables.
        description = f"{description.rstrip('.')}. Default: `{_plain(declared['default'])}`."
    setting["label"] = declared.get("title", key.replace("_", " ").capitalize())
    setting["description"] = description
    return setting


def readme_table(tap: type[Tap]) -> str:
    """A tap's own settings as a Markdown table."""
    required = schema_of(tap).get("required", [])
    rows = ["| Setting | Default | What it does |", "|---|---|---|"]
    for key, declared in own_settings(tap).items():
        default = f"`{_plain(declared['default'])}`" if "default" in declared else ""
        notes = [declared["description"]]
        if declared.get("enum"):
            notes.append("One of " + ", ".join(f"`{value}`" for value in declared["enum"] if value))
        if variables := declared.get(VARIABLES):
            names = " or ".join(f"`{variable}`" for variable in variables)
            notes.append(f"Variable: {names}")
        text = ". ".join(note.rstrip(".") for note in notes) + "."
        rows.append(f"| `{key}` | {'**required**' if key in required else default} | {text} |")
    rows += ["", "Besides, the SDK's own: `stream_maps`, `stream_map_config`, `faker_config`, and"]
    rows += ["`flattening_*` ([SDK guide](https://sdk.meltano.com/en/latest/stream_maps.html))."]
    return "\n".join(rows)


def environment_lines(name: str, tap: type[Tap]) -> str:
    """A tap's settings as lines of an ``.env`` file, all of them commented out.

    An empty variable counts as set: two variables of one setting would then conflict.
    """
    required = schema_of(tap).get("required", [])
    lines = []
    for key, declared in own_settings(tap).items():
        variable = (declared.get(VARIABLES) or [f"{name}_{key}".upper().replace("-", "_")])[0]
        needed = "Required. " if key in required else ""
        lines += [
            f"# {needed}{declared['description']}",
            f"# {variable}={_for_dotenv(_plain(declared.get('default', '')))}",
        ]
    return "\n".join(lines)


def _for_dotenv(text: str) -> str:
    """Quote a text that begins with a quote: python-dotenv would look for the closing one."""
    return f"'{text}'" if text.startswith('"') else text


def _plain(value: Any) -> str:
    if isinstance(value, (bool, dict, list)):
        return json.dumps(value)
    return str(value)


def texts() -> dict[Path, str]:
    """The generated files, with the text that each should have."""
    environment = ROOT / ".env.example"
    project = ROOT / "meltano.yml"
    files = {
        environment: environment_file(environment.read_text(encoding="utf-8")),
        project: project_file(project.read_text(encoding="utf-8")),
    }
    for name, tap in taps().items():
        readme = ROOT / "taps" / name / "README.md"
        text = readme.read_text(encoding="utf-8")
        files[readme] = splice(text, "settings table", readme_table(tap))
    return files


def environment_file(text: str) -> str:
    """Bring the taps' sections of ``.env.example`` up to date.

    Args:
        text: The current text; the part before the first tap's section is kept.
    """
    head, _, _ = text.partition("# --- settings of ")
    sections = (
        f"# --- settings of {name}\n{environment_lines(name, tap)}\n"
        f"# --- end of settings of {name}\n"
        for name, tap in taps().items()
    )
    return head + "\n".join(sections)


def project_file(text: str) -> str:
    """Bring the settings of all taps in ``meltano.yml`` up to date.

    Args:
        text: The current text; everything but the taps' settings is kept, with comments.
    """
    yaml = YAML()
    yaml.width = 100
    yaml.preserve_quotes = True
    project = yaml.load(text)
    declared = {name: meltano_settings(tap) for name, tap in taps().items()}
    plugins = {plugin["name"]: plugin for plugin in project["plugins"]["extractors"]}
    if all(plugins[name].get("settings") == settings for name, settings in declared.items()):
        # Meltano also writes this file, formatted differently: only the content counts.
        return text
    for name, settings in declared.items():
        plugins[name]["settings"] = settings
    stream = StringIO()
    yaml.dump(project, stream)
    return stream.getvalue()


GENERATOR = Generator(texts)
