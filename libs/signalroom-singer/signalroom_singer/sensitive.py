"""Leaving secrets and personal data out of vendors' records, before anything is made of them.

A vendor's answer has secrets at any depth, under names of its own, in texts that are JSON, in
addresses, and as pairs of a label and a value. One rule finds them all; what it cannot know of a
vendor, the streams declare.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk import typing as th

from signalroom_singer.fieldnames import Sensitive, Verdict, judge
from signalroom_singer.redaction import MASK, redact
from signalroom_singer.secretshapes import (
    SHORTEST,
    is_macro,
    is_secret_header,
    without_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PERSONAL_DATA = "include_personal_data"
#: The setting of taps whose vendors send personal data that nobody needs for numbers.
PERSONAL_DATA_SETTING = th.Property(
    PERSONAL_DATA,
    th.BooleanType,
    default=False,
    title="Include personal data",
    description=(
        "Also load names, e-mail addresses, phone numbers, postal addresses, IP addresses, user "
        "agents and device ids. Secrets are never loaded."
    ),
)
#: As deep as any vendor nests; what is deeper is left out.
_DEEPEST = 100
#: Pairs of a name and a value: small objects that have both.
_LARGEST_PAIR = 8
_LABELS = ("label", "name", "key", "header", "hint", "field", "param", "parameter")
_VALUES = ("value", "values", "val", "content")
#: A filter of PostHog's has a value too: which events or persons are meant.
_FILTERS = frozenset(
    {
        *("event", "person", "session", "cohort", "group", "element", "feature", "flag", "hogql"),
        *("recording", "behavioral", "event_metadata", "person_metadata", "data_warehouse"),
        "data_warehouse_person_property",
    }
)
_TOO_DEEP = "(left out: nested too deeply)"
_EMAIL = re.compile(r"[\w.+%-]+@(?=[\w-]+\.[a-z])[\w.-]*\w", re.IGNORECASE)
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


class SensitiveFields:
    """Leaves fields out of records, and masks secrets in their texts.

    A field is named by its name, at any depth, or by its name and that of the object or list it is
    in, with a point between: ``holdout.created_by``. A field of the record itself alone: ``.ip``.

    Args:
        left_out: What is left out.
        kept: Fields whose names look like secrets or personal data, and that are loaded.
        secret: Fields that hold a secret and whose names do not say so.
        personal: Fields that hold personal data and whose names do not say so.
    """

    def __init__(
        self,
        left_out: Collection[Sensitive],
        *,
        kept: Collection[str] = (),
        secret: Collection[str] = (),
        personal: Collection[str] = (),
    ) -> None:
        #: How often each field was left out, by its kind and name.
        self.counts: Counter[tuple[Sensitive, str]] = Counter()
        self._left_out = frozenset(left_out)
        self._kept = frozenset(kept)
        self._declared = {
            **dict.fromkeys(personal, Verdict(Sensitive.PERSON, 0)),
            **dict.fromkeys(secret, Verdict(Sensitive.SECRET, 0)),
        }
        self._verdicts: dict[tuple[str, str], Verdict | None] = {}

    def verdict(self, name: str, within: str = "") -> Verdict | None:
        """Judge a field by its name.

        Args:
            name: The field's.
            within: The name of the object or list it is in.

        Returns:
            Why it is left out; None if it is loaded.
        """
        place = (name, within)
        try:
            return self._verdicts[place]
        except KeyError:
            verdict = self._verdicts[place] = self._judged(name, within)
            return verdict

    def _judged(self, name: str, within: str) -> Verdict | None:
        path = f"{within}.{name}"
        declared = self._declared.get(path) or self._declared.get(name)
        if not declared and (name in self._kept or path in self._kept):
            return None
        verdict = declared or judge(name, within)
        if verdict is None:
            return None
        if declared and verdict.kind is Sensitive.PERSON:
            is_left_out = bool(self._left_out - {Sensitive.SECRET})
        else:
            is_left_out = verdict.kind in self._left_out
        return verdict if is_left_out else None

    def leaves_out_column(self, name: str, column: Mapping[str, Any]) -> bool:
        """Whether a column would never have a value.

        Args:
            name: The column's.
            column: Its JSON schema.
        """
        verdict = self.verdict(name)
        if verdict is None:
            return False
        kinds = column.get("type", "string")
        kinds = {kinds} if isinstance(kinds, str) else {*kinds}
        if not kinds - {"null", "boolean"}:
            return False
        if not kinds - {"null", "boolean", "integer", "number"}:
            return verdict.smallest_number == 0
        return not (verdict.only_text and kinds & {"object", "array"})

    def clean(self, record: dict[str, Any]) -> dict[str, Any]:
        """Leave out what is to be left out.

        Args:
            record: As the vendor sent it.

        Returns:
            The same record: changed in place where it had something of the kind.
        """
        if self._left_out:
            self._clean_object(record, "", 0)
        return record

    def clean_text(self, text: str) -> str:
        """Mask the secrets in a text, which may be JSON.

        Args:
            text: Of whatever.

        Returns:
            The text; JSON is written again only if something in it had to go.
        """
        return self._clean_text(text, "", 0)

    def _clean_object(self, record: dict[str, Any], within: str, depth: int) -> bool:
        """Clean an object in place; gives whether it changed."""
        dropped = []
        is_changed = False
        for name, value in record.items():
            kind = value.__class__
            if value is None or kind is bool:
                continue
            if (verdict := self.verdict(name, within)) and _applies(verdict, value):
                dropped.append((name, verdict.kind))
            elif kind is str:
                if (text := self._clean_text(value, name, depth)) != value:
                    record[name] = text
                    is_changed = True
            elif kind is dict or kind is list:
                is_changed = self._clean_container(record, name, name, depth) or is_changed
        for name, why in dropped:
            if record.pop(name):
                self.counts[why, f"{within}.{name}" if within else name] += 1
            is_changed = True
        if 1 < len(record) <= _LARGEST_PAIR:
            is_changed = self._clean_pair(record, within) or is_changed
        return is_changed

    def _clean_list(self, items: list[Any], within: str, depth: int) -> bool:
        is_changed = False
        if _is_header(items):
            items[1] = MASK
            return True
        for index, value in enumerate(items):
            kind = value.__class__
            if kind is dict or kind is list:
                is_changed = self._clean_container(items, index, within, depth) or is_changed
            elif kind is str and (text := self._clean_text(value, within, depth)) != value:
                items[index] = text
                is_changed = True
        return is_changed

    def _clean_container(self, holder: Any, place: Any, within: str, depth: int) -> bool:
        value = holder[place]
        if depth >= _DEEPEST:
            holder[place] = _TOO_DEEP
            return True
        if value.__class__ is dict:
            return self._clean_object(value, within, depth + 1)
        return self._clean_list(value, within, depth + 1)

    def _clean_text(self, text: str, within: str, depth: int) -> str:
        if len(text) < SHORTEST:
            return text
        start = text.lstrip()[:1]
        if start in {"{", "["} and depth < _DEEPEST:
            try:
                value = _decoder.decode(text)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                return without_secrets(text, self._is_masked)
            holder = [value]
            if value.__class__ in {dict, list}:
                is_changed = self._clean_container(holder, 0, within, depth)
                return _encoder.encode(holder[0]).decode() if is_changed else text
        return without_secrets(text, self._is_masked)

    def _is_masked(self, parameter: str) -> bool:
        return self.verdict(parameter) is not None

    def _clean_pair(self, record: dict[str, Any], within: str) -> bool:
        if "key" in record and ("operator" in record or record.get("type") in _FILTERS):
            return False
        value_name = next((name for name in _VALUES if name in record), None)
        if value_name is None or not _is_filled(record[value_name]):
            return False
        for label in _LABELS:
            text = record.get(label)
            if text.__class__ is not str or label == value_name:
                continue
            verdict = self.verdict(text.strip(), within)
            if verdict is None and is_secret_header(text) and text not in self._kept:
                verdict = Verdict(Sensitive.SECRET)
            if verdict and verdict.kind in self._left_out and record[value_name] != MASK:
                record[value_name] = MASK
                self.counts[verdict.kind, f"{within}.{text}" if within else text] += 1
                return True
        return False


def _applies(verdict: Verdict, value: Any) -> bool:
    kind = value.__class__
    if kind is str:
        return not is_macro(value)
    if kind is dict or kind is list:
        return not verdict.only_text
    smallest = verdict.smallest_number
    return smallest is not None and abs(value) >= smallest


def _is_filled(value: Any) -> bool:
    if value.__class__ is str:
        return value not in {"", MASK} and not is_macro(value)
    return value is not None and value.__class__ is not bool


def _is_header(items: list[Any]) -> bool:
    """Whether a list is a header: its name and what it is set to."""
    match items:
        case [str(name), str(value)]:
            return value not in ("", MASK) and is_secret_header(name) and not name.islower()
    return False


def safe_message(text: str) -> str:
    """What a vendor says, without secrets and personal data, for logs and errors.

    Args:
        text: A message or a whole body, which may be JSON.

    Returns:
        The text without the credentials of the settings, without fields that are named like
        secrets or personal data, and with masked e-mail addresses.
    """
    cleaned = SensitiveFields(frozenset(Sensitive)).clean_text(redact(text))
    return _EMAIL.sub(MASK, cleaned)


def summary(counts: Mapping[tuple[Sensitive, str], int], most: int = 10) -> str:
    """Say what was left out.

    Args:
        counts: Of `SensitiveFields`.
        most: How many fields are named.

    Returns:
        Each kind with its fields and how often; an empty text where there was nothing.
    """
    parts = []
    for kind in Sensitive:
        names = Counter({name: count for (is_of, name), count in counts.items() if is_of is kind})
        if names:
            listed = ", ".join(f"{name} ({count})" for name, count in names.most_common(most))
            more = f" and {len(names) - most} more" if len(names) > most else ""
            parts.append(f"{kind.value}: {listed}{more}")
    return "; ".join(parts)
