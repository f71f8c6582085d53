"""Leaves secrets and personal data out of vendors' records, before they are processed.

Responses have secrets at any depth, under a vendor's own names, in texts that are JSON, in URLs,
and as pairs of a label and a value. One rule finds them all; streams declare the fields that it
cannot recognize.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk import typing as th

from signalroom_singer.privacy.field_names import Sensitive, Verdict, holds_keys, judge
from signalroom_singer.privacy.omitted_fields import EMAIL, OmittedFields, judge_as_value
from signalroom_singer.privacy.redaction import MASK, redact
from signalroom_singer.privacy.secret_shapes import (
    SHORTEST,
    is_id_or_time,
    is_macro,
    is_secret_header,
    without_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PERSONAL_DATA = "include_personal_data"
#: The setting of taps whose vendors send personal data that reports do not need.
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
#: Deeper than vendors nest their data; fields below are left out.
_DEEPEST = 100
#: Pairs of a name and a value: small objects that have both.
_LARGEST_PAIR = 8
_LABELS = frozenset(
    {"label", "name", "key", "header", "hint", "field", "param", "parameter", "id"}
    | {"Label", "Name", "Key", "Header", "Field", "Id"}
)
_VALUES = ("value", "values", "val", "content", "default", "Value", "Values", "Default")
_HAS_VALUE = frozenset(_VALUES)
#: The first characters of texts that may be JSON.
_JSON_STARTS = frozenset('{["')
#: PostHog's filters have a value too, for the events or persons to select.
_FILTERS = frozenset(
    {
        *("event", "person", "session", "cohort", "group", "element", "feature", "flag", "hogql"),
        *("recording", "behavioral", "event_metadata", "person_metadata", "data_warehouse"),
        "data_warehouse_person_property",
    }
)
_TOO_DEEP = "(left out: nested too deeply)"
#: Stands for all objects whose names do not matter for their fields.
_ANY = "*"
#: More names than vendors and users define: there are more only if values are used as names.
_MOST_VERDICTS = 1 << 15
#: The most texts in the cache of cleaned texts, and their greatest length.
_MOST_TEXTS, _LONGEST_KNOWN = 20_000, 200
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


class SensitiveFields:
    """Leaves fields out of records, and masks secrets in their texts.

    A field is named by its name, at any depth, or by its name and that of the object or list it is
    in, with a point between: ``holdout.created_by``. A field of the record itself alone: ``.ip``.

    Args:
        left_out: The kinds of fields to leave out.
        allowed: Fields whose names look like secrets or personal data, and that are loaded.
        secret: Fields that hold a secret and whose names do not say so.
        personal: Fields that hold personal data and whose names do not say so.
    """

    def __init__(
        self,
        left_out: Collection[Sensitive],
        *,
        allowed: Collection[str] = (),
        secret: Collection[str] = (),
        personal: Collection[str] = (),
    ) -> None:
        #: Counts of the fields that were left out.
        self.left_out = OmittedFields()
        self._kinds = frozenset(left_out)
        self._allowed = frozenset(allowed)
        self._declared = {
            **dict.fromkeys(personal, Verdict(Sensitive.PERSON, 0)),
            **dict.fromkeys(secret, Verdict(Sensitive.SECRET, 0)),
        }
        self._holders = {
            path.rpartition(".")[0] for path in (*self._allowed, *self._declared) if "." in path
        }
        self._texts: dict[str, str] = {}
        self._verdicts: dict[str, _Verdicts] = {}
        self._labels: dict[tuple[str, str], Verdict | None] = {}
        self._verdicts_left = _MOST_VERDICTS

    def verdict(self, name: str, within: str = "") -> Verdict | None:
        """Judge a field by its name.

        Args:
            name: The name of the field.
            within: The name of the object or list it is in.

        Returns:
            The reason why it is left out; None if it is loaded.
        """
        return self._verdicts_within(within)[name]

    def _verdicts_within(self, within: str) -> _Verdicts:
        if (verdicts := self._verdicts.get(within)) is None:
            # The names of most objects do not matter, so that they share their verdicts.
            matters = within in self._holders or holds_keys(within)
            holder = within if matters else _ANY
            self._make_room()
            verdicts = self._verdicts.get(holder) or _Verdicts(self, holder)
            self._verdicts[within] = self._verdicts[holder] = verdicts
        return verdicts

    def _make_room(self) -> None:
        self._verdicts_left -= 1
        if self._verdicts_left < 0:
            self._verdicts.clear()
            self._labels.clear()
            self._verdicts_left = _MOST_VERDICTS

    def judge_new(self, name: str, within: str) -> Verdict | None:
        """Judge a field whose verdict is not cached.

        Args:
            name: The name of the field.
            within: The name of the object or list it is in.

        Returns:
            The reason why it is left out; None if it is loaded.
        """
        self._make_room()
        return self._judge_name(name, within)

    def _judge_name(self, name: str, within: str) -> Verdict | None:
        path = f"{within}.{name}"
        declared = self._declared.get(path) or self._declared.get(name)
        if not declared and (name in self._allowed or path in self._allowed):
            return None
        verdict = declared or judge_as_value(name) or judge(name, within)
        if verdict is None:
            return None
        if declared and verdict.kind is Sensitive.PERSON:
            is_left_out = bool(self._kinds - {Sensitive.SECRET})
        else:
            is_left_out = verdict.kind in self._kinds
        return verdict if is_left_out else None

    def leaves_out_column(self, name: str, column: Mapping[str, Any]) -> bool:
        """Whether a column would never have a value.

        Args:
            name: The name of the column.
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
        """Leave out secrets and personal data.

        Args:
            record: As the vendor sent it.

        Returns:
            The same record: changed in place where it had something of the kind.
        """
        if self._kinds:
            self._clean_object(record, "", 0)
        return record

    def clean_text(self, text: str) -> str:
        """Mask the secrets in a text, which may be JSON.

        Args:
            text: A text of any kind.

        Returns:
            The text; JSON is written again only if something in it had to go.
        """
        return self._clean_text(text, "", 0)

    def _clean_object(self, record: dict[str, Any], within: str, depth: int) -> bool:
        """Clean an object in place; return whether it changed."""
        verdicts = self._verdicts_within(within)
        sensitive = verdicts.sensitive(record)
        is_changed = bool(sensitive) and self._drop(sensitive, verdicts, record, within)
        texts = self._texts
        for name, value in record.items():
            kind = value.__class__
            if kind is str:
                if len(value) < SHORTEST:
                    continue
                if (text := texts.get(value)) is None:
                    text = self._clean_text(value, name, depth)
                if text != value:
                    record[name] = text
                    is_changed = True
            elif kind is dict or kind is list:
                is_changed = self._clean_container(record, name, name, depth) or is_changed
        if 1 < len(record) <= _LARGEST_PAIR and not _HAS_VALUE.isdisjoint(record):
            is_changed = self._clean_pair(record, within) or is_changed
        return is_changed

    def _drop(
        self, names: Collection[str], verdicts: _Verdicts, record: dict[str, Any], within: str
    ) -> bool:
        """Leave fields out of an object where their values are as their names say."""
        is_changed = False
        for name in names:
            verdict = verdicts[name]
            if verdict is not None and _applies(verdict, record[name]):
                if record.pop(name) or verdict.in_name:
                    self.left_out.add(verdict, name, within)
                is_changed = True
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
        start = text[0]
        if start.isspace():
            start = text.lstrip()[:1]
        if start in _JSON_STARTS and depth < _DEEPEST:
            return self._clean_json(text, within, depth)
        if len(text) > _LONGEST_KNOWN or text.isalnum():
            return without_secrets(text, self._is_masked)
        if is_id_or_time(text):
            return text
        # Records name the same countries, offers and devices over and over again.
        if (known := self._texts.get(text)) is None:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            known = self._texts[text] = without_secrets(text, self._is_masked)
        return known

    def _clean_json(self, text: str, within: str, depth: int) -> str:
        try:
            value = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return without_secrets(text, self._is_masked)
        holder = [value]
        if value.__class__ is str:
            inner = self._clean_text(value, within, depth + 1)
            return _encoder.encode(inner).decode() if inner != value else text
        is_changed = self._clean_container(holder, 0, within, depth)
        return _encoder.encode(holder[0]).decode() if is_changed else text

    def _is_masked(self, parameter: str) -> bool:
        return self.verdict(parameter, _ANY) is not None

    def _clean_pair(self, record: dict[str, Any], within: str) -> bool:
        if "key" in record and ("operator" in record or record.get("type") in _FILTERS):
            return False
        value_name = next((name for name in _VALUES if name in record), None)
        if value_name is None or record[value_name] in ("", MASK, [], {}):
            return False
        for label, text in record.items():
            if label not in _LABELS or text.__class__ is not str or label == value_name:
                continue
            verdict = self._label_within(text, within)
            if verdict and _applies(verdict, record[value_name]):
                record[value_name] = MASK
                self.left_out.add(verdict, text.strip(), within)
                return True
        return False

    def _label_within(self, text: str, within: str) -> Verdict | None:
        place = (text, within if within in self._holders else _ANY)
        try:
            return self._labels[place]
        except KeyError:
            self._make_room()
            verdict = self._labels[place] = self._verdict_of_label(text.strip(), within)
            return verdict

    def _verdict_of_label(self, text: str, within: str) -> Verdict | None:
        """Judge a label that people wrote: "API key" is a secret, "Forgot password?" is not."""
        words = text.split()
        if not words or text.endswith("?"):
            return None
        verdict = self.verdict(text, within)
        if verdict and len(words) > 1 and not self.verdict(" ".join(words[-2:]), within):
            return None
        return verdict if verdict and verdict.kind in self._kinds else None


