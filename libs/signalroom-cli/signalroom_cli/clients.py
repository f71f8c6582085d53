"""Write ``clients/<name>.yml``: a client's taps, with credentials, state and schedules of its own.

``signalroom new-client acme`` makes `tap-everflow--acme` and so on, children of the project's taps.
Each reads its credentials from variables of the client's (``ACME_EVERFLOW_API_KEY``); one that is
missing is an error, so that no client is ever read with another's. Rows go into the tables of all
clients, with ``_client_id`` in their keys; with ``--schema=own`` into schemas of their own.
"""

from __future__ import annotations

import argparse
import re
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from signalroom_cli.folders import ProjectFileError, project_folder, read_project_file
from signalroom_singer.settings.client_names import client_variable, taken_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What each client has for itself. All else is as the project has it.
OWN: dict[str, tuple[str, ...]] = {
    "everflow": ("api_key",),
    "gsheets": ("credentials_json", "spreadsheets"),
    "mautic": ("api_url", "oauth_client_id", "oauth_client_secret"),
    "posthog": ("api_key", "project_id"),
    "redtrack": ("api_key",),
    "sticky-s3": ("bucket", "aws_access_key_id", "aws_secret_access_key"),
}
#: Other ways to sign in. Meltano hands the project's down to a client's tap unless they are blank.
NOT_INHERITED: dict[str, tuple[str, ...]] = {
    "gsheets": (
        *("credentials_path", "subject", "oauth_client_id", "oauth_client_secret"),
        *("oauth_refresh_token", "api_key"),
    ),
    "mautic": ("username", "password"),
    "sticky-s3": ("aws_session_token", "aws_profile", "role_arn", "external_id"),
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_VARIABLE = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)")
_HOURLY = "0 * * * *"
_HOUR = 60


class NewClientError(Exception):
    """A client cannot be made as asked; the message says why and what to do."""


def settings_of_sources(folder: Path) -> dict[str, tuple[str, ...]]:
    """The sources of a project, each with the settings that a client has for itself.

    Args:
        folder: The project's.

    Returns:
        By the source's name, in the order of ``meltano.yml``. Of a source that is none of the six,
        as one that `make new-source` made: the settings it needs.
    """
    plugins = read_project_file(folder / "meltano.yml")["plugins"]["extractors"]
    sources = {
        one["name"].removeprefix("tap-"): one for one in plugins if "inherit_from" not in one
    }
    return {
        name: OWN.get(name) or tuple(plugin["settings_group_validation"][0])
        for name, plugin in sources.items()
        if name in OWN or plugin.get("settings_group_validation")
    }


def variables(name: str, sources: dict[str, tuple[str, ...]]) -> list[str]:
    """The environment variables of a client, in order.

    Args:
        name: The client's.
        sources: What is read for it, and the settings of each.
    """
    return [
        client_variable(name, source, setting)
        for source, settings in sources.items()
        for setting in settings
    ]


def make(
    name: str, sources: Sequence[str], *, own_schema: bool, folder: Path, clients: Path
) -> tuple[Path, list[str]]:
    """Write the file of a client.

    Args:
        name: The client's.
        sources: What is read for it; all if none is named.
        own_schema: Whether its tables are in schemas of its own.
        folder: The project's.
        clients: The folder of the clients' files.

    Returns:
        The file, and the variables that it reads.

    Raises:
        NewClientError: If the name or a source is none, or the client is there.
    """
    known = settings_of_sources(folder)
    _check(name, sources, known)
    path = clients / f"{name}.yml"
    if path.exists():
        msg = f"{path} exists already. Change it by hand, or remove it first."
        raise NewClientError(msg)
    chosen = {source: known[source] for source in sources or known}
    needed = variables(name, chosen)
    others = sorted(clients.glob("*.yml"))
    for other in others:
        if shared := {*needed} & {*_VARIABLE.findall(other.read_text(encoding="utf-8"))}:
            msg = f"{other} reads {', '.join(sorted(shared))} too. Choose another name."
            raise NewClientError(msg)
    text = _written(name, chosen, folder, own_schema=own_schema, number=len(others) + 1)
    clients.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path, needed


