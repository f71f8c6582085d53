"""Write what follows from the taps' settings: meltano.yml, the READMEs' tables, .env.example.

A setting is declared once, in its tap's ``config_jsonschema``. ``make settings`` brings the
rest up to date; ``python scripts/settings.py --check`` (a test) says what is not.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from singer_sdk import Tap

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]

#: The environment variables of the pipeline that SignalRoom replaces: they go on working.
LEGACY_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "tap-everflow": {"api_key": ("EVERFLOW_API_KEY",), "api_url": ("EVERFLOW_BASE_URL",)},
    "tap-gsheets": {
        "credentials_path": ("GOOGLE_SHEETS_CREDENTIALS_PATH",),
        "credentials_json": ("GOOGLE_SHEETS_CREDENTIALS_JSON",),
    },
    "tap-mautic": {
        "api_url": ("MAUTIC_BASE_URL",),
        "oauth_client_id": ("MAUTIC_CLIENT_ID",),
        "oauth_client_secret": ("MAUTIC_CLIENT_SECRET",),
    },
    "tap-posthog": {
        "api_key": ("POSTHOG_API_KEY",),
        "api_url": ("POSTHOG_HOST",),
        "project_id": ("POSTHOG_PROJECT_ID",),
    },
    "tap-redtrack": {"api_key": ("REDTRACK_API_KEY",), "api_url": ("REDTRACK_BASE_URL",)},
    "tap-sticky-s3": {
        "bucket": ("S3_BUCKET_NAME",),
        "prefixes": ("S3_PREFIXES",),
        "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
        "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
        "aws_session_token": ("AWS_SESSION_TOKEN",),
        "aws_profile": ("AWS_PROFILE",),
        "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    },
}

_BUILT_IN = ("stream_map", "faker", "flattening", "batch_config")
#: None for fractions: Meltano makes a Decimal of what a variable says, and then cannot write it for
#: the tap. As text it arrives, and the tap reads it.
_KINDS = {
    "array": "array",
    "boolean": "boolean",
    "integer": "integer",
    "number": "",
    "object": "object",
}


def taps() -> dict[str, type[Tap]]:
    """The tap class of each package under ``taps``, by name."""
    found = {}
    # Not each folder: of a tap that another branch has, Python's caches stay behind.
    for manifest in sorted((ROOT / "taps").glob("tap-*/pyproject.toml")):
        folder = manifest.parent
        module = importlib.import_module(f"{folder.name.replace('-', '_')}.tap")
        classes = [
            item
            for item in vars(module).values()
            if isinstance(item, type)
            and issubclass(item, Tap)
            and item.__module__ == module.__name__
        ]
        (found[folder.name],) = classes
    return found


def schema_of(tap: type[Tap]) -> dict[str, Any]:
    """A tap's settings, with those that the SDK adds."""
    schema = tap.config_jsonschema
    tap.append_builtin_config(schema)
    return schema


def own_settings(tap: type[Tap]) -> dict[str, dict[str, Any]]:
    """A tap's settings by name, without those that the SDK adds."""
    declared = schema_of(tap)["properties"]
    return {key: value for key, value in declared.items() if not key.startswith(_BUILT_IN)}


def meltano_settings(name: str, tap: type[Tap]) -> list[dict[str, Any]]:
    """A tap's settings as ``meltano.yml`` has them."""
    legacy = LEGACY_NAMES.get(name, {})
    return [
        meltano_setting(key, declared, legacy.get(key, ()))
        for key, declared in schema_of(tap)["properties"].items()
    ]


def meltano_setting(key: str, declared: dict[str, Any], legacy: Sequence[str]) -> dict[str, Any]:
    """A setting as Meltano declares it.

    Args:
        key: Its name.
        declared: Its JSON schema.
        legacy: Environment variables that give it too.
    """
    setting: dict[str, Any] = {"name": key}
    if kind := _kind(declared):
        setting["kind"] = kind
    if declared.get("enum"):
        setting["options"] = [
            {"label": value, "value": value} for value in declared["enum"] if value
        ]
    if declared.get("secret"):
        setting["sensitive"] = True
    if "default" in declared:
        setting["value"] = declared["default"]
    if legacy:
        setting["env_aliases"] = [*legacy]
    setting["label"] = declared.get("title", key.replace("_", " ").capitalize())
    setting["description"] = declared["description"]
    return setting


