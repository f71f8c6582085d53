"""Contacts and companies: what people are asked, and what an instance's owner made of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading, RequestRejectedError, spoiled_state
from tap_mautic.entities import EntityStream
from tap_mautic.fields import Fields
from tap_mautic.queries import MOST_NAMED, Is, moment, order
from tap_mautic.relations import items_of, kinds_of, tidy
from tap_mautic.roles import RoleCheckedStream, sample_of
from tap_mautic.sweeps import LAST_ID, SweptStream
from tap_mautic.undated import contacts_of, edited_companies, stages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_mautic.sweeps import Sweep
    from tap_mautic.tap import TapMautic

#: From this version on an edit leaves the date of the last edit as it is
#: (https://github.com/mautic/mautic/issues/15418).
_FROZEN_DATES = 6
#: In the state: the stages that there were, and a sweep that is under way.
_STAGES, _UNDER_WAY = "stages", "sweep"
#: In place of a condition: contacts that changed without a date.
_AUDITED = Is("id", "in")
#: More changed contacts than this are not looked up one by one.
_MOST_AUDITED = 200_000
_OBJECT = th.ObjectType(additional_properties=True)

_COLUMNS = (
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
    th.Property("color", th.StringType),
    th.Property("preferred_profile_image", th.StringType),
    th.Property("owner_id", th.IntegerType),
    th.Property("owner", _OBJECT),
    th.Property("stage_id", th.IntegerType),
    th.Property("stage", _OBJECT),
    th.Property("tags", th.ArrayType(th.StringType)),
    th.Property(
        "do_not_contact",
        th.ArrayType(_OBJECT),
        description="By channel; reason 1: unsubscribed, 2: bounced, 3: by hand",
    ),
    th.Property("utmtags", th.ArrayType(_OBJECT)),
    th.Property("frequency_rules", _OBJECT, description="By channel"),
    th.Property("ip_addresses", _OBJECT, description="By address; with include_ip_addresses"),
)
_NAMES = tuple(column.name for column in _COLUMNS)
_KINDS = kinds_of(th.PropertiesList(*_COLUMNS).to_dict())


class Contacts(RoleCheckedStream, SweptStream):
    """Contacts, with a column for each field."""

    name = "contacts"
    columns_change = True
    # Tables that have rows in most instances; each has an index of these ids.
    named_in = (
        ("lead_lists_leads", "lead_id"),
        ("email_stats", "lead_id"),
        ("page_hits", "lead_id"),
    )
    path = "/api/contacts"
    key = "contacts"
    primary_keys = ("id",)
    replication_key = "_updated_at"
    loading = Loading(
        "Incremental by `_updated_at`, or by the audit log where Mautic does not date edits; the "
        "full table every 7 days (`contacts_whole_days`), or in each run (`contacts: all`)",
        "Edits are found in the next run; `last_active` once a week",
        "They stay; `gone_contacts` names them. With `contacts: all` they are removed",
    )

    def __init__(self, tap: TapMautic, definitions: Iterable[Mapping[str, Any]] | None) -> None:
        """Make its schema.

        Args:
            tap: The tap.
            definitions: Of the fields, as Mautic lists them, or none if it does not.
        """
        self._fields = Fields(definitions, _NAMES)
        schema = th.PropertiesList(*_COLUMNS, *self._fields.properties()).to_dict()
        super().__init__(tap, schema=schema)
        self._choose_method()

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        # The setting decides, also where the catalog is older than it.
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
        """See that the role may view all contacts: before any is read, and in each run.

        Raises:
            RequestRejectedError: If it may not, and the settings do not say that it is meant.
        """
        if self.name in self.config["accept_changes"]:
            return
        newest = self.newest()
        last = self.get_context_state(context).get(LAST_ID)
        known = last if isinstance(last, int) else 0
        if known > newest > 0:
            # Deleted since, as it may be; or not for this role any more.
            self.probe([known])
            self.check_shrunk(
                known, newest, f"none with an id above {newest}, where it showed some up to {known}"
            )
        highest = max(self.check_role(), default=0)
        if highest > newest and self._is_there(highest) and highest > self.newest():
            raise self.restricted(highest)

    def _is_there(self, number: int) -> bool:
        """Whether statistics name a contact now: they would not, had it been deleted."""
        return any(
            sample_of(self, table, Is(column, "eq", number)) for table, column in self.named_in
        )

    @property
    @override
    def whole_every(self) -> timedelta | None:
        return timedelta.min if self._lost_a_stage else self._tap.contacts_whole_every

    #: Whether a stage is gone that there was at the last run: its contacts do not say so.
    _lost_a_stage = False

    @override
    def _sweep(self, context: Context | None) -> Sweep:
        state = self.get_context_state(context)
        before, now = state.get(_STAGES), None if _UNDER_WAY in state else stages(self)
        if now is not None and before is not None:
            if not isinstance(before, list) or not all(isinstance(one, int) for one in before):
                raise spoiled_state(before, stream=self.name, field=_STAGES)
            self._lost_a_stage = not {*before} <= {*now}
        sweep = super()._sweep(context)
        if now is not None:
            state[_STAGES] = now
        return sweep

    @override
    def steps(self, since: datetime | None) -> Sequence[Sequence[Is]]:
        if since is None:
            return [()]
        at = moment(since)
        # Without the second, none that was never edited would be found: its date is null.
        changed = [(Is("date_modified", "gte", at),), (Is("date_added", "gte", at),)]
        if self._tap.version < _FROZEN_DATES:
            self._edited = sorted(contacts_of(self, edited_companies(self, since)))
            return [*changed, (_AUDITED,)] if self._edited else changed
        audited = self._audited(since)
        if audited is None:
            return [()]
        self.logger.info(
            "Mautic %d does not date edits: %d contact(s) by its audit log",
            self._tap.version,
            len(audited["lead"]),
        )
        self._edited = sorted(audited["lead"] | contacts_of(self, sorted(audited["company"])))
        return [*changed, (_AUDITED,)]

    #: Contacts that changed without a date, by id.
    _edited: list[int] | None = None

    def _audited(self, since: datetime) -> dict[str, set[int]] | None:
        conditions = (
            Is("bundle", "eq", "lead"),
            Is("object", "in", "lead,company"),
            Is("date_added", "gte", moment(since)),
        )
        found: dict[str, set[int]] = {"lead": set(), "company": set()}
        try:
            for rows in self.by_id(
                "/api/stats/audit_log", "stats", conditions, params=order(["id"])
            ):
                for row in rows:
                    found[row["object"]].add(int(row["object_id"]))
                if len(found["lead"]) > _MOST_AUDITED:
                    self.logger.info("More than %d contacts changed: reading all", _MOST_AUDITED)
                    return None
        except RequestRejectedError as error:
            self.logger.warning(
                "%s. Mautic %d does not date edits, and its audit log cannot be read: reading all "
                "contacts, each time",
                error,
                self._tap.version,
            )
            return None
        return found

    @override
    def read_step(self, conditions: Sequence[Is], after: int) -> Iterator[list[Record]]:
        if self.config["identified_only"]:
            conditions = (*conditions, Is("date_identified", "isNotNull"))
        if _AUDITED not in conditions:
            yield from super().read_step(conditions, after)
            return
        ids = [number for number in self._edited or () if number > after]
        size = min(int(self.config["page_size"]), MOST_NAMED)
        for start in range(0, len(ids), size):
            chunk = ids[start : start + size]
            some = Is("id", "in", ",".join(map(str, chunk)))
            wanted = [some if one is _AUDITED else one for one in conditions]
            yield from super().read_step(wanted, chunk[0] - 1)

    @override
    def cleaned(self, row: Record) -> Record:
        values = self._fields.values(row)
        row.pop("fields", None)
        record = tidy(super().cleaned(row), _KINDS, html=self.config["include_html"])
        record["_updated_at"] = record.get("date_modified") or record.get("date_added")
        for name in ("owner", "stage"):
            item = record.get(name)
            record[f"{name}_id"] = item.get("id") if isinstance(item, dict) else None
        record["tags"] = [
            item.get("tag") if isinstance(item, dict) else item
            for item in items_of(record.get("tags"))
        ]
        for name in ("do_not_contact", "utmtags"):
            record[name] = items_of(record.get(name))
        return record | values


class Companies(EntityStream):
    """Companies, with a column for each field; Mautic does not tell when they were edited."""

    name = "companies"
    columns_change = True
    path = "/api/companies"
    key = "companies"
    named_in = (("companies_leads", "company_id"),)
    _columns = (
        th.Property("id", th.IntegerType, required=True),
        th.Property("score", th.IntegerType),
    )

    def __init__(self, tap: TapMautic, definitions: Iterable[Mapping[str, Any]] | None) -> None:
        """Make its schema.

        Args:
            tap: The tap.
            definitions: Of the fields, as Mautic lists them, or none if it does not.
        """
        self._fields = Fields(definitions, ("id", "score"))
        schema = th.PropertiesList(*self._columns, *self._fields.properties()).to_dict()
        super().__init__(tap, schema=schema)

    @override
    def cleaned(self, row: Record) -> Record:
        values = self._fields.values(row)
        row.pop("fields", None)
        return super().cleaned(row) | values
