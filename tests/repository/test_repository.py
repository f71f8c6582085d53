"""What the repository promises about itself."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import stat
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from harness.pipelines import ROOT, clean_env, run

from tools.generate.settings import taps

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


def test_what_follows_from_the_settings_is_up_to_date():
    assert run(sys.executable, "-m", "tools.generate", "--check") == ""


def extractors():
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    return {plugin["name"]: plugin for plugin in project["plugins"]["extractors"]}


def test_meltano_deselects_what_the_tap_deselects():
    # Of the others the streams are known only once their settings are.
    for name in taps().keys() - {"tap-gsheets", "tap-sticky-s3"}:
        module = importlib.import_module(f"{name.replace('-', '_')}.streams")
        names = ("STREAM_TYPES", "all_streams")
        streams = next(getattr(module, name) for name in names if hasattr(module, name))
        off = {f"!{stream.name}.*" for stream in streams if not stream.selected_by_default}
        assert set(extractors()[name]["select"]) == {"*.*"} | off


def test_meltano_knows_every_tap_and_its_capabilities():
    assert extractors().keys() == taps().keys()
    for name, tap in taps().items():
        assert tap.name == name
        # Meltano's word for --test is none of the SDK's; ACTIVATE_VERSION is the loader's business.
        offered = {str(item) for item in tap.capabilities} - {"activate-version"}
        assert set(extractors()[name]["capabilities"]) == offered | {"test"}


def test_each_tap_has_a_job_a_schedule_and_a_place_in_the_sandboxes_environment():
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    jobs = {job["name"]: job["tasks"] for job in project["jobs"]}
    (sandboxed,) = [one for one in project["environments"] if one["name"] == "sandbox"]
    placed = {one["name"] for one in sandboxed["config"]["plugins"]["extractors"]}
    assert placed == taps().keys()
    for name in taps():
        source = name.removeprefix("tap-")
        assert jobs[source] == [f"{name} target-postgres"]
    assert {one["job"] for one in project["schedules"]} >= {*jobs}


def test_actions_are_pinned():
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        for used in re.findall(r"uses: (\S+)", workflow.read_text()):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used), f"{workflow.name}: {used}"


@pytest.fixture
def folder():
    """Not below pytest's own: these are closed to the account a root's PostgreSQL runs under."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.e2e
def test_every_command_of_the_readme_works(project, folder):
    """Against the sandbox; make has tests of its own."""
    (project.folder / ".env.example").write_text((ROOT / ".env.example").read_text())
    project.env["TAP_EVERFLOW_LOOKBACK_DAYS"] = project.env[
        "TAP_EVERFLOW_CONVERSIONS_LOOKBACK_DAYS"
    ] = "2"
    tried = set()
    for line in COMMANDS:
        if line.startswith("make "):
            continue
        settings, _, command = line.rpartition("uv run ")
        env = dict(word.split("=", 1) for word in shlex.split(settings)) if _ else {}
        program, *arguments = shlex.split(command)
        if program == "install":
            # What it makes is for the user to fill in, and for nobody else to read.
            run(program, *arguments[:-1], folder / arguments[-1], cwd=project.folder)
            assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
            continue
        if program == "signalroom-postgres":
            env |= {
                "SIGNALROOM_PGDATA": str(folder / "postgres"),
                "TARGET_POSTGRES_SQLALCHEMY_URL": "",
            }
        project.run(program, *arguments, **env)
        tried.add(" ".join(arguments[:2]))
    assert tried >= {"invoke tap-everflow", "run tap-everflow", "schedule run", "stop"}


@pytest.mark.e2e
def test_states_are_as_the_readme_shows_them(project):
    (block,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    shown = [part.partition("\n") for part in block.split("$ uv run meltano ")[1:]]
    assert {command.split()[1] for command, _, _ in shown} == {
        *("list", "get", "set", "clear", "export", "import")
    }
    bookmark = {"replication_key": "date", "replication_key_value": "2026-01-22"}
    states = {
        f"dev:tap-{tap}-to-target-postgres": {
            "completed": {"singer_state": {"bookmarks": {stream: bookmark}}},
            "partial": {},
        }
        for tap, stream in (("everflow", "daily_stats"), ("redtrack", "daily_spend"))
    }
    (project.folder / "loaded.json").write_text(json.dumps(states))
    project.meltano("state", "import", "loaded.json")
    for command, _, output in shown:
        line, _, target = command.partition(" > ")
        meltano = ("meltano", *shlex.split(line))
        printed = run(*meltano, cwd=project.folder, env=project.env).strip()
        if target:
            (project.folder / target).write_text(printed)
            printed = ""
        assert printed == output.strip(), command


@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_make_in_a_fresh_clone(folder):
    """Sets up, demonstrates, and answers a query; nothing of this environment is used."""
    clone = folder / "clone"
    run("git", "clone", "--quiet", ROOT, clone)
    env = clean_env() | {"PATH": "/usr/local/bin:/usr/bin:/bin"}

    def make(*arguments):
        return run("make", f"PYTHON={sys._base_executable}", *arguments, cwd=clone, env=env)

    shown = make("demo")
    # Nobody else reads what Meltano hands to plugins; an embedded server's account passes through.
    assert not (clone / ".meltano").stat().st_mode & 0o066
    sentence = shown.strip().splitlines()[-1]
    assert re.fullmatch(r"All \d+ totals agree with the vendors' \(\d+ s\)\.", sentence)
    for job in ("everflow", "sticky-s3"):
        assert len(re.findall(rf"^ +{job} +\d+\.\d s$", shown, re.MULTILINE)) == 2
    tables = (clone / ".meltano" / "demo.txt").read_text()
    assert "DIFFERS" not in tables
    # The numbers are of the day; what they are of is as the README promises.
    (promise,) = re.findall(r"```\n(table .*?)```", README, re.DOTALL)
    named = [line.split("  ")[0] for line in promise.splitlines() if line[:1].strip()]
    assert [name for name in named if name not in tables] == []
    assert len(named) > 10
    # As the README has it for cron, with the shell that cron takes.
    (line,) = re.findall(r"`5 \* \* \* \* cd /path/to/project && (.*) schedule run", README)
    run("sh", "-c", f"{line} invoke tap-everflow --version", cwd=clone, env=env)
    query = next(line for line in COMMANDS if line.startswith("make sql "))
    assert "CCW" in make(*shlex.split(query)[1:])
    assert "make demo" in make("help")
    # Nothing is left running that nobody asked for.
    assert str(clone) not in run("ps", "axww")
