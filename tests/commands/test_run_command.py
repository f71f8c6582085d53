"""`signalroom run`: as `meltano run`, but only the clients it names are read."""

from __future__ import annotations

import pytest
from harness.pipelines import KEY
from meltano.core.settings_store import SettingValueStore

from signalroom_cli.client_project import project_for, project_without_invalid_files
from signalroom_cli.folders import ProjectError

DAYS = {"TAP_EVERFLOW_START_DATE": "2026-01-05", "TAP_EVERFLOW_END_DATE": "2026-01-07"}

ROOT_FILE = """
default_environment: prod
project_id: 5f0d4d1e-0000-4a0e-9d55-1c6f3c1b7a52
include_paths: [./clients/*.yml, ./shared/*.yml]
environments:
- name: prod
plugins:
  extractors:
  - {name: tap-everflow, namespace: tap_everflow}
  loaders:
  - {name: target-postgres, namespace: target_postgres}
jobs:
- name: both
  tasks: [tap-everflow--acme target-postgres, [tap-everflow--birch, target-postgres]]
schedules:
- {name: all-of-acme, job: everflow--acme, interval: '@daily'}
- name: pair
  extractor: tap-everflow--cedar
  loader: target-postgres
  transform: skip
  interval: '@daily'
"""
CLIENT = """# made by `signalroom new-client {name}`
plugins:
  extractors:
  - name: tap-everflow--{name}
    inherit_from: {parent}
    config: {{client_id: {name}, api_key: ${prefix}_EVERFLOW_API_KEY}}
jobs:
- name: everflow--{name}
  tasks: [tap-everflow--{name} target-postgres]
schedules:
- {{name: everflow-hourly--{name}, job: everflow--{name}, interval: 1 * * * *}}
"""


def client(name, parent="tap-everflow"):
    return CLIENT.format(name=name, parent=parent, prefix=name.upper().replace("-", "_"))


@pytest.fixture
def folder(tmp_path):
    """A project with three clients; dogwood's tap inherits from cedar's."""
    (tmp_path / "meltano.yml").write_text(ROOT_FILE)
    (tmp_path / "clients").mkdir()
    (tmp_path / "shared").mkdir()
    for name in ("acme", "birch", "cedar"):
        (tmp_path / "clients" / f"{name}.yml").write_text(client(name))
    dogwood = client("dogwood", parent="tap-everflow--cedar")
    (tmp_path / "clients" / "dogwood.yml").write_text(dogwood)
    return tmp_path


def read(project):
    """The names of the clients whose files are read."""
    return {path.stem for path in project.project_files.include_paths}


@pytest.mark.parametrize(
    ("words", "clients"),
    (
        (["tap-everflow", "target-postgres"], set()),
        (["tap-everflow--acme", "target-postgres"], {"acme"}),
        (["--full-refresh", "tap-everflow--acme", "target-postgres"], {"acme"}),
        (["tap-everflow--acme:test"], {"acme"}),
        (["everflow--birch"], {"birch"}),
        (["everflow-hourly--birch"], {"birch"}),
        (["tap-everflow--dogwood", "target-postgres"], {"cedar", "dogwood"}),
        (["both"], {"acme", "birch"}),
        (["all-of-acme"], {"acme"}),
        (["pair"], {"cedar"}),
        (["tap-everflow--acm", "target-postgres"], set()),
        (["tap-everflow--acme", "target-postgres", "everflow--cedar"], {"acme", "cedar"}),
    ),
)
def test_the_files_of_other_clients_are_left_out(folder, words, clients):
    project = project_for(folder, words)
    assert read(project) == clients
    taps = {one.name for one in project.meltano.plugins.extractors}
    assert taps == {"tap-everflow", *(f"tap-everflow--{name}" for name in clients)}


