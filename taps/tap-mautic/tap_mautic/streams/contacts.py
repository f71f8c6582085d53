"""Contacts and companies, with the custom fields of the instance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading, RequestRejectedError, columns_of, invalid_state, since
from tap_mautic.custom_fields import CustomFields
from tap_mautic.merges import AUDIT_LOG
from tap_mautic.queries import MAX_IDS, STATS_KEY, Condition, mysql_datetime
from tap_mautic.relations import column_kinds, list_items, unify_relations
from tap_mautic.streams._entity_base import OBJECT, EntityStream
from tap_mautic.streams._keyset_scan import LAST_ID, SCAN, Lookup, ScannedStream
from tap_mautic.streams._role_check import RoleCheckedStream
from tap_mautic.undated_changes import request_edited_companies, request_members, request_stages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from signalroom_singer import Conditions, SignalRoomTap
    from tap_mautic.client import MauticClient
    from tap_mautic.streams._keyset_scan import ScanProgress

#: From this version on an edit leaves the date of the last edit as it is
#: (https://github.com/mautic/mautic/issues/15418).
_FROZEN_DATES = 6
#: In the state: the ids of the stages at the last run.
_STAGES = "stages"
#: In place of a condition: contacts that changed without a date.
_UNDATED = Condition("id", "in")
#: If more contacts than this have changed, all of them are read.
_MAX_CHANGED = 200_000

_COLUMNS: tuple[th.Property[Any], ...] = (
    th.Property("id", th.IntegerType, required=True),
    th.Property(
        "_updated_at", th.DateTimeType, description="`date_modified`, or else `date_added`"
    ),
    th.Property("is_published", th.BooleanType),
    th.Property("date_added", th.DateTimeType),
    th.Property("created_by", th.IntegerType),
    th.Property("created_by_user", th.StringType),
    th.Property(
        "date_modified",
        th.DateTimeType,
        description="Empty if never edited; from Mautic 6 on it may not move with an edit",
    ),
    th.Property("modified_by", th.IntegerType),
    th.Property("modified_by_user", th.StringType),
    th.Property("date_identified", th.DateTimeType, description="Empty for anonymous visitors"),
    th.Property("last_active", th.DateTimeType),
    th.Property("points", th.IntegerType),
    *columns_of(th.StringType, "color", "preferred_profile_image"),
    th.Property("owner_id", th.IntegerType),
    th.Property("owner", OBJECT),
    th.Property("stage_id", th.IntegerType),
    th.Property("stage", OBJECT),
    th.Property("tags", th.ArrayType(th.StringType)),
    th.Property(
        "do_not_contact",
        th.ArrayType(OBJECT),
        description="By channel; reason 1: unsubscribed, 2: bounced, 3: by hand",
    ),
    th.Property("utmtags", th.ArrayType(OBJECT)),
    th.Property("frequency_rules", OBJECT, description="By channel"),
    th.Property("ip_addresses", OBJECT, description="By address; with include_ip_addresses"),
)
_KINDS = column_kinds(th.PropertiesList(*_COLUMNS).to_dict())


class CustomFieldStream(RoleCheckedStream):
    """Rows with a column for each custom field of the instance."""

    has_dynamic_columns = True
    primary_keys = ("id",)
    #: The columns that every instance has.
    own_columns: ClassVar[tuple[th.Property[Any], ...]]

    def __init__(
        self,
        tap: SignalRoomTap,
        client: MauticClient,
        definitions: Iterable[Mapping[str, Any]] | None,
    ) -> None:
        """Initialize the stream with the columns of the custom fields.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams share.
            definitions: The fields as Mautic lists them, or None if the role may not see the list.
        """
        self._fields = CustomFields(definitions, (column.name for column in self.own_columns))
        schema = th.PropertiesList(*self.own_columns, *self._fields.properties()).to_dict()
        super().__init__(tap, client, schema=schema)
        self.client.skip_definitions(self.key)

    @override
    def clean(self, row: Record) -> Record:
        values = self._fields.values(row)
        row.pop("fields", None)
        return self.clean_columns(row) | values

    def clean_columns(self, row: Record) -> Record:
        """Make the columns that every instance has.

        Args:
            row: A row, as Mautic sent it, without its custom fields.
        """
        return super().clean(row)


class Contacts(CustomFieldStream, ScannedStream):
    """Contacts, with a column for each field."""

    name = "contacts"
    own_columns = _COLUMNS
    # Tables that have rows in most instances; each has an index of these ids.
    named_in = (
        ("lead_lists_leads", "lead_id"),
        ("email_stats", "lead_id"),
        ("page_hits", "lead_id"),
    )
    path = "/api/contacts"
    key = "contacts"
    replication_key = "_updated_at"
    loading = Loading(
        "Incremental by `_updated_at`, or by the audit log where Mautic does not date edits; the "
        "full table every 7 days (`contacts_whole_days`), or in each run (`contacts: all`)",
        "Edits are found in the next run; `last_active` once a week",
        "Removed in the next run, if the audit log has them; others when all contacts are read",
    )
    #: Whether a stage was deleted since the last run: the dates of its contacts do not say so.
    _stage_was_deleted = False
    #: Contacts that changed without a date, by id.
    _undated_ids: Sequence[int] = ()
    # Contacts that are not there may be hidden by the role; `plan_scan` decides.
    pages_are_complete = False

    def __init__(self, *args: Any) -> None:
        """Initialize the stream, with the replication method that the settings ask for.

        Args:
            args: As for `CustomFieldStream`.
        """
        super().__init__(*args)
        self._choose_method()

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        # The setting decides, even if the catalog is older than it.
        self._choose_method()

    def _choose_method(self) -> None:
        if self.config["contacts"] == "all":
            self.replication_key = None  # type: ignore[assignment]
            self.forced_replication_method = "FULL_TABLE"

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        self._check_view(context)
        yield from super().read(context)

    def _check_view(self, context: Context | None) -> None:
        """Check that the role may view all contacts: before any is read, and in each run.

        Raises:
            RequestRejectedError: If it may not, and the settings do not accept that.
        """
        if self.name in self.config["accept_changes"]:
            return
        newest = self.request_newest_id()
        last = self.get_context_state(context).get(LAST_ID)
        known = last if isinstance(last, int) else 0
        if known > newest > 0:
            # Deleted since, perhaps; or this role may not view it any more.
            self.probe([known])
            self.check_shrunk(
                known, newest, f"none with an id above {newest}, where it showed some up to {known}"
            )
        highest = max(self.check_role(), default=0)
        if highest > newest and self._is_named(highest) and highest > self.request_newest_id():
            raise self.restricted_role_error(highest)

    def _is_named(self, contact: int) -> bool:
        """Whether statistics name a contact now: they would not if it had been deleted."""
        return any(
            self.request_sample(table, Condition(column, "eq", contact))
            for table, column in self.named_in
        )

    @property
    @override
    def filters_in_force(self) -> Conditions:
        # MySQL has no earlier date.
        identified = {"date_identified": since(datetime(1000, 1, 1, tzinfo=UTC))}
        return identified if self.config["identified_only"] else {}

    @property
    @override
    def full_scan_interval(self) -> timedelta | None:
        if self._stage_was_deleted:
            return timedelta.min
        days = self.config["contacts_whole_days"]
        return timedelta(days=days) if days else None

    @override
    def begin_scan(self, context: Context | None) -> ScanProgress:
        state = self.get_context_state(context)
        before, now = state.get(_STAGES), None if SCAN in state else request_stages(self.client)
        if now is not None and before is not None:
            if not isinstance(before, list) or not all(isinstance(item, int) for item in before):
                raise invalid_state(before, stream=self.name, field=_STAGES)
            self._stage_was_deleted = not {*before} <= {*now}
        scan = super().begin_scan(context)
        if now is not None:
            state[_STAGES] = now
        return scan

    @override
    def plan_lookups(self, since: datetime) -> Iterable[Lookup]:
        # They are requested once more: a contact may have come back, from a backup.
        yield Lookup("id", self.client.request_recent_changes(since).gone_since(since), True)

    @override
    def plan_scan(self, scan: ScanProgress) -> list[Sequence[Condition]]:
        steps = super().plan_scan(scan)
        # A step of all contacts has no condition but the last id.
        self.pages_are_complete = len(steps[0]) == 1 and self.is_shown_others()
        return steps

    @override
    def plan_steps(self, since: datetime | None) -> Sequence[Sequence[Condition]]:
        if since is None:
            return [()]
        at = mysql_datetime(since)
        # The second finds contacts that were never edited: their date_modified is null.
        dated = [(Condition("date_modified", "gte", at),), (Condition("date_added", "gte", at),)]
        version = self.client.instance.version
        if version < _FROZEN_DATES:
            companies = request_edited_companies(self.client, since)
            self._undated_ids = sorted(request_members(self.client, companies))
            return [*dated, (_UNDATED,)] if self._undated_ids else dated
        changes = self._request_audited_changes(since)
        if changes is None:
            return [()]
        contacts, companies = changes["lead"], sorted(changes["company"])
        self.logger.info(
            "Mautic %d does not date edits: %d contact(s) by its audit log", version, len(contacts)
        )
        self._undated_ids = sorted(contacts | request_members(self.client, companies))
        return [*dated, (_UNDATED,)]

    def _request_audited_changes(self, since: datetime) -> dict[str, set[int]] | None:
        """Request the ids of what the audit log says has changed; None to read everything."""
        conditions = (
            Condition("bundle", "eq", "lead"),
            Condition("object", "in", "lead,company"),
            Condition("date_added", "gte", mysql_datetime(since)),
        )
        ids: dict[str, set[int]] = {"lead": set(), "company": set()}
        try:
            for entries in self.client.iter_by_id(AUDIT_LOG, STATS_KEY, conditions):
                for entry in entries:
                    ids[entry["object"]].add(int(entry["object_id"]))
                if len(ids["lead"]) > _MAX_CHANGED:
                    self.logger.info("More than %d contacts changed: reading all", _MAX_CHANGED)
                    return None
        except RequestRejectedError as error:
            self.logger.warning(
                "%s. Mautic %d does not date edits, and its audit log cannot be read: reading all "
                "contacts, each time",
                error,
                self.client.instance.version,
            )
            return None
        return ids

    @override
    def read_step(self, conditions: Sequence[Condition], after: int) -> Iterator[list[Record]]:
        if self.config["identified_only"]:
            conditions = (*conditions, Condition("date_identified", "isNotNull"))
        if _UNDATED not in conditions:
            yield from super().read_step(conditions, after)
            return
        others = [condition for condition in conditions if condition != _UNDATED]
        ids = [contact for contact in self._undated_ids if contact > after]
        size = min(int(self.config["page_size"]), MAX_IDS)
        for start in range(0, len(ids), size):
            chunk = ids[start : start + size]
            named = Condition("id", "in", ",".join(map(str, chunk)))
            yield from super().read_step([named, *others], chunk[0] - 1)

    @override
    def clean_columns(self, row: Record) -> Record:
        record = unify_relations(
            super().clean_columns(row), _KINDS, html=self.config["include_html"]
        )
        record["_updated_at"] = record.get("date_modified") or record.get("date_added")
        for name in ("owner", "stage"):
            item = record.get(name)
            record[f"{name}_id"] = item.get("id") if isinstance(item, dict) else None
        record["tags"] = [
            item.get("tag") if isinstance(item, dict) else item
            for item in list_items(record.get("tags"))
        ]
        for name in ("do_not_contact", "utmtags"):
            record[name] = list_items(record.get(name))
        return record


class Companies(CustomFieldStream, EntityStream):
    """Companies, with a column for each field; Mautic does not say when they were edited."""

    name = "companies"
    path = "/api/companies"
    key = "companies"
    named_in = (("companies_leads", "company_id"),)
    own_columns = (
        th.Property("id", th.IntegerType, required=True),
        th.Property("score", th.IntegerType),
    )
