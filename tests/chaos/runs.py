"""A tap piped into the loader, each of which a test can kill by itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from e2e import BIN, clean_env, run

LOADER = "signalroom-target-postgres"
_START_SECONDS = 30
#: Longer than any run takes that is not stuck.
_END_SECONDS = 120


class Zygote:
    """Starts programs; see `zygote`."""

    def __init__(self):
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = [sys.executable, Path(__file__).with_name("zygote.py"), str(theirs.fileno())]
        self._process = subprocess.Popen(program, pass_fds=[theirs.fileno()], env=clean_env())
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._requests.close()
        self._process.wait()

    def start(self, standard, **asked):
        """Start a program; its input, output and error are closed here."""
        ours, told = socket.socketpair()
        message = json.dumps({"clock": None, "file_bytes": None} | asked).encode()
        socket.send_fds(self._requests, [message], [told.fileno(), *standard])
        told.close()
        for descriptor in standard:
            os.close(descriptor)
        return Program(asked["program"], ours)

    def run(self, program, *arguments, folder, env):
        """Run a program to its end; gives its exit code, and what it printed and logged."""
        heard, said = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        asked = {"program": program, "arguments": arguments, "folder": str(folder), "env": env}
        started = self.start([nothing, said, os.dup(said)], **asked)
        with os.fdopen(heard, errors="replace") as lines:
            printed = lines.read()
        return started.wait(), printed


class Program:
    """A program that runs."""

    def __init__(self, name, told):
        self.name = name
        self._told = told.makefile()
        told.settimeout(_END_SECONDS)
        told.close()
        self.pid = int(self._told.readline())

    def kill(self):
        """End it at once, without a warning."""
        self.signal(signal.SIGKILL)

    def signal(self, number):
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self):
        """Wait for its end; gives its exit code, negative for a signal."""
        with self._told:
            return int(self._told.readline())


def listen(heard, said):
    """Keep what is written into a pipe, to its end."""
    with os.fdopen(heard, errors="replace") as lines:
        said.extend(lines)


@dataclass
class Run:
    """A tap and the loader at work."""

    tap: Program
    loader: Program
    _said: list[str]
    _listener: threading.Thread

    def wait(self):
        """Wait for their end; gives both exit codes."""
        codes = self.tap.wait(), self.loader.wait()
        self._listener.join()
        return codes

    @property
    def said(self):
        """What they logged, once they have ended."""
        return "".join(self._said)


@dataclass
class Pipe:
    """A pipeline of a case's own: its folder, its settings, and the state it got to."""

    zygote: Zygote
    tap: str
    folder: Path
    env: dict[str, str]
    streams: tuple[str, ...]
    #: What was said by each run.
    logs: list[str] = field(default_factory=list)

    def __post_init__(self):
        (self.folder / "tmp").mkdir(parents=True)
        self.env["TMPDIR"] = str(self.folder / "tmp")

    @property
    def _states(self):
        return self.folder / "states.jsonl"

    def _options(self):
        """Catalog and state, as Meltano gives them."""
        catalog, state = self.folder / "catalog.json", self.folder / "state.json"
        if self._states.exists():
            whole = [line for line in self._states.read_text().splitlines(True) if line[-1] == "\n"]
            if whole:
                state.write_text(whole[-1])
        options = [f"--catalog={catalog}"] if catalog.exists() else []
        return options + ([f"--state={state}"] if state.exists() else [])

    def choose(self):
        """Ask the tap for its catalog, and select the streams in it."""
        given = run(BIN / self.tap, "--config=ENV", "--discover", env=self.env)
        catalog = json.loads(given)
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                if not metadata["breadcrumb"]:
                    metadata["metadata"]["selected"] = entry["stream"] in self.streams
        return json.dumps(catalog)

    def start(self, *, env=None, clock=None, tap_bytes=None, loader_bytes=None):
        """Start both.

        Args:
            env: Settings of this run alone.
            clock: By how many seconds the clock is wrong, ``after`` so many.
            tap_bytes: How large the tap's files can get.
            loader_bytes: How large the loader's files can get.
        """
        records, sent = os.pipe()
        heard, error = os.pipe()
        said = []
        listener = threading.Thread(target=listen, args=(heard, said))
        listener.start()
        common = {"folder": str(self.folder), "env": self.env | (env or {}), "clock": clock}
        standard = [os.open(os.devnull, os.O_RDONLY), sent, os.dup(error)]
        options = ["--config=ENV", *self._options()]
        tap = self.zygote.start(
            standard, program=self.tap, arguments=options, file_bytes=tap_bytes, **common
        )
        states = os.open(self._states, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        loader = self.zygote.start(
            [records, states, error],
            program=LOADER,
            arguments=["--config=ENV"],
            file_bytes=loader_bytes,
            **common,
        )
        return Run(tap, loader, said, listener)

    def load(self, **options):
        """Load to the end, which must be a good one."""
        going = self.start(**options)
        codes = going.wait()
        self.logs.append(going.said)
        assert codes == (0, 0), self.told()
        return going.said

    def told(self):
        """All that was logged by all runs."""
        return "\n----- the next run -----\n".join(self.logs)
