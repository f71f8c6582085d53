"""A made-up Mautic: contacts with their fields, companies, and the tables of statistics."""

from __future__ import annotations

import json
import sqlite3
import weakref
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic.tables import PAIRS, TABLES, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_CONTACTS, _COMPANIES, _STATS = 300, 40, 900
_FROZEN = 6

#: Alias, type and group of the fields that each instance has, and of this one's own.
FIELDS: tuple[tuple[str, str, str], ...] = (
    ("title", "lookup", "core"),
    ("firstname", "text", "core"),
    ("lastname", "text", "core"),
    ("company", "text", "core"),
    ("email", "email", "core"),
    ("mobile", "tel", "core"),
    ("points", "number", "core"),
    ("city", "text", "core"),
    ("zipcode", "text", "core"),
    ("country", "country", "core"),
    ("preferred_locale", "locale", "core"),
    ("timezone", "timezone", "core"),
    ("last_active", "datetime", "core"),
    ("attribution", "number", "core"),
    ("website", "url", "core"),
    ("facebook", "text", "social"),
    ("is_member", "boolean", "core"),
    ("interests", "multiselect", "personal"),
    ("birthday", "date", "personal"),
    ("last_order", "datetime", "professional"),
    ("lifetime_value", "number", "professional"),
    ("plan", "select", "professional"),
    ("remarks", "textarea", "personal"),
    # Named as what a contact has besides.
    ("tags", "text", "personal"),
)
COMPANY_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("companyname", "text", "core"),
    ("companyemail", "email", "core"),
    ("companycity", "text", "core"),
    ("companycountry", "country", "core"),
    ("number_of_employees", "number", "professional"),
    ("annual_revenue", "number", "professional"),
)
_OWN = (
    "id integer primary key, is_published integer, date_added text, created_by integer,"
    " created_by_user text, date_modified text, modified_by integer, modified_by_user text,"
    " owner_id integer, stage_id integer, points integer, last_active text, date_identified text,"
    " color text, preferred_profile_image text"
)
#: Of a field, as SQL over ``n``.
_VALUES = {
    "title": "null",
    "firstname": "iif(n % 10 = 0, null, 'Lead ' || n)",
    "lastname": "iif(n % 10 = 0, null, 'O''Sample & <Söhne> 🙂')",
    "company": "iif(n % 4 = 0, 'Example Ltd ' || (n % 40), null)",
    "email": "iif(n % 10 = 0, null, 'lead' || n || '@example.com')",
    "is_member": "iif(n % 3 = 0, null, n % 2)",
    "interests": "iif(n % 3 = 0, 'sport|travel', iif(n % 3 = 1, 'music', null))",
    "birthday": "iif(n % 50 = 7, '0000-00-00', date('1970-01-01', '+' || (n % 9000) || ' days'))",
    "last_order": "iif(n % 2 = 0, datetime(:now, '-' || (n % 300) || ' hours'), null)",
    "lifetime_value": "round(n * 1.37, 2)",
    "attribution": "0.0",
    "plan": "iif(n % 2 = 0, 'basic', 'pro')",
    "tags": "'a field of that name'",
    "annual_revenue": "n * 1000.5",
    "number_of_employees": "n % 500",
    "companyname": "'Example Ltd ' || n",
}


#: Of a field by its type, where it has no value of its own.
_OF_TYPE = {
    "number": "round(n * 0.73, 2)",
    "boolean": "n % 2",
    "date": "date('2020-01-01', '+' || (n % 900) || ' days')",
    "datetime": "datetime(:now, '-' || (n % 900) || ' hours')",
}


def _value(alias: str, kind: str) -> str:
    return _VALUES.get(alias) or _OF_TYPE.get(kind, f"'{alias} ' || (n % 13)")


