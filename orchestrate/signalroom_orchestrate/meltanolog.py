"""What a run of Meltano logs: lines for people, and why it failed.

Meltano itself ends with exit code 1 whatever happened. The exit codes of tap and loader are in its
log as JSON (`--log-format=json`), in the event with which a block ends.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Exit codes of failures that the same run would end with again: data that somebody has to correct
#: (65), credentials or permissions (77), and settings (78).
LASTING = frozenset({65, 77, 78})
_LEVELS = {"warning": logging.WARNING, "error": logging.ERROR, "critical": logging.ERROR}
_BLOCK_ENDS = "Block run completed"
_DISCOVERY = re.compile(r"Catalog discovery failed: command .* returned (\d+) with stderr")
_ANOTHER_RUNS = re.compile(r"Another '.*' pipeline is already running")


class MeltanoLog:
    """The log of one run.

    Args:
        command: What follows ``meltano``.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._codes: set[int] = set()
        self._errors: dict[str, str] = {}
        self._end = self._last = ""

    def read(self, line: str) -> tuple[int, str]:
        """Read a line.

        Args:
            line: As Meltano prints it.

        Returns:
            Its level as ``logging`` has it, and its text for people.
        """
        event = _event(line)
        if event is None:
            # What Meltano says of its own command line, or Python of an error.
            self._last = line.strip() or self._last
            return logging.INFO, line
        text, name = str(event["event"]).rstrip(), str(event.get("name") or "meltano")
        if text == _BLOCK_ENDS and event.get("success") is False:
            self._end = str(event.get("err") or "")
            self._codes |= {*_codes(event.get("exit_codes"))}
            self._codes |= {int(code) for code in _DISCOVERY.findall(self._end)}
            text = f"{text}: {self._end}"
        elif event.get("level") in {"error", "critical"}:
            self._errors[name] = text
        return _LEVELS.get(str(event.get("level")), logging.INFO), f"{name}: {text}"

    @property
    def another_runs(self) -> bool:
        """Whether the same pipeline is running elsewhere, or was until its machine died."""
        return _ANOTHER_RUNS.match(self._end) is not None

    @property
    def is_lasting(self) -> bool:
        """Whether the same run would fail again, however often it is retried."""
        return not self._codes.isdisjoint(LASTING)

    @property
    def reason(self) -> str:
        """Why it failed: the last error of the tap, else of the loader, else Meltano's."""
        of_plugins = (self._errors.get(word.partition(":")[0]) for word in self._command)
        return next(filter(None, of_plugins), "") or self._end or self._last


def _event(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def _codes(found: Any) -> list[int]:
    """The exit codes by the plugin's type; of mappers there is a list, by name."""
    parts = found if isinstance(found, list) else [found]
    return [
        code
        for part in parts
        if isinstance(part, dict)
        for code in part.values()
        if isinstance(code, int)
    ]
