"""``signalroom new-client``: write a client's taps, jobs and schedules into ``clients/<name>.yml``.

``signalroom new-client acme`` declares `tap-everflow--acme` and so on, which inherit from the
project's taps. Each reads its credentials from variables of the client (``ACME_EVERFLOW_API_KEY``).
A missing variable is an error, so that no client is ever read with another's credentials. Rows are
loaded into tables that all clients share, with ``_client_id`` in their keys; with ``--schema=own``
into separate schemas.
"""

from __future__ import annotations

import argparse
import re
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from signalroom_cli.folders import ProjectError, project_folder, read_project_file
from signalroom_cli.output import print_lines
from signalroom_singer.settings.client_names import client_variable, taken_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The settings that each client has for itself. It inherits the others from the project.
OWN_SETTINGS: dict[str, tuple[str, ...]] = {
    "everflow": ("api_key",),
    "gsheets": ("credentials_json", "spreadsheets"),
    "mautic": ("api_url", "oauth_client_id", "oauth_client_secret"),
    "posthog": ("api_key", "project_id"),
    "redtrack": ("api_key",),
    "sticky-s3": ("bucket", "aws_access_key_id", "aws_secret_access_key"),
}
#: The settings of other ways to sign in. They are blank in a client's file, as Meltano would use
#: the project's values otherwise.
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
    """The client cannot be created; the message says why and what to do."""


def settings_of_sources(folder: Path) -> dict[str, tuple[str, ...]]:
    """The sources of a project, each with the settings that a client has for itself.

    Args:
        folder: The project's folder, with meltano.yml.

    Returns:
        Names of settings by source, in the order of ``meltano.yml``. For a source that is not in
        ``OWN_SETTINGS``, such as one that `make new-source` created, its required settings.
    """
    plugins = read_project_file(folder / "meltano.yml")["plugins"]["extractors"]
    sources = {
        plugin["name"].removeprefix("tap-"): plugin
        for plugin in plugins
        if "inherit_from" not in plugin
    }
    return {
        name: OWN_SETTINGS.get(name) or tuple(plugin["settings_group_validation"][0])
        for name, plugin in sources.items()
        if name in OWN_SETTINGS or plugin.get("settings_group_validation")
    }


def client_variables(name: str, sources: dict[str, tuple[str, ...]]) -> list[str]:
    """The environment variables of a client, in the order of its sources.

    Args:
        name: The client's name.
        sources: The settings that the client has for itself, by source.
    """
    return [
        client_variable(name, source, setting)
        for source, settings in sources.items()
        for setting in settings
    ]


def create_client(
    name: str, sources: Sequence[str], *, own_schema: bool, folder: Path, clients: Path
) -> tuple[Path, list[str]]:
    """Write the file of a client.

    Args:
        name: The client's name.
        sources: The names of its sources; empty for all of the project's.
        own_schema: Whether its tables are in separate schemas.
        folder: The project's folder, with meltano.yml.
        clients: The folder of the clients' files.

    Returns:
        The path of the file, and the environment variables that it refers to.

    Raises:
        NewClientError: If the name is invalid or in use, or a source does not exist.
    """
    known = settings_of_sources(folder)
    _check_names(name, sources, known)
    path = clients / f"{name}.yml"
    if path.exists():
        msg = f"{path} exists already. Change it by hand, or remove it first."
        raise NewClientError(msg)
    selected = {source: known[source] for source in sources or known}
    variables = client_variables(name, selected)
    others = sorted(clients.glob("*.yml"))
    for other in others:
        if shared := {*variables} & {*_VARIABLE.findall(other.read_text(encoding="utf-8"))}:
            msg = f"{other} reads {', '.join(sorted(shared))} too. Choose another name."
            raise NewClientError(msg)
    content = _client_content(
        *(name, selected, read_project_file(folder / "meltano.yml")),
        own_schema=own_schema,
        # Clients start at different minutes.
        delay=len(others) + 1,
    )
    clients.mkdir(exist_ok=True)
    path.write_text(_client_text(name, variables, content), encoding="utf-8")
    return path, variables


