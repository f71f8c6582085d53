"""A tap piped into the loader, each of which a test can kill by itself."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.pipelines import Pipe
    from harness.programs import Program, Zygote

LOADER = "signalroom-target-postgres"


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

    def start(self, *, clock=None, tap_bytes=None, loader_bytes=None, from_start=False):
        """Start both.

        Args:
            from_start: Whether the tap gets no state, as in a full refresh.
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
            arguments=[
                option
                for option in pipe.options
                if not (from_start and option.startswith("--state="))
            ],
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
