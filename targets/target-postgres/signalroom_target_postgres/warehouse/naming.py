"""Names of schemas, tables and columns, from the names of streams and fields."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from signalroom_target_postgres.errors import InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

#: PostgreSQL cuts longer names, so that two may become the same.
NAME_BYTES = 63
#: System columns, which every table has. Only in lower case: a quoted `CTID` is an ordinary name.
#: `oid` is free since PostgreSQL 12
#: (https://www.postgresql.org/docs/18/ddl-system-columns.html).
SYSTEM_COLUMNS = frozenset(("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))
# A suffix that fields are unlikely to have. Earlier versions appended underscores, which some have.
_SYSTEM_SUFFIX = "_field"
_HASH_DIGITS = 8
# Unicode's categories of letters, marks and numbers.
_NAME_CATEGORIES = ("L", "M", "N")


class TableName(NamedTuple):
    """The qualified name of a table.

    Attributes:
        schema: The schema of the table; None for the session's own.
        table: The name of the table.
    """

    schema: str | None
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.schema else self.table


class TableNaming:
    """Names the tables of a run's streams, a different one for each.

    Args:
        default_schema: The schema of all tables. By default the streams' names contain it.
        by_last_part: Whether to name tables by what follows a stream's last hyphen, as earlier
            versions and the stock target do.
        session_schema: Returns the schema of tables whose name has none.
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
        # Streams and fields about which a warning said that their column has another name.
        self._renamed: set[tuple[str, str]] = set()
        # The stream that loads into a table: its names before and after stream maps.
        self._owners: dict[TableName, tuple[str, str]] = {}
        self._helpers: dict[TableName, str] = {}
        self._created: set[TableName] = set()

    def of(self, stream: str) -> TableName:
        """Return the name of a stream's table."""
        if self._by_last_part:
            return table_by_last_part(stream, self._default_schema)
        return table_of(stream, self._default_schema)

    def previous(self, stream: str) -> TableName | None:
        """Return the name of the table that a stream had in earlier versions.

        Args:
            stream: The stream's name, after stream maps.

        Returns:
            The name, if it is not the stream's table now, and not a table that this run created.
        """
        name = table_by_last_part(stream, self._default_schema)
        if name == self.of(stream) or self._locate(name) in self._created:
            return None
        return name

    def owner(self, table: TableName) -> str | None:
        """Return the stream of this run that loads into a table, if there is one."""
        return self._owners.get(self._locate(table), (None, None))[1]

    def is_new(self, table: TableName) -> bool:
        """Whether this run created a table."""
        return self._locate(table) in self._created

    def newly_renamed(self, stream: str, columns: Mapping[str, str]) -> list[str]:
        """Fields whose column has another name, each of them once a run."""
        fields = [
            field
            for field, name in columns.items()
            if field != name and (stream, field) not in self._renamed
        ]
        self._renamed.update((stream, field) for field in fields)
        return fields

    def note_created(self, table: TableName) -> None:
        """Note that this run created a table."""
        self._created.add(self._locate(table))

    def claim(self, stream: str, source: str, *, suffixes: Iterable[str] = ()) -> None:
        """Note that a stream of this run loads into its table.

        Args:
            stream: The stream's name, after stream maps.
            source: The name that the tap gave it.
            suffixes: The suffixes of other tables that the stream needs.

        Raises:
            InputError: If another stream loads there.
        """
        table = self._locate(self.of(stream))
        owner = self._owners.setdefault(table, (source, stream))
        name = _describe_stream(source, stream)
        if owner != (source, stream):
            msg = (
                f"The streams {_describe_stream(*owner)} and {name} would both load into the table "
                f"{table}. Nothing of {name} was loaded. Give one of them another name "
                "(`__alias__` in the setting stream_maps), or deselect it."
            )
            raise InputError(msg)
        for suffix in suffixes:
            self._helpers[TableName(table.schema, with_suffix(table.table, suffix))] = stream
        for shared in self._helpers.keys() & self._owners.keys():
            name = _describe_stream(*self._owners[shared])
            msg = (
                f"The stream {name} would load into the table {shared}, which the stream "
                f"{self._helpers[shared]!r} needs for its rejected, removed or earlier "
                "rows. Give one of them another name (`__alias__` in the setting stream_maps), or "
                "deselect it."
            )
            raise InputError(msg)

    @property
    def session_schema(self) -> str:
        """The schema of tables whose name has none."""
        return self._session_schema()

    def _locate(self, name: TableName) -> TableName:
        return TableName(name.schema or self._session_schema(), name.table)


