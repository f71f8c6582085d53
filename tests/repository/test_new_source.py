"""`make new-source` in a clone: the source's own tests, its lint, and a load into PostgreSQL.

It runs in this environment, by PYTHONPATH: `make new-source-proof` installs it as a user would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from contextlib import contextmanager

import pytest
import yaml
from harness.pipelines import BIN, ROOT, Project, clean_env, clone_of_the_tree, run

from tools.generate import workspace
from tools.new_source import __main__ as new_source
from tools.new_source import wiring

NAME, TAP, MODULE = "acme-crm", "tap-acme-crm", "acme_crm"
PACKAGES = ("libs/signalroom-singer", "targets/target-postgres", "sandbox", f"taps/{TAP}")


@pytest.fixture
def clone(tmp_path):
    return clone_of_the_tree(tmp_path / "clone")


@pytest.fixture
def env(clone):
    """This environment, in which the packages are the clone's."""
    path = os.pathsep.join(str(clone / package) for package in PACKAGES)
    return clean_env() | {"PYTHONPATH": path}


def make(clone, env, name=NAME, code=0):
    """Call the command; gives all it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.new_source", name, "--no-sync"],
        cwd=clone,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def sandboxed(clone, env):
    """The clone's sandbox; gives the variables it prints."""
    command = (sys.executable, "-m", "signalroom_sandbox", "--port=0", "--scale=0.1")
    with subprocess.Popen(
        command, cwd=clone, env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = iter(process.stdout.readline, "# Stop it with Ctrl-C.\n")
            yield dict(line.strip().split("=", 1) for line in lines if not line.startswith("#"))
        finally:
            process.terminate()


@pytest.mark.e2e
def test_a_new_source_has_tests_and_lint_that_pass_and_loads(clone, env, database, tmp_path):
    said = make(clone, env)
    assert f"Created {TAP}: " in said
    assert "make test ARGS=taps/tap-acme-crm" in said

    tests = (f"taps/{TAP}", f"sandbox/tests/test_sandbox_{MODULE}.py")
    shown = run(sys.executable, "-m", "pytest", "-n0", "-q", *tests, cwd=clone, env=env)
    assert " passed" in shown
    assert " skipped" not in shown

    run(BIN / "ruff", "check", ".", cwd=clone)
    run(BIN / "ruff", "format", "--check", ".", cwd=clone)
    run(BIN / "uv", "lock", "--check", cwd=clone)
    assert (clone / f"hub/extractors/{TAP}/signalroom.yml").exists()
    assert f"`POST /{MODULE}/refund` | `day` |" in (clone / "sandbox/README.md").read_text()
    page = (clone / "docs/tables/acme-crm.md").read_text()
    assert "Incremental by day; the last 3 days are read again (`lookback_days`)" in page
    assert "| **`id`** (key) | text | The vendor's id |" in page

    # What installing it makes.
    executable = tmp_path / "bin" / TAP
    executable.parent.mkdir()
    # Meltano takes PYTHONPATH away from what it starts.
    start = f'PYTHONPATH="{env["PYTHONPATH"]}" exec "{sys.executable}" -m tap_{MODULE} "$@"'
    executable.write_text(f"#!/bin/sh\n{start}\n")
    executable.chmod(0o755)
    env |= {
        "PATH": f"{executable.parent}:{env['PATH']}",
        "TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url,
        "TMPDIR": str(tmp_path),
    }
    with sandboxed(clone, env) as variables:
        # As in the environment named sandbox, but for the port.
        assert (
            f"api_key: {variables['TAP_ACME_CRM_API_KEY']}\n" in (clone / "meltano.yml").read_text()
        )
        assert variables["TAP_ACME_CRM_API_URL"].endswith(f"/{MODULE}")
        Project(clone, env | variables).load(tap=TAP)
    for table, count in {"accounts": 23, "orders": 3 * 4}.items():
        assert len(database.contents(f"{MODULE}.{table}")) == count


def test_what_fails_in_the_middle_leaves_nothing_behind(clone, env):
    generate = clone / "tools" / "generate" / "__main__.py"
    generate.write_text('import sys\n\nsys.exit("a tap cannot be read")\n')
    before = run("git", "status", "--porcelain", cwd=clone)
    changed = run("git", "diff", cwd=clone)
    said = make(clone, env, code=1)
    assert "python" in said
    assert "a tap cannot be read" in said
    assert f"{TAP} was not created; the repository is unchanged" in said
    assert run("git", "status", "--porcelain", cwd=clone) == before
    assert run("git", "diff", cwd=clone) == changed
    assert not (clone / "taps" / TAP).exists()


@pytest.mark.parametrize(
    ("name", "said"),
    (
        ("", "make new-source NAME=acme-crm"),
        ("Acme", "is not a valid source name: lowercase letters"),
        ("acme_crm", "is not a valid source name"),
        ("acme--crm", "is not a valid source name"),
        ("acme-", "is not a valid source name"),
        ("../acme", "is not a valid source name"),
        ("7eleven", "is not a valid source name"),
        ("a" * 25, "at most 24"),
        ("tap-acme", "Leave out the tap-: make new-source NAME=acme."),
        ("class", "Choose another name, such as class-api"),
        ("null", "is a reserved word of Python, YAML"),
        ("control", "is a reserved word of .* the sandbox"),
        ("pg-stats", "reserves schemas that begin with pg_"),
        ("redtrack", r"taps/tap-redtrack already exists\. Choose another name"),
        ("server", r"server.py already exists"),
        ("s3-exports", "tap-sticky-s3 already loads into the schema s3_exports"),
    ),
)
def test_a_name_that_is_none_is_refused(name, said):
    with pytest.raises(new_source.NewSourceError, match=said):
        new_source.Source(name).check()


def test_the_command_says_what_is_wrong_in_a_sentence():
    done = subprocess.run(
        [sys.executable, "-m", "tools.new_source", "redtrack"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("taps/tap-redtrack already exists.")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ("nnn", "zzz"))
def test_what_is_in_shared_files_stays_and_is_in_order(tmp_path, name):
    rendered = new_source.render(new_source.Source(name), tmp_path)
    texts = wiring.entries(ROOT, rendered / "shared")
    assert len(texts) == 1
    for path, text in texts.items():
        lines = iter(text.splitlines())
        assert all(line in lines for line in path.read_text().splitlines()), path
    project = yaml.safe_load(texts[ROOT / "meltano.yml"])
    for items in (project["plugins"]["extractors"], project["jobs"], project["schedules"]):
        names = [item["name"] for item in items]
        assert names == sorted(names)
        assert len([listed for listed in names if name in listed]) == 1


def test_the_lists_of_taps_follow_from_the_folders():
    names = ["tap-everflow", "tap-nnn"]
    text = (ROOT / "pyproject.toml").read_text()
    manifest = tomllib.loads(workspace.manifest(text, names))
    for listed in (manifest["project"]["dependencies"], manifest["tool"]["uv"]["sources"]):
        assert [name for name in listed if name.startswith("tap-")] == names
    # All else stays: comments, and what is not a tap.
    lines = iter(workspace.manifest(text, workspace.tap_names()).splitlines())
    assert all(line in lines for line in text.splitlines())

    pools = (ROOT / "orchestrate/pools.json").read_text()
    changed = json.loads(workspace.pools(pools, names))
    assert changed == {
        "everflow": json.loads(pools)["everflow"],
        "nnn": {"slots": 4, "description": "Runs of tap-nnn at once", "include_deferred": False},
    }


def test_a_new_source_begins_far_from_the_others():
    text = 'schedules:\n- interval: "5 * * * *"\n- interval: "42 * * * *"\n- interval: "@daily"\n'
    assert wiring.free_minute(text) == 23


def test_a_file_without_a_place_is_named():
    with pytest.raises(wiring.NoPlaceError, match=r"meltano\.yml lacks an environment"):
        wiring.add_plugin("environments: []\n", "environment:\n- name: x\n")
