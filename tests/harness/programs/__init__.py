"""What is started as forks of the zygote's: by a call, or by anybody by way of the PATH."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from harness.programs.zygote import PROGRAMS

HERE = Path(__file__).parent
#: Longer than any run takes that is not stuck.
_END_SECONDS = 120


class Zygote:
    """Starts programs; see `zygote`.

    Attributes:
        bin: A folder with each program by its name. And with a Python that has all that this one
            has: a script that starts what is beside its Python starts these.
    """

    def __init__(self, env):
        # A socket's path has 107 characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix="sr-"))
        self.bin = self._folder / "bin"
        self.bin.mkdir()
        shutil.copy(Path(sys.prefix) / "pyvenv.cfg", self._folder)
        (self._folder / "lib").symlink_to(Path(sys.prefix) / "lib")
        (self.bin / "python").symlink_to(Path(sys.executable).resolve())
        launcher = (HERE / "launcher.py").read_text()
        for name in PROGRAMS:
            made = self.bin / name
            # Without all that Python would look for first: it needs nothing of it.
            made.write_text(f"#!{sys.executable} -IS\n{launcher}")
            made.chmod(0o755)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(self.bin / "zygote"))
            listener.listen(64)
            program = [sys.executable, HERE / "zygote.py", str(listener.fileno()), self.bin]
            self._process = subprocess.Popen(program, pass_fds=[listener.fileno()], env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder)

    def start(self, standard, **asked):
        """Start a program; its input, output and error are closed here."""
        ours, told = socket.socketpair()
        message = {"clock": None, "file_bytes": None, "group": None} | asked
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as zygote:
            zygote.connect(str(self.bin / "zygote"))
            given = [told.fileno(), *standard]
            socket.send_fds(zygote, [json.dumps(message).encode()], given)
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