def _describe_stream(source: str, stream: str) -> str:
    return repr(stream) if source == stream else f"{stream!r} (from {source!r})"


def table_of(stream: str, default_schema: str | None) -> TableName:
    """Name a table by its stream's full name, so that each stream has its own.

    Args:
        stream: The stream's name, after stream maps.
        default_schema: The schema of all tables. By default the part before the name's first hyphen
            is the schema, as database taps write `schema-table`.
    """
    if default_schema:
        return TableName(default_schema, normalize(stream))
    schema, _, table = stream.partition("-")
    if schema and table:
        return TableName(normalize(schema), normalize(table))
    return TableName(None, normalize(stream))


def table_by_last_part(stream: str, default_schema: str | None) -> TableName:
    """Name a table as the Singer SDK does, which cuts the stream's name at its last hyphen.

    https://github.com/meltano/sdk/issues/2909; singer-sdk 0.54.9, `singer_sdk/sql/sink.py`.

    Args:
        stream: The stream's name, after stream maps.
        default_schema: The schema of all tables. By default the part of the name before its last
            hyphen is the schema, if the name has two or three parts.
    """
    *before, table = stream.split("-")
    schema = before[-1] if len(before) in {1, 2} else None
    return TableName(default_schema or schema or None, table)


def normalize(name: str) -> str:
    """Replace signs in a name by underscores; letters of any script and digits stay.

    Args:
        name: The name of a stream.
    """
    return "".join(
        character
        if character == "_" or unicodedata.category(character)[0] in _NAME_CATEGORIES
        else "_"
        for character in name
    )


def with_suffix(name: str, suffix: str) -> str:
    """Append a suffix to a table's name, within the length that PostgreSQL allows.

    Args:
        name: The table's name.
        suffix: What to append to it.

    Returns:
        Both together. Where that is too long, the beginning of the name, a hash of all of it, and
        the suffix: always the same for a name, and different for each.
    """
    full = f"{name}{suffix}"
    if len(full.encode()) <= NAME_BYTES:
        return full
    ending = f"_{hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}{suffix}"
    return name.encode()[: NAME_BYTES - len(ending.encode())].decode(errors="ignore") + ending


def columns_of(fields: Iterable[str], present: Collection[str] = ()) -> dict[str, str]:
    """Name the columns of a stream's fields.

    A name depends on no other field, so that a field keeps its column when others are added.

    Args:
        fields: The names of the fields.
        present: The columns that the table has.

    Returns:
        Each field's column. It has the field's name, but for those of system columns, which get a
        suffix; in a table of an earlier version, the underscores that it appended.

    Raises:
        LimitError: If another field has the name with the suffix, and the table has no column of an
            earlier version.
    """
    columns = {name: name for name in fields}
    for name in SYSTEM_COLUMNS & columns.keys():
        column = f"{name}{_SYSTEM_SUFFIX}"
        earlier = _earlier_column(name, columns, present)
        if earlier and (column in columns or column not in present):
            columns[name] = earlier
            continue
        if column in columns:
            msg = (
                f"The fields {name!r} and {column!r} would both be loaded into the column "
                f"{column!r}, as {name} is a system column of PostgreSQL. Rename one of them in "
                "the setting stream_maps of the tap or the loader."
            )
            raise LimitError(msg)
        columns[name] = column
    return columns


def _earlier_column(name: str, fields: Collection[str], present: Collection[str]) -> str | None:
    """Return the column of a field with a system column's name in a table of an earlier version.

    It appended underscores until no other field had the name: the longest name is the field's.
    """
    column, longest = f"{name}_", None
    while column in fields or column in present:
        if column not in fields:
            longest = column
        column += "_"
    return longest
