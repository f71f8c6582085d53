"""The lists of entities of this Mautic, and the properties of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic import makers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Kind:
    """A list.

    Attributes:
        key: The key of the list in the response.
        make: Makes an entity of a number; None for rows of the database, such as fields.
        count: How many entities there are at first.
        by_id: Whether it is an object by id, and not a list.
        parents: Properties that must be null, unless a filter takes their place.
    """

    key: str
    make: Callable[[int], dict[str, Any]] | None = None
    count: int = 0
    by_id: bool = False
    parents: tuple[str, ...] = ()


KINDS = {
    "assets": Kind("assets", makers.asset, 4),
    "campaigns": Kind("campaigns", makers.campaign, 8, by_id=True),
    "categories": Kind("categories", makers.category, 5),
    "emails": Kind("emails", makers.email, 46, by_id=True, parents=("variantParent",)),
    "forms": Kind("forms", makers.form, 5),
    "pages": Kind("pages", makers.page, 12, parents=("variantParent", "translationParent")),
    "segments": Kind("lists", makers.segment, 6, by_id=True),
    "stages": Kind("stages", makers.stage, 4),
    "tags": Kind("tags", makers.tag, 35, by_id=True),
    "users": Kind("users", makers.user, 3),
}
_FROZEN = 6
#: Properties that only the sandbox has.
_OWN = frozenset({"deleted", "segments"})
#: Properties that nested entities never have
#: (PublishDetailsExclusionStrategy.php of Mautic).
_OUTERMOST = frozenset({"isPublished", "dateAdded", "createdBy", "dateModified", "modifiedBy"})
_USERS = ("createdByUser", "modifiedByUser")
_FAMILY = ("variantParent", "variantChildren", "translationParent", "translationChildren")
#: Properties that refer to other entities: their list, and the properties that they have there,
#: as the list's controller sets them (groups of the serializer); None means all.
_RELATED: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "category": ("categories", None),
    "forms": ("forms", ("id", "name", "alias", "category")),
    "lists": ("segments", ("id", "name", "publicName", "alias", "description", "category")),
}
#: Associations to many, which are lists, or objects by id in old samples.
_MANY = ("events", "lists", "forms", "fields", "actions", "variantChildren", "translationChildren")


def initial_lists(version: int) -> dict[str, list[dict[str, Any]]]:
    """All entities, by list.

    Args:
        version: Version of this Mautic.
    """
    rows_by_list = {
        name: [kind.make(number) for number in range(1, kind.count + 1)]
        for name, kind in KINDS.items()
        if kind.make
    }
    for rows in rows_by_list.values():
        for row in rows:
            if version < _FROZEN and row["id"] % 3 == 0 and "dateModified" in row:
                row["dateModified"] = None
    if version >= _FROZEN:
        for row in rows_by_list["emails"]:
            row["preheaderText"] = None
    # It is in the trash.
    rows_by_list["campaigns"][2]["deleted"] = "2026-01-01T00:00:00+00:00"
    for name in ("emails", "pages"):
        _adopt(rows_by_list[name])
    return rows_by_list


def _adopt(rows: list[dict[str, Any]]) -> None:
    """Turn some entities into variants or translations of others."""
    by_id = {row["id"]: row for row in rows}
    for parent, child, way in ((1, 4, "variant"), (1, 9, "variant"), (2, 6, "translation")):
        by_id[child][f"{way}Parent"] = parent
        by_id[parent][f"{way}Children"] = [*by_id[parent][f"{way}Children"], child]


def joined_row_count(row: Mapping[str, Any]) -> int:
    """The number of rows of an entity that is joined with its segments."""
    number: int = row.get("segments") or max(1, len(row.get("lists") or ()))
    return number


def serialize(
    name: str,
    row: dict[str, Any],
    lists: Mapping[str, list[dict[str, Any]]],
    *,
    by_id: bool = False,
) -> dict[str, Any]:
    """An entity as its list has it, with the entities that belong to it.

    Args:
        name: Name of the list.
        row: The entity, which has numbers in place of others.
        lists: All entities, by list.
        by_id: Whether associations to many are objects by id.
    """
    return _Serializer(lists, by_id).entity(name, row, (), None)


@dataclass(frozen=True)
class _Serializer:
    lists: Mapping[str, list[dict[str, Any]]]
    by_id: bool

    def entity(
        self,
        name: str,
        row: dict[str, Any],
        around: tuple[tuple[str, int], ...],
        properties: tuple[str, ...] | None,
    ) -> dict[str, Any]:
        """An entity.

        Args:
            name: Name of its list.
            row: The entity, with numbers.
            around: The entities that it is part of: none is repeated inside of it.
            properties: What it has besides its users; None for all.
        """
        around = (*around, (name, row["id"]))
        names = row.keys() - _OWN
        if len(around) > 1:
            names -= _OUTERMOST
        if properties is not None:
            names &= {*properties, *_USERS}
        return {
            key: self._property(name, key, value, around)
            for key, value in row.items()
            if key in names
        }

    def _property(
        self, name: str, key: str, value: Any, around: tuple[tuple[str, int], ...]
    ) -> Any:
        kind, properties = (name, None) if key in _FAMILY else _RELATED.get(key, (None, None))
        if isinstance(value, int) and kind and not isinstance(value, bool):
            return self._other(kind, value, around, properties)
        if not isinstance(value, list) or key not in _MANY:
            return value
        items: list[dict[str, Any]] = []
        for item in value:
            is_number = kind and isinstance(item, int)
            other = self._other(str(kind), item, around, properties) if is_number else item
            items += [] if other is None else [other]
        if self.by_id and items:
            return {str(item["id"]): item for item in items}
        return items

    def _other(
        self,
        kind: str,
        number: int,
        around: tuple[tuple[str, int], ...],
        properties: tuple[str, ...] | None,
    ) -> dict[str, Any] | None:
        if (kind, number) in around:
            return None
        for row in self.lists[kind]:
            if row["id"] == number:
                who = dict.fromkeys(_USERS) if kind == "categories" else {}
                return who | self.entity(kind, row, around, properties)
        return None
