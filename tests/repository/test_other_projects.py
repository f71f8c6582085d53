"""A Meltano project of somebody else, set up by the commands of docs/other-projects.md."""

from __future__ import annotations

import shlex

import pytest
import yaml
from harness.doc_pages import fences
from harness.pipelines import ROOT, Project, clean_env, new_database, new_project
from harness.wheels import Environment

_PAGE = ROOT / "docs/other-projects.md"
_ADDRESS = "https://raw.githubusercontent.com/signalroom/signalroom/main"
_COMMANDS = [
    shlex.split(line)
    for language, text in fences(_PAGE)
    for line in text.splitlines()
    if language == "bash" and line.startswith(("meltano add", "meltano config set"))
]
_INSTALLED = (
    ("tap-everflow", "tap-everflow", "extractors"),
    ("tap-gsheets", "tap-gsheets", "extractors"),
    ("target-postgres", "signalroom-target-postgres", "loaders"),
)
_SHEET = {"id": "1sandbox-mappings-0000000000000000000000000", "gid": 0}
#: What makes a difference to the tables.
_ATTRIBUTES = ("load_schema", "select", "use_cached_catalog")


def of_plugin(name):
    """The arguments of the commands that add and configure a plugin, with our own definition."""
    for _, *arguments in _COMMANDS:
        if name in arguments:
            yield [argument.replace(_ADDRESS, str(ROOT)) for argument in arguments]


@pytest.fixture
def stranger(tmp_path, meltano_template, sandbox, database, zygote):
    """A project as ``meltano init`` makes it, whose Meltano starts at once."""
    folder = tmp_path / "reports"
    project = {"default_environment": "dev", "environments": [{"name": "dev"}]}
    project |= {"project_id": "5f0d4d1e-6c0b-4a0e-9d55-1c6f3c1b7a52"}
    (folder / ".meltano").mkdir(parents=True)
    (folder / "meltano.yml").write_text(yaml.safe_dump(project))
    system = (meltano_template / ".meltano/meltano.db").read_bytes()
    (folder / ".meltano/meltano.db").write_bytes(system)
    env = clean_env(zygote.bin) | sandbox.dotenv
    env |= {"TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url}
    env |= {"MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false"}
    return Project(folder, env)


def plugins_of(folder):
    kinds = yaml.safe_load((folder / "meltano.yml").read_text())["plugins"]
    return {plugin["name"]: plugin for kind in kinds.values() for plugin in kind}


@pytest.mark.e2e
def test_the_commands_make_each_plugin_what_it_is_here(stranger):
    ours = plugins_of(ROOT)
    names = [path.parent.name for path in sorted((ROOT / "hub").glob("*/*/signalroom.yml"))]
    assert len(names) >= 7
    for name in names:
        for arguments in of_plugin(name):
            stranger.meltano(*arguments)
    theirs = plugins_of(stranger.folder)
    for name in names:
        for attribute in _ATTRIBUTES:
            assert theirs[name].get(attribute) == ours[name].get(attribute), (name, attribute)
        defaults = {one["name"]: one.get("value") for one in theirs[name]["settings"]}
        config = defaults | theirs[name].get("config", {})
        for setting, value in ours[name].get("config", {}).items():
            given = config[setting]
            # Meltano keeps what is typed as text, and reads JSON where it uses it.
            given = yaml.safe_load(given) if isinstance(given, str) else given
            assert given == value, (name, setting)


@pytest.mark.e2e
def test_from_the_wheels_come_the_same_tables(
    stranger, dist, tmp_path, meltano_template, sandbox, database, postgres, zygote
):
    """Of a tap with streams that are off by default, and of one that deletes rows."""
    for name, package, kind in _INSTALLED:
        for arguments in of_plugin(name):
            stranger.meltano(*arguments)
        Environment(package, dist, stranger.folder / f".meltano/{kind}/{name}/venv")
    with new_database(postgres) as another:
        ours = new_project(tmp_path / "ours", meltano_template, sandbox, another, zygote.bin)
        theirs, here = (
            loaded(project, sandbox, into)
            for project, into in ((stranger, database), (ours, another))
        )
    assert theirs == here
    assert {"everflow.daily_stats", "everflow.affiliates"} <= here["rows"].keys()
    assert "everflow.clicks" not in here["rows"]
    assert len(here["rows"]["google_sheets.affiliates"]) == 39


def loaded(project, sandbox, database):
    """The tables after two loads, between which a row of a sheet is deleted."""
    sandbox.control.reset()
    # The wheels are in place; Meltano 4.4.1 ignores its setting `auto_install`.
    for tap in ("tap-everflow", "tap-gsheets"):
        project.load(tap=tap, flags=("--no-install",))
    rows = sandbox.control.gsheets.cells(**_SHEET)
    sandbox.control.gsheets.edit(**_SHEET, cells=rows[:-1])
    project.load(tap="tap-gsheets", flags=("--no-install",))
    return tables(database)


def tables(database):
    """The columns of all tables of users, and the rows of each."""
    columns = database.query(
        "select table_schema || '.' || table_name as name, column_name, data_type"
        " from information_schema.columns where table_schema not in"
        " ('pg_catalog', 'information_schema', 'signalroom') order by 1, 2"
    )
    names = sorted({column["name"] for column in columns})
    return {"columns": columns, "rows": {name: database.contents(name) for name in names}}
