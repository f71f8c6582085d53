"""What is given to make as NAME=... reaches the program as one argument, as it was written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from harness.pipelines import ROOT, run

_PROGRAM = """#!{python}
import json, os, sys
env = {{name: value for name, value in os.environ.items() if "SIGNALROOM" in name}}
line = {{"arguments": sys.argv[1:], "env": env}}
open({calls!r}, "a").write(json.dumps(line) + "\\n")
"""
#: Each would leave a file behind, if make or the shell took it for more than a text.
ODD = (
    "a; touch made",
    "$(touch made)",
    "$(shell touch made)",
    "${shell touch made}",
    "`touch made`",
    '"; touch made; "',
    "'; touch made; '",
    "two words",
    "$HOME $$ * %",
    "--help",
    "it's",
)


@pytest.fixture
def make(tmp_path):
    """Call make with programs that write down what they were given; gives their calls."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    calls, programs = tmp_path / "calls", tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "sandbox").mkdir()
    for name in ("pyproject.toml", "uv.lock", "sandbox/pyproject.toml"):
        (tmp_path / name).touch()
    for name in ("signalroom", "signalroom-postgres", "python", "pytest", "uv"):
        text = _PROGRAM.format(python=sys.executable, calls=str(calls))
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tmp_path / ".venv" / ".set-up").touch()

    def call(*arguments, **env):
        calls.unlink(missing_ok=True)
        subprocess.run(
            ["make", "UV=.venv/bin/uv", *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/"} | env,
            check=True,
            capture_output=True,
        )
        assert not (tmp_path / "made").exists()
        return [json.loads(line) for line in calls.read_text().splitlines()]

    return call


@pytest.mark.parametrize("odd", ODD)
def test_each_argument_of_make_arrives_as_it_was_written(make, odd):
    def given(target, *names):
        (call,) = make(target, *(f"{name}={odd}" for name in names))
        return call["arguments"]

    assert given("new-client", "NAME", "SOURCES", "SCHEMA") == [
        *("new-client", f"--sources={odd}", f"--schema={odd}", "--", odd)
    ]
    assert given("backfill", "TAP", "FROM", "TO", "SLICES", "STREAMS") == [
        *("backfill", f"--slices={odd}", f"--streams={odd}", "--", odd, odd, odd)
    ]
    assert given("new-source", "NAME", "LABEL")[2:] == [f"--label={odd}", "--", odd]
    assert given("release", "PACKAGE", "VERSION")[2:] == ["--", odd, odd]
    assert given("sql", "Q") == ["sql", odd]
    (call,) = make("fuzz", f"RUNS={odd}")
    assert call["env"]["SIGNALROOM_FUZZ"] == odd
    kills, seeds = make("chaos", *(f"{name}={odd}" for name in ("KILLS", "SEEDS", "FIRST")))
    assert kills["env"]["SIGNALROOM_KILLS"] == odd
    assert seeds["env"]["SIGNALROOM_CHAOS"] == seeds["env"]["SIGNALROOM_CHAOS_SEED"] == odd
    *_, guided = make("fuzz-guided", "PARSERS=lines", f"FOR={odd}")
    assert guided["arguments"][1:] == ["lines", f"-max_total_time={odd}"]


@pytest.mark.parametrize("odd", ODD)
def test_so_do_those_of_the_environment(make, odd):
    (call,) = make("new-client", NAME=odd)
    assert call["arguments"] == ["new-client", "--", odd]


def test_what_is_not_given_is_left_out(make):
    (call,) = make("new-client", "NAME=acme")
    assert call["arguments"] == ["new-client", "--", "acme"]
    (call,) = make("sql")
    assert call["arguments"] == ["sql"]
    (call,) = make("fuzz")
    assert call["env"]["SIGNALROOM_FUZZ"] == "500"
    first, second = make("chaos")[:2]
    assert (first["env"]["SIGNALROOM_KILLS"], second["env"]["SIGNALROOM_CHAOS"]) == ("120", "4")
    parsers = make("fuzz-guided", "PARSERS=lines files")
    assert [one["arguments"][1] for one in parsers if "guided" in one["arguments"][0]] == [
        *("lines", "files")
    ]


def test_options_are_split_by_the_shell(make):
    (call,) = make("status", "ARGS=--days=3 --html 'my status.html'")
    assert call["arguments"] == ["status", "--days=3", "--html", "my status.html"]


def test_a_python_of_another_name_is_one_argument(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "uv.lock"):
        (tmp_path / name).touch()
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "pyproject.toml").touch()
    done = subprocess.run(
        ["make", "setup", 'PYTHON=x"; touch made; "'],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert 'there is no x"; touch made; "' in done.stderr
    assert not (tmp_path / "made").exists()


def test_an_activated_environment_in_a_folder_with_a_blank(tmp_path):
    """Without uv on the machine: the environment's own is found, by its whole path."""
    folder = tmp_path / "signal room"
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "uv.lock"):
        (folder / name).touch()
    (folder / "sandbox").mkdir()
    (folder / "sandbox" / "pyproject.toml").touch()
    (programs / "uv").write_text('#!/bin/sh\necho "$@" > called\n')
    (programs / "uv").chmod(0o755)
    env = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": "/"}
    subprocess.run(["make", "setup"], cwd=folder, env=env, check=True, capture_output=True)
    assert (folder / "called").read_text() == "sync --locked --quiet\n"


@pytest.mark.parametrize("kept", (True, False))
def test_python_is_compiled_at_set_up_where_it_keeps_nothing(tmp_path, kept):
    """With PYTHONDONTWRITEBYTECODE a run took 2.2 times as much CPU."""
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "sandbox").mkdir()
    shutil.copy(ROOT / "sandbox" / "pyproject.toml", tmp_path / "sandbox")
    env = {"PATH": "/usr/bin:/bin"} | ({} if kept else {"PYTHONDONTWRITEBYTECODE": "1"})
    printed = run("make", "--dry-run", "setup", cwd=tmp_path, env=env)
    assert ("sync --locked --quiet --compile-bytecode" in printed) is not kept
    assert ("compileall -q libs taps targets sandbox" in printed) is not kept
