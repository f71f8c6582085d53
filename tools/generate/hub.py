"""Writes the definitions for the Meltano Hub: ``hub/extractors/<tap>/signalroom.yml``.

They are derived from the taps (settings, capabilities), from their ``pyproject.toml`` (keywords,
repository, maturity), and from ``meltano.yml`` (label, select, groups of settings).

``python -m tools.generate.hub --into ../hub`` adds them to a clone of github.com/meltano/hub, after
validating them against the schemas there: docs/publishing.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7
from ruamel.yaml import YAML

from tools import ROOT
from tools.generate.files import Generator, GeneratorError
from tools.generate.settings import meltano_setting, schema_of, taps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap

VARIANT = "signalroom"
MAINTAINER = {
    "label": "SignalRoom",
    "name": VARIANT,
    "url": "https://github.com/signalroom",
}
LOADER = "target-postgres"
_LOADER_STEPS = (
    "Set `host`, `user`, `password` and `database`, or `sqlalchemy_url`. Without a server, "
    "install it as `signalroom-target-postgres[embedded]`: rows then go into a PostgreSQL of its "
    "own, in `.meltano/postgres`."
)
_FOLDER = ROOT / "hub"
_LOCK = ROOT / "plugins/loaders/target-postgres--signalroom.lock"


@dataclass(frozen=True)
class Listing:
    """Properties of a plugin on the Hub that are not declared elsewhere.

    Attributes:
        domain_url: The site of the source or of the database, not of the plugin.
        logo: A file in the Hub's ``static/assets/logos``; by default the plugin's name.
    """

    domain_url: str | None = None
    logo: str | None = None


LISTINGS = {
    "tap-everflow": Listing("https://www.everflow.io/"),
    "tap-gsheets": Listing("https://workspace.google.com/products/sheets/", "google-sheets.png"),
    "tap-mautic": Listing("https://www.mautic.org/"),
    "tap-posthog": Listing("https://posthog.com/"),
    "tap-redtrack": Listing("https://www.redtrack.io/"),
    "tap-sticky-s3": Listing("https://sticky.io/", "s3.png"),
    LOADER: Listing("https://www.postgresql.org/"),
}
#: The Hub's name for each development status of a package.
_MATURITY = {
    "3 - Alpha": "development",
    "4 - Beta": "beta",
    "5 - Production/Stable": "active",
    "7 - Inactive": "inactive",
}
_PYTHON = re.compile(r"Python :: (3\.\d+)")
#: Keywords that apply to every plugin of the Hub.
_COMMON_KEYWORDS = {"elt", "meltano", "singer", "singer sdk"}


class HubError(GeneratorError):
    """The definitions cannot be created or added; the message says why and what to do."""


def definitions() -> dict[str, dict[str, Any]]:
    """The definition of each plugin, by the path of its file."""
    with (ROOT / "meltano.yml").open(encoding="utf-8") as file:
        extractors = YAML(typ="safe").load(file)["plugins"]["extractors"]
    project = {plugin["name"]: plugin for plugin in extractors}
    by_path = {}
    for name, tap in taps().items():
        if name not in project:
            msg = f"{name} is not in meltano.yml: put it under plugins, extractors, and try again."
            raise HubError(msg)
        by_path[_path("extractors", name)] = extractor(tap, project[name])
    return by_path | {_path("loaders", LOADER): loader()}


def _path(kind: str, name: str) -> str:
    return f"{kind}/{name}/{VARIANT}.yml"


def extractor(tap: type[Tap], project: dict[str, Any]) -> dict[str, Any]:
    """The definition of a tap.

    Args:
        tap: The tap's class, which declares settings and capabilities.
        project: The plugin's entry in ``meltano.yml``.
    """
    schema = schema_of(tap)
    return _definition("extractors", tap.name, ROOT / "taps" / tap.name) | {
        # Meltano's name for the SDK's option `--test`, which no SDK tap declares.
        "capabilities": sorted({str(capability) for capability in tap.capabilities} | {"test"}),
        "description": tap.__doc__,
        "executable": tap.name,
        "label": project["label"],
        "next_steps": _next_steps(tap.name, project),
        "select": project.get("select", ["*.*"]),
        "settings": sorted(_settings(schema["properties"]), key=itemgetter("name")),
        "settings_group_validation": sorted(
            sorted(group)
            for group in project.get("settings_group_validation", [schema["required"]])
        ),
    }


def _next_steps(name: str, project: dict[str, Any]) -> str:
    steps = (
        f"`meltano invoke {name} --test` reads one record per stream, to verify credentials "
        "and permissions."
    )
    if not project.get("use_cached_catalog", True):
        # The Hub's schema has no property for this.
        steps += (
            " The streams depend on what is read: with `meltano config set "
            f"{name} _use_cached_catalog false`, Meltano discovers them in each run."
        )
    return steps


def loader() -> dict[str, Any]:
    """The definition of the loader, from this project's own lock file."""
    lock = json.loads(_LOCK.read_text())
    settings = {setting["name"]: setting for setting in lock["settings"]}
    # Like the Hub's other variants: each tap's tables in a separate schema.
    settings["default_target_schema"]["value"] = "$MELTANO_EXTRACT__LOAD_SCHEMA"
    same_keys = ("description", "dialect", "executable", "label", "settings_group_validation")
    return (
        _definition("loaders", LOADER, ROOT / "targets" / LOADER)
        | {name: lock[name] for name in same_keys}
        | {
            "capabilities": sorted(lock["capabilities"]),
            "settings": [settings[name] for name in sorted(settings)],
            "next_steps": _LOADER_STEPS,
        }
    )