@pytest.mark.parametrize(
    "text",
    (
        "environments:\n- name: prod\n  config: {plugins: {extractors: []}}\n",
        "env:\n  SHARED: value\n",
        "plugins: {}\n'annotations': {owner: us}\n",
    ),
)
def test_a_file_with_more_than_plugins_is_always_read(folder, text):
    (folder / "shared" / "all.yml").write_text(text)
    (folder / "clients" / "elm.yml").write_text(text)
    words = ["tap-everflow--acme", "target-postgres"]
    assert read(project_for(folder, words)) == {"acme", "all", "elm"}


def test_names_are_found_however_they_are_quoted(folder):
    quoted = client("elm").replace("name: tap-everflow--elm", "'name' : \"tap-everflow--elm\"")
    (folder / "clients" / "elm.yml").write_text(quoted)
    assert read(project_for(folder, ["tap-everflow--elm"])) == {"elm"}
    assert read(project_for(folder, ["tap-everflow--acme"])) == {"acme"}


def test_a_file_in_braces_is_always_read(folder):
    (folder / "clients" / "elm.yml").write_text('{"environments": [{"name": "prod"}]}')
    assert read(project_for(folder, ["tap-everflow--acme"])) == {"acme", "elm"}


def test_names_of_several_words(folder):
    text = client("elm").replace("everflow--elm\n", "nightly load/elm\n")
    text = text.replace("name: everflow-hourly--elm", 'name: "Elm\'s schedule"')
    text = text.replace("job: everflow--elm", "job: nightly load/elm")
    (folder / "clients" / "elm.yml").write_text(text)
    for name in ("nightly load/elm", "Elm's schedule"):
        project = project_for(folder, [name])
        assert read(project) == {"elm"}
    assert {job.name for job in project.meltano.jobs} == {"both", "nightly load/elm"}
    # A schedule of meltano.yml's that runs it.
    root = ROOT_FILE + "- {name: of elm, job: nightly load/elm, interval: '@daily'}\n"
    (folder / "meltano.yml").write_text(root)
    assert read(project_for(folder, ["of elm"])) == {"elm"}


#: What may be in a file of a client's by mistake.
USELESS = {
    "empty": b"",
    "comments": b"# plugins: none yet\n",
    "list": b"- tap-everflow\n",
    "text": b"tap-everflow",
    "latin-1": "# Köln\nplugins: {}\n".encode("latin-1"),
    "yaml": b"plugins: [\n",
    "schedule": b"schedules: [{name: s, interval: '@daily'}]\n",
}


@pytest.mark.parametrize("name", USELESS)
def test_a_file_of_which_nothing_can_be_used_is_left_out(folder, name):
    (folder / "clients" / "elm.yml").write_bytes(USELESS[name])
    projects = (project_for(folder, ["tap-everflow--acme"]), project_without_invalid_files(folder))
    for project in projects:
        assert "tap-everflow--acme" in {tap.name for tap in project.meltano.plugins.extractors}
        assert "elm" not in read(project)
    is_said = name not in {"empty", "comments"}
    assert [problem.partition(":")[0] for problem in project.file_problems] == [
        f"{folder}/clients/elm.yml cannot be read"
    ] * is_said


def test_a_path_that_is_not_a_file_is_left_out(folder):
    (folder / "clients" / "elm.yml").mkdir()
    (folder / "clients" / "fir.yml").symlink_to(folder / "nowhere.yml")
    for project in (
        project_for(folder, ["tap-everflow--acme"]),
        project_without_invalid_files(folder),
    ):
        assert not read(project) & {"elm", "fir"}
        assert len(project.file_problems) == 2


def test_the_file_of_the_client_that_is_run_is_named(folder):
    with (folder / "clients" / "acme.yml").open("a") as file:
        file.write("plugins: [\n")
    with pytest.raises(ProjectError, match=r"clients/acme\.yml cannot be read: .* line 13"):
        project_for(folder, ["everflow--acme"])
    # It may have what is for all clients: nothing is run without it.
    (folder / "clients" / "elm.yml").write_text("environments: [\n")
    with pytest.raises(ProjectError, match=r"clients/elm\.yml cannot be read"):
        project_for(folder, ["tap-everflow--birch"])