def _kind(declared: dict[str, Any]) -> str | None:
    if declared.get("enum"):
        return "options"
    # One of several, such as the SDK's seed of Faker, is text to Meltano.
    given = declared.get("type", "string")
    types = given if isinstance(given, list) else [given]
    kind = next(name for name in types if name != "null")
    if kind == "string":
        return "date_iso8601" if declared.get("format") in {"date", "date-time"} else None
    return _KINDS[kind]


def readme_table(name: str, tap: type[Tap]) -> str:
    """A tap's own settings as a Markdown table."""
    required = schema_of(tap).get("required", [])
    rows = ["| Setting | Default | What it does |", "|---|---|---|"]
    for key, declared in own_settings(tap).items():
        default = f"`{_plain(declared['default'])}`" if "default" in declared else ""
        notes = [declared["description"]]
        if declared.get("enum"):
            notes.append("One of " + ", ".join(f"`{value}`" for value in declared["enum"] if value))
        if legacy := LEGACY_NAMES.get(name, {}).get(key):
            names = " and ".join(f"`{variable}`" for variable in legacy)
            notes.append(f"{names} work{'s' if len(legacy) == 1 else ''} too")
        text = ". ".join(note.rstrip(".") for note in notes) + "."
        rows.append(f"| `{key}` | {'**required**' if key in required else default} | {text} |")
    rows += ["", "Besides, the SDK's own: `stream_maps`, `stream_map_config`, `faker_config`, and"]
    rows += ["`flattening_*` ([SDK guide](https://sdk.meltano.com/en/latest/stream_maps.html))."]
    return "\n".join(rows)


def environment_lines(name: str, tap: type[Tap]) -> str:
    """A tap's settings as the lines of an ``.env``; what has a default is commented out.

    So is what is JSON: Meltano ends in a traceback where such a variable is empty.
    """
    required = schema_of(tap).get("required", [])
    lines = []
    for key, declared in own_settings(tap).items():
        legacy = LEGACY_NAMES.get(name, {}).get(key)
        variable = legacy[0] if legacy else f"{name}_{key}".upper().replace("-", "_")
        lines.append(f"# {declared['description']}")
        is_text = "string" in declared["type"]
        mark = "" if key in required and is_text else "# "
        lines.append(f"{mark}{variable}={_plain(declared.get('default', ''))}")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, (bool, dict, list)):
        return json.dumps(value)
    return str(value)


def spliced(text: str, marker: str, content: str) -> str:
    """Replace what stands between the lines with ``<marker>`` and ``end of <marker>``."""
    pattern = re.compile(
        rf"(^[^\n]*(?<!end of ){re.escape(marker)}\b[^\n]*\n)"
        rf".*?(^[^\n]*end of {re.escape(marker)})",
        re.DOTALL | re.MULTILINE,
    )
    if len(pattern.findall(text)) != 1:
        msg = f"no place marked {marker!r} ... 'end of {marker}'"
        raise ValueError(msg)
    return pattern.sub(lambda match: match.group(1) + content + "\n" + match.group(2), text)


def generated() -> dict[Path, str]:
    """All files that follow from the settings, with the text they should have."""
    files: dict[Path, str] = {}

    def splice(path: Path, marker: str, content: str) -> None:
        files[path] = spliced(files.get(path) or path.read_text(), marker, content)

    for name, tap in taps().items():
        splice(ROOT / ".env.example", f"settings of {name}", environment_lines(name, tap))
        splice(ROOT / "taps" / name / "README.md", "settings table", readme_table(name, tap))
    files[ROOT / "meltano.yml"] = project_file((ROOT / "meltano.yml").read_text())
    return files


def project_file(text: str) -> str:
    """Bring the settings of all taps in ``meltano.yml`` up to date.

    Args:
        text: The file; what is not a tap's settings stays, with its comments.
    """
    yaml = YAML()
    yaml.width = 100
    yaml.preserve_quotes = True
    project = yaml.load(text)
    declared = {name: meltano_settings(name, tap) for name, tap in taps().items()}
    plugins = {plugin["name"]: plugin for plugin in project["plugins"]["extractors"]}
    if all(plugins[name].get("settings") == settings for name, settings in declared.items()):
        # Meltano writes this file too, in a style of its own: only what it says counts.
        return text
    for name, settings in declared.items():
        plugins[name]["settings"] = settings
    written = StringIO()
    yaml.dump(project, written)
    return written.getvalue()


def main() -> int:
    """Write the files, or with ``--check`` name those that are not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = {path: text for path, text in generated().items() if path.read_text() != text}
    for path, text in stale.items():
        if not check:
            path.write_text(text)
        sys.stdout.write(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}\n")
    if check and stale:
        sys.stdout.write("Run `make settings`.\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