class _Verdicts(dict[str, Verdict | None]):
    """A cache of verdicts on the names in objects of one name."""

    def __init__(self, fields: SensitiveFields, within: str) -> None:
        self._fields = fields
        self._within = within
        self._sensitive: set[str] = set()

    def __missing__(self, name: str) -> Verdict | None:
        verdict = self[name] = self._fields.judge_new(name, self._within)
        if verdict is not None:
            self._sensitive.add(name)
        return verdict

    def sensitive(self, record: Mapping[str, Any]) -> Collection[str]:
        """The names in an object that have a verdict."""
        names = record.keys()
        # Without a loop in Python: most objects have names that others had, and none of these.
        if not names <= self.keys():
            for name in names:
                self[name]
        return names & self._sensitive


def _applies(verdict: Verdict, value: Any) -> bool:
    kind = value.__class__
    if verdict.in_name:
        return True
    if value is None or kind is bool:
        return False
    if kind is str:
        return not is_macro(value)
    if kind is dict or kind is list:
        return not verdict.only_text
    smallest = verdict.smallest_number
    return smallest is not None and abs(value) >= smallest


def _is_header(items: list[Any]) -> bool:
    """Whether a list is a header: its name and what it is set to."""
    match items:
        case [str(name), str(value)]:
            return value not in ("", MASK) and is_secret_header(name) and not name.islower()
    return False


def safe_message(text: str) -> str:
    """Remove secrets and personal data from a vendor's message, for logs and errors.

    Args:
        text: A message or a whole body, which may be JSON.

    Returns:
        The text without the credentials of the settings, without fields that are named like
        secrets or personal data, and with masked e-mail addresses.
    """
    cleaned = SensitiveFields(frozenset(Sensitive)).clean_text(redact(text))
    return EMAIL.sub(MASK, cleaned)
