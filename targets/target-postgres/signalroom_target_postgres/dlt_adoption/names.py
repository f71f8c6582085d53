"""The names that dlt gives to columns: its naming convention `snake_case`, which is its default.

Facts of dlt 1.4 and 1.31 (dlt/common/normalizers/naming/snake_case.py,
https://dlthub.com/docs/general-usage/naming-convention): what they agree on.
"""

from __future__ import annotations

import re

_LETTERS = str.maketrans("+-*@|", "x_xal")
_OTHER = re.compile(r"[^a-zA-Z\d_]+")
_WORDS = (re.compile(r"([^_])([A-Z][a-z]+)"), re.compile(r"([a-z0-9])([A-Z])"))
_UNDERSCORES = re.compile(r"__+")


def dlt_name(key: str) -> str:
    """Return the name that dlt gives to the column of a JSON key.

    Args:
        key: A key such as ``$browser``, ``planName`` or ``100``.

    Returns:
        A name such as ``_browser``, ``plan_name`` or ``_100``; not cut at 63 bytes.
    """
    name = _OTHER.sub("_", key.strip().translate(_LETTERS))
    for word in _WORDS:
        name = word.sub(r"\1_\2", name)
    name = name.lower()
    if name[:1].isdigit():
        name = f"_{name}"
    bare = name.rstrip("_")
    return _UNDERSCORES.sub("_", bare + "x" * (len(name) - len(bare)))


def likely_keys(name: str) -> list[str]:
    """Guess the JSON keys that dlt may have given a name.

    Args:
        name: The name, or a part of it.

    Returns:
        Keys, the most likely first; only such as have this name.
    """
    head, *tail = name.lstrip("_").split("_")
    camel = head + "".join(word.capitalize() for word in tail)
    bare = name.lstrip("_")
    guesses = [f"${bare}", bare, f"${camel}"] if name.startswith("_") else [name, camel]
    return [key for key in dict.fromkeys(guesses) if dlt_name(key) == name] or [name]
