"""The base of lists of what people create in Mautic, each read in full."""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading, RequestRejectedError, columns_of
from tap_mautic.relations import column_kinds, list_items, unify_relations
from tap_mautic.streams._role_check import RoleCheckedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

OBJECT = th.ObjectType(additional_properties=True)
LIST = th.ArrayType(OBJECT)
#: From this version on lists leave out variants and translations, whatever the query says.
_WITHOUT_CHILDREN = 7
#: Actions of forms and campaigns that send contacts elsewhere, and those of their settings that
#: reveal neither the address nor the credentials: whoever has these can read and send as well.
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
#: For streams whose deleted rows stay in the table.
FULL_BUT_KEPT = Loading(
    "Full table",
    "Every run reads all rows again: counters change without a date",
    "They stay in the table, as statistics name them",
)
#: The description of columns with other entities.
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
    """A list that is read in full: counters change without a date, and deleted rows are absent."""

    primary_keys = ("id",)
    #: The fields with rows that belong to a row, and that lists may leave out.
    children: ClassVar[tuple[str, ...]] = ()

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        read_ids: set[int] = set()
        child_ids: set[int] = set()
        pages = self.client.iter_by_id(self.path, self.key, id_column=self.id_column)
        # The first page before all else: Mautic rejects a role that may view nothing.
        first = next(pages, [])
        named_ids = self.check_role()
        for rows in chain([first], pages):
            for row in rows:
                read_ids.add(int(row["id"]))
                child_ids |= self._child_ids(row)
                yield row
        if self.client.instance.version >= _WITHOUT_CHILDREN:
            while child_ids := child_ids - read_ids:
                row_id = min(child_ids)
                read_ids.add(row_id)
                if child := self._request_row(row_id):
                    child_ids |= self._child_ids(child)
                    yield child
        self.check_rows_read(named_ids, read_ids)

    def _child_ids(self, row: Record) -> set[int]:
        children = [child for name in self.children for child in list_items(row.get(name))]
        return {int(child["id"]) for child in children if isinstance(child, dict)}

    def _request_row(self, row_id: int) -> Record | None:
        try:
            payload = self.client.get(f"{self.path}/{row_id}")
        except RequestRejectedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None  # deleted since its parent was read
        row: Record | None = payload.get(self.key.removesuffix("s"))
        return row

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return column_kinds(self.schema)

    @override
    def clean(self, row: Record) -> Record:
        columns = super().clean(row)
        record = unify_relations(columns, self._kinds, html=self.config["include_html"])
        _drop_destinations(record)
        return record


def _drop_destinations(value: Any) -> None:
    """Remove addresses, headers and data from actions that send contacts elsewhere."""
    if isinstance(value, list):
        for item in value:
            _drop_destinations(item)
    elif isinstance(value, dict):
        settings = value.get("properties")
        if value.get("type") in _SENDING and isinstance(settings, dict):
            value["properties"] = {
                name: item for name, item in settings.items() if name in _HARMLESS
            }
        for item in value.values():
            _drop_destinations(item)


def entity_schema(*columns: th.Property[Any]) -> dict[str, Any]:
    """Make the schema of rows with an id and these columns."""
    return th.PropertiesList(th.Property("id", th.IntegerType, required=True), *columns).to_dict()


def texts(*names: str) -> list[th.Property[Any]]:
    """Columns of text."""
    return columns_of(th.StringType, *names)


def flags(*names: str) -> list[th.Property[Any]]:
    """Columns that are true or false."""
    return columns_of(th.BooleanType, *names)


def counts(*names: str) -> list[th.Property[Any]]:
    """Columns of whole numbers."""
    return columns_of(th.IntegerType, *names)
