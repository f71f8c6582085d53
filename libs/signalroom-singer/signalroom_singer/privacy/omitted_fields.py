"""Counts the fields that were left out of records, under names that may be logged."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from signalroom_singer.privacy.field_names import Sensitive, Verdict
from signalroom_singer.privacy.secret_shapes import SHORTEST, without_secrets

#: An e-mail address in a text.
EMAIL = re.compile(r"[\w.+%-]+@(?=[\w-]+\.[a-z])[\w.-]*\w", re.IGNORECASE)
#: Names of objects that may be in logs: those that nobody has for a person's or a token.
_IDENTIFIER = re.compile(r"(?!.*\d{4})[$A-Za-z_][\w$-]{0,39}(?:\[\])?", re.ASCII)
_KEY = "(a key)"
_LONGEST_NAME = 60
#: There are more fields only where values are used as names.
_MOST_FIELDS = 10_000


def judge_as_value(name: str) -> Verdict | None:
    """Judge a value that is used as a name: an e-mail address, or a token.

    Args:
        name: The name of a field.

    Returns:
        Why the field is left out, whatever its value is; None where the name is a name.
    """
    if len(name) < SHORTEST:
        return None
    if "@" in name and EMAIL.search(name):
        return Verdict(Sensitive.PERSON, in_name=True)
    return Verdict(Sensitive.SECRET, in_name=True) if without_secrets(name) != name else None


class OmittedFields:
    """Counts of the fields that were left out."""

    def __init__(self) -> None:
        self._fields: dict[tuple[str, str, Sensitive], _Field] = {}
        self._earlier: Counter[tuple[Sensitive, str]] = Counter()

    def add(self, verdict: Verdict, name: str, within: str) -> None:
        """Count a field.

        Args:
            verdict: The reason why it was left out.
            name: The name of the field.
            within: The name of the object or list it was in.
        """
        place = within, name, verdict.kind
        if (field := self._fields.get(place)) is None:
            if len(self._fields) >= _MOST_FIELDS:
                self._earlier = self.counts
                self._fields.clear()
            field = self._fields[place] = _Field(_loggable_name(verdict, name, within))
        field.count += 1

    @property
    def counts(self) -> Counter[tuple[Sensitive, str]]:
        """How often each field was left out, by its kind and a name that may be logged."""
        counts = self._earlier.copy()
        for (_, _, kind), field in self._fields.items():
            counts[kind, field.name] += field.count
        return counts

    def clear(self) -> None:
        """Reset all counts."""
        self._fields.clear()
        self._earlier.clear()

    def summary(self, most: int = 10) -> str:
        """Summarize what was left out.

        Args:
            most: The most fields to name for each kind.

        Returns:
            Each kind with its fields and their counts; empty if no field was left out.
        """
        counts = sorted(self.counts.items(), key=lambda item: (-item[1], item[0][1]))
        parts = []
        for kind in Sensitive:
            names = [f"{name} ({count})" for (its_kind, name), count in counts if its_kind is kind]
            if names:
                more = f" and {len(names) - most} more" if len(names) > most else ""
                parts.append(f"{kind.value}: {', '.join(names[:most])}{more}")
        return "; ".join(parts)


@dataclass(slots=True)
class _Field:
    name: str
    count: int = 0


def _loggable_name(verdict: Verdict, name: str, within: str) -> str:
    if verdict.in_name or len(name) > _LONGEST_NAME or judge_as_value(name):
        name = _KEY
    place = within if not within or _IDENTIFIER.fullmatch(within) else _KEY
    return f"{place}.{name}" if place else name