class World:
    """The database of an instance.

    Args:
        scale: How much there is of everything.
        version: Mautic's: from 6 on every contact has a date of its last edit, which stays.
    """

    def __init__(self, scale: float, version: int) -> None:
        self.version = version
        self.ahead = timedelta()
        self.contacts = max(20, int(_CONTACTS * scale))
        # Kinds of fields: (alias, type, group, whether it is published).
        self.fields = {alias: (kind, group) for alias, kind, group in FIELDS}
        self.hidden: set[str] = set()
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        # An instance that another takes the place of is let go of, and never closed by anybody.
        weakref.finalize(self, self._connection.close)
        self._connection.row_factory = sqlite3.Row
        self._make_people()
        self._make_tables(max(50, int(_STATS * scale)))

    def now(self) -> str:
        """The instance's time, as its database has it."""
        return (datetime.now(UTC) + self.ahead).strftime("%Y-%m-%d %H:%M:%S")

    def query(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """Ask the database."""
        return self._connection.execute(sql, values).fetchall()

    def columns(self, table: str) -> list[str]:
        """What a table has."""
        return [row["name"] for row in self.query(f'pragma table_info("{table}")')]

    # Making it

    def _make_people(self) -> None:
        skipped = {"points", "last_active"}
        own = [alias for alias in self.fields if alias not in skipped]
        columns = ", ".join(f'"{alias}"' for alias in own)
        self._connection.execute(f"create table leads ({_OWN}, {columns})")
        self._connection.execute("create table lead_tags (lead_id integer, tag text)")
        self.make_contacts(self.contacts)
        aliases = [alias for alias, _, _ in COMPANY_FIELDS]
        values = [_value(alias, kind) for alias, kind, _ in COMPANY_FIELDS]
        self._connection.execute(
            "create table companies (id integer primary key, score integer, date_modified text, "
            + ", ".join(f'"{alias}"' for alias in aliases)
            + ")"
        )
        self._connection.execute(
            f"insert into companies select n, n % 50, null, {', '.join(values)} "
            f"from ({_numbers(_COMPANIES)})"
        )

    def make_contacts(self, count: int) -> None:
        """Add contacts, as an import does: without the audit log.

        Args:
            count: How many.
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
            "created_by": "1",
            "created_by_user": "'Admin Sample'",
            "date_modified": edited,
            "modified_by": "iif(n % 4 = 0, 1, null)",
            "owner_id": "iif(n % 5 = 0, 1, null)",
            "stage_id": "iif(n % 6 = 0, 1 + n % 4, null)",
            "points": "n % 100",
            "last_active": f"iif(n % 2 = 0, {added}, null)",
            "date_identified": f"iif(n % 10 = 0, null, {added})",
        }
        aliases = {
            alias: _value(alias, kind)
            for alias, (kind, _) in self.fields.items()
            if alias not in {*own, "last_active"}
        }
        columns = ", ".join(f'"{name}"' for name in (*own, *aliases))
        values = ", ".join([*own.values(), *aliases.values()])
        numbers = _numbers(count, first)
        self._connection.execute(
            f"insert into leads ({columns}) select {values} from ({numbers})", {"now": self.now()}
        )
        self._connection.execute(
            f"insert into lead_tags select n, 'tag-' || (n % 7) from ({numbers}) where n % 3 = 0"
        )

    def add_field(self, alias: str, kind: str = "text", group: str = "core") -> None:
        """Add a field to contacts.

        Args:
            alias: Its name.
            kind: Its type, in Mautic's words.
            group: Where it is shown.
        """
        self.fields[alias] = kind, group
        self._connection.execute(f'alter table leads add column "{alias}"')
        self._connection.execute(
            f'update leads set "{alias}" = '
            f"(select {_value(alias, kind)} from (select leads.id as n))",
            {"now": self.now()},
        )

    def _make_tables(self, rows: int) -> None:
        values = {"now": self.now(), "contacts": self.contacts}
        for table, names in TABLES.items():
            columns = names.split()
            key = f", primary key ({PAIRS[table]})" if table in PAIRS else ""
            kinds = ", ".join(
                f'"{name}" integer primary key'
                if name == "id" and table != "email_stat_replies"
                else f'"{name}"' + (" integer" if name.endswith("_id") else "")
                for name in columns
            )
            kinds = kinds.replace('"tracking_id" integer', '"tracking_id"')
            self._connection.execute(f"create table {table} ({kinds}{key})")
            made = ", ".join(value_of(table, name) for name in columns)
            self._connection.execute(
                f"insert or ignore into {table} select {made} from ({_numbers(rows)})", values
            )
        self._connection.execute(
            "update audit_log set date_added = datetime(:now, '-90 days')", {"now": self.now()}
        )

    # Changing it

    def edit(self, numbers: Iterable[int], *, audited: bool = True, **values: Any) -> None:
        """Edit contacts, as people do.

        Args:
            numbers: Which ones.
            audited: Whether the audit log tells of it.
            values: What is set.
        """
        for number in numbers:
            given = dict(values)
            if self.version < _FROZEN:
                given["date_modified"] = self.now()
            given["modified_by"] = 1
            sets = ", ".join(f'"{name}" = ?' for name in given)
            self._connection.execute(
                f"update leads set {sets} where id = ?", [*given.values(), number]
            )
            if audited:
                self.audit(number, "update")

    def add(self, count: int, *, audited: bool = True) -> list[int]:
        """Add contacts, now; gives their ids.

        Args:
            count: How many.
            audited: Whether the audit log tells of it.
        """
        last = self.query("select coalesce(max(id), 0) as last from leads")[0]["last"]
        self.make_contacts(count)
        made = [*range(last + 1, last + count + 1)]
        modified = self.now() if self.version >= _FROZEN else None
        self._connection.execute(
            "update leads set date_added = ?, date_modified = ? where id > ?",
            [self.now(), modified, last],
        )
        for number in made if audited else ():
            self.audit(number, "create")
        return made

    def delete(self, numbers: Iterable[int]) -> None:
        """Delete contacts."""
        for number in numbers:
            self._connection.execute("delete from leads where id = ?", [number])
            self._connection.execute("delete from lead_tags where lead_id = ?", [number])
            self.audit(number, "delete")

    def merge(self, loser: int, winner: int) -> None:
        """Merge a contact into another."""
        self._connection.execute("delete from leads where id = ?", [loser])
        self._connection.execute(
            "update email_stats set lead_id = ? where lead_id = ?", [winner, loser]
        )
        self.audit(loser, "merge", f'a:1:{{s:11:"merged_into";i:{winner};}}')

    def audit(self, number: int, action: str, details: str = "a:0:{}") -> None:
        """Write into the audit log."""
        self._connection.execute(
            "insert into audit_log (user_id, user_name, bundle, object, object_id, action,"
            " details, date_added) values (1, 'Admin Sample', 'lead', 'lead', ?, ?, ?, ?)",
            [number, action, details, self.now()],
        )

    def set(self, table: str, where: dict[str, Any], **values: Any) -> None:
        """Change rows of a table."""
        sets = ", ".join(f'"{name}" = ?' for name in values)
        conditions = " and ".join(f'"{name}" = ?' for name in where)
        self._connection.execute(
            f"update {table} set {sets} where {conditions}", [*values.values(), *where.values()]
        )

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Add rows to a table."""
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" for _ in row)
            self._connection.execute(
                f"insert into {table} ({names}) values ({marks})", [*row.values()]
            )

    def remove(self, table: str, where: dict[str, Any]) -> None:
        """Remove rows of a table."""
        conditions = " and ".join(f'"{name}" = ?' for name in where)
        self._connection.execute(f"delete from {table} where {conditions}", [*where.values()])

    # People, as the API shows them

    def shown(self) -> Iterator[tuple[int, str, str, str]]:
        """The fields that are published: number, alias, type, group."""
        for number, (alias, (kind, group)) in enumerate(self.fields.items(), start=1):
            if alias not in self.hidden:
                yield number, alias, kind, group

    def tags(self, first: int, last: int) -> dict[int, list[str]]:
        """The tags of contacts, by their id."""
        found: dict[int, list[str]] = {}
        for row in self.query(
            "select lead_id, tag from lead_tags where lead_id between ? and ?", [first, last]
        ):
            found.setdefault(row["lead_id"], []).append(row["tag"])
        return found

    def digest(self) -> dict[str, Any]:
        """How many contacts there are, and what they add up to."""
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


def field_rows(world: World) -> list[dict[str, Any]]:
    """The fields of contacts and companies, as their list shows them."""
    given = [
        *(("lead", alias, kind, group) for alias, (kind, group) in world.fields.items()),
        *(("company", alias, kind, group) for alias, kind, group in COMPANY_FIELDS),
    ]
    return [
        {
            "id": number,
            "label": alias.replace("_", " ").capitalize(),
            "alias": alias,
            "type": kind,
            "group": group,
            "order": number,
            "object": owner,
            "defaultValue": None,
            "isRequired": False,
            "isPublished": alias not in world.hidden,
            "isFixed": number < 16,  # noqa: PLR2004 - those that came with Mautic
            "isUniqueIdentifier": alias == "email",
            "properties": json.loads('{"scale": 2}') if kind == "number" else [],
        }
        for number, (owner, alias, kind, group) in enumerate(given, start=1)
    ]
