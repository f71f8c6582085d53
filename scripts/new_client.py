"""Write ``clients/<name>.yml``: a client's taps, with credentials, state and schedules of its own.

``make new-client NAME=acme`` makes `tap-everflow--acme` and its kin, children of the project's
taps. Each reads its credentials from variables of the client's (``ACME_EVERFLOW_API_KEY``); one
that is missing is an error, so that no client is ever read with another's. Rows go into the tables
of all clients, told apart by ``_client_id``; with ``SCHEMA=own`` into schemas of their own.
"""

from __future__ import annotations

import argparse
import re
import sys
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
#: What each client has for itself. All else is as the project has it.
OWN: dict[str, tuple[str, ...]] = {
    "everflow": ("api_key",),
    "gsheets": ("credentials_json", "spreadsheets"),
    "mautic": ("api_url", "oauth_client_id", "oauth_client_secret"),
    "posthog": ("api_key", "project_id"),
    "redtrack": ("api_key",),
    "sticky-s3": ("bucket", "aws_access_key_id", "aws_secret_access_key"),
}


def _scaffolded() -> dict[str, tuple[str, ...]]:
    """The sources that `make new-source` made: each client has what they cannot do without."""
    with (ROOT / "meltano.yml").open(encoding="utf-8") as file:
        plugins = YAML(typ="safe").load(file)["plugins"]["extractors"]
    sources = {plugin["name"].removeprefix("tap-"): plugin for plugin in plugins}
    return {
        name: tuple(plugin["settings_group_validation"][0])
        for name, plugin in sources.items()
        if name not in OWN
    }


OWN |= _scaffolded()
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_HOUR = 60


class NewClientError(Exception):
    """A client cannot be made as asked; the message says why and what to do."""


def variables(name: str, sources: list[str]) -> list[str]:
    """The environment variables of a client, in order.

    Args:
        name: The client's.
        sources: What is read for it.
    """
    return [variable(name, source, setting) for source in sources for setting in OWN[source]]


def written(name: str, sources: list[str], *, own_schema: bool, number: int = 0) -> str:
    """The file of a client.

    Args:
        name: The client's.
        sources: What is read for it.
        own_schema: Whether its tables are in schemas of its own.
        number: How many clients there are before it: their runs begin at other minutes.
    """
    yaml = YAML()
    yaml.default_flow_style = False
    with (ROOT / "meltano.yml").open(encoding="utf-8") as file:
        project = yaml.load(file)
    parents = {one["name"]: one for one in project["plugins"]["extractors"]}
    intervals = {one["job"]: one["interval"] for one in project["schedules"]}
    taps, jobs, schedules = [], [], []
    for source in sources:
        schema = parents[f"tap-{source}"]["load_schema"]
        config = {"client_id": name}
        config |= {setting: f"${variable(name, source, setting)}" for setting in OWN[source]}
        own = {"load_schema": f"{schema}_{name.replace('-', '_')}"} if own_schema else {}
        child = f"tap-{source}--{name}"
        taps.append({"name": child, "inherit_from": f"tap-{source}", **own, "config": config})
        job = f"{source}--{name}"
        jobs.append({"name": job, "tasks": [f"{child} target-postgres"]})
        minute, _, rest = intervals[source].partition(" ")
        interval = f"{(int(minute) + number) % _HOUR} {rest}"
        schedules.append({"name": f"{source}-hourly--{name}", "interval": interval, "job": job})
    text = StringIO()
    text.write(f"# {name}: made by `make new-client NAME={name}`. Its variables go into .env, or\n")
    text.write("# into the environment; without them its taps do not start:\n")
    text.writelines(f"#   {variable}=\n" for variable in variables(name, sources))
    yaml.dump({"plugins": {"extractors": taps}, "jobs": jobs, "schedules": schedules}, text)
    return text.getvalue()


def make(name: str, sources: list[str], *, own_schema: bool, folder: Path) -> Path:
    """Write the file of a client.

    Args:
        name: The client's.
        sources: What is read for it.
        own_schema: Whether its tables are in schemas of its own.
        folder: Where clients are.

    Raises:
        NewClientError: If the name or a source is none, or the client is there.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is no client's name: small letters, digits and single hyphens, as in acme."
        raise NewClientError(msg)
    if unknown := [source for source in sources if source not in OWN]:
        msg = f"There is no source {', '.join(unknown)}; there are {', '.join(OWN)}."
        raise NewClientError(msg)
    path = folder / f"{name}.yml"
    if path.exists():
        msg = f"{path} is there already. Change it by hand, or remove it first."
        raise NewClientError(msg)
    number = len([*folder.glob("*.yml")]) + 1
    text = written(name, sources, own_schema=own_schema, number=number)
    folder.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def main() -> int:
    """Run the command; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--sources", default=",".join(OWN), help="with commas; all if not given")
    parser.add_argument("--schema", choices=("shared", "own"), default="shared")
    parser.add_argument("--folder", type=Path, default=ROOT / "clients")
    asked = parser.parse_args()
    sources = [source.strip() for source in asked.sources.split(",") if source.strip()]
    try:
        path = make(asked.name, sources, own_schema=asked.schema == "own", folder=asked.folder)
    except NewClientError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    first = sources[0]
    sys.stdout.write(
        f"{path} has the taps of {asked.name}. Next:\n"
        "1. Put into .env, or into the environment:\n"
        + "".join(f"     {variable}=\n" for variable in variables(asked.name, sources))
        + f"2. meltano invoke tap-{first}--{asked.name} --test\n"
        f"3. meltano run tap-{first}--{asked.name} target-postgres\n"
    )
    return 0


def variable(name: str, source: str, setting: str) -> str:
    """The environment variable of a client's setting, or with ``tap`` of the tap's own.

    Args:
        name: The client's.
        source: As in ``sticky-s3``.
        setting: Of its tap.
    """
    return f"{name}_{source}_{setting}".replace("-", "_").upper()


if __name__ == "__main__":
    sys.exit(main())
