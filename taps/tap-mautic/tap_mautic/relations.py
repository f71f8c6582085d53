"""Entities inside of others, each in one form, whichever a version of Mautic sends.

Mautic writes associations to many as JSON arrays; samples in its documentation, and other versions,
have objects by id (https://devdocs.mautic.org/en/latest/rest_api/emails.html). Relatives are whole
entities, so that an e-mail with two variants has the HTML of all three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_mautic.client import snake_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Record

#: What tells an entity from others, where it has no name.
_TITLES = ("title", "alias", "label", "tag", "username", "firstName", "lastName")
#: Other entities, and what rows keep of them besides their id and name.
_RELATIVES: dict[str, tuple[str, ...]] = {
    "asset_attachments": (),
    "campaign": (),
    "category": ("color", "bundle"),
    "children": ("type", "eventType"),
    "form": ("alias",),
    "forms": (),
    "lead": (),
    "lists": (),
    "owner": (),
    "page": (),
    "parent": ("type", "eventType"),
    "preference_center": (),
    "role": ("isAdmin",),
    "stage": ("weight",),
    "translation_children": (),
    "translation_parent": (),
    "unsubscribe_form": (),
    "variant_children": (),
    "variant_parent": (),
}
#: Associations to many.
_MANY = frozenset(
    {
        *("actions", "asset_attachments", "children", "events", "fields", "forms"),
        *("frequency_rules", "ip_addresses", "lists", "translation_children", "variant_children"),
    }
)
#: By what their entities are told apart, where it is not an id.
_KEYS = {"frequency_rules": "channel", "ip_addresses": "ipAddress"}
#: Whole pages, hundreds of kilobytes each, and what users sign with.
_HTML = frozenset({"custom_html", "plain_text", "cached_html", "signature"})
#: Names that hold HTML inside of these columns only.
_HTML_WITHIN = {
    "actions": frozenset({"message"}),
    "dynamic_content": frozenset({"content"}),
    "fields": frozenset({"text"}),
}


def kinds_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a schema that are objects or lists.

    Args:
        schema: Of a stream.

    Returns:
        ``object`` or ``array``, by column.
    """
    return {
        name: kind
        for name, column in schema["properties"].items()
        for kind in ("object", "array")
        if kind in column.get("type", ())
    }


def tidy(record: Record, kinds: Mapping[str, str], *, html: bool) -> Record:
    """Give each column of a record its one form.

    Args:
        record: By column.
        kinds: What ``kinds_of`` says of its schema.
        html: Whether HTML is kept.

    Returns:
        A record with objects by id in place of associations to many, relatives that are but their
        id and name, and, if so, no HTML at any depth.
    """
    return {
        name: _column(name, value, kinds.get(name), html=html)
        for name, value in record.items()
        if html or name not in _HTML
    }


def items_of(value: Any) -> list[Any]:
    """The items of a list, which PHP writes as an object where its keys have gaps.

    Args:
        value: A list, an object, or nothing.
    """
    items = value or []
    return [*items.values()] if isinstance(items, dict) else items


def _column(name: str, value: Any, kind: str | None, *, html: bool) -> Any:
    if not isinstance(value, dict | list):
        is_number = isinstance(value, int) and name in _RELATIVES and kind == "object"
        return {"id": value} if is_number else value
    hidden = frozenset() if html else _HTML | _HTML_WITHIN.get(name, frozenset())
    if kind == "array":
        return [_within(item, hidden) for item in items_of(value)]
    if kind == "object" and (name in _MANY or (value and isinstance(value, list))):
        return _by_key(name, value, hidden)
    if name in _RELATIVES and isinstance(value, dict):
        return _relative(name, value)
    return _within(value, hidden)


def _by_key(name: str, value: Any, hidden: frozenset[str]) -> dict[str, Any]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return dict(_keyed(name, pairs, hidden))


def _keyed(
    name: str, pairs: Iterable[tuple[Any, Any]], hidden: frozenset[str]
) -> Iterator[tuple[str, Any]]:
    key = _KEYS.get(name, "id")
    for place, entry in pairs:
        item = {"id": entry} if name in _RELATIVES and isinstance(entry, int) else entry
        if not isinstance(item, dict):
            yield str(place), _within(item, hidden)
            continue
        number = item.get(key)
        shown = _relative(name, item) if name in _RELATIVES else _within(item, hidden)
        yield str(place if number is None else number), shown


def _relative(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name",) if item.get("name") is not None else _TITLES
    kept = {key: item.get(key, {}) for key in ("id", *names, *_RELATIVES[name])}
    return {key: value for key, value in kept.items() if not isinstance(value, dict | list)}


def _within(value: Any, hidden: frozenset[str]) -> Any:
    """A value inside of a column, without HTML, and with its own relatives as id and name."""
    if isinstance(value, list):
        return [_within(item, hidden) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _property(snake_case(key), item, hidden)
        for key, item in value.items()
        if snake_case(key) not in hidden
    }


def _property(name: str, value: Any, hidden: frozenset[str]) -> Any:
    if name in _RELATIVES and _has_entities(value):
        one = isinstance(value, dict) and "id" in value
        return _relative(name, value) if one else _by_key(name, value, hidden)
    return _within(value, hidden)


def _has_entities(value: Any) -> bool:
    if isinstance(value, dict) and "id" in value:
        return True
    items = items_of(value) if isinstance(value, dict | list) else []
    return bool(items) and all(isinstance(item, dict) and "id" in item for item in items)
