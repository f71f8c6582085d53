"""Reads Singer messages, and calls back while it waits for input."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.messages.json_members import top_level_members
from signalroom_target_postgres.messages.models import MISSING, Message
from signalroom_target_postgres.messages.record_lines import Lines, split_block
from signalroom_target_postgres.messages.validation import InvalidMessageError, validate_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_READ_BYTES = 1 << 20
_SMALL_READ = 1 << 15
_COALESCE_SECONDS = 0.002  # seconds
_LINES_PER_BLOCK = 1000
# Other fields of RECORD messages, and what they should be.
_EXPECTED = {"version": "an integer", "time_extracted": "a text"}
_WRONG_TYPE = re.compile(r"got `(?P<got>.*)` - at `\$\.(?P<field>version|time_extracted)`$")


#: Errors of bytes that are not JSON.
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError)


class ShutdownRequested(BaseException):
    """The process was asked to end."""


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages from standard input, or from an open file.

    Attributes:
        on_idle: Called regularly, also while there is no input. Returns the seconds until the next
            call is due; None if there is no hurry.
        on_invalid_record: Called with a stream and the text of a record whose JSON is invalid only
            for NaN and infinities, which some taps write; or, with a reason, of one that is nested
            too deeply, or whose message has a `version` or `time_extracted` of a wrong type.
        on_record_lines: Called with lines that look like records of one stream. Returns whether it
            took them; if not, each is passed on as a message.
        guard: Makes a context manager in which messages are read.
    """

    on_idle: Callable[[], float | None]
    on_invalid_record: Callable[..., None]
    on_record_lines: Callable[[Lines], bool] = staticmethod(lambda _: False)
    guard: Callable[[], AbstractContextManager[None]] = staticmethod(nullcontext)

    def __init__(self) -> None:
        super().__init__()
        #: Whether the process was asked to end.
        self.shutdown_requested = False
        self._waiting = False
        self._decode = msgspec.json.Decoder(Message).decode

    @property
    @override
    def default_input(self) -> IO[bytes]:
        return sys.stdin.buffer

    def request_shutdown(self) -> None:
        """Stop reading: at once if nothing comes, else after what was read of the input.

        Raises:
            ShutdownRequested: If the reader was waiting for input.
        """
        self.shutdown_requested = True
        if self._waiting:
            raise ShutdownRequested

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Decode a message as a dict.

        Args:
            line: The message's line.

        Raises:
            InputError: If it is not a JSON object.
        """
        try:
            return msgspec.json.decode(line, type=dict[str, Any])
        except _DECODE_ERRORS as error:
            msg = f"The input is not a Singer message: {error}"
            raise InputError(msg) from None

    @override
    def process_lines(
        self,
        file_input: IO[bytes] | IO[str] | None,
        callbacks: Mapping[str, Callable[[Any], None]],
    ) -> Counter[str]:
        """Read messages to the end and pass each to its callback.

        RECORD and STATE messages are passed as `Message`, others as dicts.

        Args:
            file_input: The file to read, if not standard input.
            callbacks: The callbacks by message type.

        Returns:
            How many messages there were of each type.

        Raises:
            InputError: If a line is not a message; it says which line.
            ShutdownRequested: If the process was asked to end.
        """
        with self.guard():
            return self._process(file_input or self.default_input, callbacks)

    def _process(
        self, source: IO[Any], callbacks: Mapping[str, Callable[[Any], None]]
    ) -> Counter[str]:
        counts: Counter[str] = Counter()
        number = 0
        for block in self._blocks(source):
            for lines in split_block(block):
                if lines.stream is not None and self.on_record_lines(lines):
                    counts["RECORD"] += lines.count
                else:
                    for place, line in enumerate(lines.text.split(b"\n")[:-1], number + 1):
                        if kind := self._pass_on(line, place, callbacks):
                            counts[kind] += 1
                number += lines.count
            if self.shutdown_requested:
                raise ShutdownRequested
        return counts

    def _pass_on(
        self, line: bytes, number: int, callbacks: Mapping[str, Callable[[Any], None]]
    ) -> str | None:
        """Pass a message to its callback; return its type, or None for an empty line."""
        try:
            message = self._decode(line)
        except (*_DECODE_ERRORS, RecursionError) as error:
            if not line.strip():
                return None
            if not self._pass_on_invalid(line, error):
                raise _not_a_message(number, error) from None
            return "RECORD"
        kind = message.type
        callback = callbacks.get(kind)
        if callback is None:
            msg = f"Line {number} of the input has the unknown type {kind!r}."
            raise InputError(msg)
        if kind == "RECORD" and message.record is not MISSING and message.stream is not None:
            callback(message)
        else:
            callback(self._validate(message, line, number))
        return kind

    def _validate(self, message: Message, line: bytes, number: int) -> Message | dict[str, Any]:
        """Validate a message, and return it as its callback takes it."""
        try:
            if message.type == "STATE":
                # A state is emitted as it came, so it must be valid UTF-8.
                if message.value is not MISSING:
                    bytes(message.value).decode()
                    return message
                raise InvalidMessageError(message.type, "it has no `value`")  # noqa: TRY301
            fields = self.deserialize_json(line)
            validate_message(fields)
        except (UnicodeDecodeError, RecursionError) as error:
            raise _not_a_message(number, error) from None
        except InvalidMessageError as error:
            of = f" of stream {message.stream!r}" if message.stream else ""
            msg = (
                f"Line {number} of the input is not a valid {error.kind} message{of}: "
                f"{error.reason}. This is a bug in the tap: please report it."
            )
            raise InputError(msg) from None
        except InputError as error:
            msg = f"Line {number}: {error.message}"
            raise InputError(msg) from None
        return fields

    def _pass_on_invalid(self, line: bytes, error: Exception) -> bool:
        """Pass on a record that cannot be decoded; return whether the line is such a record."""
        reasons = []
        if isinstance(error, msgspec.ValidationError):
            if not (match := _WRONG_TYPE.search(str(error))):
                return False
            field, got = match["field"], match["got"]
            reasons = [f"its message's `{field}` has to be {_EXPECTED[field]} or null, got {got}"]
        try:
            # Python does not parse integers of more than 4,300 digits.
            json.loads(line, parse_int=str)
        except ValueError:
            return False
        except RecursionError:
            reasons = ["it is nested too deeply"]
        members = top_level_members(line)
        stream, record = members.get("stream", b""), members.get("record", b"")
        if members.get("type") != b'"RECORD"' or stream[:1] != b'"' or record[:1] != b"{":
            return False
        self.on_invalid_record(json.loads(stream), record, *reasons)
        return True

    def _blocks(self, source: IO[Any]) -> Iterator[bytes]:
        """Read complete lines, each with its line feed, many at once."""
        try:
            descriptor = source.fileno()
        except OSError:
            # Input in memory, as in tests.
            lines = (line if isinstance(line, bytes) else line.encode() for line in source)
            while block := b"".join(
                line.removesuffix(b"\n") + b"\n" for line in islice(lines, _LINES_PER_BLOCK)
            ):
                self.on_idle()
                yield block
        else:
            yield from self._blocks_of(descriptor)

    def _blocks_of(self, descriptor: int) -> Iterator[bytes]:
        _enlarge_pipe(descriptor)
        unfinished: list[bytes] = []
        while data := self._next_bytes(descriptor):
            end = data.rfind(b"\n") + 1
            unfinished.append(data[:end])
            if end:
                yield b"".join(unfinished)
                unfinished = []
            unfinished.append(data[end:])
        if last := b"".join(unfinished):
            yield last + b"\n"

    def _next_bytes(self, descriptor: int) -> bytes:
        while True:
            wait = self.on_idle()
            self._waiting = True
            try:
                if self.shutdown_requested:
                    raise ShutdownRequested
                if select.select([descriptor], [], [], wait)[0]:
                    data = os.read(descriptor, _READ_BYTES)
                    if len(data) < _SMALL_READ:
                        # The tap writes line by line: fewer, larger reads cost both sides less.
                        time.sleep(_COALESCE_SECONDS)
                    return data
            finally:
                self._waiting = False


def _not_a_message(number: int, error: Exception) -> InputError:
    why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return InputError(f"Line {number} of the input is not a Singer message: {why}")


def _enlarge_pipe(descriptor: int) -> None:
    """Let the tap write on while a batch is loaded, with fewer context switches."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        # It is no pipe, or the system limits its size.
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _READ_BYTES)