def test_all_files_are_read_for_a_command_that_names_nothing(folder):
    assert read(project_for(folder)) == {"acme", "birch", "cedar", "dogwood"}


def test_variables_of_other_clients_are_not_seen(folder):
    (folder / "clients" / "acme-eu.yml").write_text(client("acme-eu"))
    shared = client("cedar").replace("$CEDAR_EVERFLOW_API_KEY", "$PATH")
    (folder / "clients" / "cedar.yml").write_text(shared)
    borrowed = client("acme").replace("client_id: acme", "client_id: $BIRCH_ID")
    (folder / "clients" / "acme.yml").write_text(borrowed)
    birch = client("birch").replace("client_id: birch", "client_id: $BIRCH_ID")
    (folder / "clients" / "birch.yml").write_text(birch)
    names = (
        "ACME_EVERFLOW_API_KEY",
        "ACME_EU_EVERFLOW_API_KEY",
        "BIRCH_EVERFLOW_API_KEY",
        "BIRCH_ID",
        "BIRCH_OF_NO_FILE",
        "EVERFLOW_API_KEY",
        "PATH",
        "TAP_EVERFLOW_API_KEY",
        "TAP_EVERFLOW__ACME__SELECT",
        "TAP_EVERFLOW__BIRCH_START_DATE",
        "TAP_EVERFLOW__BIRCHES_START_DATE",
        "TAP_EVERFLOW__SELECT",
    )
    (folder / ".env").write_text("".join(f"{name}=value\n" for name in names))
    project = project_for(folder, ["tap-everflow--acme", "target-postgres"])
    hidden = {*names} - project.dotenv_env.keys()
    # BIRCH_ID is acme's too, PATH is everybody's, and no file knows BIRCH_OF_NO_FILE.
    assert hidden == {
        "ACME_EU_EVERFLOW_API_KEY",
        "BIRCH_EVERFLOW_API_KEY",
        "TAP_EVERFLOW__BIRCH_START_DATE",
    }
    assert project_for(folder).dotenv_env.keys() == {*names}
    # Of those that are set, as in a process's own environment.
    assert project.variables_of_excluded(["BIRCH_EVERFLOW_API_KEY", "PATH"]) == {
        "BIRCH_EVERFLOW_API_KEY"
    }


def test_a_client_whose_name_begins_with_anothers_keeps_its_variables(folder):
    for name in ("acme-2", "acme-2-eu"):
        (folder / "clients" / f"{name}.yml").write_text(client(name))
    names = [f"TAP_EVERFLOW__{name}__SELECT" for name in ("ACME", "ACME_2", "ACME_2_EU")]
    for number, name in enumerate(("acme", "acme-2", "acme-2-eu")):
        project = project_for(folder, [f"everflow--{name}"])
        others = {other for other in names if other != names[number]}
        assert project.variables_of_excluded(names) == others


def test_the_environment_is_activated_without_reading_again(folder):
    for _ in range(3):
        project = project_for(folder)
        schedules = [one.name for one in project.meltano.schedules]
        project.activate_environment("prod")
        assert [one.name for one in project.meltano.schedules] == schedules
        assert len(schedules) == len({*schedules}) == 6
        assert project.environment.name == "prod"


def test_the_dotenv_file_is_parsed_once_for_all_environments(folder):
    (folder / ".env").write_text("ACME_EVERFLOW_API_KEY=value\n")
    project = project_for(folder, ["everflow--acme"])
    variables = project.dotenv_env
    assert variables == {"ACME_EVERFLOW_API_KEY": "value"}
    project.activate_environment("prod")
    assert project.dotenv_env is variables
    # As for `meltano config set --store=dotenv`.
    with project.dotenv_update() as path:
        path.write_text("ACME_EVERFLOW_API_KEY=other\n")
    assert project.dotenv_env == {"ACME_EVERFLOW_API_KEY": "other"}