def _check_names(name: str, sources: Sequence[str], known: dict[str, tuple[str, ...]]) -> None:
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


def _client_content(
    name: str,
    sources: dict[str, tuple[str, ...]],
    project: dict[str, Any],
    *,
    own_schema: bool,
    delay: int,
) -> dict[str, Any]:
    """The plugins, jobs and schedules of a client, which start some minutes after the project's."""
    parents = {plugin["name"]: plugin for plugin in project["plugins"]["extractors"]}
    intervals = {each["job"]: each["interval"] for each in project.get("schedules") or ()}
    taps, jobs, schedules = [], [], []
    for source, settings in sources.items():
        config = {"client_id": name}
        config |= {setting: f"${client_variable(name, source, setting)}" for setting in settings}
        config |= dict.fromkeys(NOT_INHERITED.get(source, ()), "")
        parent = f"tap-{source}"
        child = f"{parent}--{name}"
        extras = {}
        if own_schema:
            extras = {"load_schema": f"{parents[parent]['load_schema']}_{name.replace('-', '_')}"}
        taps.append({"name": child, "inherit_from": parent, **extras, "config": config})
        job = f"{source}--{name}"
        jobs.append({"name": job, "tasks": [f"{child} target-postgres"]})
        interval = _delay_cron(intervals.get(source, _HOURLY), delay)
        schedules.append({"name": f"{source}-hourly--{name}", "interval": interval, "job": job})
    return {"plugins": {"extractors": taps}, "jobs": jobs, "schedules": schedules}


def _client_text(name: str, variables: Sequence[str], content: dict[str, Any]) -> str:
    text = StringIO()
    text.write(
        f"# {name}: created by `signalroom new-client {name}`. Set its variables in .env or\n"
    )
    text.write("# in the environment; without them its taps do not start:\n")
    text.writelines(f"#   {each}=\n" for each in variables)
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(content, text)
    return text.getvalue()


def _delay_cron(interval: str, minutes: int) -> str:
    """Delay a cron interval by some minutes; one without a fixed minute is not changed."""
    minute, _, rest = interval.partition(" ")
    return f"{(int(minute) + minutes) % _HOUR} {rest}" if minute.isdecimal() else interval


def main(arguments: Sequence[str] | None = None) -> int:
    """Create a client.

    Args:
        arguments: The command line after ``signalroom new-client``.

    Returns:
        The exit code: 1 if the client cannot be created.
    """
    parser = argparse.ArgumentParser(
        prog="signalroom new-client",
        description="Write a client's taps, with its own credentials, state and schedules.",
    )
    parser.add_argument("name", metavar="NAME", help="such as acme")
    parser.add_argument("--sources", default="", help="such as everflow,redtrack; default: all")
    parser.add_argument(
        "--schema",
        choices=("shared", "own"),
        default="shared",
        help="load into the tables that clients share, or into separate schemas; default: shared",
    )
    parser.add_argument("--folder", type=Path, help="of the clients' files; default: clients")
    options = parser.parse_args(arguments)
    names = (word.removeprefix("tap-") for word in re.split(r"[,\s]+", options.sources))
    sources = [name for name in names if name]
    root = project_folder()
    try:
        path, variables = create_client(
            *(options.name, sources),
            own_schema=options.schema == "own",
            folder=root,
            clients=options.folder or root / "clients",
        )
    except (NewClientError, ProjectError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    first = sources[0] if sources else next(iter(settings_of_sources(root)))
    print_lines(
        f"{path} has the taps of {options.name}. Next:",
        "1. Set in .env, or in the environment:",
        *(f"     {name}=" for name in variables),
        f"2. signalroom test tap-{first}--{options.name}",
        f"3. meltano run tap-{first}--{options.name} target-postgres",
    )
    return 0
