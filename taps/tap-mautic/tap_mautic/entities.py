"""Lists of what people make in Mautic, each read whole."""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

from signalroom_singer import Loading, RequestRejectedError
from tap_mautic.relations import items_of, kinds_of, tidy
from tap_mautic.roles import RoleCheckedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

OBJECT = th.ObjectType(additional_properties=True)
LIST = th.ArrayType(OBJECT)
#: From this version on lists leave variants and translations out, whatever is asked.
_WITHOUT_CHILDREN = 7
#: Actions of forms and campaigns that send contacts elsewhere, and what of their settings neither
#: says where nor with which credentials: whoever has those can read and send as well.
_SENDING = frozenset({"form.repost", "campaign.sendwebhook"})
_HARMLESS = frozenset({"method", "timeout"})
PUBLISHED = (
    th.Property("is_published", th.BooleanType),
    th.Property("date_added", th.DateTimeType),
    th.Property("created_by", th.IntegerType),
    th.Property("created_by_user", th.StringType),
    th.Property("date_modified", th.DateTimeType),
    th.Property("modified_by", th.IntegerType),
    th.Property("modified_by_user", th.StringType),
)
#: Of streams that keep what was deleted.
FULL_BUT_KEPT = Loading(
    "Full table",
    "Every run reads all rows again: counters change without a date",
    "They stay in the table, as statistics name them",
)
#: What is said of columns with other entities.
ENTITIES = "By id, each with its id and name"
FAMILY = (
    th.Property("variant_parent", OBJECT, description="Its id and name"),
    th.Property("variant_children", OBJECT, description=ENTITIES),
    th.Property("translation_parent", OBJECT, description="Its id and name"),
    th.Property("translation_children", OBJECT, description=ENTITIES),
    th.Property("variant_start_date", th.DateTimeType),
)
LIVE = (th.Property("publish_up", th.DateTimeType), th.Property("publish_down", th.DateTimeType))


class EntityStream(RoleCheckedStream):
    """A list, whole each time: counters move without a date, and deleted ones are not there."""

    primary_keys = ("id",)
    #: Where a row has those that belong to it, and that lists may leave out.
    children: ClassVar[tuple[str, ...]] = ()

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        seen: set[int] = set()
        hidden: set[int] = set()
        pages = self.by_id(self.path, self.key)
        # The first page before all else: a role that may view none is told so by Mautic.
        first = next(pages, [])
        named = self.check_role()
        for rows in chain([first], pages):
            for row in rows:
                seen.add(int(row["id"]))
                hidden |= self._children(row)
                yield row
        if self._tap.version < _WITHOUT_CHILDREN:
            self.check_read(named, seen)
            return
        while hidden := hidden - seen:
            number = min(hidden)
            seen.add(number)
            if child := self._one(number):
                hidden |= self._children(child)
                yield child
        self.check_read(named, seen)

    def _children(self, row: Record) -> set[int]:
        found: set[int] = set()
        for name in self.children:
            items = items_of(row.get(name))
            found.update(int(item["id"]) for item in items if isinstance(item, dict))
        return found

    def _one(self, number: int) -> Record | None:
        try:
            answer = self.fetch(HTTPRequest(url=f"{self.url_base}{self.path}/{number}"))
        except RequestRejectedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None  # deleted since it was named
        row: Record | None = answer.get(self.key.removesuffix("s"))
        return row

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return kinds_of(self.schema)

    @override
    def cleaned(self, row: Record) -> Record:
        record = tidy(super().cleaned(row), self._kinds, html=self.config["include_html"])
        _forget_destinations(record)
        return record


def _forget_destinations(value: Any) -> None:
    """Take addresses, headers and data out of actions that send contacts elsewhere."""
    if isinstance(value, list):
        for item in value:
            _forget_destinations(item)
    elif isinstance(value, dict):
        settings = value.get("properties")
        if value.get("type") in _SENDING and isinstance(settings, dict):
            value["properties"] = {
                name: item for name, item in settings.items() if name in _HARMLESS
            }
        for item in value.values():
            _forget_destinations(item)


def schema_of(*columns: th.Property[Any]) -> dict[str, Any]:
    """The schema of rows with an id, and these columns."""
    return th.PropertiesList(th.Property("id", th.IntegerType, required=True), *columns).to_dict()


def texts(*names: str) -> list[th.Property[Any]]:
    """Columns of text."""
    return [th.Property(name, th.StringType) for name in names]


def flags(*names: str) -> list[th.Property[Any]]:
    """Columns that are true or false."""
    return [th.Property(name, th.BooleanType) for name in names]


def counts(*names: str) -> list[th.Property[Any]]:
    """Columns of whole numbers."""
    return [th.Property(name, th.IntegerType) for name in names]