@pytest.mark.parametrize("strict", (True, False))
@pytest.mark.parametrize("is_in_dotenv", (True, False))
def test_the_mode_of_undefined_variables_is_looked_up_once(folder, strict, is_in_dotenv):
    flag = "ff.strict_env_var_mode"
    in_file = strict != is_in_dotenv
    with (folder / "meltano.yml").open("a") as file:
        file.write(f"ff: {{strict_env_var_mode: {str(in_file).lower()}}}\n")
    if is_in_dotenv:
        (folder / ".env").write_text(f"MELTANO_FF_STRICT_ENV_VAR_MODE={str(strict).lower()}\n")
    project = project_for(folder, ["everflow--acme"])
    for environment in ("", "prod"):
        if environment:
            project.activate_environment(environment)
        value, source = project.settings.get_with_source(flag)
        assert value is strict
        # The first place in which Meltano looks, for each setting of each plugin.
        assert source is SettingValueStore.CONFIG_OVERRIDE


def test_what_meltano_writes_is_read_again(folder):
    project = project_for(folder, ["tap-everflow--acme"])
    before = (folder / "clients" / "birch.yml").read_bytes()
    with project.meltano_update() as meltano:
        meltano.jobs[0].tasks = ["tap-everflow target-postgres"]
    assert project.meltano.jobs[0].tasks == ["tap-everflow target-postgres"]
    assert read(project) == {"acme"}
    assert (folder / "clients" / "birch.yml").read_bytes() == before


@pytest.fixture
def clients(project):
    """Two clients of the whole project; birch's file cannot be read."""
    for name in ("acme", "birch"):
        project.new_client(name, "--sources=everflow")
    with (project.folder / "clients" / "birch.yml").open("a") as file:
        file.write("plugins: [\n")
    project.env |= DAYS
    # As the guide says: in .env alone, and so not in the environment of the command.
    keys = f"ACME_EVERFLOW_API_KEY={KEY}\nBIRCH_EVERFLOW_API_KEY=birchs-own\n"
    (project.folder / ".env").write_text(keys)
    project.env["TAP_EVERFLOW__ACME__SELECT"] = '["daily_stats.*"]'
    return project


@pytest.mark.e2e
def test_a_client_is_loaded_though_anothers_file_is_broken(clients, database):
    assert "birch.yml" in clients.meltano("run", "tap-everflow--acme", "target-postgres", code=1)
    words = ("tap-everflow--acme", "target-postgres")
    clients.run("signalroom", "run", "--environment=staging", *words)
    rows = database.contents("everflow.daily_stats")
    assert rows
    state = clients.saved_bookmarks("staging:tap-everflow--acme-to-target-postgres")
    assert state["daily_stats"]["replication_key_value"] == "2026-01-07"
    # By its schedule it goes on from there; a failure's exit code is Meltano's.
    clients.run("signalroom", "run", "--schedule=everflow-hourly--acme", "--full-refresh")
    assert database.contents("everflow.daily_stats") == rows
    clients.run("signalroom", "run", *words, code=1, ACME_EVERFLOW_API_KEY="wrong")
    (clients.folder / "clients" / "birch.yml").unlink()
    clients.meltano("run", "--full-refresh", *words)
    assert database.contents("everflow.daily_stats") == rows


@pytest.mark.e2e
def test_what_cannot_be_run_is_said(clients):
    said = clients.run("signalroom", "run", code=2)
    assert "signalroom run tap-everflow--acme target-postgres" in said
    said = clients.run("signalroom", "run", "--schedule=everflow-hourly", "--log-level=x", code=2)
    assert "--log-level" in said
    said = clients.run("signalroom", "run", "--schedule=no-such", code=2)
    assert "There is no schedule 'no-such'" in said
    said = clients.run("signalroom", "run", "no-such", code=1)
    assert "no-such" in said
    said = clients.run("signalroom", "run", "--schedule=a", "--schedule=b", code=2)
    assert "Run one schedule at a time, not a and b." in said
    said = clients.run("signalroom", "run", "everflow--birch", code=78)
    assert "clients/birch.yml cannot be read: " in said