def _check(name: str, sources: Sequence[str], known: dict[str, tuple[str, ...]]) -> None:
    if not _NAME.fullmatch(name):
        msg = (
            f"Invalid client name {name!r}: use lowercase letters, digits and single hyphens, "
            "as in acme."
        )
        raise NewClientError(msg)
    if prefix := taken_prefix(name):
        msg = (
            f"{name!r} cannot be a client's name: its credentials would be in variables that begin "
            f"with {prefix}, which others read. Choose another, as in client-{name}."
        )
        raise NewClientError(msg)
    if unknown := [source for source in sources if source not in known]:
        msg = f"There is no source {', '.join(unknown)}; there are {', '.join(known)}."
        raise NewClientError(msg)


def _written(
    name: str,
    sources: dict[str, tuple[str, ...]],
    folder: Path,
    *,
    own_schema: bool,
    number: int,
) -> str:
    """The file of a client; `number` is how many there are with it: runs begin at other minutes."""
    project = read_project_file(folder / "meltano.yml")
    parents = {one["name"]: one for one in project["plugins"]["extractors"]}
    intervals = {one["job"]: one["interval"] for one in project.get("schedules") or ()}
    taps, jobs, schedules = [], [], []
    for source, settings in sources.items():
        config = {"client_id": name}
        config |= {setting: f"${client_variable(name, source, setting)}" for setting in settings}
        config |= dict.fromkeys(NOT_INHERITED.get(source, ()), "")
        child = f"tap-{source}--{name}"
        own = {}
        if own_schema:
            schema = parents[f"tap-{source}"]["load_schema"]
            own = {"load_schema": f"{schema}_{name.replace('-', '_')}"}
        taps.append({"name": child, "inherit_from": f"tap-{source}", **own, "config": config})
        job = f"{source}--{name}"
        jobs.append({"name": job, "tasks": [f"{child} target-postgres"]})
        interval = _shifted(intervals.get(source, _HOURLY), number)
        schedules.append({"name": f"{source}-hourly--{name}", "interval": interval, "job": job})
    text = StringIO()
    text.write(f"# {name}: made by `signalroom new-client {name}`. Set its variables in .env or\n")
    text.write("# in the environment; without them its taps do not start:\n")
    text.writelines(f"#   {needed}=\n" for needed in variables(name, sources))
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump({"plugins": {"extractors": taps}, "jobs": jobs, "schedules": schedules}, text)
    return text.getvalue()


def _shifted(interval: str, minutes: int) -> str:
    """A cron interval that many minutes later; one without a minute of its own as it is."""
    minute, _, rest = interval.partition(" ")
    return f"{(int(minute) + minutes) % _HOUR} {rest}" if minute.isdecimal() else interval


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 1 if the client cannot be made.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom new-client",
        description="Write a client's taps, with credentials, state and schedules of its own.",
    )
    parser.add_argument("name", help="as in acme")
    parser.add_argument("--sources", default="", help="as in everflow,redtrack; default: all")
    parser.add_argument(
        "--schema",
        choices=("shared", "own"),
        default="shared",
        help="into the tables of all clients, or into schemas of its own; default: shared",
    )
    parser.add_argument("--folder", type=Path, help="of the clients' files; default: clients")
    asked = parser.parse_args(arguments)
    named = (one.removeprefix("tap-") for one in re.split(r"[,\s]+", asked.sources))
    sources = [one for one in named if one]
    root = project_folder()
    clients = asked.folder or root / "clients"
    own_schema = asked.schema == "own"
    try:
        path, needed = make(
            asked.name, sources, own_schema=own_schema, folder=root, clients=clients
        )
    except (NewClientError, ProjectFileError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    first = sources[0] if sources else next(iter(settings_of_sources(root)))
    sys.stdout.write(
        f"{path} has the taps of {asked.name}. Next:\n"
        "1. Set in .env, or in the environment:\n"
        + "".join(f"     {one}=\n" for one in needed)
        + f"2. signalroom test tap-{first}--{asked.name}\n"
        f"3. meltano run tap-{first}--{asked.name} target-postgres\n"
    )
    return 0
