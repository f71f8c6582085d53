"""Checks the selection: a run without streams fails, and patterns with a typo are reported.

Meltano (4.4) applies the patterns of ``select`` to the catalog, and does not report those that
match no stream.
"""

from __future__ import annotations

import difflib
import json
import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.settings.text_values import did_you_mean
from signalroom_singer.settings.variables import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk import Stream

    from signalroom_singer.settings.variables import Naming

_SELECT = "_select"
#: A column may be missing because it is left out, so only a similar name means a typo.
_SIMILAR = 0.8


def check_selected(naming: Naming, streams: Mapping[str, Stream]) -> None:
    """Check that at least one stream is selected.

    Args:
        naming: The naming of the tap's settings.
        streams: The tap's streams by name.

    Raises:
        TapError: If there are streams, and none is selected.
    """
    # Not `selected`: a stream may also skip a run in which it has no new rows.
    if not streams or any(stream.mask.get((), True) for stream in streams.values()):
        return
    names = ", ".join(streams)
    if naming.origin is Origin.MELTANO:
        first = next(iter(streams))
        remedy = (
            f"Select some with `select` in meltano.yml, or with {naming.own(_SELECT)} in .env, as "
            f'in ["{first}.*"]'
        )
    else:
        remedy = 'Set `"selected": true` in the metadata of some, in the file of --catalog'
    msg = f"No stream is selected, so there is nothing to read. {remedy}. The streams are {names}."
    raise TapError(msg, exit_code=ExitCode.CONFIGURATION)


def unmatched_patterns(naming: Naming, streams: Mapping[str, Stream]) -> Iterator[str]:
    """Find patterns of Meltano's ``select`` that select or leave out nothing, after a typo.

    Args:
        naming: The naming of the tap's settings.
        streams: The tap's streams by name.

    Yields:
        A sentence about each.
    """
    variable = naming.own(_SELECT)
    for pattern in _patterns(os.environ.get(variable, "")):
        stream_pattern, _, column = pattern.removeprefix("!").partition(".")
        matching = [stream for name, stream in streams.items() if fnmatchcase(name, stream_pattern)]
        problem = ""
        if not matching:
            hint = did_you_mean(stream_pattern, streams)
            problem = f"no stream{hint}. The streams are {', '.join(streams)}"
        elif similar := _similar_column(column.partition(".")[0], matching):
            problem = f"no column (did you mean {similar}?)"
        if problem:
            yield f"Pattern {pattern!r} of select ({variable}) matches {problem}."


def _patterns(text: str) -> list[str]:
    try:
        patterns = json.loads(text)
    except ValueError:
        return []
    return (
        [pattern for pattern in patterns if isinstance(pattern, str)]
        if isinstance(patterns, list)
        else []
    )


def _similar_column(pattern: str, streams: Iterable[Stream]) -> str | None:
    """Find a column with a name similar to a pattern that matches none."""
    properties: dict[str, Any] = {}
    for stream in streams:
        properties |= stream.schema.get("properties", {})
    if not pattern or any(fnmatchcase(name, pattern) for name in properties):
        return None
    return next(iter(difflib.get_close_matches(pattern, properties, n=1, cutoff=_SIMILAR)), None)
