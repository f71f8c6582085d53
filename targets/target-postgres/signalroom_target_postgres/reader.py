"""Reads Singer messages as fast as they come, and notices when none comes."""

from __future__ import annotations

import fcntl
import json
import os
import select
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.records import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_READ_BYTES = 1 << 20
_FEW_BYTES = 1 << 15
_BREATH = 0.002  # seconds
_LINES_BETWEEN_PAUSES = 1000


class Terminated(BaseException):
    """The process was asked to end."""


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages from standard input, or from an open file.

    Attributes:
        between: Called every now and then, also while nothing comes. Gives the seconds after
            which it wants to be called again, or None.
        unreadable: Called with a stream and the line of a record that is no JSON, but for NaN
            and infinities, which some taps write.
    """

    between: Callable[[], float | None]
    unreadable: Callable[[str, bytes], None]

    def __init__(self) -> None:
        super().__init__()
        #: Whether the process was asked to end.
        self.terminated = False
        self._waiting = False
        self._decode = msgspec.json.Decoder(Message).decode

    @property
    @override
    def default_input(self) -> IO[bytes]:
        return sys.stdin.buffer

    def terminate(self) -> None:
        """Stop reading: at once if nothing comes, else after the message at hand.

        Raises:
            Terminated: If the reader was waiting.
        """
        self.terminated = True
        if self._waiting:
            raise Terminated

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Read a message as a dict.

        Args:
            line: The message.

        Returns:
            It.

        Raises:
            InputError: If it is no JSON object.
        """
        try:
            return msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            msg = f"The input is no Singer message: {error}"
            raise InputError(msg) from None

    @override
    def process_lines(
        self,
        file_input: IO[bytes] | IO[str] | None,
        callbacks: Mapping[str, Callable[[Any], None]],
    ) -> Counter[str]:
        """Read messages to the end and hand each to its callback.

        RECORD and STATE come as `Message`, the others as dicts.

        Args:
            file_input: Where from, if not standard input.
            callbacks: By the messages' types.

        Returns:
            How many there were of each type.

        Raises:
            InputError: If a line is no message; it says which.
            Terminated: If the process was asked to end.
        """
        counts: Counter[str] = Counter()
        for number, line in enumerate(self._lines(file_input or self.default_input), 1):
            try:
                message = self._decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                if not line.strip():
                    continue
                if not self._told_unreadable(line):
                    msg = f"Line {number} of the input is no Singer message: {error}"
                    raise InputError(msg) from None
                counts["RECORD"] += 1
                continue
            kind = message.type
            callback = callbacks.get(kind)
            if callback is None:
                msg = f"Line {number} of the input has the unknown type {kind!r}."
                raise InputError(msg)
            callback(message if kind in {"RECORD", "STATE"} else self.deserialize_json(line))
            counts[kind] += 1
            if self.terminated:
                raise Terminated
        return counts

    def _told_unreadable(self, line: bytes) -> bool:
        try:
            message = json.loads(line)
        except ValueError:
            return False
        if not isinstance(message, dict) or message.get("type") != "RECORD":
            return False
        self.unreadable(str(message.get("stream")), json.dumps(message.get("record")).encode())
        return True

    def _lines(self, source: IO[Any]) -> Iterator[bytes]:
        try:
            descriptor = source.fileno()
        except OSError:
            # In memory, as tests do.
            for number, line in enumerate(source):
                if number % _LINES_BETWEEN_PAUSES == 0:
                    self.between()
                yield line if isinstance(line, bytes) else line.encode()
        else:
            yield from self._lines_of(descriptor)

    def _lines_of(self, descriptor: int) -> Iterator[bytes]:
        _enlarge_pipe(descriptor)
        unfinished: list[bytes] = []
        while data := self._next_bytes(descriptor):
            first, *lines = data.split(b"\n")
            unfinished.append(first)
            if lines:
                yield b"".join(unfinished)
                *complete, rest = lines
                yield from complete
                unfinished = [rest]
        if last := b"".join(unfinished):
            yield last

    def _next_bytes(self, descriptor: int) -> bytes:
        while True:
            wait = self.between()
            self._waiting = True
            try:
                if self.terminated:
                    raise Terminated
                if select.select([descriptor], [], [], wait)[0]:
                    data = os.read(descriptor, _READ_BYTES)
                    if len(data) < _FEW_BYTES:
                        # A tap that writes line by line: let some gather, for both sides' sake.
                        time.sleep(_BREATH)
                    return data
            finally:
                self._waiting = False


def _enlarge_pipe(descriptor: int) -> None:
    """Let the tap go on writing while a batch is loaded, and both sides change turns less often."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        # No pipe, or a limit of the system's: it stays as it is.
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _READ_BYTES)
