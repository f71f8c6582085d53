"""Names of schemas, tables and columns, made of the names of streams and fields."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from signalroom_target_postgres.errors import InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

#: PostgreSQL cuts longer names, and two may become one.
NAME_BYTES = 63
#: Columns that each table has already, by the server's own doing. Only these spellings: `CTID` in
#: quotes is a name as any other. `oid` is free since PostgreSQL 12
#: (https://www.postgresql.org/docs/18/ddl-system-columns.html).
SYSTEM_COLUMNS = frozenset(("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))
# What fields are unlikely to end with. An underscore alone, as in earlier versions, they may.
_SYSTEM_SUFFIX = "_field"
_HASH_DIGITS = 8
# Unicode's categories of letters, marks and numbers.
_KEPT = ("L", "M", "N")


class TableName(NamedTuple):
    """Where a stream goes.

    Attributes:
        schema: The schema; nothing for the session's own.
        table: The table.
    """

    schema: str | None
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.schema else self.table


class TableNaming:
    """Names the tables of a run's streams, and lets no two streams have the same.

    Args:
        default_schema: The schema of all tables. If there is none, the streams' names say it.
        by_last_part: Whether to name tables by what follows a stream's last hyphen, as earlier
            versions and the stock target do.
        session_schema: Asks for the schema of tables whose name has none.
    """

    def __init__(
        self,
        default_schema: str | None,
        *,
        by_last_part: bool = False,
        session_schema: Callable[[], str] = lambda: "public",
    ) -> None:
        self._default_schema = default_schema or None
        self._by_last_part = by_last_part
        self._session_schema = session_schema
        # Streams and fields whose column has another name, and was warned of.
        self._renamed: set[tuple[str, str]] = set()
        # Which stream loads into a table: where it comes from, and its name after stream maps.
        self._owners: dict[TableName, tuple[str, str]] = {}
        self._helpers: dict[TableName, str] = {}
        self._created: set[TableName] = set()

    def of(self, stream: str) -> TableName:
        """Name a stream's table.

        Args:
            stream: The stream's name, after stream maps.

        Returns:
            The table.
        """
        if self._by_last_part:
            return table_by_last_part(stream, self._default_schema)
        return table_of(stream, self._default_schema)

    def previous(self, stream: str) -> TableName | None:
        """Name the table that a stream had in earlier versions and has in the stock target.

        Args:
            stream: The stream's name, after stream maps.

        Returns:
            The table, if it is not the one that the stream has now; nothing if this run made it.
        """
        name = table_by_last_part(stream, self._default_schema)
        if name == self.of(stream) or self._located(name) in self._created:
            return None
        return name

    def owner(self, table: TableName) -> str | None:
        """Tell which stream of this run loads into a table.

        Args:
            table: The table.

        Returns:
            The stream's name, if there is one.
        """
        return self._owners.get(self._located(table), (None, None))[1]

    def is_new(self, table: TableName) -> bool:
        """Tell whether this run made a table.

        Args:
            table: The table.
        """
        return self._located(table) in self._created

    def newly_renamed(self, stream: str, columns: Mapping[str, str]) -> list[str]:
        """Fields whose column has another name, each of them once a run.

        Args:
            stream: The stream's name, after stream maps.
            columns: The column of each field.
        """
        fields = [
            field
            for field, name in columns.items()
            if field != name and (stream, field) not in self._renamed
        ]
        self._renamed.update((stream, field) for field in fields)
        return fields

    def note_created(self, table: TableName) -> None:
        """Note that this run made a table.

        Args:
            table: The table.
        """
        self._created.add(self._located(table))

    def claim(self, stream: str, source: str, *, suffixes: Iterable[str] = ()) -> None:
        """Note that a stream of this run loads into its table.

        Args:
            stream: The stream's name, after stream maps.
            source: The name that the tap gave it.
            suffixes: Of the tables that are kept for the stream besides its own.

        Raises:
            InputError: If another stream loads there.
        """
        table = self._located(self.of(stream))
        owner = self._owners.setdefault(table, (source, stream))
        if owner != (source, stream):
            msg = (
                f"The streams {_named(*owner)} and {_named(source, stream)} would both load into "
                f"the table {table}. Nothing of {_named(source, stream)} was loaded. Give one of "
                "them another name (`__alias__` in the setting stream_maps), or deselect it."
            )
            raise InputError(msg)
        for suffix in suffixes:
            self._helpers[TableName(table.schema, with_suffix(table.table, suffix))] = stream
        for name in self._helpers.keys() & self._owners.keys():
            msg = (
                f"The stream {_named(*self._owners[name])} would load into the table {name}, which "
                f"holds the rejected records of the stream {self._helpers[name]!r}. Give one "
                "of them another name (`__alias__` in the setting stream_maps), or deselect it."
            )
            raise InputError(msg)

    @property
    def session_schema(self) -> str:
        """The schema of tables whose name has none."""
        return self._session_schema()

    def _located(self, name: TableName) -> TableName:
        return TableName(name.schema or self._session_schema(), name.table)


def _named(source: str, stream: str) -> str:
    return repr(stream) if source == stream else f"{stream!r} (from {source!r})"


def table_of(stream: str, default_schema: str | None) -> TableName:
    """Name a stream's table: after the whole stream, so that each stream has its own.

    Args:
        stream: The stream's name.
        default_schema: The schema of all tables. If there is none, what stands before the name's
            first hyphen is the schema, as database taps write `schema-table`.

    Returns:
        The table.
    """
    if default_schema:
        return TableName(default_schema, normalized(stream))
    schema, _, table = stream.partition("-")
    if schema and table:
        return TableName(normalized(schema), normalized(table))
    return TableName(None, normalized(stream))


def table_by_last_part(stream: str, default_schema: str | None) -> TableName:
    """Name a stream's table as the Singer SDK does, which cuts the name at its last hyphen.

    https://github.com/meltano/sdk/issues/2909; singer-sdk 0.54.9, `singer_sdk/sql/sink.py`.

    Args:
        stream: The stream's name.
        default_schema: The schema of all tables. If there is none, the part of the name before
            its last hyphen is the schema, where it has two or three parts.

    Returns:
        The table.
    """
    *before, table = stream.split("-")
    schema = before[-1] if len(before) in {1, 2} else None
    return TableName(default_schema or schema or None, table)


def normalized(name: str) -> str:
    """Make a name that needs no quotes for its signs: each becomes an underscore.

    Args:
        name: A stream's name.

    Returns:
        The name, as long as before: letters of any script, digits and underscores stay.
    """
    return "".join(
        character if character == "_" or unicodedata.category(character)[0] in _KEPT else "_"
        for character in name
    )


def with_suffix(name: str, suffix: str) -> str:
    """Append a suffix to a table's name, within what PostgreSQL takes.

    Args:
        name: The table's name.
        suffix: What to append.

    Returns:
        Both together. Where that is too long, the beginning of the name and a hash of all of it
        with the suffix: always the same for a name, and another for each.
    """
    full = f"{name}{suffix}"
    if len(full.encode()) <= NAME_BYTES:
        return full
    ending = f"_{hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}{suffix}"
    return name.encode()[: NAME_BYTES - len(ending.encode())].decode(errors="ignore") + ending


def columns_of(fields: Iterable[str], present: Collection[str] = ()) -> dict[str, str]:
    """Name the columns of a stream's fields.

    A name depends on no other field, so that a column stays its field's when others are added.

    Args:
        fields: The fields' names.
        present: The columns that the table has.

    Returns:
        Each field's column: of the same name, but for names that PostgreSQL has columns of itself.
        These get a suffix; in a table of an earlier version, the underscores that it appended.

    Raises:
        LimitError: If another field has the name with the suffix, and the table has no column of an
            earlier version.
    """
    found = {name: name for name in fields}
    for name in SYSTEM_COLUMNS & found.keys():
        column = f"{name}{_SYSTEM_SUFFIX}"
        earlier = _earlier_column(name, found, present)
        if earlier and (column in found or column not in present):
            found[name] = earlier
            continue
        if column in found:
            msg = (
                f"The fields {name!r} and {column!r} would both be loaded into the column "
                f"{column!r}, as {name} is a system column of PostgreSQL. Rename one of them in "
                "the setting stream_maps of the tap or the loader."
            )
            raise LimitError(msg)
        found[name] = column
    return found


def _earlier_column(name: str, fields: Collection[str], present: Collection[str]) -> str | None:
    """A system column's other name in versions that chose it by the stream's other fields.

    It appended an underscore to what other fields had: of several columns the longest name is its.
    """
    column, found = f"{name}_", None
    while column in fields or column in present:
        if column not in fields:
            found = column
        column += "_"
    return found
