"""Spoiling what a vendor answered: its JSON at any place, or its bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

#: What no vendor should put anywhere, and does.
STRANGE = (
    None,
    True,
    False,
    0,
    -1,
    10**30,
    1.5,
    "",
    " ",
    "null",
    "NaN",
    "1e400",
    "-0",
    "0000-00-00 00:00:00",
    "2025-02-30",
    "2025-13-01T25:61:61Z",
    "9999-12-31T23:59:59.999999999Z",
    "\x00",
    "\ud800",
    "\u202e",
    "'; drop table x; --",
    "x" * 5000,
    [],
    [None],
    [[]],
    [1, "a", {}],
    {},
    {"error": "no"},
    {"": {"": {"": []}}},
)
#: JSON that Python's encoder does not write.
RAW = (b"NaN", b"-Infinity", b"1e999999999", b"1" * 5000, b"[" * 5000, b'{"a":' * 5000, b'"\xff"')


@dataclass(frozen=True)
class Mutation:
    """One change of one answer.

    Attributes:
        request: Which request of the run it hits.
        kind: ``set`` another value, ``drop`` one, ``repeat`` one of a list, ``add`` a field,
            ``raw`` JSON, or ``bytes``.
        path: The way down, a choice at each level.
        value: What is put there.
        at: Where, of bytes: a share of all.
    """

    request: int
    kind: str
    path: tuple[int, ...] = ()
    value: Any = None
    at: float = 0.5

    def of(self, body: bytes) -> bytes:
        """The answer, spoiled."""
        if self.kind == "bytes":
            place = int(self.at * len(body))
            return body[:place] + self.value + body[place + max(1, len(self.value)) :]
        try:
            document = json.loads(body)
        except ValueError:
            # S3's XML, and files.
            whole = self.kind == "set" and not self.path
            return json.dumps(self.value).encode() if whole else body
        if self.kind == "raw":
            mark = "\u0001here\u0001"
            told = json.dumps(changed(document, self.path, "set", mark)).encode()
            return told.replace(json.dumps(mark).encode(), self.value)
        return json.dumps(changed(document, self.path, self.kind, self.value)).encode()


def changed(node: Any, path: tuple[int, ...], kind: str, value: Any) -> Any:
    """A document with one change, at the end of a path or where it leads no further."""
    if not path or not isinstance(node, (dict, list)) or not node:
        return node if kind in {"drop", "repeat"} else value
    names = list(node) if isinstance(node, dict) else range(len(node))
    name = names[path[0] % len(names)]
    if len(path) > 1:
        value, kind = changed(node[name], path[1:], kind, value), "set"
    if isinstance(node, dict):
        if kind == "drop":
            return {key: item for key, item in node.items() if key != name}
        return {**node, "surprise" if kind == "add" else name: value}
    middle = {"drop": [], "repeat": [node[name]] * 2, "add": [node[name], value]}
    return [*node[:name], *middle.get(kind, [value]), *node[name + 1 :]]


def mutations(*, files: bool = False) -> st.SearchStrategy[Mutation]:
    """Any of them; of files and listings only those that need no JSON."""
    request = st.sampled_from((0, 0, 0, 1, 1, 2, 3, 5))
    share = st.floats(0, 1)
    if files:
        request = st.sampled_from((0, 0, 1, 2))
        return st.one_of(
            st.builds(Mutation, request, st.just("set"), st.just(()), st.sampled_from(STRANGE)),
            st.builds(
                Mutation, request, st.just("bytes"), st.just(()), st.binary(max_size=8), share
            ),
        )
    path = st.lists(st.integers(0, 30), max_size=6).map(tuple)
    return st.one_of(
        st.builds(Mutation, request, st.just("set"), path, st.sampled_from(STRANGE)),
        st.builds(Mutation, request, st.just("set"), path, st.sampled_from(STRANGE)),
        st.builds(Mutation, request, st.just("add"), path, st.sampled_from(STRANGE)),
        st.builds(Mutation, request, st.sampled_from(("drop", "repeat")), path),
        st.builds(Mutation, request, st.just("raw"), path, st.sampled_from(RAW)),
        st.builds(Mutation, request, st.just("bytes"), st.just(()), st.binary(max_size=8), share),
    )
