"""Parse queries with hogql-parser.

Runs in a separate environment: texts as JSON in, a report as JSON out.
"""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

#: Invalid queries, which the parser must reject: that shows that it is called properly.
WRONG = ("SELECT uuid FROM events WHERE (", "SELECT uuid FROM events LIMIT LIMIT 1", "uuid")
#: The PostHog module whose exceptions the parser raises; it is not on PyPI.
_ERRORS = "posthog.hogql.errors"


class QueryError(Exception):
    """A stand-in for every exception of PostHog."""

    def __init__(self, message: str = "", **_: Any) -> None:
        super().__init__(message)


def _errors() -> ModuleType:
    module = ModuleType(_ERRORS)
    module.__getattr__ = lambda _: QueryError  # type: ignore[method-assign]
    return module


def problem_of(text: str) -> str | None:
    """The parser's error for a text; None if it parses."""
    import hogql_parser  # noqa: PLC0415 - its import needs the errors' module

    try:
        tree = json.loads(hogql_parser.parse_select_json(text))
    except Exception as error:  # noqa: BLE001 - the class depends on its version
        return f"{type(error).__name__}: {error}"
    return str(tree) if tree.get("error") or "node" not in tree else None


def main() -> None:
    """Read texts and print the report."""
    for name in ("posthog", "posthog.hogql"):
        sys.modules[name] = ModuleType(name)
    sys.modules[_ERRORS] = _errors()
    differences = [
        f"{text}: {problem}" for text in json.load(sys.stdin) if (problem := problem_of(text))
    ]
    differences += [f"accepted, but invalid: {text}" for text in WRONG if not problem_of(text)]
    sys.stdout.write(json.dumps({"differences": differences}))


if __name__ == "__main__":
    main()
