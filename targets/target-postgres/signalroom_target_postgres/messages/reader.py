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
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.messages.json_members import top_level_members
from signalroom_target_postgres.messages.models import MISSING, Message
from signalroom_target_postgres.messages.validation import InvalidMessageError, validate_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_READ_BYTES = 1 << 20
_SMALL_READ = 1 << 15
_COALESCE_SECONDS = 0.002  # seconds
_LINES_PER_IDLE_CALL = 1000
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
        guard: Makes a context manager in which messages are read.
    """

    on_idle: Callable[[], float | None]
    on_invalid_record: Callable[..., None]
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
        """Stop reading: at once if nothing comes, else after the current message.

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
        for number, line in enumerate(self._lines(source), 1):
            try:
                message = self._decode(line)
            except (*_DECODE_ERRORS, RecursionError) as error:
                if not line.strip():
                    continue
                if not self._pass_on_invalid(line, error):
                    raise _not_a_message(number, error) from None
                counts["RECORD"] += 1
                continue
            kind = message.type
            callback = callbacks.get(kind)
            if callback is None:
                msg = f"Line {number} of the input has the unknown type {kind!r}."
                raise InputError(msg)
            if kind == "RECORD" and message.record is not MISSING and message.stream is not None:
                callback(message)
            else:
                callback(self._validate(message, line, number))
            counts[kind] += 1
            if self.shutdown_requested:
                raise ShutdownRequested
        return counts

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

    def _lines(self, source: IO[Any]) -> Iterator[bytes]:
        try:
            descriptor = source.fileno()
        except OSError:
            # Input in memory, as in tests.
            for number, line in enumerate(source):
                if number % _LINES_PER_IDLE_CALL == 0:
                    self.on_idle()
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
