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
from dataclasses import dataclass
from pathlib import Path

from e2e import Pipe, clean_env

LOADER = "signalroom-target-postgres"
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
        return Program(ours)

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

    def __init__(self, told):
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
class Pipeline:
    """A pipe whose programs are forks of the zygote's."""

    zygote: Zygote
    pipe: Pipe

    def start(self, *, clock=None, tap_bytes=None, loader_bytes=None):
        """Start both.

        Args:
            clock: By how many seconds the clock is wrong, ``after`` so many.
            tap_bytes: How large the tap's files can get.
            loader_bytes: How large the loader's files can get.
        """
        pipe = self.pipe
        records, sent = os.pipe()
        heard, error = os.pipe()
        said = []
        listener = threading.Thread(target=listen, args=(heard, said))
        listener.start()
        common = {"folder": str(pipe.folder), "env": pipe.env, "clock": clock}
        tap = self.zygote.start(
            [os.open(os.devnull, os.O_RDONLY), sent, os.dup(error)],
            program=pipe.tap,
            arguments=pipe.options,
            file_bytes=tap_bytes,
            **common,
        )
        states = os.open(
            pipe.folder / "states.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        loader = self.zygote.start(
            [records, states, error],
            program=LOADER,
            arguments=["--config=ENV"],
            file_bytes=loader_bytes,
            **common,
        )
        return Run(tap, loader, said, listener)
