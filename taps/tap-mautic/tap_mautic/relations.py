"""Entities within others, in one form, whichever a version of Mautic sends.

Mautic writes associations to many as JSON arrays; samples in its documentation, and other versions,
have objects by id (https://devdocs.mautic.org/en/latest/rest_api/emails.html). Relatives are
complete entities, so that an e-mail with two variants has the HTML of all three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_mautic.names import snake_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Record

#: Fields that identify an entity without a name.
_TITLES = ("title", "alias", "label", "tag", "username", "firstName", "lastName")
#: Columns with other entities, and the fields that are kept besides their id and name.
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
#: The key of their entities, where it is not an id.
_KEYS = {"frequency_rules": "channel", "ip_addresses": "ipAddress"}
#: Complete pages, hundreds of kilobytes each, and the signatures of users.
_HTML = frozenset({"custom_html", "plain_text", "cached_html", "signature"})
#: Fields that hold HTML within these columns only.
_HTML_WITHIN = {
    "actions": frozenset({"message"}),
    "dynamic_content": frozenset({"content"}),
    "fields": frozenset({"text"}),
}


#: What may be an entity, entities or the id of one.
_UNIFIED = (dict, list, int)


def column_kinds(schema: Mapping[str, Any]) -> dict[str, str]:
    """Find the columns of a schema that are objects or lists.

    Args:
        schema: The JSON schema of a stream.

    Returns:
        ``object`` or ``array``, by column.
    """
    return {
        name: kind
        for name, column in schema["properties"].items()
        for kind in ("object", "array")
        if kind in column.get("type", ())
    }


def unify_relations(record: Record, kinds: Mapping[str, str], *, html: bool) -> Record:
    """Convert entities within a record to one form.

    Args:
        record: The values by column.
        kinds: What ``column_kinds`` returns for its schema.
        html: Whether to keep HTML.

    Returns:
        A record with objects by id in place of associations to many, and with relatives reduced to
        their id and name; without ``html`` there is no HTML at any depth.
    """
    return {
        name: (
            _unify_column(name, value, kinds.get(name), html=html)
            if isinstance(value, _UNIFIED)
            else value
        )
        for name, value in record.items()
        if html or name not in _HTML
    }


def list_items(value: Any) -> list[Any]:
    """Take the items out of a list, which PHP writes as an object where its keys have gaps.

    Args:
        value: A list, an object, or nothing.
    """
    items = value or []
    return [*items.values()] if isinstance(items, dict) else items


def _unify_column(name: str, value: Any, kind: str | None, *, html: bool) -> Any:
    if not isinstance(value, dict | list):
        is_number = isinstance(value, int) and name in _RELATIVES and kind == "object"
        return {"id": value} if is_number else value
    hidden = frozenset() if html else _HTML | _HTML_WITHIN.get(name, frozenset())
    if kind == "array":
        return [_clean_nested(item, hidden) for item in list_items(value)]
    if kind == "object" and (name in _MANY or (value and isinstance(value, list))):
        return _index_by_key(name, value, hidden)
    if name in _RELATIVES and isinstance(value, dict):
        return _reduce_relative(name, value)
    return _clean_nested(value, hidden)


def _index_by_key(name: str, value: Any, hidden: frozenset[str]) -> dict[str, Any]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return dict(_iter_by_key(name, pairs, hidden))


def _iter_by_key(
    name: str, pairs: Iterable[tuple[Any, Any]], hidden: frozenset[str]
) -> Iterator[tuple[str, Any]]:
    key = _KEYS.get(name, "id")
    for position, entry in pairs:
        item = {"id": entry} if name in _RELATIVES and isinstance(entry, int) else entry
        if not isinstance(item, dict):
            yield str(position), _clean_nested(item, hidden)
            continue
        value = item.get(key)
        entity = _reduce_relative(name, item) if name in _RELATIVES else _clean_nested(item, hidden)
        yield str(position if value is None else value), entity


def _reduce_relative(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name",) if item.get("name") is not None else _TITLES
    fields = {key: item.get(key, {}) for key in ("id", *names, *_RELATIVES[name])}
    return {key: value for key, value in fields.items() if not isinstance(value, dict | list)}


def _clean_nested(value: Any, hidden: frozenset[str]) -> Any:
    """Clean a value within a column: without HTML, and with its own relatives as id and name."""
    if isinstance(value, list):
        return [_clean_nested(item, hidden) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _clean_property(snake_case(key), item, hidden)
        for key, item in value.items()
        if snake_case(key) not in hidden
    }


def _clean_property(name: str, value: Any, hidden: frozenset[str]) -> Any:
    if name in _RELATIVES and _has_entities(value):
        is_single = isinstance(value, dict) and "id" in value
        return _reduce_relative(name, value) if is_single else _index_by_key(name, value, hidden)
    return _clean_nested(value, hidden)


def _has_entities(value: Any) -> bool:
    if isinstance(value, dict) and "id" in value:
        return True
    items = list_items(value) if isinstance(value, dict | list) else []
    return bool(items) and all(isinstance(item, dict) and "id" in item for item in items)
