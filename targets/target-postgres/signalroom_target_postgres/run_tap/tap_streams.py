"""Which streams a tap reads in full: by its messages, state and catalog."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signalroom_singer.state_merge import FIELDS, REFRESH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Only lines with one of these are decoded. Looking for them costs next to
#: nothing; reading all lines would cost more than all else.
_SIGNS = (b'"SCHEMA"', b'"STATE"', b'"ACTIVATE_VERSION"')
_RECORDS = (b'{"type": "RECORD"', b'{"type":"RECORD"')
_STATES = (b'{"type": "STATE"', b'{"type":"STATE"')
_FULL_TABLE = "FULL_TABLE"
#: What a state may have of a stream that is read whole.
_NO_BOOKMARK = {"context", "version", REFRESH, FIELDS}
_METHODS = ("replication-method", "forced-replication-method")


class TapStreams:
    """Follows a tap's output.

    Args:
        arguments: The tap's arguments. Its catalog and its state are among them, as files.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        #: The last version that the tap activated of each stream.
        self.versions: dict[str, int] = {}
        # Of each stream, whether its SCHEMA names the properties of a bookmark.
        self._streams: dict[str, bool] = {}
        self._initial_state = _document(arguments, "--state", "-s")
        self._last_state = b"{}"
        self._methods = dict(_methods(_document(arguments, "--catalog", "--properties", "-p")))
        self._unfinished: list[bytes] = []

    def read(self, block: bytes) -> None:
        """Read a part of the output.

        Args:
            block: Bytes that may begin and end anywhere within a line.
        """
        end = block.rfind(b"\n") + 1
        if not end:
            self._unfinished.append(block)
            return
        self._unfinished.append(block[:end])
        lines = b"".join(self._unfinished)
        self._unfinished = [block[end:]] if end < len(block) else []
        self._read_lines(lines)

    def end(self) -> None:
        """Read the last line, where it has no line break."""
        self._read_lines(b"".join(self._unfinished))

    @property
    def ends_within_a_line(self) -> bool:
        """Whether the last line has no line break."""
        return any(self._unfinished)

    def complete(self, selected: Sequence[str] | None) -> tuple[list[str], list[str]]:
        """Return the streams that were read in full, given that the tap ended well.

        Args:
            selected: The streams that the user names; by default all, if none is incremental. The
                child streams of an incremental one come in part, and nothing in their messages
                shows it.

        Returns:
            The streams, and sentences about those that are not among them.
        """
        bookmarks = self._bookmarks()
        incremental = {name for name in self._streams if self._is_incremental(name, bookmarks)}
        if selected is not None:
            unknown = [name for name in selected if name not in self._streams]
            notes = [f"The tap has sent nothing of {name} (--stream)." for name in unknown]
            notes += [
                f"{name} (--stream) is read incrementally, so it is not complete."
                for name in selected
                if name in incremental
            ]
            return [name for name in self._streams if name in {*selected} - incremental], notes
        if not (others := sorted(incremental | bookmarks)):
            return [*self._streams], []
        names = ", ".join(name for name in self._streams if name not in incremental)
        advice = (
            f"Read incrementally: {', '.join(others)}. Other streams may depend on these. Name "
            f"those that each run reads in full by --stream ({names})."
        )
        return [], [advice] if names else []

    def _is_incremental(self, stream: str, bookmarks: set[str]) -> bool:
        if stream in bookmarks:
            return True
        method = self._methods.get(stream)
        # An SDK tap names a replication key in the SCHEMA also where the catalog says that it is
        # not to be used.
        return self._streams[stream] if method is None else method != _FULL_TABLE

    def _bookmarks(self) -> set[str]:
        """The streams, or other keys of the states, that a run resumes from."""
        places: set[str] = set()
        last = _parse(self._last_state)
        for state in (self._initial_state, last.get("value") if isinstance(last, dict) else None):
            if not isinstance(state, dict):
                continue
            bookmarks = state.get("bookmarks")
            entries = bookmarks if isinstance(bookmarks, dict) else {"bookmarks": bookmarks}
            others = {
                key: value
                for key, value in state.items()
                if key not in {"bookmarks", "currently_syncing"}
            }
            places |= {key for key, entry in {**others, **entries}.items() if is_bookmark(entry)}
        return places

    def _read_lines(self, lines: bytes) -> None:
        last_start = -1
        for place in sorted({offset for sign in _SIGNS for offset in _find_all(lines, sign)}):
            start = lines.rfind(b"\n", 0, place) + 1
            if start == last_start or lines.startswith(_RECORDS, start):
                continue
            last_start, end = start, lines.find(b"\n", place)
            line = lines[start : end if end >= 0 else None]
            if line.startswith(_STATES):
                # Only the last one counts, and some taps send one with each record.
                self._last_state = line
            else:
                self._read_message(_parse(line), line)

    def _read_message(self, message: Any, line: bytes) -> None:
        if not isinstance(message, dict):
            return
        kind, stream = message.get("type"), message.get("stream")
        if kind == "STATE":
            self._last_state = line
        elif not isinstance(stream, str):
            return
        elif kind == "SCHEMA":
            named = bool(message.get("bookmark_properties"))
            self._streams[stream] = self._streams.get(stream, False) or named
        elif kind == "ACTIVATE_VERSION" and isinstance(message.get("version"), int):
            self.versions[stream] = message["version"]


def _find_all(lines: bytes, sign: bytes) -> Iterator[int]:
    place = lines.find(sign)
    while place >= 0:
        yield place
        place = lines.find(sign, place + len(sign))


def _document(arguments: Sequence[str], *options: str) -> Any:
    """Return the JSON of a file that one of the options names."""
    for number, argument in enumerate(arguments):
        option, _, path = argument.partition("=")
        if option in options:
            path = path or next(iter(arguments[number + 1 :]), "")
            with suppress(OSError):
                return _parse(Path(path).read_bytes())
    return None


def _parse(text: bytes) -> Any:
    """Decode a JSON text; None if it is not valid: its reader says so."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _methods(catalog: Any) -> Iterator[tuple[str, str]]:
    """Read each stream's replication method from a catalog."""
    with suppress(AttributeError, KeyError, TypeError):
        for entry in catalog["streams"]:
            method = entry.get("replication_method")
            key = entry.get("replication_key")
            for part in entry.get("metadata") or ():
                if not part.get("breadcrumb"):
                    about = part.get("metadata") or {}
                    method = next(filter(None, map(about.get, _METHODS)), method)
                    key = about.get("replication-key") or key
            if key and not method:
                # As the SDK has it, and PipelineWise's taps.
                method = "INCREMENTAL"
            if method:
                for name in ("tap_stream_id", "stream"):
                    yield entry.get(name), method


def is_bookmark(value: Any) -> bool:
    """Whether a run resumes from a part of a state."""
    if isinstance(value, dict):
        return any(
            inner != _FULL_TABLE if key == "last_replication_method" else is_bookmark(inner)
            for key, inner in value.items()
            if key not in _NO_BOOKMARK
        )
    if isinstance(value, list):
        return any(map(is_bookmark, value))
    return value is not None
