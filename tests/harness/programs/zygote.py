"""Meltano, taps and loader that start at once: forks of a process that has them imported.

A run of a few seconds spends most of them importing. This takes that away and nothing else: each
program is a process with an environment, a folder, pipes and signals of its own.

    python zygote.py FD BIN

FD is a socket that listens, BIN the folder of the programs' launchers. Each connection brings a
message that says what to start, and four descriptors: where to write its process id and its exit
code, and its standard input, output and error.
"""

from __future__ import annotations

import atexit
import datetime as dt
import gc
import importlib
import json
import logging
import os
import random
import resource
import runpy
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import time_machine
from meltano.cli import main as meltano
from meltano.core import yaml as meltano_yaml

from signalroom_cli.main import main as signalroom
from signalroom_target_postgres.target import TargetPostgres

# As a program of its own it knows no package beside it.
sys.path += map(str, Path(__file__).parents[2:4])
from harness import costs
from tools.generate.settings import taps


def run_python():
    """Be Python: a module runs in this process, with what is imported already."""
    if sys.argv[1] != "-m":
        os.execv(PYTHON, [PYTHON, *sys.argv[1:]])
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


PYTHON = sys.executable
#: What most tests' projects are copies of; parsing it takes Meltano 0.25 CPU seconds.
PROJECT_FILE = (Path(__file__).parents[3] / "meltano.yml").resolve()
TAPS = tuple(taps().values())
PROGRAMS = {
    "meltano": meltano,
    "signalroom": signalroom,
    # What `sys.executable` is within `signalroom`, which starts Meltano by it.
    "signalroom-python": run_python,
    # Not their commands yet: making one sets up logging.
    **{plugin.package_name: plugin for plugin in (TargetPostgres, *TAPS)},
}
#: What they import while they run, each of them anew.
LATER = (
    "alembic.command",
    "anyio._backends._asyncio",
    "anyio._core._fileio",
    "pyarrow.acero",
    "signalroom_cli.backfill.command",
    "signalroom_cli.cleanup.command",
    "signalroom_cli.clients",
    "signalroom_cli.connection",
    "signalroom_cli.meltano_command",
    "signalroom_cli.removal.command",
    "signalroom_cli.run",
    "signalroom_cli.schedules",
    "signalroom_cli.status.command",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
)
_MESSAGE_BYTES = 1 << 17
#: The code that the program of this process exits with, once it does.
exit_codes = []


def serve(listener):
    """Start what is asked for, until the listener is shut."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for module in LATER:
        importlib.import_module(module)
    # It runs after what a program registers.
    atexit.register(end_without_freeing)
    meltano_yaml.load(PROJECT_FILE)
    gc.freeze()
    while True:
        try:
            asking, _ = listener.accept()
        except OSError:
            return
        with asking:
            message, descriptors, *_ = socket.recv_fds(asking, _MESSAGE_BYTES, 4)
        if not message:
            continue
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            watch(json.loads(message), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def watch(asked, told, *standard):
    """Be the program, or the one who tells what becomes of it."""
    program = os.fork()
    if program == 0:
        if asked["group"]:
            # It ends with who asked for it, as if it were that process.
            threading.Thread(target=die_with, args=(told,), daemon=True).start()
            os.setpgid(0, asked["group"])
        else:
            os.close(told)
        become(asked, standard)
        return
    for descriptor in standard:
        os.close(descriptor)
    os.write(told, f"{program}\n".encode())
    _, status, usage = os.wait4(program, 0)
    if costs.VARIABLE in os.environ and (test := asked["env"].get("PYTEST_CURRENT_TEST")):
        costs.record(test, 0, usage.ru_utime + usage.ru_stime)
    try:
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    except BrokenPipeError:  # who asked is gone
        os._exit(1)
    os._exit(0)


def die_with(told):
    """End this process at once when nobody is there any more who started it."""
    if not os.read(told, 1):
        os.kill(os.getpid(), signal.SIGKILL)


def become(asked, standard):
    """Be the program: what a shell and Python's start would have done, and its entry point."""
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    random.seed()
    tempfile.tempdir = None
    # Meltano parses a file of other contents again: it compares their hashes.
    meltano_yaml.cache[Path("meltano.yml").resolve()] = meltano_yaml.cache[PROJECT_FILE]
    if asked["file_bytes"] is not None:
        # Beyond it a write fails, as on a full disk.
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["file_bytes"], most))
    if asked["clock"]:
        timer = threading.Timer(asked["clock"]["after"], shift, (asked["clock"]["seconds"],))
        timer.daemon = True
        timer.start()
    program = PROGRAMS[asked["program"]]
    sys.argv = [f"{sys.argv[2]}/{asked['program']}", *asked["arguments"]]
    try:
        run_program(program)
    except SystemExit as end:
        exit_codes.append(end.code)
        raise


def run_program(program):
    """Run a program of `PROGRAMS` as its script does."""
    if program is signalroom:
        sys.executable = str(Path(sys.argv[0]).with_name("signalroom-python"))
    if program in {meltano, signalroom, run_python}:
        sys.exit(program())
    # Meltano's, by its import.
    logging.getLogger().handlers.clear()
    program.cli()


def end_without_freeing():
    """End a program that exits by itself, before Python frees all that the zygote has imported.

    To free it is to write to it, and what forks share is copied when it is written to: 0.15 CPU
    seconds of each process.
    """
    if not exit_codes or not isinstance(exit_codes[0], int | None):
        return
    # Registered by an import, and so to run after this.
    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # Python reports it, and exits with a code of its own
    os._exit(exit_codes[0] or 0)


def shift(seconds):
    """Let this process's clock be wrong from now on."""
    now = dt.datetime.now(dt.UTC)
    time_machine.travel(now + dt.timedelta(seconds=seconds), tick=True).start()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
