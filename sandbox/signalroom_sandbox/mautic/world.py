"""A made-up Mautic: contacts with their fields, companies, and the tables of statistics."""

from __future__ import annotations

import sqlite3
import weakref
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic.customfields import COMPANY_FIELDS, FIELDS, value_of_field
from signalroom_sandbox.mautic.tables import PAIRS, is_whole, tables_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_CONTACTS, _COMPANIES, _STATS = 300, 40, 900
_FROZEN = 6

_OWN = (
    "id integer primary key, is_published integer, date_added text, created_by integer,"
    " created_by_user text, date_modified text, modified_by integer, modified_by_user text,"
    " owner_id integer, stage_id integer, points integer, last_active text, date_identified text,"
    " color text, preferred_profile_image text"
)


class World:
    """The database of an instance.

    Args:
        scale: How much there is of everything.
        version: From 6 on every contact has a date of its last edit, which stays.
    """

    def __init__(self, scale: float, version: int) -> None:
        self.version = version
        self.ahead = timedelta()
        self.contacts = max(20, int(_CONTACTS * scale))
        # Type and group of the contacts' fields, by alias.
        self.fields = {alias: (kind, group) for alias, kind, group in FIELDS}
        self.hidden: set[str] = set()
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        # Nothing else closes an instance that is replaced.
        weakref.finalize(self, self._connection.close)
        self._connection.row_factory = sqlite3.Row
        self._make_people()
        self._make_tables(max(50, int(_STATS * scale)))

    def now(self) -> str:
        """The instance's clock, as its database has it."""
        return (datetime.now(UTC) + self.ahead).strftime("%Y-%m-%d %H:%M:%S")

    def query(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """Query the database."""
        return self._connection.execute(sql, values).fetchall()

    def execute(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> None:
        """Change the database."""
        self._connection.execute(sql, values)

    def columns(self, table: str) -> list[str]:
        """The columns of a table."""
        return [row["name"] for row in self.query(f'pragma table_info("{table}")')]

    # Initial data

    def _make_people(self) -> None:
        skipped = {"points", "last_active"}
        own = [alias for alias in self.fields if alias not in skipped]
        columns = ", ".join(f'"{alias}"' for alias in own)
        self.execute(f"create table leads ({_OWN}, {columns})")
        self.execute("create table lead_tags (lead_id integer, tag text)")
        self.make_contacts(self.contacts)
        aliases = [alias for alias, _, _ in COMPANY_FIELDS]
        values = [value_of_field(alias, kind) for alias, kind, _ in COMPANY_FIELDS]
        self.execute(
            "create table companies (id integer primary key, score integer, date_modified text, "
            + ", ".join(f'"{alias}"' for alias in aliases)
            + ")"
        )
        self.execute(
            f"insert into companies select n, n % 50, null, {', '.join(values)} "
            f"from ({_numbers(_COMPANIES)})"
        )

    def make_contacts(self, count: int) -> None:
        """Add contacts, as an import does: without the audit log.

        Args:
            count: How many contacts are made.
        """
        first = self.query("select coalesce(max(id), 0) as last from leads")[0]["last"] + 1
        added = "datetime(:now, '-' || (1 + n % 200) || ' days', '-' || (n % 86400) || ' seconds')"
        edited = f"iif(n % 4 = 0, datetime({added}, '+1 hour'), null)"
        if self.version >= _FROZEN:
            edited = added
        own = {
            "id": "n",
            "is_published": "1",
            "date_added": added,
            # Nobody created visitors, and half of them nobody owns.
            "created_by": "iif(n % 10 = 0, null, 1)",
            "created_by_user": "iif(n % 10 = 0, null, 'Admin Sample')",
            "date_modified": edited,
            "modified_by": "iif(n % 4 = 0, 1, null)",
            "owner_id": "iif(n % 5 = 0 and n % 20 > 0, 1, null)",
            "stage_id": "iif(n % 6 = 0, 1 + n % 4, null)",
            "points": "n % 100",
            "last_active": f"iif(n % 2 = 0, {added}, null)",
            "date_identified": f"iif(n % 10 = 0, null, {added})",
        }
        aliases = {
            alias: value_of_field(alias, kind)
            for alias, (kind, _) in self.fields.items()
            if alias not in {*own, "last_active"}
        }
        columns = ", ".join(f'"{name}"' for name in (*own, *aliases))
        values = ", ".join([*own.values(), *aliases.values()])
        numbers = _numbers(count, first)
        self.execute(
            f"insert into leads ({columns}) select {values} from ({numbers})", {"now": self.now()}
        )
        self.execute(
            f"insert into lead_tags select n, 'tag-' || (n % 7) from ({numbers}) where n % 3 = 0"
        )

    def add_field(self, alias: str, kind: str = "text", group: str = "core") -> None:
        """Add a field to contacts.

        Args:
            alias: Alias of the field.
            kind: Mautic's type of the field.
            group: Group of the field.
        """
        self.fields[alias] = kind, group
        self.execute(f'alter table leads add column "{alias}"')
        self.execute(
            f'update leads set "{alias}" = '
            f"(select {value_of_field(alias, kind)} from (select leads.id as n))",
            {"now": self.now()},
        )

    def _make_tables(self, rows: int) -> None:
        values = {"now": self.now(), "contacts": self.contacts}
        for table, columns in tables_of(self.version).items():
            key = f", primary key ({PAIRS[table]})" if table in PAIRS else ""
            kinds = ", ".join(
                f'"{name}" integer primary key'
                if name == "id" and table != "email_stat_replies"
                else f'"{name}"' + (" integer" if is_whole(name) else "")
                for name in columns
            )
            self.execute(f"create table {table} ({kinds}{key})")
            expressions = ", ".join(value_of(table, name) for name in columns)
            self.execute(
                f"insert or ignore into {table} select {expressions} from ({_numbers(rows)})",
                values,
            )
        self.execute(
            "update audit_log set date_added = datetime(:now, '-90 days')", {"now": self.now()}
        )

    # Changes

    def edit(self, numbers: Iterable[int], *, audited: bool = True, **values: Any) -> None:
        """Edit contacts.

        Args:
            numbers: Ids of the contacts.
            audited: Whether the audit log has an entry for each.
            values: New values by column.
        """
        for number in numbers:
            changes = dict(values)
            if self.version < _FROZEN:
                changes["date_modified"] = self.now()
            changes["modified_by"] = 1
            sets = ", ".join(f'"{name}" = ?' for name in changes)
            self.execute(f"update leads set {sets} where id = ?", [*changes.values(), number])
            if audited:
                self.audit(number, "update")

    def add(self, count: int, *, audited: bool = True) -> list[int]:
        """Add contacts that are dated now, and return their ids.

        Args:
            count: How many contacts are made.
            audited: Whether the audit log has an entry for each.
        """
        last = self.query("select coalesce(max(id), 0) as last from leads")[0]["last"]
        self.make_contacts(count)
        ids = [*range(last + 1, last + count + 1)]
        modified = self.now() if self.version >= _FROZEN else None
        self.execute(
            "update leads set date_added = ?, date_modified = ? where id > ?",
            [self.now(), modified, last],
        )
        for number in ids if audited else ():
            self.audit(number, "create")
        return ids

    def rename_company(self, number: int, name: str) -> None:
        """Rename a company; its contacts get the name, but no new date."""
        dated = ", date_modified = :now" if self.version < _FROZEN else ""
        values = {"number": number, "name": name, "now": self.now()}
        self.execute(f"update companies set companyname = :name{dated} where id = :number", values)
        self.execute(
            "update leads set company = :name where id in (select lead_id from companies_leads"
            " where company_id = :number and is_primary = 1)",
            values,
        )
        self.audit(number, "update", kind="company")

    def leave_stage(self, number: int) -> None:
        """Remove a deleted stage from its contacts, which get no new date."""
        self.execute("update leads set stage_id = null where stage_id = ?", [number])

    def audit(self, number: int, action: str, details: str = "a:0:{}", kind: str = "lead") -> None:
        """Add an entry to the audit log."""
        self.execute(
            "insert into audit_log (user_id, user_name, bundle, object, object_id, action,"
            " details, date_added) values (1, 'Admin Sample', 'lead', ?, ?, ?, ?, ?)",
            [kind, number, action, details, self.now()],
        )

    def set(self, table: str, where: dict[str, Any], **values: Any) -> None:
        """Change rows of a table."""
        sets = ", ".join(f'"{name}" = ?' for name in values)
        conditions = " and ".join(f'"{name}" = ?' for name in where)
        self.execute(
            f"update {table} set {sets} where {conditions}", [*values.values(), *where.values()]
        )

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Add rows to a table."""
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" for _ in row)
            self.execute(f"insert into {table} ({names}) values ({marks})", [*row.values()])

    def remove(self, table: str, where: dict[str, Any]) -> None:
        """Remove rows of a table; all of them without conditions."""
        conditions = " and ".join(f'"{name}" = ?' for name in where) or "1"
        self.execute(f"delete from {table} where {conditions}", [*where.values()])

    # Contacts, as the API shows them

    def published_fields(self) -> Iterator[tuple[int, str, str, str]]:
        """The fields that are published: number, alias, type, group."""
        for number, (alias, (kind, group)) in enumerate(self.fields.items(), start=1):
            if alias not in self.hidden:
                yield number, alias, kind, group

    def tags(self, first: int, last: int) -> dict[int, list[str]]:
        """The tags of contacts, by their id."""
        tags: dict[int, list[str]] = {}
        for row in self.query(
            "select lead_id, tag from lead_tags where lead_id between ? and ?", [first, last]
        ):
            tags.setdefault(row["lead_id"], []).append(row["tag"])
        return tags

    def digest(self) -> dict[str, Any]:
        """The number of contacts, and their checksums."""
        (row,) = self.query(
            "select count(*) as count, sum(points) as points, min(id) as first, max(id) as last,"
            " sum(length(coalesce(firstname, ''))) as letters from leads"
        )
        return dict(row)


def _numbers(count: int, first: int = 1) -> str:
    return (
        f"with recursive numbers(n) as (select {first} union all select n + 1 from numbers"
        f" where n < {first + count - 1}) select n from numbers"
    )
