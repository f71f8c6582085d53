"""The log of a run of Meltano: readable lines, and why it failed.

Meltano's own exit code is always 1. The exit codes of tap and loader are in its JSON log
(`--log-format=json`), in the event at the end of a block.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Exit codes of failures that a retry would repeat: invalid data (65), credentials or permissions
#: (77), and settings (78).
PERMANENT = frozenset({65, 77, 78})
_LEVELS = {"warning": logging.WARNING, "error": logging.ERROR, "critical": logging.ERROR}
_BLOCK_COMPLETED = "Block run completed"
_DISCOVERY = re.compile(r"Catalog discovery failed: command .* returned (\d+) with stderr")
_ALREADY_RUNNING = re.compile(r"Another '.*' pipeline is already running")


class MeltanoLog:
    """The log of one run.

    Args:
        command: The arguments of ``meltano``.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._codes: set[int] = set()
        self._errors: dict[str, str] = {}
        self._end = self._last = ""

    def parse(self, line: str) -> tuple[int, str]:
        """Parse a line.

        Args:
            line: The line without its line feed.

        Returns:
            Its level, as a constant of ``logging``, and a readable text.
        """
        event = _event(line)
        if event is None:
            # A usage error of Meltano, or a traceback.
            self._last = line.strip() or self._last
            return logging.INFO, line
        text, name = str(event["event"]).rstrip(), str(event.get("name") or "meltano")
        if text == _BLOCK_COMPLETED and event.get("success") is False:
            self._end = str(event.get("err") or "")
            self._codes |= {*_codes(event.get("exit_codes"))}
            self._codes |= {int(code) for code in _DISCOVERY.findall(self._end)}
            text = f"{text}: {self._end}"
        elif event.get("level") in {"error", "critical"}:
            self._errors[name] = text
        return _LEVELS.get(str(event.get("level")), logging.INFO), f"{name}: {text}"

    @property
    def is_already_running(self) -> bool:
        """Whether the same pipeline is running elsewhere, or was until its machine died."""
        return _ALREADY_RUNNING.match(self._end) is not None

    @property
    def is_permanent(self) -> bool:
        """Whether a retry would fail, too."""
        return not self._codes.isdisjoint(PERMANENT)

    @property
    def reason(self) -> str:
        """Why it failed: the last error of the tap, else of the loader, else of Meltano."""
        of_plugins = (self._errors.get(word.partition(":")[0]) for word in self._command)
        return next(filter(None, of_plugins), "") or self._end or self._last


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _codes(exit_codes: Any) -> list[int]:
    """The exit codes, which Meltano has by plugin type; those of mappers are a list, by name."""
    mappings = exit_codes if isinstance(exit_codes, list) else [exit_codes]
    return [
        code
        for mapping in mappings
        if isinstance(mapping, dict)
        for code in mapping.values()
        if isinstance(code, int)
    ]