def _definition(kind: str, name: str, folder: Path) -> dict[str, Any]:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    listing = LISTINGS.get(name, Listing())
    short = name.partition("-")[2]
    classifiers = [line.partition(" :: ")[::2] for line in project["classifiers"]]
    maturity = (_MATURITY.get(value) for key, value in classifiers if key == "Development Status")
    keywords = {word.lower() for word in project["keywords"]} - _COMMON_KEYWORDS
    try:
        repository = project["urls"]["Repository"]
    except KeyError:
        msg = (
            f"{folder.relative_to(ROOT)}/pyproject.toml has no repository: add Repository "
            "under [project.urls], as in the other packages."
        )
        raise HubError(msg) from None
    return {
        "domain_url": listing.domain_url,
        "keywords": ["meltano_sdk", *sorted(keywords)],
        # How Meltano reads what the SDK logs as JSON.
        "log_parser": "singer-sdk",
        "logo_url": f"/assets/logos/{kind}/{listing.logo or f'{short}.png'}",
        "maintenance_status": next(maturity, None) or "unknown",
        "name": name,
        "namespace": name.replace("-", "_"),
        "pip_url": project["name"],
        # For the Hub to rate.
        "quality": "unknown",
        "repo": repository,
        "settings_preamble": f"How they work together: [README]({repository}#readme).",
        "supported_python_versions": [
            version[1] for _, value in classifiers if (version := _PYTHON.fullmatch(value))
        ],
        "variant": VARIANT,
    }


def _settings(properties: dict[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    for key, declared in properties.items():
        name = f"{prefix}{key}"
        inner = declared.get("properties", {})
        # As on the Hub: objects with known keys key by key, the others (stream maps) as one.
        if inner and not any(inner_key.startswith("__") for inner_key in inner):
            yield from _settings(inner, f"{name}.")
            continue
        setting = {"kind": "string"} | meltano_setting(name, declared)
        setting.pop("annotations", None)  # unknown to the Hub's schema
        yield setting


def to_yaml(definition: dict[str, Any]) -> str:
    """Format a definition as the Hub's linters require it: keys sorted, lists not indented.

    Args:
        definition: The definition of a plugin.
    """
    return yaml.safe_dump(definition, allow_unicode=True, width=80)


def contribute(clone: Path) -> list[str]:
    """Add the definitions to a clone of the Hub.

    Args:
        clone: The folder of the clone.

    Returns:
        The remaining steps, to print.

    Raises:
        HubError: If the folder is not a clone of the Hub, or a schema rejects a definition.
    """
    schemas = _schemas(clone / "schemas")
    by_path = definitions()
    if problems := [*_validate(schemas, by_path)]:
        msg = "\n".join(
            [
                "The Hub's schemas reject what tools/generate/hub.py writes. Nothing was added:",
                *problems,
            ]
        )
        raise HubError(msg)
    data = clone / "_data"
    for path, definition in by_path.items():
        target = data / "meltano" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(to_yaml(definition))
    _add_missing(data / "maintainers.yml", {VARIANT: MAINTAINER})
    for kind in ("extractors", "loaders"):
        names = [
            definition["name"] for path, definition in by_path.items() if path.startswith(kind)
        ]
        _add_missing(data / "default_variants.yml", dict.fromkeys(names, VARIANT), kind)
    logos = sorted({definition["logo_url"] for definition in by_path.values()})
    missing = [logo for logo in logos if not (clone / f"static{logo}").exists()]
    return [f"Add a square logo with a transparent background: static{logo}" for logo in missing]


def _schemas(folder: Path) -> dict[str, dict[str, Any]]:
    files = [*folder.glob("common/*.json"), *folder.glob("plugin_definitions/*.json")]
    if not files:
        msg = (
            f"{folder} has no schemas: name the folder of a clone of the Hub "
            "(git clone https://github.com/meltano/hub)."
        )
        raise HubError(msg)
    return {path.name: json.loads(path.read_text()) for path in files}


def _validate(
    schemas: dict[str, dict[str, Any]], by_path: dict[str, dict[str, Any]]
) -> Iterator[str]:
    registry = Registry[Any]().with_resources(
        (schema["$id"], Resource.from_contents(schema, default_specification=DRAFT7))
        for schema in schemas.values()
    )
    for path, definition in by_path.items():
        schema = schemas[f"{path.partition('/')[0]}.schema.json"]
        for error in Draft7Validator(schema, registry=registry).iter_errors(definition):
            yield f"- {path}: {error.json_path}: {error.message}"


def _add_missing(path: Path, entries: dict[str, Any], section: str | None = None) -> None:
    """Add the entries that a file of the Hub does not have yet, in the order of their keys."""
    ruamel = YAML()
    content = ruamel.load(path.read_text())
    within = content[section] if section else content
    for key, value in entries.items():
        if key not in within:
            later = [position for position, name in enumerate(within) if name > key]
            within.insert(later[0] if later else len(within), key, value)
    with path.open("w") as file:
        ruamel.dump(content, file)


def texts() -> dict[Path, str]:
    """The definitions' files, with the text that each should have."""
    return {_FOLDER / path: to_yaml(definition) for path, definition in definitions().items()}


GENERATOR = Generator(texts, lambda: [*_FOLDER.glob("*/*/*.yml")])


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The command line's arguments; those of the process if None.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--into", type=Path, required=True, metavar="CLONE", help="a clone of meltano/hub"
    )
    clone = parser.parse_args(arguments).into
    try:
        steps = contribute(clone)
    except HubError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join([f"Added to {clone}; `git diff` there.", *steps, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
