"""The report of a take-over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from signalroom_target_postgres.warehouse.counts import count_rows

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class AdoptionReport:
    """What a take-over did with a table.

    Args:
        table: The qualified name of the table.
        key: The columns of its primary key, in order.
        rows: How many rows it has now.
        key_added: Whether the primary key is new.
        example: The key of one row, as text.
        duplicates: How many older rows of the same key were moved.
        duplicates_table: The table that they were moved into.
        nullable: The columns that had to have a value, and may be NULL now.
        client_column_added: Whether ``_client_id`` is new.
        client_rows: How many rows had no client and have one now.
        clients: How many rows each client has; None stands for rows without one.
        nested: Columns of nested data, which the stream has elsewhere.
        missing: Columns that the stream does not have, if its catalog was read.
        optional: Columns that the stream fills only with a setting of its tap, and the setting.
        empty: Columns that are NULL in all rows that came since dlt's last load.
        in_extra: Columns whose values rows that came since have in ``_extra``, at least some.
        children: Child tables, into which nothing is loaded any more.
        uniques: Other unique indexes than dlt's own, which stay, and may reject rows.
    """

    table: str
    key: tuple[str, ...]
    rows: int
    key_added: bool = False
    example: tuple[str, ...] = ()
    duplicates: int = 0
    duplicates_table: str = ""
    nullable: tuple[str, ...] = ()
    client_column_added: bool = False
    client_rows: int = 0
    clients: dict[str | None, int] = field(default_factory=dict)
    nested: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    optional: dict[str, str] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
    in_extra: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    uniques: tuple[str, ...] = ()

    @property
    def has_changes(self) -> bool:
        """Whether anything was changed."""
        return self.key_added or self.client_column_added or bool(self.nullable)


def describe(result: AdoptionReport, *, dry_run: bool = False) -> str:
    """Describe what a take-over did, in lines for a user.

    Args:
        result: The result of `take_over`.
        dry_run: Whether all of it was undone.
    """
    done = f"{result.table} is taken over."
    if not result.has_changes:
        done = f"{result.table} was taken over before: nothing to change."
    elif dry_run:
        done = f"{result.table} can be taken over. This is what would be done:"
    not_filled = [_line("not filled", text) for text in _not_filled(result)]
    lines = [done, *_changes(result), *not_filled]
    if result.uniques:
        stay = ", ".join(result.uniques)
        lines.append(_line("look at", f"unique, and still so: {stay}; drop what new rows repeat"))
    if dry_run:
        lines.append("This was a dry run: nothing was changed.")
    return "\n".join(lines)


def _changes(result: AdoptionReport) -> Iterator[str]:
    yield _line("rows", f"{result.rows:,}")
    added = " (new primary key)" if result.key_added else " (primary key)"
    yield _line("key", ", ".join(result.key) + added)
    if result.example:
        pairs = zip(result.key, result.example, strict=True)
        values = ", ".join(f"{column} = {value}" for column, value in pairs)
        yield _line("for example", f"{values}; the stream's must look the same")
    if result.client_rows or result.client_column_added:
        yield _line("client", f"{count_rows(result.client_rows)} had none and got it")
    if result.clients:
        rows = ", ".join(
            f"{'none' if client is None else client} ({count_rows(count)})"
            for client, count in result.clients.items()
        )
        keyed = "_client_id" in result.key
        rule = "the tap's `client_id` must be the same" if keyed else "new rows have none"
        yield _line("clients", f"{rows}; {rule}")
    if result.key_added:
        moved = "none"
        if result.duplicates:
            moved = f"{count_rows(result.duplicates)} older than another of the same key, moved to "
            moved += result.duplicates_table
        yield _line("duplicates", moved)
    if result.nullable:
        yield _line("may be NULL", ", ".join(result.nullable))


def _not_filled(result: AdoptionReport) -> Iterator[str]:
    if result.nested:
        yield (
            f"{', '.join(result.nested)}: new rows have NULL there. After the first load, "
            f"`signalroom-postgres dlt-view {result.table}` makes a view with the values that the "
            "new pipeline has elsewhere, and names the rest"
        )
    in_extra = [column for column in result.in_extra if column not in result.nested]
    if missing := [column for column in result.missing if column not in in_extra]:
        yield (
            f"{', '.join(missing)}: the stream has no such column; dlt's values stay, and new rows "
            "have NULL there. If new rows have the value in `_extra`, so does the view that "
            f"`signalroom-postgres dlt-view {result.table}` makes after the first load"
        )
    if in_extra:
        yield (
            f"{', '.join(in_extra)}: new rows with NULL there have the value in `_extra`; "
            f"`signalroom-postgres dlt-view {result.table}` makes a view with it"
        )
    for column, setting in result.optional.items():
        yield (
            f"{column}: set the tap's `{setting}` to true before the first load, or the values "
            "there become NULL"
        )
    named = {*result.nested, *result.missing, *result.optional, *in_extra}
    if empty := [column for column in result.empty if column not in named]:
        yield f"{', '.join(empty)}: NULL in all rows that came since dlt's last load"
    if result.children:
        yield (
            f"{', '.join(result.children)}: child tables, which stay as they are; new rows "
            f"have their lists as JSON in {result.table}"
        )


def _line(title: str, text: str) -> str:
    return f"{title:<14}{text}"
