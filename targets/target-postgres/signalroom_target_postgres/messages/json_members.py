"""The members of a JSON object as texts, for objects that no parser accepts."""

from __future__ import annotations

import codecs
import json
import re

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{}:,]|[^][{}:,"\s]+', re.DOTALL)
_OPENING, _CLOSING = frozenset(b"[{"), frozenset(b"]}")


def top_level_members(text: bytes) -> dict[str, bytes]:
    """Find an object's members, however deeply their values are nested.

    Args:
        text: The object, or something else.

    Returns:
        The members' texts by their names, the last of those with the same name; nothing if it is
        not an object.
    """
    text = text.strip().removeprefix(codecs.BOM_UTF8)
    members: dict[str, bytes] = {}
    if not text.startswith(b"{"):
        return members
    depth = 0
    name, start = None, 1
    for token in _TOKEN.finditer(text):
        sign = token[0][0]
        depth += (sign in _OPENING) - (sign in _CLOSING)
        ends = depth == 0 or (depth == 1 and sign == ord(","))
        if depth == 1 and sign == ord(":"):
            name, start = _name(text[start : token.start()]), token.end()
        elif ends and name is not None:
            members[name] = text[start : token.start()].strip()
            name = None
        if ends:
            start = token.end()
        if depth == 0:
            return members if token.end() == len(text) else {}
    return {}


def _name(text: bytes) -> str | None:
    try:
        name = json.loads(text)
    except ValueError:
        return None
    return name if isinstance(name, str) else None
