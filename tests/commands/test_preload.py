"""Programs that start as forks of a process that has imported them, and what they do not share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from signalroom_cli.preload.programs import Preloader, PreloadError, preloadable

#: Python sets LC_CTYPE where there is no locale.
SURROUNDINGS = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
#: A program that does what its first argument says. Importing it leaves a file behind.
PROGRAM = """
import json, os, signal, sys, threading, time
from pathlib import Path
Path(__file__).with_name("imports.txt").open("a").write(f"{os.getpid()}\\n")
def main():
    match sys.argv[1:]:
        case ["show", *words]:
            started = Path("/proc/self/environ").read_text()
            print(json.dumps({"env": dict(os.environ), "words": words, "folder": os.getcwd(),
                              "pid": os.getpid(), "started": started, "name": sys.argv[0]}))
        case ["exit", code]:
            return int(code)
        case ["say", text]:
            sys.exit(text)
        case ["fail"]:
            raise ValueError("not this time")
        case ["kill", number]:
            os.kill(os.getpid(), int(number))
        case ["thread"]:
            threading.Thread(target=lambda: (time.sleep(0.1), print("from the thread"))).start()
        case ["wait"]:
            print(os.getpid(), flush=True)
            sys.stdin.read()
            print("went on")
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with the executable `probe`; the environment has a client's variable."""
    site = tmp_path / "site"
    info = site / "probe-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nprobe = probe.command:main\n")
    package = site / "probe"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "command.py").write_text(PROGRAM)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "meltano.yml").write_text("project_id: a\n")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("BIRCH_ACCOUNT", "of-birch")
    return package


@pytest.fixture
def probe(installed):
    with Preloader(["probe"], Path.cwd()) as preloader:
        yield preloader


@contextmanager
def running(preloader, *arguments, **env):
    """The program by its launcher, as Meltano starts it; killed in the end."""
    process = subprocess.Popen(
        [preloader.folder / "probe", *arguments],
        env=SURROUNDINGS | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def run(preloader, *arguments, **env):
    """Run the program to its end; gives exit code, output and errors."""
    with running(preloader, *arguments, **env) as process:
        printed, logged = process.communicate()
        return process.returncode, printed, logged


def is_alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_programs_are_imported_once(probe, installed):
    shown = [json.loads(run(probe, "show")[1]) for _ in range(3)]
    assert len({each["pid"] for each in shown}) == 3
    assert len((installed / "imports.txt").read_text().split()) == 1


def test_a_program_has_the_environment_of_its_own_start_only(probe):
    first = json.loads(run(probe, "show", ACME_ACCOUNT="of-acme")[1])
    second = json.loads(run(probe, "show", "a", "b c", CEDAR_ACCOUNT="of-cedar")[1])
    assert first["env"] == SURROUNDINGS | {"ACME_ACCOUNT": "of-acme"}
    assert second["env"] == SURROUNDINGS | {"CEDAR_ACCOUNT": "of-cedar"}
    assert second["words"] == ["a", "b c"]
    assert second["folder"] == str(Path.cwd())
    # What `ps e` shows: not even the variables of whoever started the server.
    for shown in (first, second):
        assert "PATH=" in shown["started"]
        assert "ACCOUNT" not in shown["started"]


@pytest.mark.parametrize(
    ("arguments", "code", "logged"),
    (
        (["exit", "0"], 0, ""),
        (["exit", "78"], 78, ""),
        (["say", "no such day"], 1, "no such day\n"),
        (["fail"], 1, "ValueError: not this time\n"),
        (["kill", str(int(signal.SIGKILL))], -signal.SIGKILL, ""),
        (["kill", str(int(signal.SIGSEGV))], -signal.SIGSEGV, ""),
    ),
)
def test_a_program_ends_as_if_it_had_been_started_itself(probe, arguments, code, logged):
    with running(probe, "wait") as other:
        pid = int(other.stdout.readline())
        ended, printed, errors = run(probe, *arguments)
        assert ended == code
        assert not printed
        assert errors.endswith(logged)
        assert bool(errors) == bool(logged)
        # Another one that runs meanwhile is not affected.
        assert is_alive(pid)
        assert other.communicate("")[0] == "went on\n"
        assert other.returncode == 0


def test_a_programs_threads_are_waited_for(probe):
    assert run(probe, "thread") == (0, "from the thread\n", "")


def test_signals_reach_the_program(probe):
    with running(probe, "wait") as process:
        pid = int(process.stdout.readline())
        process.terminate()
        assert process.wait() == -signal.SIGTERM
        assert not is_alive(pid)


def test_a_program_ends_with_whoever_started_it(probe):
    with running(probe, "wait") as process:
        pid = int(process.stdout.readline())
        process.kill()
        process.wait()
        while is_alive(pid):
            time.sleep(0.01)


def test_without_the_server_the_executable_itself_is_started(probe, tmp_path):
    (tmp_path / "bin").mkdir()
    own = tmp_path / "bin" / "probe"
    own.write_text('#!/bin/sh\necho "itself: $*"\n')
    own.chmod(0o755)
    probe.close = lambda: None
    probe._process.kill()
    probe._process.wait()
    probe._process.stdin.close()
    probe._process.stdout.close()
    path = f"{probe.folder}:{own.parent}:{os.environ['PATH']}"
    assert run(probe, "show", PATH=path) == (0, "itself: show\n", "")
    assert not probe.is_current()


def test_a_long_path_of_temporary_files(installed, tmp_path, monkeypatch):
    long = tmp_path / ("temporary" * 12)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with Preloader(["probe"], Path.cwd()) as preloader:
        assert run(preloader, "exit", "3") == (3, "", "")


def test_the_folder_is_its_users_own(probe):
    assert probe.folder.stat().st_mode & 0o777 == 0o700


def test_changed_files_are_noticed(probe, installed):
    assert probe.is_current()
    run(probe, "exit", "0")
    assert probe.is_current()
    os.utime(installed / "command.py", ns=(1, 1))
    assert not probe.is_current()


def test_a_changed_project_file_is_noticed(probe):
    Path("meltano.yml").write_text("project_id: b\n")
    assert not probe.is_current()


def test_closing_waits_for_programs(installed):
    preloader = Preloader(["probe"], Path.cwd())
    with running(preloader, "wait") as process:
        process.stdout.readline()
        closing = threading.Thread(target=preloader.close)
        closing.start()
        while preloader.is_current():
            time.sleep(0.01)
        assert closing.is_alive()
        assert process.communicate("")[0] == "went on\n"
        closing.join()
    assert not preloader.folder.exists()


def test_the_server_ends_with_the_process_that_started_it(installed):
    preloader = Preloader(["probe"], Path.cwd())
    # As the system does when that process is killed.
    preloader._process.stdin.close()
    assert preloader._process.wait() == 0
    preloader.close()


def test_what_cannot_be_imported_is_an_error(installed):
    (installed / "broken.py").write_text("import no_such_module\n")
    with pytest.raises(PreloadError, match="probe cannot be imported"):
        Preloader(["probe"], Path.cwd())


def test_taps_and_the_loader_are_preloaded():
    names = ["tap-everflow", "signalroom-target-postgres", "target-postgres", "bash", "no-such"]
    assert preloadable(names) == ["signalroom-target-postgres", "tap-everflow"]
