"""Parse texts of queries by hogql-parser.

Runs in an environment of its own: texts as JSON in, a report as JSON out.
"""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

#: What the parser must refuse, or it is not asked properly.
WRONG = ("SELECT uuid FROM events WHERE (", "SELECT uuid FROM events LIMIT LIMIT 1", "uuid")
#: The module of PostHog's whose exceptions the parser raises; it is not on PyPI.
_ERRORS = "posthog.hogql.errors"


class QueryError(Exception):
    """Stands for every exception of PostHog's."""

    def __init__(self, message: str = "", **_: Any) -> None:
        super().__init__(message)


def _errors() -> ModuleType:
    module = ModuleType(_ERRORS)
    module.__getattr__ = lambda _: QueryError  # type: ignore[method-assign]
    return module


def problem_of(text: str) -> str | None:
    """What the parser has against a text; nothing if it parses."""
    import hogql_parser  # noqa: PLC0415 - it looks for the errors' module when it is imported

    try:
        tree = json.loads(hogql_parser.parse_select_json(text))
    except Exception as error:  # noqa: BLE001 - which it raises is up to its version
        return f"{type(error).__name__}: {error}"
    return str(tree) if tree.get("error") or "node" not in tree else None


def main() -> None:
    """Read texts, print the report."""
    for name in ("posthog", "posthog.hogql"):
        sys.modules[name] = ModuleType(name)
    sys.modules[_ERRORS] = _errors()
    differences = [
        f"{text}: {problem}" for text in json.load(sys.stdin) if (problem := problem_of(text))
    ]
    differences += [f"accepted, but is wrong: {text}" for text in WRONG if not problem_of(text)]
    sys.stdout.write(json.dumps({"differences": differences}))


if __name__ == "__main__":
    main()
